"""OTLP/gRPC: the Export method of each signal's service, over raw bytes.

UNAVAILABLE with RetryInfo says "keep it and send it again"; INVALID_ARGUMENT says "never again". A request over the
limit is RESOURCE_EXHAUSTED without RetryInfo, which clients do not repeat.

The name that a client asked for (`:authority`) is not checked: grpc.aio does not give it, and no page can make a
browser speak HTTP/2 without TLS or send gRPC's content type to another origin without a preflight, which nothing here
answers.
gRPC closes connections that do not finish its handshake, answer its pings or send requests, and refuses more than
`max_connections`; it has no limit for the time that one message may take to come.

Source: https://opentelemetry.io/docs/specs/otlp/#otlpgrpc-response
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import grpc
import grpc.aio
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2

from sightline_collector.errors import BadRequest, NotNow
from sightline_collector.receiver.intake import Intake
from sightline_collector.settings import CollectorSettings
from sightline_store.ingest import Signal

_SERVICES = {
    Signal.TRACES: "opentelemetry.proto.collector.trace.v1.TraceService",
    Signal.LOGS: "opentelemetry.proto.collector.logs.v1.LogsService",
    Signal.METRICS: "opentelemetry.proto.collector.metrics.v1.MetricsService",
}
_CODES = {
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
}
_PING_MS = 60_000
_PING_TIMEOUT_MS = 20_000
_IDLE_MS = 300_000
_MAX_STREAMS = 1024
_Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"


async def start(settings: CollectorSettings, intake: Intake) -> grpc.aio.Server:
    """Listen; the caller stops the server.

    Raises:
        OSError: the port is taken.
    """
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", settings.max_request_bytes),
            ("grpc.so_reuseport", 0),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_ping_interval_without_data_ms", 5000),
            ("grpc.max_allowed_incoming_connections", settings.max_connections),
            ("grpc.server_handshake_timeout_ms", max(1, round(settings.header_timeout_s * 1000))),
            ("grpc.keepalive_time_ms", _PING_MS),
            ("grpc.keepalive_timeout_ms", _PING_TIMEOUT_MS),
            ("grpc.max_connection_idle_ms", _IDLE_MS),
            ("grpc.max_concurrent_streams", _MAX_STREAMS),
        ]
    )
    for signal, service in _SERVICES.items():
        handler = grpc.unary_unary_rpc_method_handler(_export(signal, intake))
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Export": handler}),))
    address = f"{settings.host}:{settings.grpc_port}"
    try:
        bound = _bind(server, address, settings)
    except RuntimeError as exc:
        raise OSError(f"cannot listen on SIGHTLINE_COLLECTOR_GRPC_PORT={settings.grpc_port}: {exc}") from None
    if bound != settings.grpc_port and settings.grpc_port:
        raise OSError(f"cannot listen on SIGHTLINE_COLLECTOR_GRPC_PORT={settings.grpc_port}: the port is taken")
    await server.start()
    return server


def _bind(server: grpc.aio.Server, address: str, settings: CollectorSettings) -> int:
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return int(server.add_insecure_port(address))
    pair = (settings.tls_key_file.read_bytes(), settings.tls_cert_file.read_bytes())
    return int(server.add_secure_port(address, grpc.ssl_server_credentials([pair])))


def _export(signal: Signal, intake: Intake) -> Callable[[bytes, _Context], Awaitable[bytes]]:
    async def export(body: bytes, context: _Context) -> bytes:
        try:
            headers = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
            await intake.accept(signal, body, intake.admit(headers))
        except BadRequest as exc:
            intake.refused(exc)
            await context.abort(_CODES.get(exc.status, grpc.StatusCode.INVALID_ARGUMENT), str(exc))
        except NotNow as exc:
            intake.refused(exc)
            code = _CODES.get(exc.status, grpc.StatusCode.UNAVAILABLE)
            await context.abort(code, str(exc), (("grpc-status-details-bin", _details(code, exc)),))
        return b""

    return export


def _details(code: grpc.StatusCode, exc: NotNow) -> bytes:
    """A google.rpc.Status with RetryInfo: how long to wait."""
    detail = any_pb2.Any()
    detail.Pack(error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=exc.retry_after_s)))
    number: int = code.value[0]
    return bytes(status_pb2.Status(code=number, message=str(exc), details=[detail]).SerializeToString())
