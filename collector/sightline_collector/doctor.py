"""`sightline-collector doctor`: checks every part that a span passes, and says what to do where a check fails.

Checks run in the order of the data path, each on its own: a failed check does not hide the next. The last check sends a
span through the running collector and waits for its row.

With TLS, only a collector that holds the key of SIGHTLINE_COLLECTOR_TLS_CERT_FILE is trusted, whatever the names in
that certificate: the doctor connects by the address on which the collector listens.
"""

from __future__ import annotations

import functools
import http.client
import json
import os
import secrets
import shutil
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC
from http import HTTPStatus
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sightline_collector.receiver.keys import KeyRing
from sightline_collector.request import spelling
from sightline_collector.settings import CollectorSettings
from sightline_roles.doctor import Finding
from sightline_store.client import Client
from sightline_store.errors import StoreError
from sightline_store.ingest import Signal
from sightline_store.schema import migrate
from sightline_store.settings import StoreSettings

_CLOCK_TOLERANCE_S = 5.0
_ANSWER_S = 10.0
_ARRIVAL_S = 20.0
_SCHEMA_S = 15.0
_LOW_DISK_SHARE = 0.05


def examine(settings: CollectorSettings, store: StoreSettings) -> Iterator[Finding]:
    """Run every check; findings come as they are made."""
    client = Client(store)
    for check, run in (
        ("collector", lambda: _collector(settings)),
        ("requests", _requests),
        ("spool", lambda: _spool(settings)),
        ("store", lambda: _store(client)),
        ("schema", lambda: _schema(client)),
        ("clock", lambda: _clock(client)),
        ("keys", lambda: _keys(settings)),
        ("round trip", lambda: _round_trip(settings, client)),
    ):
        yield _guarded(check, run)
    client.close()


def _guarded(check: str, run: Callable[[], tuple[str, str]]) -> Finding:
    try:
        return Finding(check, *run())
    except (StoreError, OSError, ValueError, http.client.HTTPException) as exc:
        return Finding(check, "failed", str(exc).splitlines()[0])


def _collector(settings: CollectorSettings) -> tuple[str, str]:
    url = _address(settings)
    try:
        with _open(settings, "/stats") as answer:
            stats = json.load(answer)
    except (OSError, ValueError, http.client.HTTPException) as exc:
        if _speaks_tls(settings):
            if settings.tls_cert_file is None:
                return f"what listens at {url} speaks TLS only", (
                    "set SIGHTLINE_COLLECTOR_TLS_CERT_FILE and SIGHTLINE_COLLECTOR_TLS_KEY_FILE as for the collector"
                )
            return f"{url} presents a certificate that is not valid or not that of the settings ({exc})", (
                f"compare it with SIGHTLINE_COLLECTOR_TLS_CERT_FILE={settings.tls_cert_file}, and start the collector "
                "again after a renewal"
            )
        return (
            f"nothing answers at {url} ({exc})",
            "start it with `sightline-collector serve` or `sightline up`; where another program holds the port, "
            "set SIGHTLINE_COLLECTOR_HTTP_PORT",
        )
    return f"listens on {url}, {stats['received_spans']:,} spans received, lag {stats['lag_s']} s", ""


def _requests() -> tuple[str, str]:
    """By what requests are checked with what is installed here; slower is not wrong."""
    if spelling.is_compiled():
        return "checked by the compiled walk over their bytes", ""
    return "checked by protobuf alone, in more CPU: no C compiler was there at installation, or none was wanted", ""


def _spool(settings: CollectorSettings) -> tuple[str, str]:  # noqa: PLR0911  (one line for each result)
    folder = settings.spool_dir
    if not folder.exists():
        return f"{folder} does not exist yet", "" if os.access(
            _existing(folder), os.W_OK
        ) else f"{folder} cannot be made"
    waiting = [path.stat() for signal in Signal for path in (folder / signal).glob("*.seg")]
    letters = {name: len(list((folder / name).glob("*.reason"))) for name in ("quarantine", "dead-letter")}
    disk = shutil.disk_usage(folder)
    size, oldest_s = (
        sum(s.st_size for s in waiting),
        time.time() - min((s.st_mtime for s in waiting), default=time.time()),
    )
    result = f"{len(waiting)} segments, {size:,} bytes wait; {disk.free:,} bytes of disk free"
    if not os.access(folder, os.W_OK):
        return result, f"{folder} is not writable for this user"
    if any(letters.values()):
        names = " and ".join(f"{count} in {folder / name}" for name, count in letters.items() if count)
        return result, f"not stored: {names}; `sightline-collector dead-letter list` says why"
    if disk.free < disk.total * _LOW_DISK_SHARE:
        return result, f"the disk of {folder} is nearly full: free some, or set SIGHTLINE_COLLECTOR_SPOOL_DIR"
    if size >= settings.spool_max_bytes:
        return result, "the spool is full and requests are answered 503: see the store, or raise its limit"
    if oldest_s > 60 + (settings.sampling.window_s if settings.sampling.is_on else 0):
        return result, f"the oldest segment waits for {oldest_s:.0f} s: the store is away or too slow"
    return result, ""


