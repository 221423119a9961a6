"""Requests are checked, counted, and flattened only where something nests."""

from __future__ import annotations

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_spellings import KNOWN, REQUESTS, message, number

from sightline_collector.errors import BadRequest
from sightline_collector.request import otlp
from sightline_store.ingest import Signal


def _span_request() -> tuple[ExportTraceServiceRequest, object]:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add(trace_id=b"t" * 16, span_id=b"s" * 8, name="n")
    span.attributes.add(key="plain").value.int_value = 7
    span.attributes.add(key="list").value.array_value.values.add().string_value = "a"
    return request, span


def test_flat_request_goes_on_byte_for_byte() -> None:
    """What does not nest is spooled as it came."""
    body = _span_request()[0].SerializeToString()
    checked = otlp.check(Signal.TRACES, body)
    assert checked.payload is body
    assert checked.items == 1


def test_nested_values_become_json_text() -> None:
    """Maps, and arrays of arrays or maps, become sorted compact JSON at the top attribute."""
    request, span = _span_request()
    nested = span.attributes.add(key="nested").value.kvlist_value  # type: ignore[attr-defined]
    nested.values.add(key="b").value.array_value.values.add().double_value = 1.5
    nested.values.add(key="a").value.bytes_value = b"\x00"
    checked = otlp.check(Signal.TRACES, request.SerializeToString())
    (read,) = ExportTraceServiceRequest.FromString(checked.payload).resource_spans[0].scope_spans[0].spans
    assert read.attributes[2].value.string_value == '{"a":"AA==","b":[1.5]}'
    assert read.attributes[1].value.array_value.values[0].string_value == "a"


def test_log_body_that_nests_becomes_json_text() -> None:
    """The same for the body of a log record."""
    request = ExportLogsServiceRequest()
    entry = request.resource_logs.add().scope_logs.add().log_records.add()
    entry.body.kvlist_value.values.add(key="k").value.bool_value = True
    checked = otlp.check(Signal.LOGS, request.SerializeToString())
    read = ExportLogsServiceRequest.FromString(checked.payload).resource_logs[0].scope_logs[0].log_records[0]
    assert read.body.string_value == '{"k":true}'
    assert checked.items == 1


def test_points_of_every_kind_are_counted_and_flattened() -> None:
    """Data points are the items of metrics; nested values of points and exemplars become JSON text."""
    request = ExportMetricsServiceRequest()
    metrics = request.resource_metrics.add().scope_metrics.add().metrics
    for kind in ("gauge", "sum", "histogram", "exponential_histogram", "summary"):
        points = getattr(metrics.add(name=kind), kind).data_points
        points.add()
        point = points.add()
        point.attributes.add(key="m").value.kvlist_value.values.add(key="k").value.int_value = 1
        if kind != "summary":
            inner = point.exemplars.add().filtered_attributes.add(key="l").value.array_value.values.add()
            inner.array_value.values.add().bool_value = True
    metrics.add(name="without data")
    checked = otlp.check(Signal.METRICS, request.SerializeToString())
    assert checked.items == 10
    for metric in ExportMetricsServiceRequest.FromString(checked.payload).resource_metrics[0].scope_metrics[0].metrics:
        if data := metric.WhichOneof("data"):
            point = getattr(metric, data).data_points[1]
            assert point.attributes[0].value.string_value == '{"k":1}'
            assert data == "summary" or point.exemplars[0].filtered_attributes[0].value.string_value == "[[true]]"


def test_flat_metrics_go_on_byte_for_byte() -> None:
    """Metrics without nested values are spooled as they came, metadata and all."""
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="n")
    metric.metadata.add(key="m").value.kvlist_value.values.add(key="not stored")
    metric.sum.data_points.add(as_int=1).attributes.add(key="a").value.array_value.values.add().int_value = 1
    body = request.SerializeToString()
    assert otlp.check(Signal.METRICS, body) == otlp.Checked(body, 1)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"), (-0.0, "-0"), (3.0, "3"), (0.1, "0.1"), (1e-6, "0.000001"), (9.5e-7, "9.5e-7"), (1e-10, "1e-10"),
        (1e20, "100000000000000000000"), (1e21, "1e+21"), (-2.5e22, "-2.5e+22"), (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"), (123456789012345680000.0, "123456789012345680000"),
    ],
)  # fmt: skip
def test_doubles_inside_are_written_as_go_writes_them(number: float, text: str) -> None:
    """The shortest digits that read back; exponents below 1e-6 and from 1e21 on."""
    request, span = _span_request()
    span.attributes.add(key="d").value.kvlist_value.values.add(key="k").value.double_value = number  # type: ignore[attr-defined]
    checked = otlp.check(Signal.TRACES, request.SerializeToString())
    (read,) = ExportTraceServiceRequest.FromString(checked.payload).resource_spans[0].scope_spans[0].spans
    assert read.attributes[2].value.string_value == f'{{"k":{text}}}'


