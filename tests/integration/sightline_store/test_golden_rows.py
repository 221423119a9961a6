"""The golden corpus: OTLP in, the official ClickHouse exporter's rows out, on the real engine.

Each file of tests/golden is a case: what it is `about`, a `signal`, a `request` in OTLP/JSON, and `rows` by table.
The rows were written by the official exporter itself, `clickhouseexporter` v0.161.0 of opentelemetry-collector-contrib,
run on the same protobuf bytes into tables that it had created in this same engine. Where ours differ on purpose a file
has `differs`, which says why, and under `official` the rows that the exporter wrote.

A row leaves out columns that hold their type's zero value. Maps are lists of [key, value], because their order and
equal keys count; Float64 and times are text.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sightline_collector.request import otlp
from sightline_collector.spool import record
from sightline_store import ingest
from sightline_store.client import Client
from sightline_store.ingest import Signal

_GOLDEN = Path(__file__).parents[2] / "golden"
_CASES = sorted(_GOLDEN.glob("*.json"))
_REQUESTS: dict[Signal, type[Message]] = {
    Signal.TRACES: ExportTraceServiceRequest,
    Signal.METRICS: ExportMetricsServiceRequest,
    Signal.LOGS: ExportLogsServiceRequest,
}
_TABLES = {
    Signal.TRACES: ["otel_traces", "otel_traces_trace_id_ts", "clamped_spans"],
    Signal.METRICS: [f"otel_metrics_{kind}" for kind in ("gauge", "sum", "histogram", "exp_histogram", "summary")],
    Signal.LOGS: ["otel_logs"],
}
_IDS = frozenset({"traceId", "spanId", "parentSpanId"})
_ZERO_TEXTS = ("0", "1970-01-01 00:00:00", "1970-01-01 00:00:00.000000000")
_MAP = "Map(LowCardinality(String), String)"
_PAIRS = "Array(Tuple(String, String))"


@pytest.fixture(scope="module")
def client(emptied: Callable[..., Client]) -> Client:
    """A client of tables without rows."""
    return emptied()


def request_bytes(signal: Signal, request: dict[str, Any]) -> bytes:
    """OTLP/JSON as protobuf: its ids are hex where protobuf's own JSON has base64."""
    return json_format.ParseDict(_with_base64_ids(request), _REQUESTS[signal]()).SerializeToString()


def _with_base64_ids(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_base64_ids(item) for item in value]
    if isinstance(value, dict):
        return {
            key: base64.b64encode(bytes.fromhex(item)).decode() if key in _IDS else _with_base64_ids(item)
            for key, item in value.items()
        }
    return value


def stored_rows(client: Client, table: str) -> list[dict[str, Any]]:
    """The rows of a table as a case states them, in a fixed order."""
    kinds = {
        column["name"]: column["type"]
        for column in client.query_rows(f"DESCRIBE TABLE {table}")
        if column["default_type"] not in {"ALIAS", "MATERIALIZED"}
    }
    shown = ", ".join(f"{_shown(name, kind)} AS `{name}`" for name, kind in kinds.items())
    rows = [
        {name: value for name, value in json.loads(line).items() if not _is_zero(value, kinds[name])}
        for line in client.query_bytes(f"SELECT {shown} FROM {table}").splitlines()
    ]
    return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))


def _is_zero(value: Any, kind: str) -> bool:
    return not value or ("String" not in kind and value in _ZERO_TEXTS)


def _shown(name: str, kind: str) -> str:
    if kind == _MAP:
        return f"CAST(`{name}`, '{_PAIRS}')"
    if kind == f"Array({_MAP})":
        return f"arrayMap(m -> CAST(m, '{_PAIRS}'), `{name}`)"
    if kind.startswith(("Float64", "DateTime", "UInt64", "SimpleAggregateFunction")):
        return f"toString(`{name}`)"
    if kind.startswith(("Array(Float64", "Array(DateTime", "Array(UInt64")):
        return f"arrayMap(x -> toString(x), `{name}`)"
    return f"`{name}`"


@pytest.mark.parametrize("path", _CASES, ids=lambda path: path.stem)
def test_rows_are_the_official_exporters(client: Client, path: Path) -> None:
    """Every column of every table of the signal, as the official exporter (v0.161.0, run, not only read) filled it."""
    case = json.loads(path.read_text(encoding="utf-8"))
    signal = Signal(case["signal"])
    for table in _TABLES[signal]:
        client.command(f"TRUNCATE TABLE {table}")
    body = request_bytes(signal, case["request"])
    checked = otlp.check(signal, body)
    ingest.insert_segment(client, signal, record.encode(checked.payload), path.stem)
    stored = {table: rows for table in _TABLES[signal] if (rows := stored_rows(client, table))}
    assert stored == case["rows"]
    assert ("differs" in case) == any(stored[table] != rows for table, rows in case.get("official", {}).items())
    main = "otel_traces" if signal is Signal.TRACES else "otel_"
    lookup = {"otel_traces_trace_id_ts", "clamped_spans"}
    written = sum(len(found) for table, found in stored.items() if table.startswith(main) and table not in lookup)
    assert checked.items == written


def test_corpus_is_whole() -> None:
    """Forty cases and more, of every signal."""
    signals = [json.loads(path.read_text(encoding="utf-8"))["signal"] for path in _CASES]
    assert len(signals) >= 40
    assert {Signal(signal) for signal in signals} == set(Signal)


@pytest.mark.parametrize("table", sorted({table for tables in _TABLES.values() for table in tables}))
def test_tables_lose_nothing_on_power_cut(client: Client, table: str) -> None:
    """Each table fsyncs a part before its INSERT is answered, and recognises a segment that comes again."""
    (row,) = client.query_rows(f"SHOW CREATE TABLE {table}")
    settings = {"fsync_after_insert": 1, "fsync_part_directory": 1, "non_replicated_deduplication_window": 10000}
    assert all(f"{name} = {value}" in row["statement"] for name, value in settings.items())


@pytest.mark.parametrize("name", ["metrics_all_kinds_in_one", "logs_two_resources", "traces_ends_before_start"])
def test_segment_that_comes_again_adds_nothing(client: Client, name: str) -> None:
    """The same token a second time: no row more in any table of the signal, behind chained views neither."""
    case = json.loads((_GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    signal = Signal(case["signal"])
    for table in _TABLES[signal]:
        client.command(f"TRUNCATE TABLE {table}")
    payload = record.encode(otlp.check(signal, request_bytes(signal, case["request"])).payload)
    for _ in range(3):
        ingest.insert_segment(client, signal, payload, f"{name} again")
    assert {table: rows for table in _TABLES[signal] if (rows := stored_rows(client, table))} == case["rows"]


def test_names_of_other_generations_are_readable(client: Client) -> None:
    """The exporter's default name of a table, and its materialized columns, answer queries."""
    names = ["k8s.pod.name", "deployment.environment.name"]
    columns = ", ".join(f"any(`__otel_materialized_{name}`)" for name in names)
    assert client.query_rows(f"SELECT any(TimestampTime), {columns} FROM otel_logs")
    assert client.query_rows("SELECT count() AS n FROM otel_metrics_exponential_histogram")
