"""A store of version 9 is upgraded with every row, score and price as before; what cannot be upgraded is refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import store_rows
import store_version_9
from role_process import Role, free_port

from sightline_store import ingest
from sightline_store.client import Client
from sightline_store.errors import SchemaError, StoreBusy, StoreUnavailable
from sightline_store.schema import declared, migrate
from sightline_store.settings import StoreSettings

SCRIPTS = Path(sys.executable).parent
FACTS = {
    "spans": "SELECT count() AS n, groupBitXor(cityHash64(TraceId, SpanId, SpanName, Duration, "
    "toString(SpanAttributes))) AS hash FROM otel_traces",
    "logs": "SELECT count() AS n, groupBitXor(cityHash64(TraceId, Body, toString(LogAttributes))) AS hash "
    "FROM otel_logs",
    "scores": "SELECT Name, count() AS n, round(sum(Value), 9) AS total, "
    "groupBitXor(cityHash64(TraceId, Label, Judge)) AS hash FROM scores GROUP BY Name ORDER BY Name",
    "prices": "SELECT Price, toInt8(CostUnknown) AS unknown, count() AS n, round(sum(CostUsd), 9) AS cost, "
    "sum(InputTokens) AS input FROM llm_calls_priced GROUP BY Price, unknown ORDER BY Price, unknown",
    "embeddings": "SELECT Price, count() AS n, round(sum(CostUsd), 9) AS cost FROM embeddings_priced "
    "GROUP BY Price ORDER BY Price",
    "requests": "SELECT count() AS n, groupBitXor(cityHash64(TraceId, Outcome, Tenant, DurationMs)) AS hash "
    "FROM requests",
    "retrievals": "SELECT count() AS n, groupBitXor(cityHash64(TraceId, SpanId, Collection, System)) AS hash "
    "FROM retrievals",
    "stages": "SELECT Stage, count() AS n FROM stages GROUP BY Stage ORDER BY Stage",
    "errors": "SELECT count() AS n FROM errors",
    "instances": "SELECT sum(Spans) AS n FROM instances",
    "gauges": "SELECT count() AS n, sum(Value) AS total FROM otel_metrics_gauge",
    "sums": "SELECT count() AS n, sum(Value) AS total FROM otel_metrics_sum",
    "sampled out": "SELECT sum(Spans) AS n FROM sampled_out_spans",
    "times": "SELECT uniqExact(TraceId) AS n FROM otel_traces_trace_id_ts",
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A node of its own: SQL functions are one set for all databases of a node."""
    folder, port = tmp_path_factory.mktemp("version-9"), free_port()
    address = f"http://127.0.0.1:{port}"
    env = {"SIGHTLINE_STORE_PORT": str(port), "SIGHTLINE_STORE_DATA_DIR": str(folder / "data")}
    role = Role(["sightline-store", "serve"], env, f"{address}/ping", folder / "log")
    try:
        role.start()
        yield address
    finally:
        role.stop()


def _client(url: str, database: str) -> Client:
    return Client(StoreSettings(url=url, database=database))


@pytest.fixture(scope="module")
def current(url: str) -> Iterator[Client]:
    """A client of a database with the declared tables, as each test that changes it leaves it."""
    client = _client(url, "current")
    migrate.apply(client)
    yield client
    client.close()


def _facts(client: Client) -> dict[str, list[dict[str, Any]]]:
    return {name: client.query_rows(sql) for name, sql in FACTS.items()}


def _store(client: Client, *words: str) -> subprocess.CompletedProcess[str]:
    env = {"SIGHTLINE_STORE_URL": client.settings.url, "SIGHTLINE_STORE_DATABASE": client.settings.database}
    return subprocess.run(  # noqa: PLW1510  (the code is what is looked at)
        [str(SCRIPTS / "sightline-store"), *words], env=env, capture_output=True, text=True, timeout=120
    )


