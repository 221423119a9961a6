"""Checks an OTLP request and flattens what nests too deep for ClickHouse. Pure: no I/O.

A request is parsed once with a descriptor whose AnyValue lacks the nested kinds. What that parse does not know falls
out, so a request whose size is unchanged holds nothing nested and goes on as it came, byte for byte. Only the others
are walked in Python, where a nested value becomes the JSON text that the official exporter would store.

Source: https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/common/v1/common.proto
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from sightline_collector.errors import BadRequest
from sightline_store.ingest import Signal

_MAX_DEPTH = 64
_KIND_ARRAY, _KIND_KVLIST = "array_value", "kvlist_value"


@dataclass(frozen=True)
class Checked:
    """A request that is well-formed: the bytes to spool and how many spans or log records they hold."""

    payload: bytes
    items: int


def check(signal: Signal, body: bytes) -> Checked:
    """Check a request.

    Args:
        signal: what the path said.
        body: a serialized ExportTraceServiceRequest or ExportLogsServiceRequest, decompressed.

    Raises:
        BadRequest: 400, the bytes are not such a request.
    """
    flat_type, full_type = _TYPES[signal]
    try:
        flat = flat_type.FromString(body)
    except DecodeError as exc:
        raise BadRequest(400, f"body is not a protobuf {full_type.DESCRIPTOR.name}: {exc}") from None
    items = _count(signal, flat)
    flat.DiscardUnknownFields()
    if flat.ByteSize() == len(body):
        return Checked(body, items)
    try:
        full = full_type.FromString(body)
    except DecodeError as exc:
        raise BadRequest(400, f"body is not a protobuf {full_type.DESCRIPTOR.name}: {exc}") from None
    return Checked(full.SerializeToString() if _flatten(signal, full) else body, items)


def _count(signal: Signal, request: Any) -> int:
    if signal is Signal.TRACES:
        return sum(len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans)
    return sum(len(scope.log_records) for resource in request.resource_logs for scope in resource.scope_logs)


def _flatten(signal: Signal, request: Any) -> bool:
    """Replace nested values by their JSON text; say whether there were any."""
    changed = False
    for attributes in _attribute_lists(signal, request):
        for attribute in attributes:
            changed |= _flatten_value(attribute.value)
    if signal is Signal.LOGS:
        for resource in request.resource_logs:
            for scope in resource.scope_logs:
                for record in scope.log_records:
                    changed |= _flatten_value(record.body)
    return changed


def _attribute_lists(signal: Signal, request: Any) -> Iterable[Any]:
    for resource in request.resource_spans if signal is Signal.TRACES else request.resource_logs:
        yield resource.resource.attributes
        for scope in resource.scope_spans if signal is Signal.TRACES else resource.scope_logs:
            yield scope.scope.attributes
            if signal is Signal.LOGS:
                for record in scope.log_records:
                    yield record.attributes
                continue
            for span in scope.spans:
                yield span.attributes
                for event in span.events:
                    yield event.attributes
                for link in span.links:
                    yield link.attributes


def _flatten_value(value: Any) -> bool:
    kind = value.WhichOneof("value")
    if kind == _KIND_KVLIST or (
        kind == _KIND_ARRAY
        and any(item.WhichOneof("value") in {_KIND_ARRAY, _KIND_KVLIST, None} for item in value.array_value.values)
    ):
        value.string_value = json.dumps(
            _plain(value, _MAX_DEPTH), separators=(",", ":"), sort_keys=True, ensure_ascii=False
        )
        return True
    return False


def _plain(value: Any, depth: int) -> Any:
    """An OTLP value as what json can write; deeper than any sane nesting becomes a mark."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == _KIND_ARRAY:
        return [_plain(item, depth - 1) for item in value.array_value.values] if depth else "..."
    if kind == _KIND_KVLIST:
        return {item.key: _plain(item.value, depth - 1) for item in value.kvlist_value.values} if depth else "..."
    scalar = getattr(value, kind)
    if kind == "bytes_value":
        return base64.b64encode(scalar).decode()
    if isinstance(scalar, float) and not math.isfinite(scalar):
        return str(scalar)
    return scalar


def _flat_types() -> dict[Signal, tuple[type[Message], type[Message]]]:
    """Message types of OTLP in a pool of their own, where an AnyValue holds scalars and arrays of scalars."""
    pool = descriptor_pool.DescriptorPool()
    for module in (common_pb2, resource_pb2, trace_pb2, logs_pb2, trace_service_pb2, logs_service_pb2):
        file = descriptor_pb2.FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        if module is common_pb2:
            _without_nesting(file)
        pool.Add(file)
    full: dict[Signal, type[Message]] = {
        Signal.TRACES: trace_service_pb2.ExportTraceServiceRequest,
        Signal.LOGS: logs_service_pb2.ExportLogsServiceRequest,
    }
    return {
        signal: (message_factory.GetMessageClass(pool.FindMessageTypeByName(kind.DESCRIPTOR.full_name)), kind)
        for signal, kind in full.items()
    }


def _without_nesting(file: descriptor_pb2.FileDescriptorProto) -> None:
    by_name = {message.name: message for message in file.message_type}
    any_value, array_value = by_name["AnyValue"], by_name["ArrayValue"]
    scalar = file.message_type.add()
    scalar.CopyFrom(any_value)
    scalar.name = "Scalar"
    for message, kept in ((scalar, set[str]()), (any_value, {_KIND_ARRAY})):
        fields = [f for f in message.field if f.name not in {_KIND_ARRAY, _KIND_KVLIST} - kept]
        del message.field[:]
        message.field.extend(fields)
    array_value.field[0].type_name = f".{file.package}.Scalar"


_TYPES = _flat_types()