def test_nesting_beyond_protobufs_limit_is_refused() -> None:
    """Sixty levels of arrays are more than 100 messages: a 400, no crash."""
    request, span = _span_request()
    value = span.attributes.add(key="deep").value  # type: ignore[attr-defined]
    for _ in range(60):
        value = value.array_value.values.add()
    with pytest.raises(BadRequest):
        otlp.check(Signal.TRACES, request.SerializeToString())


def test_unknown_fields_are_left_out() -> None:
    """A field of a later OTLP is nothing to ClickHouse, which stumbles over some; the request is as it was without."""
    body = _span_request()[0].SerializeToString()
    assert otlp.check(Signal.TRACES, body + b"\xfd\x7e\x01\x02\x03\x04").payload == body


@pytest.mark.parametrize("name", KNOWN)
def test_every_spelling_is_spooled_in_protobufs_own(name: str) -> None:
    """What is spooled is what protobuf writes, nested values as text; such a request goes on byte for byte."""
    signal, body = Signal(KNOWN[name][0]), KNOWN[name][1]
    own = REQUESTS[signal].FromString(body)
    own.DiscardUnknownFields()
    checked = otlp.check(signal, body)
    assert checked == otlp.check(signal, own.SerializeToString())
    assert checked.payload == REQUESTS[signal].FromString(checked.payload).SerializeToString()
    assert otlp.check(signal, checked.payload).payload is checked.payload


def test_field_that_gets_longer_hides_none_that_is_lost() -> None:
    """A map that is as long as what protobuf adds elsewhere, the sign of a number: the body's length stays the same."""
    # Two int32 of -1 in five bytes each, which protobuf writes in ten.
    short = number(6, 2**32 - 1) + message(15, number(3, 2**32 - 1))
    for size in range(12):
        inside = message(1, message(1, b"k" * size)) if size else b""
        nested = message(9, message(1, b"k"), message(2, message(6, inside)))
        body = message(1, message(2, message(2, short, nested)))
        (read,) = ExportTraceServiceRequest.FromString(otlp.check(Signal.TRACES, body).payload).resource_spans
        assert read.scope_spans[0].spans[0].attributes[0].value.string_value.startswith("{")


def test_service_is_that_which_protobuf_reads() -> None:
    """Of two members of service.name the last one is counted, as it is stored."""
    named = message(1, message(1, b"service.name"), message(2, message(1, b"first"), message(1, b"second")))
    body = message(1, message(1, named), message(2, message(2)))
    assert otlp.check(Signal.TRACES, body).services == {"second": 1}
    mapped = message(1, message(1, b"service.name"), message(2, message(1, b"first"), message(6)))
    checked = otlp.check(Signal.TRACES, message(1, message(1, mapped), message(2, message(2))))
    assert checked.services == {"{}": 1} == otlp.services(Signal.TRACES, checked.payload)


def test_nesting_without_end_stops() -> None:
    """Forty levels neither recurse to death nor pass as a scalar."""
    request, span = _span_request()
    value = span.attributes.add(key="deep").value  # type: ignore[attr-defined]
    for _ in range(40):
        value = value.array_value.values.add()
    checked = otlp.check(Signal.TRACES, request.SerializeToString())
    (read,) = ExportTraceServiceRequest.FromString(checked.payload).resource_spans[0].scope_spans[0].spans
    assert read.attributes[2].value.string_value.startswith("[[[[")


@pytest.mark.parametrize("body", [b"\xff\xff\xff", b"hello", b"\x0a\x7f", b"\x0a\x03\x12\x05\x0a"])
def test_what_is_no_request_is_refused(body: bytes) -> None:
    """Bytes that are not the message are the client's fault: 400."""
    with pytest.raises(BadRequest) as refused:
        otlp.check(Signal.TRACES, body)
    assert refused.value.status == 400


def test_empty_request_holds_nothing() -> None:
    """No bytes are an empty request, which OTLP accepts."""
    assert otlp.check(Signal.TRACES, b"").items == 0
