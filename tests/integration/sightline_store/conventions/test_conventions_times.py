"""One meaning of the first token, times that cannot be stored, and models that stopped because of a failure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from convention_spans import START_NS, Insert, Spans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from sightline_collector.spool import record
from sightline_store import ingest
from sightline_store.client import Client
from sightline_store.ingest import Signal
from sightline_store.questions import queries, request_lists
from sightline_store.questions.asking import Filters

_START = datetime.fromtimestamp(START_NS / 1e9, UTC)
_WINDOW = Filters(start=_START - timedelta(seconds=1), end=_START + timedelta(hours=1))
_LAST = "2106-02-07 06:28:15.999999999"
_CHAT = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai"}
_STREAM = {"openinference.span.kind": "LLM"}


def _moment(ms: float) -> str:
    return (_START + timedelta(milliseconds=ms)).isoformat()


_FIRST_CHUNK: dict[str, tuple[str, dict[str, Any], dict[str, float]]] = {
    "openinference": ("openinference.instrumentation.openai", _STREAM, {"First Token Stream Event": 300}),
    "langfuse": (
        "langfuse-sdk",
        {"langfuse.observation.type": "generation", "langfuse.observation.completion_start_time": _moment(300)},
        {},
    ),
    "openlit": ("openlit.otel.tracing", {**_CHAT, "gen_ai.server.time_to_first_token": 0.3}, {}),
    "mlflow": ("mlflow", {"mlflow.spanType": '"CHAT_MODEL"'}, {"mlflow.chunk.item.0": 300, "mlflow.chunk.item.1": 700}),
    "langsmith": ("langsmith", {"langsmith.span.kind": "llm"}, {"new_token": 300}),
    "braintrust": (
        "braintrust",
        {
            "braintrust.span_attributes": '{"type": "llm"}',
            **_CHAT,
            "braintrust.metrics": '{"time_to_first_token": 0.3}',
        },
        {},
    ),
    "loongsuite": ("loongsuite", {"gen_ai.span.kind": "LLM", "gen_ai.response.time_to_first_token": 300_000_000}, {}),
    "vercel": ("ai", {"ai.operationId": "ai.streamText.doStream", "ai.response.msToFirstChunk": 300}, {}),
}


def test_libraries_that_time_the_first_chunk_are_first_chunk(client: Client, insert: Insert) -> None:
    """Whatever they call it: it may be the chunk with the role, long before the first token."""
    spans = Spans()
    for scope, attributes, events in _FIRST_CHUNK.values():
        spans.add(attributes, scope=scope, events=events)
    spans.add(_CHAT, events={"first_token": 700})
    spans.add({**_CHAT, "ttft_ms": 700})
    rows = spans.rows(client, insert, "SELECT round(TtftMs) AS ms, TtftDefinition FROM llm_calls ORDER BY SpanId")
    assert [tuple(row.values()) for row in rows[: len(_FIRST_CHUNK)]] == [(300, "first_chunk")] * len(_FIRST_CHUNK)
    assert [tuple(row.values()) for row in rows[len(_FIRST_CHUNK) :]] == [(700, "first_token")] * 2


def test_mlflow_says_that_it_streams(client: Client, insert: Insert) -> None:
    """MLflow's attribute is the request's own parameter, as JSON; other names of the flag are read as before."""
    mlflow = {"mlflow.spanType": '"CHAT_MODEL"'}
    spans = Spans()
    for attributes in (
        {**mlflow, "stream": "true"},
        {**mlflow, "stream": "false"},
        mlflow,
        {**_CHAT, "gen_ai.request.stream": True},
        {"llm.request.type": "chat", "llm.is_streaming": "false", "stream": "true"},
    ):
        spans.add(attributes)
    rows = spans.rows(client, insert, "SELECT Streaming FROM llm_calls ORDER BY SpanId")
    assert [row["Streaming"] for row in rows] == [True, False, None, True, False]


def _requests(delivered: int, chunks: int, tokens: int = 0) -> Spans:
    """Requests that record the first token as delivered after 700 ms, and others the first chunk after 300 ms."""
    spans = Spans()
    for _ in range(delivered):
        spans.add({"sightline.stage": "request", "sightline.response.time_to_first_token": 0.7}, scope="sightline")
    for _ in range(chunks):
        spans.add(_STREAM, events={"First Token Stream Event": 300})
    for _ in range(tokens):
        spans.add(_CHAT, events={"first_token": 500})
    return spans


@pytest.mark.parametrize(
    ("counts", "definition", "ms", "n", "others"),
    [
        ((3, 1), "delivered", 700, 3, 1),
        ((1, 3, 1), "first_chunk", 300, 3, 2),
        ((2, 2), "delivered", 700, 2, 2),
        ((0, 1, 2), "first_token", 500, 2, 1),
        ((0, 0), "", None, 0, 0),
    ],
)
def test_percentiles_are_of_one_definition(
    client: Client, insert: Insert, counts: tuple[int, ...], definition: str, ms: float | None, n: int, others: int
) -> None:
    """That of most requests, of equals the most exact; the others are counted, in each question with such a time."""
    spans = _requests(*counts)
    spans.add({"sightline.stage": "request"}, scope="sightline")
    spans.rows(client, insert, "SELECT 1")
    overview = queries.overview(client, _WINDOW)
    told = (overview.ttft_definition, overview.ttft_p95_ms, overview.ttft_n, overview.ttft_others)
    assert told == (definition, ms, n, others)
    over_time = queries.latency_over_time(client, _WINDOW)
    assert {row["ttft_definition"] for row in over_time} == {definition}
    assert [row["ttft_p95_ms"] for row in over_time] == [ms]
    assert [(row["ttft_n"], row["ttft_others"]) for row in over_time] == [(n, others)]
    stages = queries.stage_stack(client, _WINDOW)
    if definition:
        assert {(row["ttft_definition"], row["ttft_others"], row["n"], row["untold"]) for row in stages} == {
            (definition, others, n, 1)
        }
        assert sum(row["mean_ms"] for row in stages) == pytest.approx(ms)
    else:
        assert stages == []
    traces = request_lists.traces(client, _WINDOW, sort="ttft")
    assert [row["ttft_definition"] for row in traces].count(definition) == (n or 1)


def _times(spans: Spans, start: int, end: int, event: int) -> None:
    """Set the last span's times."""
    span: Span = spans.resource.scope_spans[-1].spans[-1]
    span.start_time_unix_nano, span.end_time_unix_nano = start, end
    span.events.add(name="then", time_unix_nano=event)


