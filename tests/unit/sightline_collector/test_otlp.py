"""Requests are checked, counted, and flattened only where something nests."""

from __future__ import annotations

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sightline_collector import otlp
from sightline_collector.errors import BadRequest
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


def test_unknown_fields_are_kept_and_do_no_harm() -> None:
    """A field of a later OTLP leaves the request as it came."""
    body = _span_request()[0].SerializeToString() + b"\xfd\x7e\x01\x02\x03\x04"
    assert otlp.check(Signal.TRACES, body).payload == body


def test_nesting_without_end_stops() -> None:
    """A thousand levels neither recurse to death nor pass as a scalar."""
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
