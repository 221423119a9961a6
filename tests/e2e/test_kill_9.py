"""Acknowledged means stored, once: collector and store are killed at random moments under load."""

from __future__ import annotations

import random
import secrets
import time
from pathlib import Path

import pytest
from killed_roles import Sender, none_of, start_pair
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from role_process import StartRole

_KILLS = 12
_SPANS = 20


def _request() -> tuple[list[bytes], list[str]]:
    """A request and its spans' ids."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "killed"
    scope, ids, now = resource.scope_spans.add(), [], time.time_ns()
    for _ in range(_SPANS):
        span_id = secrets.token_bytes(8)
        span = scope.spans.add(
            trace_id=secrets.token_bytes(16), span_id=span_id, name="chat", start_time_unix_nano=now, kind=3
        )
        span.end_time_unix_nano = now + 1_000_000
        span.attributes.add(key="gen_ai.operation.name").value.string_value = "chat"
        ids.append(span_id.hex())
    return [request.SerializeToString()], ids


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_every_acknowledged_span_is_stored_once_across_kill_9(roles: StartRole, tmp_path: Path) -> None:
    """Twelve kills of collector, store or both lose no acknowledged span and double none, behind the views too."""
    pair = start_pair(roles, tmp_path, COLLECTOR_SEGMENT_MAX_AGE_S="0.1")
    senders = [Sender(pair.url, _request) for _ in range(4)]
    for sender in senders:
        sender.start()
    pair.kill(random.Random(20261123), _KILLS, 0.1, 0.9)
    for sender in senders:
        sender.end()
    acknowledged = {span_id for sender in senders for ids in sender.acknowledged for span_id in ids}
    assert len(acknowledged) > _SPANS * _KILLS
    assert set().union(*(sender.statuses for sender in senders)) <= {200, 503}

    def is_stored() -> bool:
        (row,) = pair.client.query_rows("SELECT uniqExact(SpanId) AS u FROM otel_traces")
        return row["u"] >= len(acknowledged) and not list(pair.spool.glob("*.seg"))

    waited = pair.wait_until(is_stored)
    stored = {
        row["SpanId"]: row["n"]
        for row in pair.client.query_rows("SELECT SpanId, count() AS n FROM otel_traces GROUP BY 1")
    }
    behind = pair.client.query_rows("SELECT count() AS n, uniqExact(SpanId) AS u FROM llm_calls")[0]
    pair.client.close()
    assert none_of(f"spans were acknowledged and are not stored; {waited}", acknowledged - stored.keys())
    assert none_of("spans are stored more than once", {span_id for span_id, count in stored.items() if count > 1})
    assert behind == {"n": len(stored), "u": len(stored)}
    assert not (tmp_path / "spool" / "quarantine").exists()
