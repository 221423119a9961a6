"""Requests with each message and each field that OTLP has, nested values left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from sightline_store.ingest import Signal

_NESTED_OR_OF_PROFILES = {"kvlist_value", "array_value", "string_value_strindex", "key_strindex"}
_KINDS = {"string_value": "v", "bool_value": True, "int_value": 7, "double_value": 0.5, "bytes_value": b"b"}


def whole_requests() -> Iterator[tuple[Signal, Any]]:
    """A request of each signal; of a oneof the last member is set. There is a metric of each kind."""
    traces, logs, metrics = ExportTraceServiceRequest(), ExportLogsServiceRequest(), ExportMetricsServiceRequest()
    for _ in range(2):
        for request in (traces, logs, metrics):
            _fill(request)
    metrics_in = metrics.resource_metrics[0].scope_metrics[0].metrics
    for kind in ("gauge", "sum", "histogram", "exponential_histogram", "summary"):
        metric = metrics_in.add(name=kind)
        _fill(getattr(metric, kind))
    yield from ((Signal.TRACES, traces), (Signal.LOGS, logs), (Signal.METRICS, metrics))


def _fill(message: Any) -> None:
    """Set each field of a message, of a oneof the last; messages get one more element or are set."""
    for field in message.DESCRIPTOR.fields:
        if field.name in _NESTED_OR_OF_PROFILES:
            continue
        if field.message_type is KeyValue.DESCRIPTOR:
            for kind, value in _KINDS.items():
                setattr(getattr(message, field.name).add(key=kind).value, kind, value)
            getattr(message, field.name).add(key="array").value.array_value.values.add().string_value = "item"
        elif field.message_type is not None:
            inner = getattr(message, field.name)
            _fill(inner.add() if field.is_repeated else inner)
        elif field.is_repeated:
            getattr(message, field.name).append(_scalar(field))
        else:
            setattr(message, field.name, _scalar(field))


def _scalar(field: Any) -> Any:
    of_type = {FieldDescriptor.CPPTYPE_STRING: "s", FieldDescriptor.CPPTYPE_DOUBLE: 1.5}
    return b"b" if field.type == FieldDescriptor.TYPE_BYTES else of_type.get(field.cpp_type, 1)
