"""Known fields in another wire type than their own are refused, unknown ones pass."""

from __future__ import annotations

from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sightline_collector.errors import BadRequest
from sightline_collector.receiver.access import ANYONE, Access, Sites
from sightline_collector.receiver.intake import Intake
from sightline_collector.request import otlp
from sightline_collector.settings import CollectorSettings
from sightline_collector.spool.writer import Spool
from sightline_collector.telemetry import Counts
from sightline_store.ingest import Signal


def _request(signal: Signal, item: bytes) -> bytes:
    """A request that holds one span, log record or metric, given as bytes."""
    for _ in range(2):
        item = _field(2, item)
    return _field(1, item)


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + _varint(number >> 7)


_OTHER_WIRE_TYPES = [
    (Signal.TRACES, b"\x28\x07"),  # Span.name as a number
    (Signal.TRACES, b"\x3a\x02hi"),  # Span.start_time_unix_nano as text
    (Signal.LOGS, b"\x1d\x01\x00\x00\x00"),  # LogRecord.severity_text as fixed32
    (Signal.METRICS, b"\x08\x07"),  # Metric.name as a number
    (Signal.METRICS, _field(5, _field(1, b"\x1a\x01x"))),  # NumberDataPoint.time_unix_nano as text
]


@pytest.mark.parametrize(("signal", "item"), _OTHER_WIRE_TYPES)
def test_known_field_in_another_wire_type_is_refused(signal: Signal, item: bytes) -> None:
    """ClickHouse would refuse the whole request later; its sender hears of it now."""
    with pytest.raises(BadRequest, match="OTLP gives it another"):
        otlp.check(signal, _request(signal, item))


@pytest.mark.parametrize("signal", list(Signal))
def test_field_of_a_later_otlp_is_no_reason_to_refuse(signal: Signal) -> None:
    """A number that OTLP does not use yet is somebody's next version: the request is taken without it."""
    assert otlp.check(signal, _request(signal, b"\xa8\x06\x07")).payload == _request(signal, b"")


@pytest.mark.parametrize("signal", list(Signal))
def test_zeros_that_need_not_be_written_are_accepted(signal: Signal) -> None:
    """Some encoders write every field."""
    zero = {Signal.TRACES: b"\x30\x00", Signal.LOGS: b"\x10\x00", Signal.METRICS: b"\x0a\x00"}[signal]
    assert otlp.check(signal, _request(signal, zero)).payload == _request(signal, b"")


def test_items_are_counted_by_service() -> None:
    """Items are counted by the service.name of their resource, for each signal, whole and shallow alike."""
    traces, logs, metrics = ExportTraceServiceRequest(), ExportLogsServiceRequest(), ExportMetricsServiceRequest()
    for name, count in (("a", 2), ("b", 1), ("", 3)):
        holders = traces.resource_spans.add(), logs.resource_logs.add(), metrics.resource_metrics.add()
        for holder in holders:
            if name:
                holder.resource.attributes.add(key="host.name").value.string_value = "h"
                holder.resource.attributes.add(key="service.name").value.string_value = name
        metric = holders[2].scope_metrics.add().metrics.add(name="m")
        for _ in range(count):
            holders[0].scope_spans.add().spans.add(name="s")
            holders[1].scope_logs.add().log_records.add(severity_number=9)
            metric.sum.data_points.add(as_int=1)
    for signal, request in ((Signal.TRACES, traces), (Signal.LOGS, logs), (Signal.METRICS, metrics)):
        checked = otlp.check(signal, request.SerializeToString())
        assert checked.services == {"a": 2, "b": 1, "": 3}
        assert otlp.services(signal, checked.payload) == checked.services


def test_services_beyond_the_limit_are_counted_together() -> None:
    """A sender that makes up names fills one more entry, not the memory."""
    counts = Counts()
    for number in range(150):
        counts.received(Signal.TRACES, {f"s{number}": 2}, 10, is_new=True)
    stats = counts.as_dict(0)
    assert stats["received_spans"] == 300
    assert len(stats["services"]) == 101
    assert stats["services"]["_other"] == {"received_spans": 100}


async def test_large_requests_are_refused_as_small_ones_are(tmp_path: Path) -> None:
    """Whether a request is taken depends on its bytes: not on its size, nor on those that came before."""
    settings = CollectorSettings(spool_dir=tmp_path, keys_file=tmp_path / "keys.json")
    spool = Spool(settings, lambda _: None)
    intake = Intake(spool, Counts(), Access(settings), Sites(settings), None)
    for number in range(20):
        body = _request(Signal.TRACES, _field(5, b"x" * 20000 + b"%02d" % number) + b"\x28\x07")
        with pytest.raises(BadRequest):
            await intake.accept(Signal.TRACES, body, ANYONE)
    spool.close()
