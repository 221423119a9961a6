"""A backlog of many small segments goes in few INSERTs, and each of its spans is stored once, whatever is killed."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from conftest import Role, StartRole, free_port
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sightline_collector.settings import CollectorSettings
from sightline_collector.spool.segment import ClosedSegment
from sightline_collector.spool.writer import Spool
from sightline_store import schema
from sightline_store.client import Client
from sightline_store.ingest import Signal
from sightline_store.settings import StoreSettings

_SEGMENTS = 600
_KILLS = 5


def _backlog(folder: Path) -> list[ClosedSegment]:
    """One segment a span, as a store that is away leaves them."""
    closed: list[ClosedSegment] = []
    spool = Spool(CollectorSettings(spool_dir=folder, segment_max_bytes=4096), closed.append)
    for number in range(_SEGMENTS):
        request = ExportTraceServiceRequest()
        span = request.resource_spans.add().scope_spans.add().spans.add(name="x" * 4096, kind=3)
        span.trace_id, span.span_id = number.to_bytes(16, "big"), (number + 1).to_bytes(8, "big")
        span.start_time_unix_nano = time.time_ns()
        span.attributes.add(key="gen_ai.operation.name").value.string_value = "chat"
        spool.append(Signal.TRACES, request.SerializeToString(), 1)[0].result(30)
    spool.close()
    return closed


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_backlog_of_small_segments_is_stored_once_across_kill_9(roles: StartRole, tmp_path: Path) -> None:
    """Kills of collector, store or both while batches are sent and removed: each span is there once, in each table."""
    chance = random.Random(20261125)
    assert len(_backlog(tmp_path / "spool")) == _SEGMENTS
    store_port, port = free_port(), free_port()
    store_url = f"http://127.0.0.1:{store_port}"
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
            "SIGHTLINE_COLLECTOR_SEGMENT_MAX_BYTES": "262144",  # some sixty segments a batch
            "SIGHTLINE_COLLECTOR_METRICS_INTERVAL_S": "0",
            "SIGHTLINE_STORE_URL": store_url,
        },
        health_url=f"http://127.0.0.1:{port}/healthz",
    )
    for _ in range(_KILLS):
        time.sleep(chance.uniform(0.05, 0.4))
        victims: list[Role] = chance.choice([[collector], [store], [collector, store]])
        for victim in victims:
            victim.kill()
        for victim in reversed(victims):
            victim.start()
    folder, deadline = tmp_path / "spool" / "traces", time.monotonic() + 60
    while (list(folder.glob("*.seg")) or list(folder.glob("*.batch"))) and time.monotonic() < deadline:
        time.sleep(0.1)
    left = [path.name for path in folder.iterdir() if path.suffix != ".seen"]
    counted = [
        client.query_rows(f"SELECT count() AS n, uniqExact(SpanId) AS u FROM {table}")[0]
        for table in ("otel_traces", "llm_calls")
    ]
    client.close()
    assert left == [], collector.tail()
    assert counted == [{"n": _SEGMENTS, "u": _SEGMENTS}] * 2