def test_a_store_of_version_9_is_upgraded_with_all_that_it_holds(url: str) -> None:
    """One command: every row, score and price is as before, tokens are still known, and the snapshot is taken back."""
    client = _client(url, "nine")
    store_version_9.make(client)
    sampled = store_version_9.fill(client)
    before = _facts(client)
    assert {row["Price"] for row in before["prices"]} > {"openai/gpt-4o-mini"}
    assert sum(row["cost"] or 0 for row in before["prices"]) > 0
    assert before["sampled out"][0]["n"] > 0

    dry_run = migrate.preview(client).lines()
    assert "-- migration 010 otel_traces" in dry_run
    assert any(line.startswith("-- replace the materialized view otlp_traces_to_otel_traces") for line in dry_run)
    assert "-- drop the table spans_seen: sql/ declares it no longer" in dry_run
    assert migrate.applied(client) == {item.version: item.checksum for item in store_version_9.migrations()}
    with pytest.raises(SchemaError, match="run `sightline-store migrate`"):
        migrate.prepare(client)

    done = _store(client, "migrate")
    assert done.returncode == 0, done.stderr
    snapshot = done.stdout.split(" in ")[1].split(" ")[0]
    assert snapshot.startswith("before-upgrade-from-version-9-")
    assert max(migrate.applied(client)) == declared.migrations()[-1].version
    assert migrate.preview(client).lines() == []
    assert _facts(client) == before

    # A segment whose answer was lost before the upgrade is sent again after it: nothing is added, in no table.
    ingest.insert_segment(client, ingest.Signal.TRACES, store_version_9.segment(), store_version_9.TOKEN)
    ingest.insert_sampled_traces(client, sampled, store_version_9.SAMPLED_TOKEN)
    assert _facts(client) == before
    # What comes afterwards goes through the new views.
    ingest.insert_segment(client, ingest.Signal.TRACES, store_version_9.segment(start=5000), "later-batch")
    after = _facts(client)
    for name in ("spans", "times"):
        assert after[name][0]["n"] == before[name][0]["n"] + store_version_9.SEGMENT_SPANS
    assert sum(row["n"] for row in after["prices"]) == sum(row["n"] for row in before["prices"]) + 40

    restored = _store(client, "restore", "--replace", snapshot)
    assert restored.returncode == 0, restored.stderr
    assert _facts(client) == before
    assert max(migrate.applied(client)) == store_version_9.VERSION
    client.close()


def test_a_store_that_cannot_be_upgraded_is_refused_with_a_sentence(url: str, current: Client, tmp_path: Path) -> None:
    """Too old, too new, or with a changed migration: each command and each role ends and says what to do."""
    client = _client(url, "old")
    store_version_9.make(client, up_to=5)
    refused = _store(client, "migrate")
    assert refused.returncode == 1
    assert "have version 5, and this Sightline upgrades from version 9 on: start the store once with" in refused.stderr
    env = {
        "SIGHTLINE_STORE_URL": url,
        "SIGHTLINE_STORE_DATABASE": "old",
        "SIGHTLINE_COLLECTOR_HTTP_PORT": str(free_port()),
        "SIGHTLINE_COLLECTOR_GRPC_PORT": str(free_port()),
        "SIGHTLINE_COLLECTOR_SPOOL_DIR": str(tmp_path / "spool"),
    }
    collector = subprocess.run(  # noqa: PLW1510  (the code is what is looked at)
        [str(SCRIPTS / "sightline-collector"), "serve"], env=env, capture_output=True, text=True, timeout=60
    )
    assert collector.returncode not in {0, -9}
    assert "this Sightline upgrades from version 9 on" in collector.stderr.splitlines()[-1]
    client.command("INSERT INTO sightline_schema (version, name, checksum) VALUES (999, 'future', 'x')")
    with pytest.raises(SchemaError, match="install the newer sightline-platform"):
        migrate.plan(client)
    client.close()
    edit = "ALTER TABLE sightline_schema UPDATE checksum = '{}' WHERE version = 12 SETTINGS mutations_sync = 1"
    checksum = migrate.applied(current)[12]
    current.command(edit.format("x"))
    with pytest.raises(SchemaError, match=r"sql/tables/012_typed\.sql was changed after it had been applied"):
        migrate.plan(current)
    current.command(edit.format(checksum))


