"""Tables made anew from raw rows: exact, while inserts go on, and after a crash."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sightline_collector.spool import record
from sightline_store import ingest
from sightline_store.client import Client
from sightline_store.ingest import Signal
from sightline_store.questions import queries
from sightline_store.schema import drift, migrate, rebuild, retention
from sightline_store.settings import RetentionSettings, StoreSettings

_DAY = 86_400 * 10**9
_START = 1_780_000_000 // 86_400 * _DAY + 3600 * 10**9
_COLUMNS = "SpanId, RequestModel, InputTokens, DurationMs, TtftMs"


@pytest.fixture(scope="module")
def database(store_url: str) -> Iterator[Client]:
    """A client of a database of this module's own."""
    client = Client(StoreSettings(url=store_url, database="rebuild"))
    migrate.apply(client)
    yield client
    client.command("DROP DATABASE rebuild", database="")
    client.close()


@pytest.fixture
def client(database: Client) -> Client:
    """The same, emptied."""
    for table in ("otel_traces", "otel_logs", *rebuild.TABLES):
        database.command(f"TRUNCATE TABLE {table}")
    return database


def _insert(client: Client, data: bytes, signal: Signal = Signal.TRACES) -> None:
    ingest.insert_segment(client, signal, data, f"rebuild-{next(_TOKENS)}")


_TOKENS = itertools.count()


def _calls(first: int, count: int, *, day: int = 0) -> bytes:
    """Model calls with these numbers as their span ids."""
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    for number in range(first, first + count):
        start = _START + day * _DAY + number * 1000
        span = spans.add(
            trace_id=number.to_bytes(16, "big"), span_id=number.to_bytes(8, "big"), name="chat",
            start_time_unix_nano=start, end_time_unix_nano=start + 10**9,
        )  # fmt: skip
        for key, value in {"gen_ai.operation.name": "chat", "gen_ai.request.model": f"m{number % 3}"}.items():
            span.attributes.add(key=key).value.string_value = value
        span.attributes.add(key="gen_ai.usage.input_tokens").value.int_value = number
    return record.encode(request.SerializeToString())


def _rows(client: Client, table: str = "llm_calls", columns: str = _COLUMNS) -> list[dict[str, Any]]:
    return client.query_rows(f"SELECT {columns} FROM {table} ORDER BY ALL")


def test_a_rebuilt_table_is_the_same(client: Client) -> None:
    """Every typed table, over two days: the same rows as the views made, and nothing is left behind."""
    _insert(client, _calls(1, 50) + _calls(100, 50, day=1))
    logs = ExportLogsServiceRequest()
    log = logs.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=_START)
    log.event_name = "gen_ai.evaluation.result"
    log.attributes.add(key="gen_ai.evaluation.name").value.string_value = "faithfulness"
    _insert(client, record.encode(logs.SerializeToString()), Signal.LOGS)
    tables = client.query_rows("SELECT name FROM system.tables WHERE database = currentDatabase() ORDER BY name")
    for table in rebuild.TABLES:
        before = _rows(client, table, "*")
        done = rebuild.rebuild(client, table)
        assert _rows(client, table, "*") == before
        assert (done.rows_before, done.rows_after, done.rows_kept) == (len(before), len(before), 0)
    assert (
        client.query_rows("SELECT name FROM system.tables WHERE database = currentDatabase() ORDER BY name") == tables
    )


def test_what_was_wrong_is_made_right_and_what_is_not_raw_is_kept(client: Client) -> None:
    """A wrong row is replaced, a row without a raw span stays, and days before `since` are as they were."""
    _insert(client, _calls(1, 3) + _calls(100, 3, day=2))
    right = _rows(client)
    client.command("ALTER TABLE llm_calls UPDATE RequestModel = 'wrong' WHERE 1 SETTINGS mutations_sync = 1")
    client.command(
        "INSERT INTO llm_calls (Timestamp, TraceId, SpanId, RequestModel) "
        "SELECT Timestamp, 'sampled', 'out', 'kept' FROM llm_calls ORDER BY Timestamp DESC LIMIT 1"
    )
    second_day = datetime.fromtimestamp((_START + 2 * _DAY) / 1e9, UTC).date()
    done = rebuild.rebuild(client, "llm_calls", second_day)
    assert done.rows_kept == 4
    models = {row["SpanId"]: row["RequestModel"] for row in _rows(client)}
    assert models.pop("out") == "kept"
    assert models == {row["SpanId"]: "wrong" if row["InputTokens"] < 100 else row["RequestModel"] for row in right}


def test_rows_that_come_meanwhile_are_there_once(client: Client) -> None:
    """Two rebuilds beside a writer: in the end each call has one row."""
    total, stop = 15, threading.Event()

    def write() -> None:
        for number in range(total):
            _insert(client, _calls(1 + number * 10, 10))
        stop.set()

    _insert(client, _calls(100_000, 500))
    writer = threading.Thread(target=write)
    writer.start()
    rebuilds = 0
    while not stop.is_set():
        rebuild.rebuild(client, "llm_calls")
        rebuilds += 1
    writer.join()
    assert rebuilds >= 1
    (row,) = client.query_rows("SELECT count() AS n, uniqExact(SpanId) AS spans FROM llm_calls")
    assert row == {"n": total * 10 + 500, "spans": total * 10 + 500}


