"""A store as the last Sightline with tables of version 9 made it: its SQL, frozen, and rows from its views.

The `.sql` files are that version's `sql/ddl`, byte for byte. `make` runs them and records them as its code did. `fill`
writes spans, scores, logs, metrics and prices, and a segment whose traces are sampled.
`python tests/support/store_version_9 URL [DATABASE]` does both with the ClickHouse at URL.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import queries_traffic
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from sightline_store import ingest, sampling, varint
from sightline_store.client import Client

FOLDER = Path(__file__).parent
VERSION = 9
END = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
REQUESTS = 60
SEGMENT_SPANS = 40
"""Spans of `segment`, all of them calls of a model."""


@dataclass(frozen=True)
class Migration:
    """One file, as that version's code read it."""

    version: int
    name: str
    statements: tuple[str, ...]
    checksum: str


def migrations() -> list[Migration]:
    """That version's files, in order."""
    made = []
    for path in sorted(FOLDER.glob("*.sql")):
        text = path.read_text(encoding="utf-8")
        lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
        digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
        made.append(Migration(int(path.name[:3]), path.stem[4:], tuple(_statements(text)), digest))
    return made


def make(client: Client, up_to: int = VERSION) -> None:
    """Make the tables and views of that version, or of an earlier one."""
    client.command(f"CREATE DATABASE IF NOT EXISTS {client.settings.database}", database="")
    client.command(
        "CREATE TABLE IF NOT EXISTS sightline_schema\n"
        "(version UInt32, name String, checksum String, applied_at DateTime DEFAULT now())\n"
        "ENGINE = MergeTree ORDER BY version SETTINGS fsync_after_insert = 1, fsync_part_directory = 1"
    )
    for migration in migrations():
        if migration.version > up_to:
            return
        for statement in migration.statements:
            client.command(statement)
        row = [migration.version, migration.name, migration.checksum]
        client.insert_rows("sightline_schema", ["version", "name", "checksum"], [row])


def fill(client: Client) -> bytes:
    """Write rows of every kind: through the official tables, as OTLP segments with tokens, and sampled.

    Returns the segment that was inserted with `SAMPLED_TOKEN`, with its verdict.
    """
    url, database = client.settings.url, client.settings.database
    traffic = list(queries_traffic.Generator(9).stretch(REQUESTS, END, timedelta(days=2)))
    queries_traffic.insert(url, "otel_traces", [span for trace in traffic for span in trace.spans], database)
    queries_traffic.insert(url, "otel_logs", [score for trace in traffic for score in trace.scores], database)
    queries_traffic.insert(url, "model_prices", queries_traffic.price_rows(), database)
    ingest.insert_segment(client, ingest.Signal.TRACES, segment(), TOKEN)
    ingest.insert_segment(client, ingest.Signal.METRICS, _metrics(), "metrics-batch")
    rule = sampling.Rule(share=0.5, slow_s=1.5, salt="s")
    sampled = segment(start=1000)
    ingest.note_traces(client, sampled + _record(sampling.note_message("sampled", rule)))
    verdict = sampling.decide(client, "sampled", "", "z", rule)
    assert verdict is not None
    sampled += _record(verdict.message)
    ingest.insert_sampled_traces(client, sampled, SAMPLED_TOKEN)
    return sampled


TOKEN, SAMPLED_TOKEN = "19700101T000000-0001-batch", "19700101T000000-0002"


def segment(start: int = 0, spans: int = SEGMENT_SPANS) -> bytes:
    """One OTLP request as a spool segment: calls of a model, each a trace of its own, numbered from `start`."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.append(_attribute("service.name", "upgraded"))
    scope = resource.scope_spans.add()
    begin_ns = int(END.timestamp() * 1e9)
    for number in range(start + 1, start + 1 + spans):
        span = scope.spans.add(
            trace_id=number.to_bytes(16),
            span_id=number.to_bytes(8),
            name="chat",
            kind=3,
            start_time_unix_nano=begin_ns + number * 1000,
            end_time_unix_nano=begin_ns + number * 1000 + 250_000_000,
        )
        span.attributes.extend(
            [
                _attribute("gen_ai.operation.name", "chat"),
                _attribute("gen_ai.provider.name", "openai"),
                _attribute("gen_ai.request.model", "gpt-4o-mini"),
                KeyValue(key="gen_ai.usage.input_tokens", value=AnyValue(int_value=100)),
                KeyValue(key="gen_ai.usage.output_tokens", value=AnyValue(int_value=20)),
            ]
        )
    return _record(request.SerializeToString())


def _metrics() -> bytes:
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    resource.resource.attributes.append(_attribute("service.name", "upgraded"))
    scope = resource.scope_metrics.add()
    now_ns = int(END.timestamp() * 1e9)
    for number in range(10):
        gauge = scope.metrics.add(name=f"gauge.{number}", unit="1").gauge
        gauge.data_points.add(time_unix_nano=now_ns, as_double=number / 2)
        total = scope.metrics.add(name=f"sum.{number}", unit="1").sum
        total.data_points.add(time_unix_nano=now_ns, as_int=number)
    return _record(request.SerializeToString())


def _record(message: bytes) -> bytes:
    return varint.encode(len(message)) + message


def _attribute(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def _statements(text: str) -> list[str]:
    """As that version split its files: at each `;` at the end of a line."""
    statements = []
    for piece in re.split(r";[ \t]*(?:\n|\Z)", text):
        statement = re.sub(r"\A(?:\s*--[^\n]*\n|\s+)+", "", piece).strip()
        if statement and not re.fullmatch(r"(?:\s*--[^\n]*)+", statement):
            statements.append(statement)
    return statements