@pytest.mark.parametrize("ns", [2**64 - 1, 2**63, 4_294_967_296_000_000_000, 10**19])
def test_a_time_past_the_last_one_is_stored_as_the_last_one(client: Client, insert: Insert, ns: int) -> None:
    """Not as 1969 or another century: the same moment in each table, findable by its trace, and counted."""
    spans = Spans()
    spans.add(_CHAT, trace=7)
    _times(spans, ns, ns, ns)
    client.command("TRUNCATE TABLE clamped_spans")
    client.command("TRUNCATE TABLE otel_traces_trace_id_ts")
    sql = "SELECT toString(Timestamp) AS t, toString(Events.Timestamp[1]) AS e, Duration AS d FROM otel_traces"
    assert spans.rows(client, insert, sql) == [{"t": _LAST, "e": _LAST, "d": 0}]
    for table in ("llm_calls", "requests", "stages"):
        assert client.query_rows(f"SELECT toString(Timestamp) AS t FROM {table}") == [{"t": _LAST}]
    assert [row["span_id"] for row in queries.trace_spans(client, f"{7:032x}")] == [f"{1:016x}"]
    assert client.query_rows("SELECT ServiceName, sum(Spans) AS n FROM clamped_spans GROUP BY ServiceName") == [
        {"ServiceName": "foreign", "n": 1}
    ]
    fresh = queries.freshness(client)
    assert fresh["misdated_spans"] == 1
    assert fresh["newest_ms"] is None or fresh["newest_ms"] < 4_294_944_000_000


