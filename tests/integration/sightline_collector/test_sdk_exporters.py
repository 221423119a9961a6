"""The Python SDK's own exporters, HTTP and gRPC, against the collector as a process and the store behind it."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import grpc
import pytest
from collector_role import start_collector
from google.rpc import status_pb2
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from role_process import StartRole

from sightline_store.client import Client
from sightline_store.errors import QueryFailed
from sightline_store.settings import StoreSettings

_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def test_http_and_grpc_exporters_reach_the_store(roles: StartRole, tmp_path: Path, store_url: str) -> None:
    """Spans sent by both exporters, compressed and not, are rows with their attributes."""
    collector = start_collector(
        roles, tmp_path, store_url, COLLECTOR_SEGMENT_MAX_AGE_S="0.1", STORE_DATABASE="exporters"
    )
    http_url, grpc_url = f"{collector.url}/v1/traces", collector.grpc_address
    exporters: dict[str, SpanExporter] = {
        "http": HttpExporter(endpoint=http_url),
        "http-gzip": HttpExporter(endpoint=http_url, compression=Compression.Gzip),
        "grpc": GrpcExporter(endpoint=grpc_url, insecure=True),
        "grpc-gzip": GrpcExporter(endpoint=grpc_url, insecure=True, compression=grpc.Compression.Gzip),
    }
    for name, exporter in exporters.items():
        provider = TracerProvider(resource=Resource.create({"service.name": name}), shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        with provider.get_tracer("t").start_as_current_span("work", attributes={"n": 1, "tags": ["a", "b"]}):
            pass
        provider.shutdown()
    client = Client(StoreSettings(url=store_url, database="exporters"))
    deadline, rows = time.monotonic() + 20, []
    while len(rows) < len(exporters) and time.monotonic() < deadline:
        time.sleep(0.1)
        with suppress(QueryFailed):  # The collector may still be making the tables.
            rows = client.query_rows("SELECT ServiceName, SpanName, SpanAttributes FROM otel_traces")
    assert {row["ServiceName"] for row in rows} == set(exporters)
    assert all(row["SpanAttributes"] == {"n": "1", "tags": '["a","b"]'} for row in rows)
    client.close()

    with grpc.insecure_channel(grpc_url) as channel:
        call = channel.unary_unary(_EXPORT)
        with pytest.raises(grpc.RpcError) as refused:
            call(b"\xff\xff", timeout=10)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        with pytest.raises(grpc.RpcError) as unknown:
            channel.unary_unary("/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export")(b"")
        assert unknown.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_full_spool_is_unavailable_with_retry_info(roles: StartRole, tmp_path: Path) -> None:
    """Over gRPC a full spool says UNAVAILABLE and how long to wait; nothing is lost, nothing is promised."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    collector = start_collector(
        roles,
        tmp_path,
        "http://127.0.0.1:9",
        COLLECTOR_SEGMENT_MAX_BYTES="4096",
        COLLECTOR_SPOOL_MAX_BYTES="8192",
    )
    with grpc.insecure_channel(collector.grpc_address) as channel:
        call = channel.unary_unary(_EXPORT)

        def send_many() -> None:
            for index in range(10):
                request = ExportTraceServiceRequest()
                request.resource_spans.add().scope_spans.add().spans.add(name=f"{index}" * 3000)
                call(request.SerializeToString(), timeout=10)

        with pytest.raises(grpc.RpcError) as refused:
            send_many()
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        details = dict(refused.value.trailing_metadata())["grpc-status-details-bin"]
        assert status_pb2.Status.FromString(details).details[0].type_url.endswith("RetryInfo")
