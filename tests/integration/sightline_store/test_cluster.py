"""The cluster's DDL and Collector configurations are read by those they are for; two shards answer as one."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import queries_traffic
from scale_peers import collector

from sightline_store.client import Client
from sightline_store.ddl import Kind
from sightline_store.questions import catalog
from sightline_store.schema import cluster, declared
from sightline_store.settings import StoreSettings

DEPLOY = Path(__file__).parents[3] / "deploy"
END = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
# Their answers hang on the clock or on parts, not on rows alone.
NOT_COMPARED = {"freshness", "sample_requests", "samples", "conversations", "loss"}


def test_the_engine_reads_every_statement(store_url: str) -> None:
    """No statement of the cluster's DDL is a syntax error, and every stored table has its Distributed twin."""
    client = Client(StoreSettings(url=store_url))
    statements = cluster.statements("main", "otel")
    for statement in statements:
        literal = statement.replace("\\", "\\\\").replace("'", "\\'")
        client.query_rows(f"SELECT formatQuery('{literal}')")
    text = "\n".join(statements)
    for name in ("otel_traces", "otel_logs", "requests", "llm_calls", "retrievals", "stages", "scores"):
        assert f"AS {name}_local\nENGINE = Distributed('main', 'otel', '{name}_local', cityHash64(TraceId))" in text
        assert f"TO {name}_local" in text
    assert "ENGINE = MergeTree" not in text
    client.close()


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("scale", "agent.yaml"),
        ("scale", "gateway-clickhouse.yaml"),
        ("kafka", "gateway-kafka.yaml"),
        ("kafka", "reader-kafka.yaml"),
    ],
)
def test_the_official_collector_takes_our_configurations(name: str, config: str, tmp_path: Path) -> None:
    """`otelcol validate` accepts each shipped file, and refuses it with a key that it does not know."""
    binary = collector(name)
    if not binary.exists():
        pytest.skip(f"!!! SKIPPED: no Collector at {binary}: `make otelcol` builds it (needs Go)")
    path = DEPLOY / "collector" / config
    broken = tmp_path / config
    broken.write_text(path.read_text().replace("check_interval:", "check_intervall:"))
    for file, code in ((path, 0), (broken, 1)):
        run = subprocess.run(  # noqa: PLW1510  (the code is what is looked at)
            [str(binary), "validate", "--config", str(file)], capture_output=True, text=True, timeout=60
        )
        assert run.returncode == code, run.stdout + run.stderr


def test_the_servers_files_are_xml() -> None:
    """Both files of deploy/cluster parse, and name what the DDL needs."""
    users = ElementTree.parse(DEPLOY / "cluster" / "users.xml")
    server = ElementTree.parse(DEPLOY / "cluster" / "server.xml")
    assert users.findtext("profiles/sightline/distributed_product_mode") == "global"
    assert len(server.findall("remote_servers/main/shard")) == 2


def test_two_shards_answer_as_one(store_url: str, emptied: Callable[..., Client]) -> None:
    """Every question gives the same answer over two databases that share the rows by trace as over one that has all."""
    traffic = list(queries_traffic.Generator(5).stretch(150, END, timedelta(hours=2)))
    shards = [emptied(), emptied("emptied_second")]
    whole = emptied("whole")
    spans = [span for trace in traffic for span in trace.spans]
    scores = [score for trace in traffic for score in trace.scores]
    for table, rows in (("otel_traces", spans), ("otel_logs", scores)):
        queries_traffic.insert(store_url, table, rows, whole.settings.database)
        for row in rows:
            row["shard"] = int(row["TraceId"][:2], 16) % 2
        for number, shard in enumerate(shards):
            part = [{k: v for k, v in row.items() if k != "shard"} for row in rows if row["shard"] == number]
            assert part
            queries_traffic.insert(store_url, table, part, shard.settings.database)
    for client in (whole, *shards):
        queries_traffic.insert(store_url, "model_prices", queries_traffic.price_rows(), client.settings.database)
    together = _together(store_url, *(shard.settings.database for shard in shards))
    compared = 0
    for name in catalog.names():
        if name in NOT_COMPARED:
            continue
        try:
            sql, params = catalog.prepared(name, _given(name, traffic[7]), END)
        except ValueError:  # takes something that only its own command knows
            continue
        answers = [_sorted(client.query_rows(sql, params)) for client in (whole, together)]
        assert answers[0] == answers[1], name
        compared += bool(answers[0])
    assert compared > 20
    together.close()


def _together(url: str, first: str, second: str) -> Client:
    """A database whose tables read both shards, with the views that read tables, as a cluster has them."""
    client = Client(StoreSettings(url=url, database="together"))
    client.command("CREATE DATABASE together", database="")
    rows = client.query_rows(
        "SELECT name FROM system.tables WHERE database = {first:String} AND engine LIKE '%MergeTree' ORDER BY name",
        {"first": first},
    )
    for row in rows:
        databases = f"^{first}$" if row["name"] in cluster.EVERYWHERE else f"^({first}|{second})$"
        engine = f"Merge(REGEXP('{databases}'), '^{row['name']}$')"
        client.command(f"CREATE TABLE {row['name']} AS {first}.{row['name']} ENGINE = {engine}")
    for statement in declared.objects().values():
        if statement.kind is Kind.VIEW:
            client.command(statement.render())
    return client


def _given(name: str, trace: Any) -> list[str]:
    root = next(span for span in trace.spans if span["ParentSpanId"] == "")
    started = datetime.fromisoformat(root["Timestamp"]).replace(tzinfo=UTC)
    known = {
        "trace_id": root["TraceId"],
        "span_id": root["SpanId"],
        "limit": "1000",
        "trace_ids": root["TraceId"],
        "started_ms": str(int(started.timestamp() * 1e3)),
    }
    return [f"{key}={value}" for key, value in known.items() if key in catalog.places(catalog.text(name))]


def _sorted(rows: list[dict[str, Any]]) -> list[str]:
    """Rows as text, in an order of their own: a question may leave ties open, and sums of floats their last digits."""
    return sorted(json.dumps({key: _plain(value) for key, value in row.items()}, default=str) for row in rows)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        # Shards are summed in another order. Means of short decimals lie on the edge between two texts: off it first.
        return float(f"{value * (1 + 1e-12):.9g}")
    if isinstance(value, list | tuple):
        return sorted((_plain(item) for item in value), key=str)
    return value
