"""Model calls with numbers as their ids, as a spool segment, on the days that a test wants."""

from __future__ import annotations

import itertools
import uuid

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sightline_collector.spool import record
from sightline_store import ingest
from sightline_store.client import Client
from sightline_store.ingest import Signal

DAY_NS = 86_400 * 10**9
START_NS = 1_780_000_000 // 86_400 * DAY_NS + 3600 * 10**9
"""One o'clock of the first day."""

_TOKENS = (f"{uuid.uuid4().hex}-{number}" for number in itertools.count())


def calls(first: int, count: int, *, day: int = 0, attributes: dict[str, str] | None = None) -> bytes:
    """Model calls with these numbers as their span ids and input tokens, as a segment.

    Args:
        first: the lowest number.
        count: how many there are.
        day: on which day after the first one.
        attributes: further ones, of each span.
    """
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    for number in range(first, first + count):
        start = START_NS + day * DAY_NS + number * 1000
        span = spans.add(
            trace_id=number.to_bytes(16, "big"), span_id=number.to_bytes(8, "big"), name="chat",
            start_time_unix_nano=start, end_time_unix_nano=start + 10**9,
        )  # fmt: skip
        texts = {"gen_ai.operation.name": "chat", "gen_ai.request.model": f"m{number % 3}", **(attributes or {})}
        for key, value in texts.items():
            span.attributes.add(key=key).value.string_value = value
        span.attributes.add(key="gen_ai.usage.input_tokens").value.int_value = number
    return record.encode(request.SerializeToString())


def insert(client: Client, segment: bytes, signal: Signal = Signal.TRACES) -> None:
    """Insert a segment that was never inserted before."""
    ingest.insert_segment(client, signal, segment, next(_TOKENS))
