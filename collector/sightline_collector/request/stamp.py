"""Stamps the tenant of an API key on everything a request holds. Pure: no I/O.

Parsing joins what Protobuf joins (a resource sent in two pieces, a key sent twice), so what is written again has one
spelling only, and in it every earlier stamp is gone.

Source: https://protobuf.dev/programming-guides/encoding/#last-one-wins
"""

from __future__ import annotations

from typing import Any

from sightline import semconv
from sightline_store.ingest import Signal


def stamp_tenant(signal: Signal, request: Any, tenant: str) -> None:
    """Set the resource attribute `sightline.tenant` on every resource, in place of any that was there.

    Nothing else changes, the order of spans and of the other attributes included. The same request and tenant give the
    same bytes.

    Args:
        signal: what the request holds.
        request: a parsed export request without unknown fields.
        tenant: not empty.
    """
    for holder in getattr(request, _RESOURCES[signal]):
        attributes = holder.resource.attributes
        for index in range(len(attributes) - 1, -1, -1):
            if attributes[index].key == semconv.TENANT_STAMP:
                del attributes[index]
        attributes.add(key=semconv.TENANT_STAMP).value.string_value = tenant


_RESOURCES = {Signal.TRACES: "resource_spans", Signal.LOGS: "resource_logs", Signal.METRICS: "resource_metrics"}
