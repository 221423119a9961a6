"""Ended spans -> an OTLP request, as protobuf bytes. Runs on the exporting thread only.

Fields stand in the order of their numbers, as protobuf writes them: a receiver can then tell by the bytes alone that
it has nothing to write anew.

At exit a full queue has one second, which the SDK's encoder alone would use up.

Source: https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto
"""

from collections.abc import Sequence
from struct import Struct
from typing import Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanKind, StatusCode

from sightline.export.ended_span import EndedSpan
from sightline.export.otlp_wire import AttributeWriter, delimited, resource_message, scope_message, text, utf8, varint

_pack_times: Final = Struct("<BQBQ").pack
_pack_time: Final = Struct("<BQ").pack
_INTERNAL: Final = b"\x30\x01"
_KINDS: Final = {
    SpanKind.INTERNAL: _INTERNAL,
    SpanKind.SERVER: b"\x30\x02",
    SpanKind.CLIENT: b"\x30\x03",
    SpanKind.PRODUCER: b"\x30\x04",
    SpanKind.CONSUMER: b"\x30\x05",
}
_LOCAL: Final = b"\x00\x01\x00\x00"
"""Flags: whether the context is remote is known (bit 8), and it is not."""
_REMOTE: Final = b"\x00\x03\x00\x00"
"""Flags: whether the context is remote is known (bit 8), and it is (bit 9)."""
_Frame = tuple[bytes, bytes]
"""What stands before and behind the repeated field of a message."""


class SpanEncoder:
    """Writes export requests. Used by one thread at a time."""

    def __init__(self) -> None:
        self._attributes = AttributeWriter(b"\x4a")
        self._event_attributes = AttributeWriter(b"\x1a")
        self._link_attributes = AttributeWriter(b"\x22")

    def __call__(self, spans: Sequence[EndedSpan]) -> bytes:
        """Return an ``ExportTraceServiceRequest``.

        Raises:
            TypeError: OTLP cannot hold an attribute of one of the spans. The SDK keeps such values from its spans.
        """
        resources: dict[_Frame, dict[_Frame, list[bytes]]] = {}
        span_lists: dict[tuple[int, int], list[bytes]] = {}
        for span in spans:
            resource, scope = span.resource, span.instrumentation_scope
            span_list = span_lists.get((id(resource), id(scope)))
            if span_list is None:
                # Equal resources (or scopes) in two objects become one: their encoded bytes are compared.
                scopes = resources.setdefault(_resource(resource), {})
                span_list = span_lists[id(resource), id(scope)] = scopes.setdefault(_scope(scope), [])
            encoded = self._span(span)
            span_list.append(b"\x12" + varint(len(encoded)))
            span_list.append(encoded)
        return b"".join(
            delimited(b"\x0a", b"".join([begin, *(_framed(*scope) for scope in scopes.items()), end]))
            for (begin, end), scopes in resources.items()
        )

    def _span(self, span: EndedSpan) -> bytes:
        context, parent, kind, status = span.context, span.parent, span.kind, span.status
        name = utf8(span.name)
        parts = [
            b"\x0a\x10" + context.trace_id.to_bytes(16, "big") + b"\x12\x08" + context.span_id.to_bytes(8, "big"),
            text(b"\x1a", ",".join([f"{key}={value}" for key, value in context.trace_state.items()]))
            if context.trace_state
            else b"",
            b"" if parent is None else b"\x22\x08" + parent.span_id.to_bytes(8, "big"),
            b"\x2a" + varint(len(name)) + name,
            _INTERNAL if kind is SpanKind.INTERNAL else _KINDS[kind],
            _pack_times(0x39, span.start_time or 0, 0x41, span.end_time or 0),
            self._attributes.write(span.attributes),
            _count(b"\x50", span.dropped_attributes),
        ]
        parts += [delimited(b"\x5a", self._event(event)) for event in span.events]
        parts.append(_count(b"\x60", span.dropped_events))
        parts += [delimited(b"\x6a", self._link(link)) for link in span.links]
        parts.append(_count(b"\x70", span.dropped_links))
        if status.status_code is StatusCode.UNSET and not status.description:
            parts.append(b"\x7a\x00")
        else:
            parts.append(
                delimited(b"\x7a", text(b"\x12", status.description) + b"\x18" + varint(status.status_code.value))
            )
        parts.append(b"\x85\x01" + (_REMOTE if parent is not None and parent.is_remote else _LOCAL))
        return b"".join(parts)

    def _event(self, event: Event) -> bytes:
        return (
            _pack_time(0x09, event.timestamp)
            + text(b"\x12", event.name)
            + self._event_attributes.write(event.attributes or {})
            + _count(b"\x20", event.dropped_attributes)
        )

    def _link(self, link: Link) -> bytes:
        context = link.context
        return (
            b"\x0a\x10"
            + context.trace_id.to_bytes(16, "big")
            + b"\x12\x08"
            + context.span_id.to_bytes(8, "big")
            + self._link_attributes.write(link.attributes or {})
            + _count(b"\x28", link.dropped_attributes)
            + (b"\x35" + (_REMOTE if context.is_remote else _LOCAL))
        )


def _resource(resource: Resource) -> _Frame:
    """Return a ``ResourceSpans`` but for its scopes."""
    return delimited(b"\x0a", resource_message(resource)), text(b"\x1a", resource.schema_url)


def _scope(scope: InstrumentationScope | None) -> _Frame:
    """Return a ``ScopeSpans`` but for its spans."""
    return delimited(b"\x0a", scope_message(scope)), text(b"\x1a", None if scope is None else scope.schema_url)


def _framed(frame: _Frame, spans: list[bytes]) -> bytes:
    """Return the field of a ``ScopeSpans``."""
    return delimited(b"\x12", b"".join([frame[0], *spans, frame[1]]))


def _count(tag: bytes, number: int) -> bytes:
    return tag + varint(number) if number else b""
