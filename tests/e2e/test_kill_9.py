"""Acknowledged means stored, once: collector and store are killed at random moments under load."""

from __future__ import annotations

import random
import secrets
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from conftest import Role, StartRole, free_port
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sightline_store import schema
from sightline_store.client import Client
from sightline_store.settings import StoreSettings

_KILLS = 12
_SPANS = 20


def _request(service: str) -> tuple[bytes, list[str]]:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = service
    scope, ids, now = resource.scope_spans.add(), [], time.time_ns()
    for _ in range(_SPANS):
        span_id = secrets.token_bytes(8)
        span = scope.spans.add(
            trace_id=secrets.token_bytes(16), span_id=span_id, name="chat", start_time_unix_nano=now, kind=3
        )
        span.end_time_unix_nano = now + 1_000_000
        span.attributes.add(key="gen_ai.operation.name").value.string_value = "chat"
        ids.append(span_id.hex())
    return request.SerializeToString(), ids


class _Sender(threading.Thread):
    """Sends requests one after the other; each again, unchanged, until it is answered."""

    def __init__(self, url: str, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._url, self._stop_event = url, stop
        self.acknowledged: list[str] = []
        self.statuses: set[int] = set()

    def run(self) -> None:
        """Send until told to stop, and then until the last request is answered."""
        while not self._stop_event.is_set():
            body, ids = _request("killed")
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                post = urllib.request.Request(
                    f"{self._url}/v1/traces", body, {"Content-Type": "application/x-protobuf"}, method="POST"
                )
                try:
                    with urllib.request.urlopen(post, timeout=10) as answer:
                        self.statuses.add(answer.status)
                    self.acknowledged += ids
                    break
                except urllib.error.HTTPError as exc:
                    self.statuses.add(exc.code)
                    exc.close()
                    time.sleep(0.05)
                except OSError:
                    time.sleep(0.05)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_every_acknowledged_span_is_stored_once_across_kill_9(roles: StartRole, tmp_path: Path) -> None:
    """Twelve kills of collector, store or both lose no acknowledged span and double none, behind the views too."""
    chance = random.Random(20261123)
    store_port, port = free_port(), free_port()
    store_url, url = f"http://127.0.0.1:{store_port}", f"http://127.0.0.1:{port}"
    store = roles(
        "sightline-store",
        "serve",
        env={"SIGHTLINE_STORE_PORT": str(store_port), "SIGHTLINE_STORE_DATA_DIR": str(tmp_path / "store")},
        health_url=f"{store_url}/ping",
    )
    client = Client(StoreSettings(url=store_url))
    schema.apply(client)
    collector = roles(
        "sightline-collector",
        "serve",
        env={
            "SIGHTLINE_COLLECTOR_HTTP_PORT": str(port),
            "SIGHTLINE_COLLECTOR_GRPC_PORT": str(free_port()),
            "SIGHTLINE_COLLECTOR_SPOOL_DIR": str(tmp_path / "spool"),
            "SIGHTLINE_COLLECTOR_SEGMENT_MAX_AGE_S": "0.1",
            "SIGHTLINE_STORE_URL": store_url,
        },
        health_url=f"{url}/healthz",
    )
    stop = threading.Event()
    senders = [_Sender(url, stop) for _ in range(4)]
    for sender in senders:
        sender.start()
    for _ in range(_KILLS):
        time.sleep(chance.uniform(0.1, 0.9))
        victims: list[Role] = chance.choice([[collector], [store], [collector, store]])
        for victim in victims:
            victim.kill()
        for victim in reversed(victims):
            victim.start()
    stop.set()
    for sender in senders:
        sender.join(90)
    acknowledged = {span_id for sender in senders for span_id in sender.acknowledged}
    assert len(acknowledged) > _SPANS * _KILLS
    assert set().union(*(sender.statuses for sender in senders)) <= {200, 503}

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        rows = client.query_rows("SELECT count() AS n, uniqExact(SpanId) AS u FROM otel_traces")
        if rows[0]["u"] >= len(acknowledged) and not list((tmp_path / "spool" / "traces").glob("*.seg")):
            break
        time.sleep(0.2)
    stored = {
        row["SpanId"]: row["n"] for row in client.query_rows("SELECT SpanId, count() AS n FROM otel_traces GROUP BY 1")
    }
    behind = client.query_rows("SELECT count() AS n, uniqExact(SpanId) AS u FROM llm_calls")[0]
    client.close()
    assert acknowledged - stored.keys() == set()
    assert {span_id for span_id, count in stored.items() if count > 1} == set()
    assert behind == {"n": len(stored), "u": len(stored)}
    assert not (tmp_path / "spool" / "quarantine").exists()
