"""Nested values are never missed, whatever stands around them."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_values import fill

from sightline_collector.request import otlp
from sightline_store.ingest import Signal

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


def _read(body: bytes) -> list[Any]:
    """The attributes' values in what is spooled."""
    checked = otlp.check(Signal.TRACES, body)
    (resource,) = ExportTraceServiceRequest.FromString(checked.payload).resource_spans
    (span,) = resource.scope_spans[0].spans
    places = [resource.resource.attributes, span.attributes, span.events[0].attributes, span.links[0].attributes]
    return [attribute.value for attributes in places for attribute in attributes]


_attributes = st.lists(st.tuples(_texts, _flat), max_size=8)


@settings(max_examples=400)
@given(_attributes, st.tuples(_texts, _nested), st.integers(0, 8), st.binary(min_size=16, max_size=16), _texts)
def test_nested_value_is_never_missed(
    flat: list[tuple[str, Any]], nested: tuple[str, Any], at: int, trace_id: bytes, name: str
) -> None:
    """A map, or an array with a map or an array in it, anywhere among flat values becomes text; no value is lost."""
    values = [*flat[:at], nested, *flat[at:]]
    read = _read(_request(values, trace_id, name))
    assert len(read) == len(values)
    for value in read:
        assert value.WhichOneof("value") != "kvlist_value"
        assert all(item.WhichOneof("value") not in {"kvlist_value", "array_value"} for item in value.array_value.values)
    unset = sum(value is None for _, value in values)
    assert sum(value.WhichOneof("value") is None for value in read) == unset


def test_ordinary_requests_go_on_as_they_came() -> None:
    """Arrays of texts and numbers, and text that looks like tags, are neither read in full nor written anew."""
    values = [("a", ["x", 1, 2.5, True]), ("t", "\n2\n*\x12\x012 list:\n\n2. two"), ("s", "plain" * 50), ("e", [])]
    body = _request(values, bytes(range(16)), "chat")
    assert otlp.check(Signal.TRACES, body).payload is body
