"""Every view is replaced, several times, while a collector ships: each span is counted once in every typed table."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from collector_role import CollectorRole, start_collector
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from role_process import StartRole, free_port

from sightline_store.client import Client
from sightline_store.ddl import Kind
from sightline_store.schema import declared, migrate
from sightline_store.settings import StoreSettings

SPANS = 200_000
TRACE_SPANS = 4  # a request, a search, an embedding and a call of a model
REQUEST_SPANS = 2_000
TRACES = SPANS // TRACE_SPANS
ROUNDS_AT = (0.01, 0.25, 0.5)
"""Shares of the spans that are stored when a round of replacement begins."""
# Table to the rows that it gets and to what names a row.
EXPECTED = {
    "otel_traces": (SPANS, "SpanId"),
    "otel_traces_trace_id_ts": (TRACES, "TraceId"),
    "requests": (TRACES, "SpanId"),
    "retrievals": (TRACES, "SpanId"),
    "embeddings": (TRACES, "SpanId"),
    "llm_calls": (TRACES, "SpanId"),
    "stages": (3 * TRACES, "SpanId"),
    "errors": (TRACES, "SpanId"),
    "scores": (TRACES // 50, "TraceId"),
    "otel_logs": (TRACES // 50, "TraceId"),
}


def test_views_are_replaced_while_a_collector_ships(
    roles: StartRole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """200,000 spans, every view and Null table replaced again and again: nothing is lost, nothing is there twice."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    env = {"SIGHTLINE_STORE_PORT": str(port), "SIGHTLINE_STORE_DATA_DIR": str(tmp_path / "data")}
    roles("sightline-store", "serve", env=env, health_url=f"{url}/ping")
    client = Client(StoreSettings(url=url))
    migrate.apply(client)
    collector = start_collector(
        roles, tmp_path, url, COLLECTOR_SEGMENT_MAX_BYTES=str(1 << 20), COLLECTOR_SEGMENT_MAX_AGE_S="0.3"
    )
    sender = threading.Thread(target=_send, args=(collector.url,))
    sender.start()
    names = [name for name, item in declared.objects().items() if item.kind is not Kind.FUNCTION]
    for number, share in enumerate(ROUNDS_AT):
        _wait(client, "otel_traces", round(SPANS * share), collector)
        for name in names:
            monkeypatch.setitem(declared.fingerprints(), name, f"{number:016}")
        assert len(migrate.apply(client).changes) == len(names)
        assert _count(client, "otel_traces") < SPANS, "all was stored before the last round"
    sender.join()
    for table in ("otel_traces", "otel_logs"):
        _wait(client, table, EXPECTED[table][0], collector)
    # An INSERT stores its parts one after the other: it is over when its segment has left the spool.
    deadline = time.monotonic() + 60
    while list((tmp_path / "spool").rglob("*.seg")) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert "schema is being upgraded" in collector.role.log.read_text(), "no INSERT came during an upgrade"
    for table, (rows, key) in EXPECTED.items():
        (row,) = client.query_rows(f"SELECT count() AS n, uniqExact({key}) AS u FROM {table}")
        assert row == {"n": rows, "u": rows}, table
    (row,) = client.query_rows("SELECT sum(Spans) AS n, max(HighestSequence) AS highest FROM instances")
    assert row == {"n": SPANS, "highest": SPANS}
    client.close()


def _wait(client: Client, table: str, rows: int, collector: CollectorRole) -> None:
    deadline = time.monotonic() + 120
    while _count(client, table) < rows:
        assert time.monotonic() < deadline, collector.role.tail()
        time.sleep(0.1)


def _count(client: Client, table: str) -> int:
    return int(client.query_rows(f"SELECT count() AS n FROM {table}")[0]["n"])


def _send(url: str) -> None:
    """All spans and scores, request after request; what is refused for now is sent again."""
    template = _template()
    for start in range(0, TRACES, REQUEST_SPANS // TRACE_SPANS):
        traces = range(start, start + REQUEST_SPANS // TRACE_SPANS)
        # Requests one after the other are a request: repeated fields are added up.
        _post(f"{url}/v1/traces", b"".join(_trace(template, number) for number in traces))
        _post(f"{url}/v1/logs", _scores(traces).SerializeToString())


def _post(url: str, body: bytes) -> None:
    while True:
        request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/x-protobuf"})
        try:
            urllib.request.urlopen(request, timeout=30).close()
        except urllib.error.HTTPError as exc:
            if exc.code != 503:
                raise
            time.sleep(0.2)
        else:
            return


def _template() -> bytes:
    """A request of one trace, with names of eight or sixteen bytes where `_trace` puts ids and numbers."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.append(_text("service.name", "loaded"))
    resource.resource.attributes.append(_text("service.instance.id", "one"))
    scope, now = resource.scope_spans.add(), time.time_ns()
    kinds = (
        ("request", (_text("sightline.stage", "request"),)),
        ("search", (_text("sightline.stage", "search"), _text("db.system.name", "weaviate"))),
        ("embed", (_text("sightline.stage", "embed"), _text("gen_ai.request.model", "embedder"))),
        ("model", (_text("gen_ai.operation.name", "chat"), _text("gen_ai.request.model", "gpt-4o-mini"))),
    )
    for index, (name, attributes) in enumerate(kinds):
        span = scope.spans.add(
            trace_id=b"trace id of 16 b",
            span_id=b"span id%d" % index,
            parent_span_id=b"span id0" if index else b"",
            name=name,
            kind=3 if index else 2,
            start_time_unix_nano=now,
            end_time_unix_nano=now + 1_000_000,
        )
        span.attributes.extend(attributes)
        span.attributes.append(_text("sightline.span.sequence", f"number {index}"))
        if name == "model":
            span.status.code = 2
    return request.SerializeToString()


def _trace(template: bytes, number: int) -> bytes:
    body = template.replace(b"trace id of 16 b", (number + 1).to_bytes(16))
    for index in range(TRACE_SPANS):
        sequence = number * TRACE_SPANS + index + 1
        body = body.replace(b"span id%d" % index, sequence.to_bytes(8)).replace(
            b"number %d" % index, b"%08d" % sequence
        )
    return body


def _scores(traces: range) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    resource.resource.attributes.append(_text("service.name", "loaded"))
    scope, now = resource.scope_logs.add(), time.time_ns()
    for trace in traces:
        if trace % 50 == 0:
            entry = scope.log_records.add(
                time_unix_nano=now, trace_id=(trace + 1).to_bytes(16), event_name="gen_ai.evaluation.result"
            )
            entry.attributes.append(_text("gen_ai.evaluation.name", "faithfulness"))
            entry.attributes.append(KeyValue(key="gen_ai.evaluation.score.value", value=AnyValue(double_value=0.5)))
    return request


def _text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))