def test_views_that_differ_are_replaced_and_a_role_goes_on_with_them(current: Client) -> None:
    """A changed view, a view made by hand, a dropped one and one that is declared no longer."""
    client = current
    ingest.insert_segment(client, ingest.Signal.TRACES, store_version_9.segment(), "first")
    asked = "SELECT uuid FROM system.tables WHERE database = currentDatabase() AND name = 'otel_logs_to_scores'"
    (uuid,) = client.query_rows(asked)
    client.command("DROP VIEW span_contents")
    client.command("DROP VIEW spans_canonical_to_errors SYNC")
    client.command(
        "CREATE MATERIALIZED VIEW spans_canonical_to_errors TO errors AS SELECT TraceId FROM spans_canonical"
    )
    client.command("ALTER TABLE otel_logs_to_scores MODIFY COMMENT 'sightline 0000000000000000'")
    client.command("CREATE VIEW gone AS SELECT 1 AS x COMMENT 'sightline 0000000000000000'")
    client.command("CREATE VIEW mine AS SELECT 1 AS x")
    client.command("CREATE OR REPLACE FUNCTION sightlineHexId AS id -> upper(hex(id))")
    plan = migrate.plan(client)
    assert {(str(change.action), change.name) for change in plan.changes} == {
        ("make", "span_contents"),
        ("replace", "spans_canonical_to_errors"),
        ("replace", "otel_logs_to_scores"),
        ("replace", "sightlineHexId"),
        ("drop", "gone"),
    }
    assert not migrate.prepare(client)  # a role ships through the views that are there
    migrate.apply(client)
    assert not migrate.plan(client)
    assert client.query_rows("SELECT x FROM mine") == [{"x": 1}]
    assert client.query_rows(asked) == [uuid]
    client.command("DROP VIEW mine")


class _Cut(Client):
    """A client whose store is away from a given statement of an upgrade on."""

    def __init__(self, settings: StoreSettings, statements: int) -> None:
        super().__init__(settings)
        self.left = statements

    def command(self, sql: str, *, database: str | None = None) -> None:
        """Run a statement, while the store is there."""
        if database is None:
            self.left -= 1
        if self.left < 0:
            raise StoreUnavailable(self.settings.url, "cut off")
        super().command(sql, database=database)


def test_an_upgrade_that_was_cut_off_loses_and_doubles_nothing(
    current: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it stops: rows are refused or stored whole, and the next upgrade goes on."""
    client = current
    store_rows.remove_all(client)
    sent, statements, refusals = 0, 2, []
    while True:
        for name in ("otlp_traces_to_otel_traces", "otel_traces_to_spans_seen", "calls_canonical"):
            monkeypatch.setitem(declared.fingerprints(), name, f"{statements:016}")
        cut = _Cut(client.settings, statements)
        try:
            migrate.apply(cut)
            is_whole = True
        except StoreUnavailable:
            is_whole = False
        cut.close()
        payload, token = store_version_9.segment(start=sent, spans=10), f"segment-{sent}"
        try:
            ingest.insert_segment(client, ingest.Signal.TRACES, payload, token)
        except StoreBusy as exc:
            refusals.append(str(exc))
        migrate.apply(client)
        ingest.insert_segment(client, ingest.Signal.TRACES, payload, token)
        sent += 10
        for table in ("otel_traces", "llm_calls", "requests", "stages"):
            (row,) = client.query_rows(f"SELECT count() AS n, uniqExact(SpanId) AS u FROM {table}")
            assert row == {"n": sent, "u": sent}, (table, statements)
        if is_whole:
            break
        statements += 7
    assert len(refusals) >= 2
    assert all("schema is being upgraded" in refusal for refusal in refusals)
    assert not migrate.plan(client)
