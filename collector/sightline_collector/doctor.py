"""`sightline-collector doctor`: is everything in place, and if not, what to mend.

Checks run in the order of the data path, each on its own: one that fails does not hide the next. The last one sends a
span through the running collector and waits for its row.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC
from http import HTTPStatus
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sightline_collector.receiver.keys import KeyRing
from sightline_collector.settings import CollectorSettings
from sightline_store.client import Client
from sightline_store.errors import StoreError
from sightline_store.ingest import Signal
from sightline_store.schema import migrate
from sightline_store.settings import StoreSettings

_CLOCK_TOLERANCE_S = 5.0
_ARRIVAL_S = 20.0
_SCHEMA_S = 15.0
_LOW_DISK_SHARE = 0.05


@dataclass(frozen=True)
class Finding:
    """What one check found: `advice` is '' where nothing is to be mended."""

    check: str
    found: str
    advice: str = ""

    @property
    def is_good(self) -> bool:
        """Whether nothing is to be mended."""
        return not self.advice


def examine(settings: CollectorSettings, store: StoreSettings) -> Iterator[Finding]:
    """Run every check; findings come as they are made."""
    client = Client(store)
    for check, run in (
        ("collector", lambda: _collector(settings)),
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
    except (StoreError, OSError, ValueError) as exc:
        return Finding(check, "failed", str(exc).splitlines()[0])


def _collector(settings: CollectorSettings) -> tuple[str, str]:
    url = f"http://{settings.host}:{settings.http_port}"
    try:
        stats = _get(f"{url}/stats")
    except (OSError, ValueError) as exc:
        return (
            f"nothing answers at {url} ({exc})",
            "start it with `sightline-collector serve` or `sightline up`; where another program holds the port, "
            "set SIGHTLINE_COLLECTOR_HTTP_PORT",
        )
    return f"listens on {url}, {stats['received_spans']:,} spans received, lag {stats['lag_s']} s", ""


def _spool(settings: CollectorSettings) -> tuple[str, str]:  # noqa: PLR0911  (one line a finding)
    folder = settings.spool_dir
    if not folder.exists():
        return f"{folder} does not exist yet", "" if os.access(
            _existing(folder), os.W_OK
        ) else f"{folder} cannot be made"
    waiting = [path.stat() for signal in Signal for path in (folder / signal).glob("*.seg")]
    aside = {name: len(list((folder / name).glob("*.reason"))) for name in ("quarantine", "dead-letter")}
    disk = shutil.disk_usage(folder)
    size, oldest_s = (
        sum(s.st_size for s in waiting),
        time.time() - min((s.st_mtime for s in waiting), default=time.time()),
    )
    found = f"{len(waiting)} segments, {size:,} bytes wait; {disk.free:,} bytes of disk free"
    if not os.access(folder, os.W_OK):
        return found, f"{folder} is not writable for this user"
    if any(aside.values()):
        names = " and ".join(f"{count} in {folder / name}" for name, count in aside.items() if count)
        return found, f"set aside: {names}; `sightline-collector aside list` says why"
    if disk.free < disk.total * _LOW_DISK_SHARE:
        return found, f"the disk of {folder} is nearly full: free some, or set SIGHTLINE_COLLECTOR_SPOOL_DIR"
    if size >= settings.spool_max_bytes:
        return found, "the spool is full and requests are answered 503: see the store, or raise its limit"
    if oldest_s > 60 + (settings.sampling.window_s if settings.sampling.is_on else 0):
        return found, f"the oldest segment waits for {oldest_s:.0f} s: the store is away or too slow"
    return found, ""


def _keys(settings: CollectorSettings) -> tuple[str, str]:
    """Whether senders need a key, whether there is one that holds, and whether the doctor has one."""
    ring = KeyRing(settings.keys_file)
    valid = [key for key in ring if not key.revoked]
    create = "`sightline-collector keys create --name NAME --tenant TENANT`"
    if not len(ring) and settings.is_loopback:
        return "open: bound to loopback, no key was made", ""
    found = f"{len(valid)} of {len(ring)} in {settings.keys_file} hold"
    if not valid:
        return found, f"nobody can send: {create}"
    own = ring.find(settings.doctor_key) if settings.doctor_key else None
    if own is None:
        said = "is not one of them" if settings.doctor_key else "is unset"
        return found, f"SIGHTLINE_COLLECTOR_DOCTOR_KEY {said}: set it, or give --key, so that a span can be sent"
    return f"{found}; the span is sent with {own.name!r}, tenant {own.tenant!r}", ""


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
        return f"version {have}", "run `sightline-store migrate` (the collector does it when it starts)"
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
    post = urllib.request.Request(
        f"http://{settings.host}:{settings.http_port}/v1/traces",
        request.SerializeToString(),
        {"Content-Type": "application/x-protobuf", **_authorization(settings)},
    )
    began = time.monotonic()
    try:
        with urllib.request.urlopen(post, timeout=10):  # noqa: S310
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


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310
        return json.load(answer)


def _existing(folder: Path) -> Path:
    return next(parent for parent in (folder, *folder.resolve().parents) if parent.exists())
