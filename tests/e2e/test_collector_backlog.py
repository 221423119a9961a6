"""A backlog of many small segments goes in few INSERTs, and each of its spans is stored once, whatever is killed."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from killed_roles import start_pair
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from role_process import StartRole

from sightline_collector.settings import CollectorSettings
from sightline_collector.spool.segment import ClosedSegment
from sightline_collector.spool.writer import Spool
from sightline_store.ingest import Signal

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
        spool.append(Signal.TRACES, request.SerializeToString(), {"": 1})[0].result(30)
    spool.close()
    return closed


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_backlog_of_small_segments_is_stored_once_across_kill_9(roles: StartRole, tmp_path: Path) -> None:
    """Kills of collector, store or both while batches are sent and removed: each span is there once, in each table."""
    assert len(_backlog(tmp_path / "spool")) == _SEGMENTS
    pair = start_pair(
        roles,
        tmp_path,
        COLLECTOR_SEGMENT_MAX_BYTES="262144",  # some sixty segments a batch
        COLLECTOR_METRICS_INTERVAL_S="0",
    )
    pair.kill(random.Random(20261125), _KILLS, 0.05, 0.4)
    pair.wait_until(lambda: not [*pair.spool.glob("*.seg"), *pair.spool.glob("*.batch")])
    left = [path.name for path in pair.spool.iterdir() if path.suffix != ".summary"]
    counted = [
        pair.client.query_rows(f"SELECT count() AS n, uniqExact(SpanId) AS u FROM {table}")[0]
        for table in ("otel_traces", "llm_calls")
    ]
    pair.client.close()
    assert left == [], pair.collector.tail()
    assert counted == [{"n": _SEGMENTS, "u": _SEGMENTS}] * 2