def test_a_rebuild_that_was_killed_is_finished(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the swap, before the rest was added: rows that came in between come back with the next call."""
    _insert(client, _calls(1, 5))
    swap = rebuild._Work.swap

    def late(work: rebuild._Work) -> None:
        _insert(client, _calls(50, 5))
        swap(work)
        raise KeyboardInterrupt

    monkeypatch.setattr(rebuild._Work, "swap", late)
    with pytest.raises(KeyboardInterrupt):
        rebuild.rebuild(client, "llm_calls")
    assert len(_rows(client)) == 5
    monkeypatch.undo()
    rebuild.rebuild(client, "llm_calls")
    assert len(_rows(client)) == 10


def test_retention_by_days_and_by_size(client: Client) -> None:
    """TTLs follow the settings both ways; the cap drops the oldest day of all signals, never today."""
    settings = RetentionSettings(traces_days=30, typed_days=90)
    planned = retention.plan(client, settings)
    assert {change.table for change in planned} >= {"otel_traces", "llm_calls"}
    assert "otel_logs" not in {change.table for change in planned}
    assert retention.apply(client, settings) == planned
    assert retention.plan(client, settings) == []
    back = retention.plan(client, RetentionSettings())
    assert {change.statement for change in back} >= {"ALTER TABLE otel_traces REMOVE TTL"}
    retention.apply(client, RetentionSettings())
    assert retention.plan(client, RetentionSettings()) == []

    _insert(client, _calls(1, 200) + _calls(1000, 200, day=1))
    size = retention.stored_bytes(client)
    assert retention.over_cap(client, RetentionSettings(max_gib=1)) == []
    dropped = retention.enforce(client, RetentionSettings(max_gib=(size - 1) / 1024**3))
    assert len({day.day for day in dropped}) == 1
    assert {day.table for day in dropped} >= {"otel_traces", "llm_calls", "stages"}
    assert [row["InputTokens"] for row in _rows(client)] == list(range(1000, 1200))


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
    window = queries.Filters(start=now - timedelta(days=30), end=now)
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


def test_retention_is_kept_by_a_thread_and_leaves_other_hands_alone(client: Client) -> None:
    """As soon as the tables are there it enforces what is asked; a TTL that somebody else set stays where none is."""
    client.command("ALTER TABLE otel_logs MODIFY TTL toDateTime(Timestamp) + toIntervalHour(36)")
    assert retention.plan(client, RetentionSettings()) == []
    settings, stopped = RetentionSettings(scores_days=5), threading.Event()
    away = Client(StoreSettings(url=client.settings.url, database="not_there_yet"))
    threads = [
        threading.Thread(target=retention.keep, args=(of, settings, stopped), kwargs={"first_s": 0.01})
        for of in (Client(client.settings), away)
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 20
    while retention.plan(client, settings) and time.monotonic() < deadline:
        time.sleep(0.02)
    stopped.set()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    assert retention.plan(client, settings) == []
    assert {change.table for change in retention.plan(client, RetentionSettings())} == {"scores"}
    client.command("ALTER TABLE otel_logs REMOVE TTL")
    retention.apply(client, RetentionSettings())


def test_the_plan_says_what_is_missing_and_what_differs(client: Client) -> None:
    """A fresh store differs in nothing; a dropped column, a foreign one and a dropped view are told, with the mend."""
    assert migrate.plan(client).lines() == []
    client.command("ALTER TABLE requests DROP COLUMN Outcome")
    client.command("ALTER TABLE requests ADD COLUMN Mine String")
    client.command("DROP VIEW span_contents")
    client.command("ALTER TABLE errors MODIFY COLUMN Message LowCardinality(String)")
    lines = "\n".join(migrate.plan(client, RetentionSettings(logs_days=7, typed_days=9)).lines())
    assert "ALTER TABLE requests ADD COLUMN IF NOT EXISTS `Outcome` LowCardinality(String)" in lines
    assert "column Mine is of another hand" in lines
    assert "span_contents: the view is missing" in lines
    assert "column Message is LowCardinality(String), expected String" in lines
    assert "ALTER TABLE otel_logs MODIFY TTL toDateTime(Timestamp) + toIntervalDay(7)" in lines
    assert "ALTER TABLE instances MODIFY TTL toDateTime(Minute) + toIntervalDay(9) GROUP BY ServiceName" in lines
    client.command("ALTER TABLE requests DROP COLUMN Mine")
    client.command("ALTER TABLE requests ADD COLUMN Outcome LowCardinality(String) AFTER ErrorType")
    client.command("ALTER TABLE errors MODIFY COLUMN Message String CODEC(ZSTD(1))")
    client.command(
        next(text for m in migrate.migrations() for text in m.statements if "VIEW IF NOT EXISTS span_contents" in text)
    )
    assert migrate.plan(client).lines() == []


def test_every_table_is_read_as_the_engine_reads_it(client: Client) -> None:
    """The columns that the plan expects of each table of sql/ddl are those that the engine made."""
    statements = [statement for migration in migrate.migrations() for statement in migration.statements]
    assert sum(drift.expected_columns(statement) is not None for statement in statements) >= 20
    assert drift.differences(client, statements) == []
