"""How long rows stay, and what is missing or differs in a store's tables."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from model_call_spans import DAY_NS, START_NS, calls, insert

from sightline_store.client import Client
from sightline_store.questions import asking, queries
from sightline_store.schema import content_removal, declared, definitions, drift, migrate, rebuild, retention
from sightline_store.settings import RetentionSettings


@pytest.fixture
def client(database: Callable[[str], Client]) -> Client:
    """A client of an emptied database of this module's own."""
    client = database("retained")
    for table in ("otel_traces", "otel_logs", *definitions.TABLES):
        client.command(f"TRUNCATE TABLE {table}")
    return client


def _rows(client: Client) -> list[dict[str, Any]]:
    return client.query_rows("SELECT InputTokens FROM llm_calls ORDER BY ALL")


def test_retention_by_days_and_by_size(client: Client) -> None:
    """TTLs follow the settings both ways; the cap drops the oldest day of all signals, never today."""
    settings = RetentionSettings(traces_days=30, typed_days=90, pack_after_days=0)
    planned = retention.plan(client, settings)
    assert {change.table for change in planned} >= {"otel_traces", "llm_calls"}
    assert "otel_logs" not in {change.table for change in planned}
    assert retention.apply(client, settings) == planned
    assert retention.plan(client, settings) == []
    back = retention.plan(client, RetentionSettings(pack_after_days=0))
    assert {change.statement for change in back} >= {"ALTER TABLE otel_traces REMOVE TTL"}
    retention.apply(client, RetentionSettings())
    assert retention.plan(client, RetentionSettings()) == []

    insert(client, calls(1, 200) + calls(1000, 200, day=1))
    size = retention.stored_bytes(client)
    assert retention.over_cap(client, RetentionSettings(max_gib=1)) == []
    dropped = retention.enforce(client, RetentionSettings(max_gib=(size - 1) / 1024**3))
    assert len({day.day for day in dropped}) == 1
    assert {day.table for day in dropped} >= {"otel_traces", "llm_calls", "stages"}
    assert [row["InputTokens"] for row in _rows(client)] == list(range(1000, 1200))


def test_raw_rows_of_days_ago_are_packed_harder(client: Client) -> None:
    """Parts that are there too, and only those that are old enough; what they hold stays as it was."""

    def codecs() -> list[str]:
        """Of the older day, then of the newer one."""
        rows = client.query_rows(
            "SELECT partition, any(default_compression_codec) AS codec FROM system.parts "
            "WHERE active AND database = currentDatabase() AND table = 'otel_traces' "
            "GROUP BY partition ORDER BY partition"
        )
        return [row["codec"] for row in rows]

    retention.apply(client, RetentionSettings(pack_after_days=0))
    text = {"gen_ai.input.messages": " ".join(f"word {number * number % 977}" for number in range(400))}
    today = (time.time_ns() - START_NS) // DAY_NS
    insert(client, calls(1, 50, attributes=text, day=today) + calls(1000, 50, attributes=text, day=today - 3))
    rows = "SELECT cityHash64(groupArray(tuple(*))) AS hash FROM (SELECT * FROM otel_traces ORDER BY ALL)"
    before = client.query_rows(rows)
    client.command("OPTIMIZE TABLE otel_traces FINAL")
    assert codecs() == ["ZSTD(3)", "ZSTD(3)"]
    (traces, logs) = retention.apply(client, RetentionSettings())
    assert [each.table for each in (traces, logs)] == ["otel_traces", "otel_logs"]
    assert "keeps rows for ever, packed harder after 1 days, kept them for ever so far" in str(traces)
    deadline = time.monotonic() + 60
    while codecs()[0] != "ZSTD(12)" and time.monotonic() < deadline:
        client.command("OPTIMIZE TABLE otel_traces FINAL")
        time.sleep(0.1)
    assert codecs() == ["ZSTD(12)", "ZSTD(3)"]
    assert client.query_rows(rows) == before


