"""Types of OTLP requests in which some fields are bytes that nobody looks into: parsing costs what is looked at.

A field of messages has the wire type of bytes, so such a type reads and writes the same requests; each message in the
field is one `bytes`, whatever it holds.

Source: https://protobuf.dev/programming-guides/encoding/#structure
"""

from __future__ import annotations

from collections.abc import Set
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

_SIGNALS = (
    ("traces", trace_pb2, trace_service_pb2.ExportTraceServiceRequest, "resource_spans", "scope_spans", "spans"),
    ("logs", logs_pb2, logs_service_pb2.ExportLogsServiceRequest, "resource_logs", "scope_logs", "log_records"),
    (
        "metrics",
        metrics_pb2,
        metrics_service_pb2.ExportMetricsServiceRequest,
        "resource_metrics",
        "scope_metrics",
        "metrics",
    ),
)


@dataclass(frozen=True)
class OpaqueType:
    """How the requests of one signal are read."""

    request: type[Message]
    """The export request's type, in a pool of its own."""
    resources: str
    """Its field that holds a message for each resource."""
    scopes: str
    """That message's field that holds a message for each scope."""
    items: str
    """That message's field that holds the spans, log records or metrics."""


def opaque_types(opaque: Set[str]) -> dict[str, OpaqueType]:
    """By signal, the type whose fields named in `opaque` are bytes."""
    pool = descriptor_pool.DescriptorPool()
    for module in (common_pb2, resource_pb2):
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    types = {}
    for signal, content, service, resources, scopes, items in _SIGNALS:
        file = descriptor_pb2.FileDescriptorProto.FromString(content.DESCRIPTOR.serialized_pb)
        for message in file.message_type:
            for field in message.field:
                if field.name in opaque:
                    field.type = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES
                    field.ClearField("type_name")
        pool.Add(file)
        pool.AddSerializedFile(service.DESCRIPTOR.file.serialized_pb)
        kind = message_factory.GetMessageClass(pool.FindMessageTypeByName(service.DESCRIPTOR.full_name))
        types[signal] = OpaqueType(kind, resources, scopes, items)
    return types
