"""Stamps the tenant of an API key on everything a request holds. Pure: no I/O.

A request is parsed with a descriptor in which the spans, log records and metrics are bytes that nobody looks into, so
the cost is that of its resources. Parsing joins what Protobuf joins (a resource sent in two pieces, a key sent twice),
so what is written again has one spelling only, and in it every earlier stamp is gone.

Source: https://protobuf.dev/programming-guides/encoding/#last-one-wins
"""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError

from sightline import semconv
from sightline_collector.errors import BadRequest
from sightline_collector.request.opaque_types import shallow_types
from sightline_collector.request.wire_types import refuse_disguised
from sightline_store.ingest import Signal


def stamp_tenant(signal: Signal, body: bytes, tenant: str) -> bytes:
    """Set the resource attribute `sightline.tenant` on every resource, in place of any that was there.

    Nothing else changes, the order of spans and of the other attributes included. The same request and tenant give the
    same bytes.

    Args:
        signal: what the request holds.
        body: a serialized export request, decompressed.
        tenant: not empty.

    Raises:
        BadRequest: 400, the bytes are not such a request, or a field around a resource is of another kind than
            OTLP's, which readers might understand in different ways.
    """
    shallow = _TYPES[signal]
    kind = shallow.request
    try:
        request: Any = kind.FromString(body)
        size = request.ByteSize()
        request.DiscardUnknownFields()
        if request.ByteSize() != size:
            # Fields of a later OTLP are kept, as they are without a stamp.
            request = kind.FromString(body)
            refuse_disguised(request)
    except DecodeError as exc:
        raise BadRequest(400, f"body is not a protobuf {kind.DESCRIPTOR.name}: {exc}") from None
    for holder in getattr(request, shallow.resources):
        attributes = holder.resource.attributes
        for index in range(len(attributes) - 1, -1, -1):
            if attributes[index].key == semconv.TENANT_STAMP:
                del attributes[index]
        attributes.add(key=semconv.TENANT_STAMP).value.string_value = tenant
    return bytes(request.SerializeToString())


_TYPES = shallow_types({"scope_spans", "scope_logs", "scope_metrics"})
