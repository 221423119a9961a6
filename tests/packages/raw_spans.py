"""What a package told, as it came: the spans and logs of its OTLP requests, by case.

This is what proves that a package does not tell a value: it stands nowhere in the attributes, the events and the logs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_EARLY_NS = 5_000_000
"""Clocks of the wall that two processes read may differ by so much."""


_OF_CALLS = re.compile(r"^(?!traceloop[.]association[.]properties[.]).*(model|usage|token)", re.IGNORECASE)
"""Keys of calls. OpenLLMetry's association properties are those of a call on the steps around it, too."""


@dataclass(frozen=True)
class Event:
    """An event of a span, or a log written inside it."""

    name: str
    at_ns: int
    attributes: dict[str, str]


@dataclass(frozen=True)
class RawSpan:
    """A span as it came; values of attributes as text, arrays and maps as JSON."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    scope: str
    start_ns: int
    end_ns: int
    is_error: bool
    attributes: dict[str, str]
    events: tuple[Event, ...] = ()

    def document(self) -> dict[str, Any]:
        """As JSON, for people."""
        return {
            "name": self.name,
            "scope": self.scope,
            "span_id": self.span_id,
            "parent_id": self.parent_id,
            "trace_id": self.trace_id,
            "start_ns": self.start_ns,
            "ms": round((self.end_ns - self.start_ns) / 1e6, 1),
            "is_error": self.is_error,
            "attributes": self.attributes,
            "events": [
                {"name": event.name, "ms": round((event.at_ns - self.start_ns) / 1e6, 1), **event.attributes}
                for event in self.events
            ],
        }


@dataclass
class Told:
    """All that was told of one case."""

    spans: list[RawSpan] = field(default_factory=list)
    logs: list[Event] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """As JSON, for people."""
        return {
            "spans": [span.document() for span in self.spans],
            "logs": [{"name": log.name, "at_ns": log.at_ns, **log.attributes} for log in self.logs],
        }

    @property
    def values(self) -> Iterator[tuple[str, str]]:
        """Key and value of every attribute; names of events and bodies of logs as values of their own."""
        for span in self.spans:
            yield from span.attributes.items()
            for event in span.events:
                yield "event", event.name
                yield from event.attributes.items()
        for log in self.logs:
            yield "event", log.name
            yield from log.attributes.items()

    def of_calls(self) -> Told:
        """Without the spans that have no attribute for a model or for tokens: a step may be given a call's answer."""
        spans = [span for span in self.spans if any(map(_OF_CALLS.search, span.attributes))]
        return Told(spans, self.logs)

    def has_text(self, text: str) -> bool:
        """Whether a value holds the text."""
        return any(text in value for _, value in self.values)

    def has_number(self, number: int, *, key: str = "") -> bool:
        """Whether a value is the number, or holds it as a number of its own; `key` is a pattern of its key."""
        pattern = re.compile(rf"(?<![\w.]){number}(?:[.]0+)?(?![\w.])")
        return any(pattern.search(value) and re.search(key, name) for name, value in self.values)

    def has_key(self, pattern: str) -> bool:
        """Whether the pattern is found in a key, or in the name of an event."""
        return any(
            re.search(pattern, name, re.IGNORECASE)
            for key, value in self.values
            for name in ((key, value) if key == "event" else (key,))
        )

    def events_within(self, from_ns: int, to_ns: int) -> list[Event]:
        """Events of spans in a window of time."""
        return [event for span in self.spans for event in span.events if from_ns <= event.at_ns <= to_ns]


def read(requests: Iterable[tuple[str, bytes]]) -> Told:
    """All spans and logs.

    Args:
        requests: signal and bytes of each OTLP request.
    """
    told = Told()
    for signal, body in requests:
        try:
            if signal == "traces":
                told.spans += _spans(ExportTraceServiceRequest.FromString(body))
            elif signal == "logs":
                told.logs += _logs(ExportLogsServiceRequest.FromString(body))
        except DecodeError as error:
            raise ValueError(f"no OTLP request of {signal}: {body[:80]!r}") from error
    return told


def within(told: Told, began_ns: int, ended_ns: int) -> Told:
    """What began while a case ran."""
    spans = [span for span in told.spans if began_ns - _EARLY_NS <= span.start_ns <= ended_ns]
    return Told(spans, [log for log in told.logs if began_ns - _EARLY_NS <= log.at_ns <= ended_ns + _EARLY_NS])


def _spans(request: Any) -> Iterator[RawSpan]:
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield RawSpan(
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.name,
                    scope.scope.name,
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    span.status.code == 2,
                    _attributes(span.attributes),
                    tuple(
                        Event(event.name, event.time_unix_nano, _attributes(event.attributes)) for event in span.events
                    ),
                )


def _logs(request: Any) -> Iterator[Event]:
    for resource in request.resource_logs:
        for scope in resource.scope_logs:
            for log in scope.log_records:
                attributes = {**_attributes(log.attributes), "body": _text(log.body)}
                at_ns = log.time_unix_nano or log.observed_time_unix_nano
                yield Event(log.event_name or attributes.get("event.name", ""), at_ns, attributes)


def _attributes(pairs: Any) -> dict[str, str]:
    return {pair.key: _text(pair.value) for pair in pairs}


def _text(value: Any) -> str:
    plain = _plain(value)
    return plain if isinstance(plain, str) else json.dumps(plain)


def _plain(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: _plain(pair.value) for pair in value.kvlist_value.values}
    if kind == "bytes_value":
        return value.bytes_value.hex()
    return getattr(value, kind) if kind else ""
