"""The collector tells about itself: /stats, /metrics in Prometheus's format, and metrics in the store."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from role_process import StartRole, free_port

from sightline_store.client import Client
from sightline_store.questions import queries
from sightline_store.questions.asking import Filters


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def test_counts_are_on_the_page_and_in_the_store(
    roles: StartRole, tmp_path: Path, emptied: Callable[..., Client]
) -> None:
    """What came in is counted alike on /stats, on /metrics and in otel_metrics_sum, insert times as a histogram."""
    port, client = free_port(), emptied()
    url = f"http://127.0.0.1:{port}"
    env = {
        "SIGHTLINE_COLLECTOR_HTTP_PORT": str(port),
        "SIGHTLINE_COLLECTOR_GRPC_PORT": str(free_port()),
        "SIGHTLINE_COLLECTOR_SPOOL_DIR": str(tmp_path / "spool"),
        "SIGHTLINE_COLLECTOR_METRICS_INTERVAL_S": "0.5",
        "SIGHTLINE_COLLECTOR_SEGMENT_MAX_AGE_S": "0.1",
        "SIGHTLINE_STORE_URL": client.settings.url,
        "SIGHTLINE_STORE_DATABASE": client.settings.database,
    }
    role = roles("sightline-collector", "serve", env=env, health_url=f"{url}/healthz")
    request = ExportTraceServiceRequest()
    resource, began = request.resource_spans.add(), datetime.now(UTC)
    resource.resource.attributes.add(key="service.name").value.string_value = "counted"
    spans = resource.scope_spans.add().spans
    for index in range(7):
        spans.add(
            trace_id=bytes(15) + b"\x01", span_id=bytes(7) + bytes([index + 1]), name="n"
        ).start_time_unix_nano = time.time_ns()
    post = urllib.request.Request(
        f"{url}/v1/traces", request.SerializeToString(), {"Content-Type": "application/x-protobuf"}
    )
    with urllib.request.urlopen(post, timeout=10) as answer:
        assert answer.status == 200
    assert json.loads(_get(f"{url}/stats"))["received_spans"] == 7
    page = _get(f"{url}/metrics")
    assert re.search(r'sightline_collector_items_received_total\{.*signal="traces".*\} 7\.0', page)
    assert re.search(r'sightline_collector_service_received_total\{.*service="counted".*signal="traces".*\} 7\.0', page)
    assert "sightline_collector_spool_size_bytes" in page
    sql = """SELECT max(Value) AS n FROM otel_metrics_sum
        WHERE MetricName = 'sightline.collector.items.stored' AND Attributes['signal'] = 'traces'"""
    stored, deadline = 0.0, time.monotonic() + 30
    while stored != 7 and time.monotonic() < deadline:
        time.sleep(0.2)
        stored = client.query_rows(sql)[0]["n"]
    assert stored == 7, role.tail()
    for name in ("insert", "sync"):
        sql = f"SELECT max(Count) AS n FROM otel_metrics_histogram WHERE MetricName LIKE '%{name}.duration'"
        timed = 0
        while not timed and time.monotonic() < deadline:
            timed = client.query_rows(sql)[0]["n"]
            time.sleep(0.05)
        assert timed >= 1, role.tail()
    window = Filters(start=began - timedelta(minutes=1), end=began + timedelta(minutes=5))
    told: list[Any] = []
    while time.monotonic() < deadline:
        told = [row for row in queries.collected(client, window) if row["service"] == "counted"]
        if told and told[0]["shipped_spans"]:
            break
        time.sleep(0.2)
    assert told == [
        {"service": "counted", "received_spans": 7, "shipped_spans": 7, "queryable_spans": 7, "sampled_out_spans": 0}
    ]