def test_rows_that_go_before_they_would_be_packed_are_not(client: Client) -> None:
    """Both are one TTL, which follows the settings both ways."""
    for settings, ttl in (
        (RetentionSettings(traces_days=1), "toDateTime(Timestamp) + toIntervalDay(1)"),
        (
            RetentionSettings(traces_days=9, pack_after_days=2),
            "toDateTime(Timestamp) + toIntervalDay(9), "
            "toDateTime(Timestamp) + toIntervalDay(2) RECOMPRESS CODEC(ZSTD(12))",
        ),
        (RetentionSettings(), "toDateTime(Timestamp) + toIntervalDay(1) RECOMPRESS CODEC(ZSTD(12))"),
    ):
        (change,) = (change for change in retention.apply(client, settings) if change.table == "otel_traces")
        assert change.statement == f"ALTER TABLE otel_traces MODIFY TTL {ttl}"
        assert retention.plan(client, settings) == []
    retention.apply(client, RetentionSettings(pack_after_days=0))


def test_a_rebuild_makes_the_cap_drop_nothing(client: Client) -> None:
    """Its clones are links to files that are counted already: the cap sees the tables that Sightline declares."""
    insert(client, calls(1, 200) + calls(1000, 200, day=1))
    cap = RetentionSettings(max_gib=1.2 * retention.stored_bytes(client) / 1024**3)
    dropped: list[retention.Dropped] = []

    def enforce(_: rebuild.Progress) -> None:
        dropped.extend(retention.enforce(client, cap))

    rebuild.rebuild(client, "llm_calls", progress=enforce)
    assert dropped == []
    assert len(_rows(client)) == 400


def test_caps_of_their_own_drop_their_tables_alone(client: Client) -> None:
    """Typed rows go and raw spans stay, and the other way round."""
    insert(client, calls(1, 200) + calls(1000, 200, day=1))
    raw, typed = ({day.table for day in retention.enforce(client, cap)} for cap in (
        RetentionSettings(traces_max_gib=1e-9), RetentionSettings(typed_max_gib=1e-9)
    ))  # fmt: skip
    assert raw == {"otel_traces", "otel_traces_trace_id_ts"}
    assert typed >= {"llm_calls", "stages"}
    assert not typed & raw
    assert _rows(client) == []


def test_a_rebuild_takes_over_days_whose_content_was_removed(client: Client) -> None:
    """What a search returned was read in its content: made anew, the rows would lack it."""
    found = {"gen_ai.operation.name": "retrieval", "gen_ai.retrieval.documents": '[{"id": "a"}, {"id": "b"}]'}
    insert(client, calls(1, 2, attributes=found) + calls(1000, 2, day=1))
    before = client.query_rows("SELECT * FROM retrievals ORDER BY ALL")
    assert [row["DocumentIds"] for row in before] == [["a", "b"]] * 2
    assert [each.rows for each in content_removal.remove(client, RetentionSettings(content_days=1))] == [2]
    done = rebuild.rebuild(client, "retrievals")
    assert len(done.days) == 1
    assert client.query_rows("SELECT * FROM retrievals ORDER BY ALL") == before
    client.command("DELETE FROM row_definitions WHERE TableName LIKE 'content %'")


_COUNTS = ("clamped_spans", "sampled_out_spans", "instances")


