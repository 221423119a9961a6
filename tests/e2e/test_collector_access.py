"""A collector that asks for keys: over HTTP and gRPC, with TLS, its tenant stamped, its content redacted."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from role_process import Role, StartRole, free_port

from sightline_store.client import Client

_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def _keys(env: dict[str, str], *args: str) -> str:
    script = Path(sys.executable).with_name("sightline-collector")
    done = subprocess.run(
        [str(script), "keys", *args], env={**os.environ, **env}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def _body(name: str, tenant: str) -> bytes:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="sightline.tenant").value.string_value = tenant
    span = resource.scope_spans.add().spans.add(trace_id=name.encode().ljust(16)[:16], span_id=b"s" * 8, name=name)
    span.start_time_unix_nano = span.end_time_unix_nano = time.time_ns()
    span.attributes.add(key="sightline.stage").value.string_value = "request"
    span.attributes.add(key="tenant.id").value.string_value = tenant
    span.attributes.add(key="note").value.string_value = "write to ann@example.org"
    return request.SerializeToString()


def _post(url: str, body: bytes, context: ssl.SSLContext | None = None, **headers: str) -> int:
    sent = {"Content-Type": "application/x-protobuf", **{k.replace("_", "-"): v for k, v in headers.items()}}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, sent), timeout=10, context=context) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code


def test_key_is_asked_for_and_its_tenant_cannot_be_forged(
    roles: StartRole, tmp_path: Path, emptied: Callable[..., Client]
) -> None:
    """No key, a wrong one and a revoked one are 401 on both ports; a good one stamps its tenant; e-mail is masked."""
    port, grpc_port, client = free_port(), free_port(), emptied()
    env = {
        "SIGHTLINE_COLLECTOR_HTTP_PORT": str(port),
        "SIGHTLINE_COLLECTOR_GRPC_PORT": str(grpc_port),
        "SIGHTLINE_COLLECTOR_SPOOL_DIR": str(tmp_path / "spool"),
        "SIGHTLINE_COLLECTOR_KEYS_FILE": str(tmp_path / "keys.json"),
        "SIGHTLINE_COLLECTOR_SEGMENT_MAX_AGE_S": "0.1",
        "SIGHTLINE_COLLECTOR_REDACT_MASKS": "email",
        "SIGHTLINE_STORE_URL": client.settings.url,
        "SIGHTLINE_STORE_DATABASE": client.settings.database,
    }
    key = _keys(env, "create", "--name", "rag", "--tenant", "acme")
    assert key not in (tmp_path / "keys.json").read_text()
    roles("sightline-collector", "serve", env=env, health_url=f"http://127.0.0.1:{port}/healthz")
    url, body = f"http://127.0.0.1:{port}/v1/traces", _body("by http", "globex")
    assert [_post(url, body), _post(url, body, x_api_key="wrong")] == [401, 401]
    assert _post(url, body, Authorization=f"Bearer {key}") == 200
    with grpc.insecure_channel(f"127.0.0.1:{grpc_port}") as channel:
        call = channel.unary_unary(_EXPORT)
        with pytest.raises(grpc.RpcError) as refused:
            call(_body("by grpc", "globex"), timeout=10)
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        call(_body("by grpc", "globex"), timeout=10, metadata=(("x-api-key", key),))
    rows, deadline = [], time.monotonic() + 20
    while len(rows) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
        rows = client.query_rows("SELECT Name, Tenant FROM requests ORDER BY Name")
    assert rows == [{"Name": "by grpc", "Tenant": "acme"}, {"Name": "by http", "Tenant": "acme"}]
    (note,) = client.query_rows("SELECT DISTINCT SpanAttributes['note'] AS note FROM otel_traces")
    assert "ann@example.org" not in note["note"]
    _keys(env, "revoke", key.split("_")[1])
    deadline = time.monotonic() + 10
    while _post(url, _body("late", ""), x_api_key=key) != 401:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_tls_on_both_ports(roles: StartRole, tmp_path: Path) -> None:
    """With certificate files both ports speak TLS, plain requests get nowhere, and handshakes that stop are closed."""
    port, grpc_port = free_port(), free_port()
    cert, pem = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(pem), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    env = {
        "SIGHTLINE_COLLECTOR_HTTP_PORT": str(port),
        "SIGHTLINE_COLLECTOR_GRPC_PORT": str(grpc_port),
        "SIGHTLINE_COLLECTOR_SPOOL_DIR": str(tmp_path / "spool"),
        "SIGHTLINE_COLLECTOR_KEYS_FILE": str(tmp_path / "keys.json"),
        "SIGHTLINE_COLLECTOR_TLS_CERT_FILE": str(cert),
        "SIGHTLINE_COLLECTOR_TLS_KEY_FILE": str(pem),
        "SIGHTLINE_COLLECTOR_HEADER_TIMEOUT_S": "1.5",
        "SIGHTLINE_STORE_URL": "http://127.0.0.1:9",
    }
    role = Role(["sightline-collector", "serve"], env, "http://127.0.0.1:9/", tmp_path / "log")
    context, deadline, status = ssl.create_default_context(cafile=str(cert)), time.monotonic() + 30, 0
    with suppress(AssertionError):
        role.start(timeout_s=0.1)
    try:
        while status != 200 and time.monotonic() < deadline:
            with suppress(OSError):
                status = _post(f"https://127.0.0.1:{port}/v1/traces", _body("tls", ""), context)
            time.sleep(0.1)
        assert status == 200, role.tail()
        with pytest.raises((OSError, http.client.HTTPException)):
            _post(f"http://127.0.0.1:{port}/v1/traces", _body("plain", ""))
        credentials = grpc.ssl_channel_credentials(cert.read_bytes())
        with grpc.secure_channel(f"localhost:{grpc_port}", credentials) as channel:
            channel.unary_unary(_EXPORT)(_body("tls grpc", ""), timeout=10)
        for number in (port, grpc_port):
            with socket.create_connection(("127.0.0.1", number), timeout=8) as silent:
                assert silent.recv(1000) == b""
    finally:
        role.stop()
