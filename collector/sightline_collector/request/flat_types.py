"""Types by which an OTLP request is read: without nested values, whole, and merged into few messages.

**Flat**: an AnyValue holds a scalar or an array of scalars. Nested values are unknown fields to it.

**Merged**: the same fields, but every message field is singular, and no two fields are in a oneof. Protobuf merges a
singular message that comes again into the first, so all spans of a request become one message, and so do all attributes
of a place. Unknown fields of all of them are kept there. Whether a request has any is thus seen in a few dozen
messages, in less than half the time that walking through its messages takes.

Source: https://protobuf.dev/programming-guides/encoding/#last-one-wins
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from sightline_store.ingest import Signal

_FULL: dict[Signal, type[Message]] = {
    Signal.TRACES: trace_service_pb2.ExportTraceServiceRequest,
    Signal.METRICS: metrics_service_pb2.ExportMetricsServiceRequest,
    Signal.LOGS: logs_service_pb2.ExportLogsServiceRequest,
}
_FILES = (
    common_pb2,
    resource_pb2,
    trace_pb2,
    metrics_pb2,
    logs_pb2,
    trace_service_pb2,
    metrics_service_pb2,
    logs_service_pb2,
)
_KVLIST = "kvlist_value"
_NESTED = frozenset({"array_value", _KVLIST})
# Of OTLP's profiles alone: a request that has one is read in full.
_OF_PROFILES = frozenset({"string_value_strindex", "key_strindex"})
_File = descriptor_pb2.FileDescriptorProto
_Field = descriptor_pb2.FieldDescriptorProto


@dataclass(frozen=True)
class RequestTypes:
    """How the export requests of one signal are read; the flat and the merged type are in pools of their own."""

    flat: type[Message]
    merged: type[Message]
    full: type[Message]
    """OTLP's own."""

    def is_flat(self, body: bytes) -> bool:
        """Whether a request holds no nested value and no other field that the flat type does not know.

        Args:
            body: bytes that the flat type reads.
        """
        merged = self.merged.FromString(body)
        size = merged.ByteSize()
        merged.DiscardUnknownFields()
        return merged.ByteSize() == size


def request_types() -> dict[Signal, RequestTypes]:
    """The types by signal."""
    flat, merged = _classes(_without_nesting), _classes(lambda file: _merge(_without_nesting(file)))
    return {signal: RequestTypes(flat[signal], merged[signal], full) for signal, full in _FULL.items()}


def _classes(change: Callable[[_File], _File]) -> dict[Signal, type[Message]]:
    """The export requests' types by signal, in a pool of OTLP's files as `change` makes them."""
    pool = descriptor_pool.DescriptorPool()
    for module in _FILES:
        pool.Add(change(_File.FromString(module.DESCRIPTOR.serialized_pb)))
    return {
        signal: message_factory.GetMessageClass(pool.FindMessageTypeByName(kind.DESCRIPTOR.full_name))
        for signal, kind in _FULL.items()
    }


def _without_nesting(file: _File) -> _File:
    by_name = {message.name: message for message in file.message_type}
    if "AnyValue" not in by_name:
        return file
    any_value, array_value, key_value = by_name["AnyValue"], by_name["ArrayValue"], by_name["KeyValue"]
    scalar = file.message_type.add()
    scalar.CopyFrom(any_value)
    scalar.name = "Scalar"
    for message, left_out in (
        (scalar, _NESTED | _OF_PROFILES),
        (any_value, {_KVLIST} | _OF_PROFILES),
        (key_value, _OF_PROFILES),
    ):
        fields = [f for f in message.field if f.name not in left_out]
        del message.field[:]
        message.field.extend(fields)
    array_value.field[0].type_name = f".{file.package}.Scalar"
    return file


def _merge(file: _File) -> _File:
    for message in file.message_type:
        for field in message.field:
            # A member of a oneof that comes later would take the earlier one with it, and its unknown fields.
            field.ClearField("oneof_index")
            field.ClearField("proto3_optional")
            if field.type == _Field.TYPE_MESSAGE:
                field.label = _Field.LABEL_OPTIONAL
            elif field.type == _Field.TYPE_STRING:
                field.type = _Field.TYPE_BYTES  # That texts are UTF-8 shows when the flat type reads them.
        del message.oneof_decl[:]
    return file
