"""Spans in any convention: an OTLP request that a test writes, puts into emptied tables and asks about."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sightline_collector.spool import record
from sightline_store import ingest
from sightline_store.client import Client
from sightline_store.ingest import Signal

START_NS = 1_780_000_000_000_000_000
"""When a span begins that begins at once."""

Insert = Callable[[bytes], None]


def insert_into(client: Client) -> Insert:
    """Puts an OTLP request into the store."""
    return lambda body: ingest.insert_segment(client, Signal.TRACES, record.encode(body), uuid.uuid4().hex)


class Spans:
    """An OTLP request that is being written."""

    def __init__(self) -> None:
        self.request = ExportTraceServiceRequest()
        self.resource = self.request.resource_spans.add()
        self.resource.resource.attributes.add(key="service.name").value.string_value = "foreign"
        self._ids = 0

    def add(
        self,
        attributes: dict[str, Any],
        *,
        scope: str = "",
        ms: float = 2000,
        trace: int = 0,
        parent: int = 0,
        after_ms: float = 0,
        events: dict[str, float] | None = None,
    ) -> int:
        """A span; its number is its id, `trace` 0 makes a trace of its own."""
        self._ids += 1
        scoped = self.resource.scope_spans.add()
        scoped.scope.name = scope
        start = START_NS + int(after_ms * 1e6)
        span = scoped.spans.add(
            trace_id=(trace or 10_000 + self._ids).to_bytes(16, "big"),
            span_id=self._ids.to_bytes(8, "big"),
            parent_span_id=parent.to_bytes(8, "big") if parent else b"",
            name="span",
            start_time_unix_nano=start,
            end_time_unix_nano=start + int(ms * 1e6),
        )
        for key, value in attributes.items():
            target = span.attributes.add(key=key).value
            kind = {bool: "bool_value", int: "int_value", float: "double_value", str: "string_value"}[type(value)]
            setattr(target, kind, value)
        for name, at_ms in (events or {}).items():
            span.events.add(name=name, time_unix_nano=start + int(at_ms * 1e6))
        return self._ids

    def rows(self, client: Client, insert: Insert, sql: str) -> list[dict[str, Any]]:
        """Insert into emptied tables and ask."""
        tables = "'otel_traces', 'requests', 'llm_calls', 'retrievals', 'embeddings', 'stages', 'errors', 'scores'"
        for row in client.query_rows(
            "SELECT name FROM system.tables "
            f"WHERE database = {{database:String}} AND total_rows > 0 AND name IN ({tables})",
            {"database": client.settings.database},
        ):
            client.command(f"TRUNCATE TABLE {row['name']}")
        insert(self.request.SerializeToString())
        return client.query_rows(sql)
