"""The tree, the critical path and the drawing of a trace."""

import json
import time
from typing import Any

import pytest
from trace_rows import path, request, span

from sightline_dashboards import formats
from sightline_dashboards.pages.trace import head
from sightline_dashboards.trace_detail import drawing, waterfall


def test_path_of_the_store_is_drawn() -> None:
    """The pieces of the store's path are the parts, their sum is the time to first token, their spans are marked."""
    spans = [request(), span("long", "search", 0, 90), span("chat", "model", 20, 200)]
    trace = waterfall.layout(
        spans, path(spans, ("rest", 0.0, 20.0, ""), ("model", 20.0, 90.0, "chat"), ("delivery", 90.0, 100.0, "long"))
    )
    assert trace.parts == [("model", 70.0), ("delivery", 10.0), ("rest", 20.0)]
    assert sum(ms for _, ms in trace.parts) == pytest.approx(trace.ttft_ms)
    assert {node.span["name"] for node in trace.nodes if node.critical} == {"chat"}
    assert trace.first_token_definition == "delivered"
    assert not trace.path_note


@pytest.mark.parametrize(
    ("stage", "more", "reason"),
    [
        (None, {}, "no request"),
        ("search", {"until": "total"}, "No first token"),
        ("left out", {}, "more than 500 spans"),
        ("search", {"request_id": "beyond the limit"}, "not among those shown"),
    ],
)
def test_without_a_path_of_the_store_none_is_drawn(stage: str | None, more: dict[str, Any], reason: str) -> None:
    """Where the store's question has no path, no bar is marked, no part is shown, and a sentence says why."""
    spans = [request(), span("search", "search", 0, 90)]
    trace = waterfall.layout(spans, path(spans, (stage, 0.0, 100.0, "search"), **more) if stage else [])
    assert not trace.parts
    assert not any(node.critical for node in trace.nodes)
    assert reason in trace.path_note
    assert not drawing.drawing(trace)["parts"]


@pytest.mark.parametrize(
    ("until", "mark", "header"),
    [
        ("delivered", "first token delivered 95.0 ms", "<b>95.0 ms</b>"),
        ("first token", "model's first token 95.0 ms", "<b>≥ 95.0 ms</b>"),
        ("first chunk", "model's first chunk 95.0 ms", "<b>≥ 95.0 ms</b>"),
    ],
)
def test_first_token_is_the_one_of_the_store_where_the_path_is_left_out(until: str, mark: str, header: str) -> None:
    """Too many spans for a path: header and mark still show the request and the time of the store, not another rule."""
    spans = [request(0.0), span("first", "model", 10, 20, first_chunk_ms=5.0), span("last", "model", 50, 200)]
    rows = path(spans, ("left out", 0.0, 95.0, ""), until=until, until_ms=95.0)
    trace = waterfall.layout([span("job", "workflow", -20, 400, parent="job"), *spans], rows)
    assert trace.request is not None
    assert trace.request.span["span_id"] == "root"
    assert trace.ttft_ms == pytest.approx(95)
    assert trace.first_token_ms == pytest.approx(115)
    assert trace.last_token_ms == pytest.approx(270)
    assert drawing.drawing(trace)["marks"][0]["text"] == mark
    assert f"<small>First token</small>{header}" in head(trace, [], [])
    assert not trace.parts


def test_without_a_request_no_first_token_is_claimed() -> None:
    """The store names no request: a model's chunk is shown on its bar, and no time to first token is made of it."""
    trace = waterfall.layout([span("chat", "model", 50, 200, first_chunk_ms=40.0)])
    assert trace.ttft_ms is None
    drawn = drawing.drawing(trace)
    assert drawn["marks"] == []
    assert drawn["firsts"] == {0: pytest.approx(0.2)}


def test_without_delivery_time_the_first_chunk_marks_the_token() -> None:
    """A request that did not tell its TTFT is measured at the model, and says so."""
    spans = [request(None), span("chat", "model", 50, 200, first_chunk_ms=40.0)]
    whole = path(spans, ("rest", 0.0, 50.0, ""), ("model", 50.0, 90.0, "chat"), until="first chunk", until_ms=90.0)
    trace = waterfall.layout(spans, whole)
    assert trace.first_token_ms == pytest.approx(90)
    assert "model's first chunk" in drawing.drawing(trace)["marks"][0]["text"]


def test_orphans_and_circles_are_shown() -> None:
    """A lost parent, or spans that claim each other, hide nothing."""
    trace = waterfall.layout(
        [
            request(None),
            span("orphan", "", 5, 1, parent="gone"),
            span("a", "", 6, 1, parent="b"),
            span("b", "", 7, 1, parent="a"),
        ]
    )
    assert sorted(node.span["name"] for node in trace.nodes) == ["a", "b", "orphan", "root"]
    assert next(node for node in trace.nodes if node.span["name"] == "orphan").orphan


def test_drawing_holds_shares_of_the_trace_and_marks_failures() -> None:
    """Bars stay inside the track; a failed span says why."""
    trace = waterfall.layout(
        [request(), span("chat", "model", 100, 200, status="Error", error_type="APITimeoutError", first_chunk_ms=20.0)]
    )
    drawn = drawing.drawing(trace)
    spans = drawn["spans"]
    assert all(0 <= left <= left + width <= 1.0001 for left, width in zip(spans["left"], spans["width"], strict=True))
    assert spans["flags"] == [0, drawing.FAILED]
    assert drawn["errors"] == {1: "APITimeoutError"}
    assert drawn["firsts"] == {1: pytest.approx(0.1)}


def test_texts_of_many_spans_are_drawn_once() -> None:
    """A span is numbers that stand for names, stages and services; 50,000 of them are a few megabytes."""
    calls = [span(f"call {n}", "tool", n, 1, name="execute_tool search") for n in range(300)]
    drawn = drawing.drawing(waterfall.layout([request(), *calls]))
    assert drawn["names"] == ["root", "execute_tool search"]
    assert [stage["text"] for stage in drawn["stages"]] == ["request", "tool"]
    assert drawn["spans"]["name"] == [0] + [1] * 300
    assert len(json.dumps(drawn)) / 301 < 70


def test_each_duration_has_the_text_that_it_has_everywhere() -> None:
    """Those that round to the same text share it: from nothing over all units to days."""
    halfway_ns = [1155, 1156, 1295, 1645, 2065, 1_155_000, 1_295_000]
    growing_ns = [
        0,
        1,
        15,
        999_499_999,
        999_500_000,
        *(round(1.37**n) for n in range(110)),
        *range(119_800, 120_300, 7),
    ]
    spans = [{**span(f"s{n}", "tool", n, 1), "duration_ns": ns} for n, ns in enumerate(halfway_ns + growing_ns)]
    trace = waterfall.layout([{**each, "start_ns": 0} for each in spans])
    drawn = drawing.drawing(trace)
    texts = [drawn["durations"][number] for number in drawn["spans"]["took"]]
    assert texts == [formats.duration(node.span["duration_ns"] / 1e6) for node in trace.nodes]


def test_empty_trace_has_no_rows() -> None:
    """No spans, no drawing to break."""
    assert waterfall.layout([]).nodes == []


def test_thousands_of_spans_are_laid_out_at_once() -> None:
    """Two thousand spans in a chain of parents neither recurse too deep nor take seconds."""
    began = time.process_time()
    chain = [span(f"s{n}", "tool", n, 5000 - 2 * n, parent=f"s{n - 1}" if n else "root") for n in range(2000)]
    trace = waterfall.layout([request(4000.0, 6000), *chain])
    assert trace.nodes[-1].depth == 2000
    assert time.process_time() - began < 5