def test_times_that_can_be_stored_are_stored_as_they_are(client: Client, insert: Insert) -> None:
    """The beginning, now, and the last one; none is counted as clamped."""
    spans = Spans()
    for ns in (0, START_NS + 1, 4_294_967_295_999_999_999):
        spans.add(_CHAT)
        _times(spans, ns, ns, ns)
    client.command("TRUNCATE TABLE clamped_spans")
    rows = spans.rows(client, insert, "SELECT toUnixTimestamp64Nano(Timestamp) AS ns FROM otel_traces ORDER BY SpanId")
    assert [int(row["ns"]) for row in rows] == [0, START_NS + 1, 4_294_967_295_999_999_999]
    assert client.query_rows("SELECT * FROM clamped_spans") == []


def test_logs_keep_their_century_too(client: Client) -> None:
    """A log record's time and its observed time are clamped as a span's."""
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    records.add(time_unix_nano=2**64 - 1)
    records.add(observed_time_unix_nano=2**63)
    client.command("TRUNCATE TABLE otel_logs")
    ingest.insert_segment(client, Signal.LOGS, record.encode(request.SerializeToString()), "logs-past-the-end")
    assert client.query_rows("SELECT DISTINCT toString(Timestamp) AS t FROM otel_logs") == [{"t": _LAST}]


_STOPPED: list[tuple[dict[str, Any], str]] = [
    ({"ai.operationId": "ai.streamText.doStream", "ai.response.finishReason": "error"}, "finish_reason:error"),
    ({**_CHAT, "gen_ai.response.finish_reasons": '["error"]'}, "finish_reason:error"),
    ({**_CHAT, "gen_ai.response.finish_reasons": '["stop", "error"]'}, "finish_reason:error"),
    ({**_STREAM, "llm.finish_reason": "MALFORMED_FUNCTION_CALL"}, "finish_reason:malformed_function_call"),
    ({**_CHAT, "gen_ai.response.finish_reasons": "failed"}, "finish_reason:failed"),
    ({**_CHAT, "gen_ai.response.finish_reason": "network_error"}, "finish_reason:network_error"),
    ({**_CHAT, "gen_ai.response.finish_reasons": '["error"]', "error.type": "timeout"}, "timeout"),
    ({"ai.operationId": "ai.generateText.doGenerate", "ai.response.finishReason": "stop"}, ""),
    ({"ai.operationId": "ai.generateText.doGenerate", "ai.response.finishReason": "length"}, ""),
    ({**_CHAT, "gen_ai.response.finish_reasons": '["content_filter"]'}, ""),
    ({**_CHAT, "gen_ai.response.finish_reasons": '["no_error"]'}, ""),
]


def test_a_model_that_stopped_for_a_failure_failed(client: Client, insert: Insert) -> None:
    """Its call, its stage, its request and the list of errors say so; the status stays what the span said."""
    spans = Spans()
    for attributes, _ in _STOPPED:
        spans.add(attributes)
    expected = [error for _, error in _STOPPED]
    rows = spans.rows(client, insert, "SELECT StatusCode, ErrorType FROM llm_calls ORDER BY SpanId")
    assert [tuple(row.values()) for row in rows] == [("Unset", error) for error in expected]
    for table in ("stages", "requests"):
        rows = client.query_rows(f"SELECT StatusCode, ErrorType FROM {table} ORDER BY SpanId")
        assert [tuple(row.values()) for row in rows] == [("Unset", error) for error in expected]
    rows = client.query_rows("SELECT ErrorType FROM errors ORDER BY SpanId")
    assert [row["ErrorType"] for row in rows] == [error for error in expected if error]
    # Pages count those whose status or finish reason is an error; error.type alone is a remark.
    failed = sum(error.startswith("finish_reason:") for error in expected)
    assert queries.overview(client, _WINDOW).errors == failed
    assert sum(row["errors"] for row in queries.latency_over_time(client, _WINDOW)) == failed
    assert {row["stage"]: row["errors"] for row in queries.stage_summary(client, _WINDOW)} == {"model": failed}
    assert sum(row["requests"] for row in queries.errors_by_type(client, _WINDOW)) == failed
    assert sum(row["failed"] for row in request_lists.traces(client, _WINDOW)) == failed
    assert len(request_lists.traces(client, _WINDOW, only_errors=True)) == failed
