"""Acknowledged means stored or sampled out, once: kills at random moments with tail sampling on."""

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

_KILLS = 6
_TRACES = 10


def _requests() -> tuple[list[bytes], dict[str, bool]]:
    """Two requests of the same traces, and whether each span's trace fails: that only the second one tells."""
    requests, spans = [ExportTraceServiceRequest(), ExportTraceServiceRequest()], {}
    traces = [secrets.token_bytes(16) for _ in range(_TRACES)]
    for number, request in enumerate(requests):
        resource = request.resource_spans.add()
        resource.resource.attributes.add(key="service.name").value.string_value = "killed"
        scope, now = resource.scope_spans.add(), time.time_ns()
        for index, trace_id in enumerate(traces):
            span = scope.spans.add(
                trace_id=trace_id, span_id=secrets.token_bytes(8), name="chat", start_time_unix_nano=now, kind=3
            )
            span.end_time_unix_nano = now + 1_000_000
            span.status.code = 2 if number and index == 0 else 0
            span.attributes.add(key="gen_ai.operation.name").value.string_value = "chat"
            spans[span.span_id.hex()] = index == 0
    return [request.SerializeToString() for request in requests], spans


class _Sender(threading.Thread):
    """Sends requests one after the other; each again, unchanged, until it is answered."""

    def __init__(self, url: str, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._url, self._stop_event = url, stop
        self.acknowledged: dict[str, bool] = {}

    def run(self) -> None:
        """Send until told to stop, and then until the last request is answered."""
        while not self._stop_event.is_set():
            bodies, spans = _requests()
            for body in bodies:
                self._send(body)
            self.acknowledged |= spans

    def _send(self, body: bytes) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            post = urllib.request.Request(
                f"{self._url}/v1/traces", body, {"Content-Type": "application/x-protobuf"}, method="POST"
            )
            try:
                with urllib.request.urlopen(post, timeout=10):
                    return
            except OSError as exc:
                if isinstance(exc, urllib.error.HTTPError):
                    exc.close()
                time.sleep(0.05)
        raise AssertionError("not answered for a minute")


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_every_acknowledged_span_is_decided_once_across_kill_9(roles: StartRole, tmp_path: Path) -> None:
    """Six kills of collector, store or both: typed tables hold each span once, raw rows and sampled out add up."""
    chance = random.Random(20261124)
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
            "SIGHTLINE_COLLECTOR_SAMPLE_SHARE": "0.2",
            "SIGHTLINE_COLLECTOR_SAMPLE_WINDOW_S": "0.5",
            "SIGHTLINE_STORE_URL": store_url,
        },
        health_url=f"{url}/healthz",
    )
    stop = threading.Event()
    senders = [_Sender(url, stop) for _ in range(3)]
    for sender in senders:
        sender.start()
    for _ in range(_KILLS):
        time.sleep(chance.uniform(0.3, 1.2))
        victims: list[Role] = chance.choice([[collector], [store], [collector, store]])
        for victim in victims:
            victim.kill()
        for victim in reversed(victims):
            victim.start()
    stop.set()
    for sender in senders:
        sender.join(90)
    acknowledged = {span_id: fails for sender in senders for span_id, fails in sender.acknowledged.items()}
    assert len(acknowledged) > _TRACES * _KILLS

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        (typed,) = client.query_rows("SELECT count() AS n, uniqExact(SpanId) AS u FROM llm_calls")
        if typed["u"] >= len(acknowledged) and not list((tmp_path / "spool" / "traces").glob("*.seg")):
            break
        time.sleep(0.2)
    assert acknowledged.keys() == {row["SpanId"] for row in client.query_rows("SELECT SpanId FROM llm_calls")}
    assert typed == {"n": len(acknowledged), "u": len(acknowledged)}
    raw = {
        row["SpanId"]: (row["n"], row["weight"])
        for row in client.query_rows(
            "SELECT SpanId, count() AS n, any(SpanAttributes['sightline.sampling.weight']) AS weight "
            "FROM otel_traces GROUP BY SpanId"
        )
    }
    (out,) = client.query_rows("SELECT sum(Spans) AS spans FROM sampled_out_spans")
    client.close()
    assert {count for count, _ in raw.values()} == {1}
    assert len(raw) + out["spans"] == len(acknowledged)
    # A second request that came later than the window may have found its trace's first spans gone, no others.
    whole = {span_id for span_id, (_, weight) in raw.items() if weight == ""}
    assert {span_id for span_id in whole if not acknowledged[span_id]} == set()
    assert {weight for _, weight in raw.values()} == {"", "5"}
    failed = {span_id for span_id, fails in acknowledged.items() if fails}
    assert len(whole) >= len(failed) // 2
    estimate = sum(float(weight or 1) for _, weight in raw.values())
    assert abs(estimate / len(acknowledged) - 1) < 0.5
    assert not (tmp_path / "spool" / "quarantine").exists()
