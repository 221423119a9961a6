"""The tenant of an API key wins over whatever the sender wrote, in every typed table that knows tenants."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sightline_collector.request import otlp
from sightline_collector.spool import record
from sightline_store import ingest
from sightline_store.client import Client
from sightline_store.ingest import Signal

_TABLES = ("requests", "llm_calls", "retrievals", "stages")


def _body(span_tenant: str, resource_tenant: str = "") -> bytes:
    request = ExportTraceServiceRequest()
    holder = request.resource_spans.add()
    if resource_tenant:
        for _ in range(2):
            holder.resource.attributes.add(key="sightline.tenant").value.string_value = resource_tenant
    spans = holder.scope_spans.add().spans
    for number, (stage, operation) in enumerate((("request", ""), ("model", "chat"), ("search", "retrieval")), 1):
        span = spans.add(
            trace_id=b"t" * 16, span_id=bytes([number]) * 8, start_time_unix_nano=1_780_000_000_000_000_000
        )
        span.attributes.add(key="sightline.stage").value.string_value = stage
        span.attributes.add(key="gen_ai.operation.name").value.string_value = operation
        span.attributes.add(key="tenant.id").value.string_value = span_tenant
    return request.SerializeToString()


@pytest.mark.parametrize(
    ("body", "stamp", "tenant"),
    [
        pytest.param(_body("own"), "", "own", id="no key: the span's word"),
        pytest.param(_body("own"), "acme", "acme", id="a key: the stamp"),
        pytest.param(_body("victim", "victim"), "acme", "acme", id="a key: whatever was forged"),
    ],
)
def test_stamp_wins_in_every_typed_table(emptied: Callable[..., Client], body: bytes, stamp: str, tenant: str) -> None:
    """Tenant is the stamp's where there is one, else the span's tenant.id."""
    client = emptied()
    payload = otlp.check(Signal.TRACES, body, tenant=stamp).payload
    ingest.insert_segment(client, Signal.TRACES, record.encode(payload), "one")
    for table in _TABLES:
        rows = client.query_rows(f"SELECT DISTINCT toString(Tenant) AS tenant FROM {table}")
        assert rows == [{"tenant": tenant}], table
    (row,) = client.query_rows("SELECT DISTINCT ResourceAttributes['sightline.tenant'] AS tenant FROM otel_traces")
    assert row["tenant"] == stamp