def _keys(settings: CollectorSettings) -> tuple[str, str]:
    """Whether senders need a key, whether a valid key exists, and whether the doctor has one."""
    ring = KeyRing(settings.keys_file)
    valid = [key for key in ring if not key.revoked]
    create = "`sightline-collector keys create --name NAME --tenant TENANT`"
    if not len(ring) and settings.is_loopback:
        return "open: it listens on loopback only, and no key was created", ""
    result = f"{len(valid)} of {len(ring)} in {settings.keys_file} are valid"
    if not valid:
        return result, f"nobody can send: {create}"
    own = ring.find(settings.doctor_key) if settings.doctor_key else None
    if own is None:
        state = "is not one of them" if settings.doctor_key else "is unset"
        return result, f"SIGHTLINE_COLLECTOR_DOCTOR_KEY {state}: set it, or give --key, so that a span can be sent"
    return f"{result}; the span is sent with {own.name!r}, tenant {own.tenant!r}", ""


def _store(client: Client) -> tuple[str, str]:
    began = time.monotonic()
    (row,) = client.query_rows("SELECT version() AS version")
    return f"ClickHouse {row['version']} at {client.settings.url}, {(time.monotonic() - began) * 1e3:.0f} ms", ""


def _schema(client: Client) -> tuple[str, str]:
    deadline = time.monotonic() + _SCHEMA_S
    # A collector that has just started is making the tables.
    while (pending := migrate.pending(client)) and time.monotonic() < deadline:
        time.sleep(0.5)
    have = max(migrate.applied(client), default=0)
    if pending:
        return f"version {have}", "run `sightline-store migrate`"
    columns = {row["name"]: row["type"] for row in client.query_rows("DESCRIBE TABLE otel_traces")}
    if "TraceId" not in columns or not columns.get("SpanAttributes", "").startswith("Map("):
        return (
            f"version {have}, foreign otel_traces",
            "otel_traces is not the official exporter's: use another database",
        )
    return f"version {have}, otel_traces of the official exporter's generation 1, otel_logs of generation 2", ""


def _clock(client: Client) -> tuple[str, str]:
    before = time.time()
    (row,) = client.query_rows("SELECT now64(3, 'UTC') AS now")
    after = time.time()
    off_s = row["now"].replace(tzinfo=UTC).timestamp() - (before + after) / 2
    if abs(off_s) > _CLOCK_TOLERANCE_S:
        return f"{off_s:+.1f} s between this machine and the store", "set both clocks by NTP: pages ask by the store's"
    return f"{off_s:+.3f} s between this machine and the store", ""


def _round_trip(settings: CollectorSettings, client: Client) -> tuple[str, str]:
    request, trace_id, now = ExportTraceServiceRequest(), secrets.token_bytes(16), time.time_ns()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "sightline-doctor"
    span = resource.scope_spans.add().spans.add(
        trace_id=trace_id, span_id=secrets.token_bytes(8), name="doctor", kind=1
    )
    span.start_time_unix_nano, span.end_time_unix_nano = now, now + 1
    span.attributes.add(key="sightline.stage").value.string_value = "doctor"
    headers = {"Content-Type": "application/x-protobuf", **_authorization(settings)}
    began = time.monotonic()
    try:
        with _open(settings, "/v1/traces", request.SerializeToString(), headers):
            acknowledged_s = time.monotonic() - began
    except urllib.error.HTTPError as exc:
        with exc:
            return f"the collector answered {exc.code}", (
                "it takes spans with an API key only: set SIGHTLINE_COLLECTOR_DOCTOR_KEY, or give --key"
                if exc.code == HTTPStatus.UNAUTHORIZED
                else "its log says why"
            )
    patience_s = _ARRIVAL_S + (settings.sampling.window_s if settings.sampling.is_on else 0)
    while time.monotonic() - began < patience_s:
        # Where its row is sampled out, its trace is still listed.
        sql = "SELECT count() AS n FROM otel_traces_trace_id_ts WHERE TraceId = {id:String}"
        if client.query_rows(sql, {"id": trace_id.hex()})[0]["n"]:
            arrived_s = time.monotonic() - began
            return f"acknowledged after {acknowledged_s * 1e3:.0f} ms, queryable after {arrived_s:.1f} s", ""
        time.sleep(0.1)
    return (
        f"acknowledged, and not queryable after {patience_s:.0f} s",
        "the collector may write to another store or database: compare SIGHTLINE_STORE_URL and _DATABASE of both",
    )


def _authorization(settings: CollectorSettings) -> dict[str, str]:
    return {"Authorization": f"Bearer {settings.doctor_key}"} if settings.doctor_key else {}


def _existing(folder: Path) -> Path:
    return next(parent for parent in (folder, *folder.resolve().parents) if parent.exists())


def _place(settings: CollectorSettings) -> tuple[str, int]:
    """Where to connect: an address that means every network of this machine is reached by loopback."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host), settings.http_port  # noqa: S104


def _address(settings: CollectorSettings) -> str:
    host, port = _place(settings)
    scheme = "https" if settings.tls_cert_file else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _open(
    settings: CollectorSettings, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> Any:
    """Send a request to the collector, past any proxy.

    Raises:
        urllib.error.HTTPError: it answered with an error.
        OSError: nothing answers, or its certificate is not that of the settings.
        http.client.HTTPException: what answers does not speak HTTP.
    """
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if settings.tls_cert_file:
        handlers.append(urllib.request.HTTPSHandler(context=_tls(settings.tls_cert_file)))
    request = urllib.request.Request(f"{_address(settings)}{path}", body, dict(headers or {}))  # noqa: S310
    return urllib.request.build_opener(*handlers).open(request, timeout=_ANSWER_S)


@functools.cache
def _tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the certificate itself is the anchor, not who signed it
    context.load_verify_locations(certificate)
    return context


def _speaks_tls(settings: CollectorSettings) -> bool:
    """Whether what listens answers a TLS handshake, with whatever certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection(_place(settings), timeout=5) as plain, context.wrap_socket(plain):
            return True
    except OSError:
        return False
