"""Nested values are never missed, whatever stands around them."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_values import fill

from sightline_collector.nesting import may_nest

_texts = st.one_of(st.text(max_size=40), st.just("\x12\n2*" * 9), st.text(min_size=120, max_size=300))
_scalars = st.one_of(
    st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(), _texts, st.binary(max_size=300), st.none()
)
_flat = st.one_of(_scalars, st.lists(_scalars, max_size=6))
_nested = st.one_of(
    st.dictionaries(_texts, _scalars, max_size=3),
    st.lists(_scalars, max_size=3).flatmap(lambda head: st.lists(_scalars, max_size=2).map(lambda x: [*head, x])),
    st.lists(_scalars, max_size=3).flatmap(lambda head: st.just([*head, {"k": 1}])),
)


def _request(values: list[tuple[str, Any]], trace_id: bytes, name: str) -> bytes:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    span = resource.scope_spans.add().spans.add(trace_id=trace_id, name=name)
    places = [resource.resource.attributes, span.attributes, span.events.add().attributes, span.links.add().attributes]
    for index, (key, value) in enumerate(values):
        fill(places[index % len(places)].add(key=key).value, value)
    return request.SerializeToString()


_attributes = st.lists(st.tuples(_texts, _flat), max_size=8)


@settings(max_examples=400)
@given(_attributes, st.tuples(_texts, _nested), st.integers(0, 8), st.binary(min_size=16, max_size=16), _texts)
def test_nested_value_is_never_missed(
    flat: list[tuple[str, Any]], nested: tuple[str, Any], at: int, trace_id: bytes, name: str
) -> None:
    """A map, or an array with a map or an array in it, anywhere among flat values is seen."""
    values = [*flat[:at], nested, *flat[at:]]
    assert may_nest(_request(values, trace_id, name))


def test_value_with_two_kinds_is_not_missed() -> None:
    """An odd encoder's AnyValue that holds a text and then a map: the last one counts."""
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add(name="n")
    span.attributes.add(key="odd").value.string_value = "a"
    body = request.SerializeToString()
    kvlist = b"\x32\x07\x0a\x05\x0a\x01k\x12\x00"
    value = b"\x0a\x01a" + kvlist
    both = body.replace(b"\x12\x03\x0a\x01a", b"\x12" + bytes([len(value)]) + value)
    assert b"\x32\x07" in both
    front = b"\x12" + bytes([len(kvlist) + 3]) + kvlist + b"\x0a\x01a"
    assert may_nest(body.replace(b"\x12\x03\x0a\x01a", front))


def test_ordinary_requests_are_taken_for_flat() -> None:
    """Arrays of texts and numbers, and text that looks like tags, do not cost the slow way."""
    values = [("a", ["x", 1, 2.5, True]), ("t", "\n2\n*\x12\x012 list:\n\n2. two"), ("s", "plain" * 50), ("e", [])]
    assert not may_nest(_request(values, bytes(range(16)), "chat"))
