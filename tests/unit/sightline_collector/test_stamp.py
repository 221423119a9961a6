"""A tenant's stamp cannot be forged, and changes nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from sightline_collector.errors import BadRequest
from sightline_collector.request import otlp
from sightline_collector.request.stamp import stamp_tenant
from sightline_store.ingest import Signal

NAME = "sightline.tenant"
TRACES = Signal.TRACES

_values = st.recursive(
    st.one_of(
        st.builds(lambda v: ("string_value", v), st.text(max_size=8)),
        st.builds(lambda v: ("int_value", v), st.integers(-(2**63), 2**63 - 1)),
        st.builds(lambda v: ("bytes_value", v), st.binary(max_size=8)),
        st.just(("none", None)),
    ),
    lambda inner: st.one_of(
        st.builds(lambda v: ("array_value", v), st.lists(inner, max_size=3)),
        st.builds(lambda v: ("kvlist_value", v), st.lists(st.tuples(st.text(max_size=4), inner), max_size=3)),
    ),
    max_leaves=6,
)
_attributes = st.lists(
    st.tuples(st.sampled_from([NAME, "service.name", "a", "sightline.tenan", "Sightline.Tenant"]), _values)
)


def _fill(value: Any, content: tuple[str, Any]) -> None:
    kind, inner = content
    if kind == "array_value":
        value.array_value.SetInParent()
        for item in inner:
            _fill(value.array_value.values.add(), item)
    elif kind == "kvlist_value":
        value.kvlist_value.SetInParent()
        for key, item in inner:
            _fill(value.kvlist_value.values.add(key=key).value, item)
    elif kind != "none":
        setattr(value, kind, inner)


@st.composite
def _trace_requests(draw: st.DrawFn) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    for resource in draw(st.lists(_attributes, max_size=3)):
        holder = request.resource_spans.add(schema_url=draw(st.text(max_size=4)))
        for key, content in resource:
            _fill(holder.resource.attributes.add(key=key).value, content)
        for name in draw(st.lists(st.text(max_size=5), max_size=3)):
            span = holder.scope_spans.add().spans.add(name=name, span_id=draw(st.binary(min_size=8, max_size=8)))
            span.attributes.add(key=NAME).value.string_value = "kept: not a resource's"
    return request


def _stamp(body: bytes, tenant: str = "acme", signal: Signal = TRACES) -> bytes:
    return otlp.check(signal, body, tenant=tenant).payload


def _stamps(resource: Resource) -> list[str]:
    return [attribute.value.string_value for attribute in resource.attributes if attribute.key == NAME]


def _field(number: int, content: bytes) -> bytes:
    assert len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content


def _forged(tenant: str = "victim") -> bytes:
    attribute = KeyValue(key=NAME)
    attribute.value.string_value = tenant
    return attribute.SerializeToString()


@given(_trace_requests(), st.text(min_size=1, max_size=20))
def test_nothing_but_the_stamp_changes(request: ExportTraceServiceRequest, tenant: str) -> None:
    """Without its stamps, a stamped request equals what is spooled without one; each resource has exactly one."""
    body = request.SerializeToString()
    plain, stamped = (ExportTraceServiceRequest.FromString(_stamp(body, name)) for name in ("", tenant))
    for side in (plain, stamped):
        for holder in side.resource_spans:
            if side is stamped:
                assert _stamps(holder.resource) == [tenant]
            kept = [attribute for attribute in holder.resource.attributes if attribute.key != NAME]
            holder.resource.ClearField("attributes")
            holder.resource.attributes.extend(kept)
            holder.resource.SetInParent()
    assert stamped == plain


@given(_trace_requests())
def test_stamping_is_stable(request: ExportTraceServiceRequest) -> None:
    """The same request has the same bytes when it comes again, and a second stamp replaces the first."""
    once = _stamp(request.SerializeToString())
    assert _stamp(request.SerializeToString()) == once
    assert _stamp(_stamp(request.SerializeToString(), "other")) == once


@given(_trace_requests())
def test_stamp_is_the_same_in_what_was_spooled_without_one(request: ExportTraceServiceRequest) -> None:
    """Nested values or none, stamped while it is checked or afterwards: the bytes are the same."""
    whole = ExportTraceServiceRequest.FromString(_stamp(request.SerializeToString(), ""))
    stamp_tenant(TRACES, whole, "acme")
    assert _stamp(request.SerializeToString()) == whole.SerializeToString()


@pytest.mark.parametrize(
    "resource_spans",
    [
        pytest.param(_field(1, _field(1, _forged()) + _field(1, _forged("second"))), id="two attributes"),
        pytest.param(_field(1, _field(1, _forged())) + _field(1, _field(1, _forged())), id="resource in two pieces"),
        pytest.param(_field(2, b"") + _field(1, b"") + _field(1, _field(1, _forged())), id="resource after its spans"),
        pytest.param(_field(1, _field(1, _field(1, b"innocent") + _forged())), id="key written twice"),
        pytest.param(_field(1, _field(1, _forged() + _field(2, _field(1, b"again")))), id="value written twice"),
        pytest.param(_field(1, b"\x8a\x80\x80\x80\x00" + _field(1, _forged())[1:]), id="tag longer than needed"),
        pytest.param(
            _field(1, _field(1, _field(2, _field(1, b"v")) + _field(1, NAME.encode()))), id="value before key"
        ),
        pytest.param(_field(1, _field(1, _field(1, NAME.encode()))), id="no value"),
        pytest.param(b"", id="no resource"),
    ],
)
def test_forged_stamps_are_gone(resource_spans: bytes) -> None:
    """However a stamp is spelled on the wire, the only one left is the collector's, in the one spelling there is."""
    out = _stamp(_field(1, resource_spans))
    (holder,) = ExportTraceServiceRequest.FromString(out).resource_spans
    assert _stamps(holder.resource) == ["acme"]
    assert out.count(NAME.encode()) == 1
    assert b"victim" not in out


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(_field(1, b"\x0b" + _field(1, _forged()) + b"\x0c"), id="resource as a group"),
        pytest.param(_field(1, _field(1, b"\x08\x01")), id="attribute as a number"),
        pytest.param(_field(1, _field(1, _field(1, b"\x08\x01" + _field(2, b"")))), id="key as a number"),
        pytest.param(b"\x0b\x0c", id="resource_spans as a group"),
    ],
)
def test_fields_of_other_wire_types_are_refused(body: bytes) -> None:
    """A field with another wire type than its own is skipped by one reader and might be read by another: 400."""
    with pytest.raises(BadRequest) as refused:
        _stamp(body)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("signal", "request_type", "resources"),
    [
        ("traces", ExportTraceServiceRequest, "resource_spans"),
        ("logs", ExportLogsServiceRequest, "resource_logs"),
        ("metrics", ExportMetricsServiceRequest, "resource_metrics"),
    ],
)
def test_every_signal_is_stamped(signal: Any, request_type: type[Message], resources: str) -> None:
    """Traces, logs and metrics alike."""
    request: Any = request_type()
    getattr(request, resources).add().resource.attributes.add(key="a").value.int_value = 1
    getattr(request, resources).add()
    read = request_type.FromString(_stamp(request.SerializeToString(), signal=Signal(signal)))
    assert [_stamps(holder.resource) for holder in getattr(read, resources)] == [["acme"], ["acme"]]
    assert getattr(read, resources)[0].resource.attributes[0].key == "a"


@pytest.mark.parametrize("body", [b"\xff\xff", b"\x0a\x7f", _field(1, _field(1, _field(1, _field(1, b"\xff"))))])
def test_what_is_no_request_is_refused(body: bytes) -> None:
    """Bytes that are not the message, and keys that are not UTF-8, are the client's fault: 400."""
    with pytest.raises(BadRequest) as refused:
        _stamp(body)
    assert refused.value.status == 400


def test_empty_request_stays_empty() -> None:
    """Nothing to stamp."""
    assert _stamp(b"") == b""
