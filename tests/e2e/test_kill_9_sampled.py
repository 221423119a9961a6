"""Acknowledged means stored or sampled out, once: kills at random moments with tail sampling on."""

from __future__ import annotations

import random
import secrets
import time
from pathlib import Path

import pytest
from killed_roles import Sender, none_of, start_pair
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from role_process import StartRole

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


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_every_acknowledged_span_is_decided_once_across_kill_9(roles: StartRole, tmp_path: Path) -> None:
    """Six kills of collector, store or both: typed tables hold each span once, raw rows and sampled out add up."""
    pair = start_pair(
        roles,
        tmp_path,
        COLLECTOR_SEGMENT_MAX_AGE_S="0.25",
        COLLECTOR_SAMPLE_SHARE="0.2",
        COLLECTOR_SAMPLE_WINDOW_S="0.5",
    )
    client = pair.client
    senders = [Sender(pair.url, _requests) for _ in range(3)]
    for sender in senders:
        sender.start()
    pair.kill(random.Random(20261124), _KILLS, 0.3, 1.2)
    for sender in senders:
        sender.end()
    acknowledged = {
        span_id: fails for sender in senders for spans in sender.acknowledged for span_id, fails in spans.items()
    }
    assert len(acknowledged) > _TRACES * _KILLS

    def is_stored() -> bool:
        (row,) = client.query_rows("SELECT uniqExact(SpanId) AS u FROM llm_calls")
        return row["u"] >= len(acknowledged) and not list(pair.spool.glob("*.seg"))

    waited = pair.wait_until(is_stored)
    (typed,) = client.query_rows("SELECT count() AS n, uniqExact(SpanId) AS u FROM llm_calls")
    decided = {row["SpanId"] for row in client.query_rows("SELECT SpanId FROM llm_calls")}
    assert none_of(f"spans were acknowledged and are not in llm_calls; {waited}", acknowledged.keys() - decided)
    assert none_of("spans are in llm_calls and were not acknowledged", decided - acknowledged.keys())
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
    assert none_of(
        "spans of traces that did not fail were kept whole", {span_id for span_id in whole if not acknowledged[span_id]}
    )
    assert {weight for _, weight in raw.values()} == {"", "5"}
    failed = {span_id for span_id, fails in acknowledged.items() if fails}
    assert len(whole) >= len(failed) // 2
    estimate = sum(float(weight or 1) for _, weight in raw.values())
    assert abs(estimate / len(acknowledged) - 1) < 0.5
    assert not (tmp_path / "spool" / "quarantine").exists()