def test_counts_that_are_too_old_go_and_no_span_looks_lost_for_that(client: Client) -> None:
    """Hours of counts go one by one; a living process's old minutes become one row, a dead one's go after a year."""
    for table in _COUNTS[:2]:
        client.command(
            f"INSERT INTO {table} SELECT 'retained', toStartOfHour(now() - toIntervalDay(arrayJoin([40, 31, 1]))), 1"
        )
    for process, days_ago in {"living": [41, 40, 31, 1], "dead": [402, 401]}.items():
        for minute, days in enumerate(days_ago, 1):  # of ten numbers a minute, nine have come
            client.command(
                f"INSERT INTO instances WITH now() - toIntervalDay({days}) AS then "
                f"SELECT 'retained', '{process}', toStartOfMinute(then), then, then, 9, {minute * 10}"
            )
    now = datetime.now(UTC)
    window = asking.Filters(start=now - timedelta(days=30), end=now)
    before = queries.loss(client, window)
    assert [(row["emitted"], row["stored_spans"], row["lost"]) for row in before] == [(40, 36, 4)]
    settings = RetentionSettings(traces_days=30, typed_days=30)
    assert {change.table for change in retention.apply(client, settings)} >= set(_COUNTS)
    assert retention.plan(client, settings) == []
    for table in _COUNTS:
        client.command(f"OPTIMIZE TABLE {table} FINAL")
    for table in _COUNTS[:2]:
        ages = client.query_rows(f"SELECT dateDiff('day', Hour, now()) AS days FROM {table}")
        assert [row["days"] for row in ages] == [1]
    assert client.query_rows("SELECT InstanceId, Spans FROM instances ORDER BY Minute") == [
        {"InstanceId": "living", "Spans": 27},
        {"InstanceId": "living", "Spans": 9},
    ]
    assert queries.loss(client, window) == before
    assert not {day.table for day in retention.over_cap(client, RetentionSettings(max_gib=1e-9))} & set(_COUNTS)
    retention.apply(client, RetentionSettings())
    assert retention.plan(client, RetentionSettings()) == []
    for table in _COUNTS:
        client.command(f"TRUNCATE TABLE {table}")


def test_a_ttl_that_was_set_outside_of_sightline_stays(client: Client) -> None:
    """Where the settings ask for none, it is left alone; the other tables get what is asked."""
    retention.apply(client, RetentionSettings())
    client.command("ALTER TABLE otel_logs MODIFY TTL toDateTime(Timestamp) + toIntervalHour(36)")
    assert retention.plan(client, RetentionSettings()) == []
    settings = RetentionSettings(scores_days=5)
    assert retention.enforce(client, settings) == []
    assert retention.plan(client, settings) == []
    assert {change.table for change in retention.plan(client, RetentionSettings())} == {"scores"}
    client.command("ALTER TABLE otel_logs REMOVE TTL")
    retention.apply(client, RetentionSettings())


def test_the_plan_says_what_is_missing_and_what_differs(client: Client) -> None:
    """A fresh store differs in nothing; dropped and added columns and a dropped view are listed, with the repair."""
    assert migrate.preview(client).lines() == []
    client.command("ALTER TABLE requests DROP COLUMN Outcome")
    client.command("ALTER TABLE requests ADD COLUMN Mine String")
    client.command("DROP VIEW span_contents")
    client.command("ALTER TABLE errors MODIFY COLUMN Message LowCardinality(String)")
    lines = "\n".join(migrate.preview(client).lines())
    assert "ALTER TABLE requests ADD COLUMN IF NOT EXISTS `Outcome` LowCardinality(String)" in lines
    assert "column Mine was added outside migrations" in lines
    assert "make the view span_contents: it is missing" in lines
    assert "column Message is LowCardinality(String), expected String" in lines
    statements = "\n".join(
        change.statement for change in retention.plan(client, RetentionSettings(logs_days=7, typed_days=9))
    )
    assert "ALTER TABLE otel_logs MODIFY TTL toDateTime(Timestamp) + toIntervalDay(7)" in statements
    assert "ALTER TABLE instances MODIFY TTL toDateTime(Minute) + toIntervalDay(9) GROUP BY ServiceName" in statements
    client.command("ALTER TABLE requests DROP COLUMN Mine")
    client.command("ALTER TABLE requests ADD COLUMN Outcome LowCardinality(String) AFTER ErrorType")
    client.command("ALTER TABLE errors MODIFY COLUMN Message String CODEC(ZSTD(1))")
    migrate.apply(client)
    assert migrate.preview(client).lines() == []


def test_every_table_is_read_as_the_engine_reads_it(client: Client) -> None:
    """The columns that are expected of each table of sql/tables are those that the engine made."""
    assert len(declared.tables()) >= 18
    assert drift.differences(client, declared.tables()) == []
