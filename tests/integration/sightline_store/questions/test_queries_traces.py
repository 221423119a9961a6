"""The questions about traces and their stages, asked of a real store, against the same traffic in Python."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from datetime import timedelta
from typing import get_args

import pytest
import queries_traffic
from questioned_store import END, Filled, ttft_ms

from sightline_dashboards.trace_detail import waterfall
from sightline_store.client import Client
from sightline_store.questions import queries, request_lists
from sightline_store.questions.asking import Filters
from sightline_store.questions.request_lists import Sort


def test_stage_stack_agrees_with_the_waterfall(filled: Filled, window: Filters) -> None:
    """SQL over all traces and the waterfall of each say the same, and the parts sum to the time to first token."""
    rows = {row["stage"]: row for row in queries.stage_stack(filled.client, window)}
    times = [ttft for root in filled.roots() if (ttft := ttft_ms(root)) is not None]
    assert sum(row["mean_ms"] for row in rows.values()) == pytest.approx(statistics.fmean(times), rel=1e-6)
    sums: dict[str, float] = {}
    listed = request_lists.traces(filled.client, window, limit=1000)
    for row in [row for row in listed if row["ttft_ms"] is not None][:40]:
        path = queries.ttft_trace(filled.client, row["trace_id"])
        trace = waterfall.layout(queries.trace_spans(filled.client, row["trace_id"]), path)
        assert sum(ms for _, ms in trace.parts) == pytest.approx(row["ttft_ms"], abs=1e-3)
        for stage, ms in trace.parts:
            sums[stage] = sums.get(stage, 0.0) + ms
    some = queries.stage_stack_over_time(filled.client, window, bucket_s=7200)
    assert {row["stage"] for row in some if row["mean_ms"] > 0} == set(sums)
    assert rows["search"]["sampled"] == 1


def test_stage_stack_samples_large_windows(filled: Filled, window: Filters) -> None:
    """Past the limit one request in n is read, and n is told."""
    rows = queries.stage_stack(filled.client, window, max_requests=100)
    assert rows[0]["sampled"] == 8
    assert 40 < rows[0]["n"] < 120


@pytest.mark.parametrize("sort", get_args(Sort))
def test_traces_sort_both_ways_and_page(filled: Filled, window: Filters, sort: Sort) -> None:
    """Pages hold each request once; unknown values come last in both directions."""
    column = {
        "time": "started_ms",
        "ttft": "ttft_ms",
        "total": "total_ms",
        "cost": "cost_usd",
        "groundedness": "groundedness",
        "faithfulness": "faithfulness",
    }[sort]
    for descending in (True, False):
        pages = [
            request_lists.traces(filled.client, window, sort=sort, descending=descending, limit=250, offset=offset)
            for offset in (0, 250, 500)
        ]
        rows = [row for page in pages for row in page]
        assert len({row["trace_id"] for row in rows}) == len(rows) == pages[0][0]["matching"]
        values = [row[column] for row in rows]
        known = [value for value in values if value is not None]
        assert known == sorted(known, reverse=descending)
        assert all(value is None for value in values[len(known) :])


def test_search_finds_trace_session_and_user(filled: Filled, window: Filters) -> None:
    """A trace by the beginning of its id in any case; a session or user by a part; quotes are harmless."""
    root = filled.roots()[17]
    found = request_lists.traces(filled.client, window, search=root["TraceId"][:12].upper())
    assert [row["trace_id"] for row in found] == [root["TraceId"]]
    session = root["SpanAttributes"]["session.id"]
    assert {row["session_id"] for row in request_lists.traces(filled.client, window, search=session[2:])} == {session}
    assert request_lists.traces(filled.client, window, search="100% '; --") == []
    failed = request_lists.traces(filled.client, window, only_errors=True, limit=1000)
    assert len(failed) == sum(r["StatusCode"] == "Error" for r in filled.roots())
    assert {row["error_type"] for row in failed} <= {"APITimeoutError", "WeaviateQueryError"}


def test_cost_of_a_trace_is_unknown_when_one_call_is(filled: Filled, window: Filters) -> None:
    """An unpriced model makes no free requests."""
    rows = request_lists.traces(
        filled.client, Filters(start=window.start, end=window.end, model="mystery-7b"), limit=1000
    )
    assert rows
    assert {row["cost_usd"] for row in rows} == {None}
    by_model = {row["name"]: row for row in queries.spend_by(filled.client, window)}
    assert by_model["mystery-7b"]["cost_usd"] is None
    assert by_model["extractive-v1"]["priced_as"] == ["openai/gpt-4o-mini"]


def test_trace_is_read_whole(filled: Filled) -> None:
    """Its spans in order, each with all attributes, its spend and its scores."""
    trace = next(t for t in filled.traces if len(t.scores) == 5 and len(t.spans) == 8)
    trace_id = trace.spans[0]["TraceId"]
    spans = queries.trace_spans(filled.client, trace_id.upper())
    assert {row["span_id"] for row in spans} == {span["SpanId"] for span in trace.spans}
    assert [row["start_ns"] for row in spans] == sorted(row["start_ns"] for row in spans)
    model = next(span for span in trace.spans if span["SpanAttributes"]["sightline.stage"] == "model")
    detail = queries.span_detail(filled.client, trace_id, model["SpanId"])
    assert detail
    assert dict(detail["attributes"]) == model["SpanAttributes"]
    assert [row["span_id"] for row in queries.trace_spend(filled.client, trace_id)] == [model["SpanId"]]
    assert len(queries.trace_scores(filled.client, trace_id)) == 5
    assert queries.trace_spans(filled.client, "f" * 32) == []
    assert queries.span_detail(filled.client, trace_id, "0" * 16) is None


def test_failed_span_carries_its_exception(filled: Filled) -> None:
    """The event of an error is there with its time."""
    span = next(span for span in filled.spans("search") if span["StatusCode"] == "Error")
    detail = queries.span_detail(filled.client, span["TraceId"], span["SpanId"])
    assert detail
    assert list(detail["event_names"]) == ["exception"]
    assert detail["event_attributes"][0]["exception.type"] == "WeaviateQueryError"


def test_stage_stack_leaves_out_what_it_cannot_attribute(
    emptied: Callable[..., Client], store_url: str, window: Filters
) -> None:
    """A request of more spans than the query reads is counted as left out, not attributed in part."""
    client = emptied()
    traces = list(queries_traffic.Generator(5).stretch(20, END, timedelta(hours=1)))
    long = next(trace for trace in traces if len(trace.spans) == 8)
    tool = next(span for span in long.spans if span["SpanName"] == "rerank")
    copies = [{**tool, "SpanId": f"{n:016x}", "SpanName": "tool"} for n in range(600)]
    spans = [span for trace in traces for span in trace.spans]
    queries_traffic.insert(store_url, "otel_traces", [*spans, *copies], client.settings.database)
    rows = queries.stage_stack(client, window)
    told = sum("sightline.response.time_to_first_token" in span["SpanAttributes"] for span in spans)
    assert rows[0]["left_out"] == 1
    assert rows[0]["n"] == told - 1


def test_trace_reads_the_same_in_other_conventions(emptied: Callable[..., Client], store_url: str) -> None:
    """Stage, model and error of a span of OpenInference stand where those of our own spans do; no stage is ''."""
    client = emptied()
    trace = next(t for t in queries_traffic.Generator(6).stretch(20, END, timedelta(hours=1)) if len(t.spans) == 8)
    told = [
        {"openinference.span.kind": "CHAIN", "session.id": "s-1"},
        {"openinference.span.kind": "RETRIEVER", "input.value": "why?"},
        {"openinference.span.kind": "LLM", "llm.model_name": "gpt-4o", "llm.token_count.prompt": "7"},
        {"http.request.method": "GET", "error.type": "Timeout"},
    ]
    spans = [
        {**span, "SpanAttributes": attributes, "StatusCode": "Error" if "error.type" in attributes else "Unset"}
        for span, attributes in zip(sorted(trace.spans, key=lambda span: span["ParentSpanId"]), told, strict=False)
    ]
    queries_traffic.insert(store_url, "otel_traces", spans, client.settings.database)
    rows = {row["span_id"]: row for row in queries.trace_spans(client, spans[0]["TraceId"])}
    read = [rows[span["SpanId"]] for span in spans]
    assert [row["stage"] for row in read] == ["request", "search", "model", ""]
    assert [row["model_name"] for row in read] == ["", "", "gpt-4o", ""]
    assert [row["error_type"] for row in read] == ["", "", "", "Timeout"]
    assert read[0]["session_id"] == "s-1"
