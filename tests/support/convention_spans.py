"""Spans in any convention: an OTLP request that a test writes, puts into emptied tables and asks about."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
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
        service: str = "",
        server: bool = False,
        name: str = "span",
    ) -> int:
        """A span; its number is its id, `trace` 0 makes a trace of its own. `server`: its kind is that of a server."""
        self._ids += 1
        resource = self.resource
        if service:
            resource = self.request.resource_spans.add()
            resource.resource.attributes.add(key="service.name").value.string_value = service
        scoped = resource.scope_spans.add()
        scoped.scope.name = scope
        start = START_NS + int(after_ms * 1e6)
        span = scoped.spans.add(
            trace_id=(trace or 10_000 + self._ids).to_bytes(16, "big"),
            span_id=self._ids.to_bytes(8, "big"),
            parent_span_id=parent.to_bytes(8, "big") if parent else b"",
            name=name,
            kind=2 if server else 0,
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

    @property
    def count(self) -> int:
        """Spans so far; the last one has this id."""
        return self._ids

    def some(self, ids: Iterable[int]) -> bytes:
        """A request of some of the spans, as if they were exported apart; an id that is there twice is a copy."""
        wanted = [id_.to_bytes(8, "big") for id_ in ids]
        request = ExportTraceServiceRequest()
        for resource in self.request.resource_spans:
            for scoped in resource.scope_spans:
                for span in scoped.spans:
                    for _ in range(wanted.count(span.span_id)):
                        part = request.resource_spans.add()
                        part.resource.CopyFrom(resource.resource)
                        inner = part.scope_spans.add()
                        inner.scope.CopyFrom(scoped.scope)
                        inner.spans.add().CopyFrom(span)
        return request.SerializeToString()

    def rows(self, client: Client, insert: Insert, sql: str) -> list[dict[str, Any]]:
        """Insert into emptied tables and ask."""
        empty(client)
        insert(self.request.SerializeToString())
        return client.query_rows(sql)


def empty(client: Client) -> None:
    """Remove all spans, all logs and what was made of them."""
    tables = (
        "'otel_traces', 'otel_traces_trace_id_ts', 'otel_logs', 'clamped_spans', 'duplicate_calls', 'requests', "
        "'llm_calls', 'retrievals', 'embeddings', 'stages', 'errors', 'scores'"
    )
    for row in client.query_rows(
        "SELECT name FROM system.tables "
        f"WHERE database = {{database:String}} AND total_rows > 0 AND name IN ({tables})",
        {"database": client.settings.database},
    ):
        client.command(f"TRUNCATE TABLE {row['name']}")
