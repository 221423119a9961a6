"""The tree, the critical path and the drawing of a trace."""

import time
from typing import Any

import pytest

from sightline_dashboards import waterfall


def span(
    name: str, stage: str, start_ms: float, took_ms: float, *, parent: str = "root", **more: Any
) -> dict[str, Any]:
    """A row as `queries.trace_spans` gives it; its id is its name."""
    return {
        "span_id": name,
        "parent_id": "" if name == parent else parent,
        "name": name,
        "kind": "Internal",
        "service": "api",
        "start_ns": 1_000_000_000_000 + int(start_ms * 1e6),
        "duration_ns": int(took_ms * 1e6),
        "status": "Unset",
        "status_message": "",
        "stage": stage,
        "ttft_ms": None,
        "first_chunk_ms": None,
        "model_name": "",
        "error_type": "",
        "flagged": False,
        **more,
    }


def request(ttft_ms: float | None = 100.0, took_ms: float = 300.0) -> dict[str, Any]:
    """The root span."""
    return span("root", "request", 0, took_ms, ttft_ms=ttft_ms)


def test_parts_sum_to_the_time_to_first_token() -> None:
    """Every instant before the first token belongs to one stage; what none covers is rest."""
    trace = waterfall.layout(
        [
            request(),
            span("guard", "guard", 2, 8),
            span("search", "search", 10, 30),
            span("chat", "model", 45, 250, first_chunk_ms=50.0),
        ]
    )
    parts = dict(trace.parts)
    assert parts == pytest.approx({"guard": 8, "search": 30, "model": 50, "rest": 12})
    assert sum(parts.values()) == pytest.approx(trace.ttft_ms)
    assert [node.span["name"] for node in trace.nodes if node.critical] == ["guard", "search", "chat"]


def test_nested_span_takes_its_time_from_its_parent() -> None:
    """An embedding inside a search counts as embedding, not twice."""
    trace = waterfall.layout(
        [request(), span("search", "search", 0, 100), span("embed", "embed", 20, 30, parent="search")]
    )
    assert dict(trace.parts) == pytest.approx({"search": 70, "embed": 30})


def test_of_parallel_spans_the_last_to_end_is_critical() -> None:
    """A short search beside a long one delays nothing."""
    trace = waterfall.layout([request(), span("long", "search", 0, 90), span("short", "cache", 10, 20)])
    assert dict(trace.parts) == pytest.approx({"search": 90, "rest": 10})
    assert [node.critical for node in trace.nodes] == [False, True, False]


def test_path_of_the_store_is_drawn() -> None:
    """With the store's answer its pieces are the parts, and the spans on it are marked; one that is left out is not."""
    spans = [request(), span("long", "search", 0, 90), span("chat", "model", 20, 200)]
    ids = {each["name"]: each["span_id"] for each in spans}
    whole = {"request_id": spans[0]["span_id"], "until": "delivered", "until_ms": 100.0, "skewed": 0}
    path = [
        {**whole, "stage": "rest", "start_ms": 0.0, "end_ms": 20.0, "span_id": ""},
        {**whole, "stage": "model", "start_ms": 20.0, "end_ms": 90.0, "span_id": ids["chat"]},
        {**whole, "stage": "delivery", "start_ms": 90.0, "end_ms": 100.0, "span_id": ids["long"]},
    ]
    trace = waterfall.layout(spans, path)
    assert trace.parts == [("model", 70.0), ("delivery", 10.0), ("rest", 20.0)]
    assert {node.span["name"] for node in trace.nodes if node.critical} == {"chat"}
    assert trace.first_token_delivered
    assert waterfall.layout(spans, [{**path[0], "until": "total"}]).parts == []
    assert dict(waterfall.layout(spans, [{**path[0], "stage": "left out"}]).parts)["search"] > 0


def test_spans_after_the_first_token_are_not_critical() -> None:
    """Nothing that begins late was waited for."""
    trace = waterfall.layout([request(), span("late", "guard", 150, 20)])
    assert dict(trace.parts) == pytest.approx({"rest": 100})


def test_without_delivery_time_the_first_chunk_marks_the_token() -> None:
    """A request that did not tell its TTFT is measured at the model, and says so."""
    trace = waterfall.layout([request(None), span("chat", "model", 50, 200, first_chunk_ms=40.0)])
    assert trace.first_token_ms == pytest.approx(90)
    assert "model's first chunk" in waterfall.drawing(trace, selected="")["marks"][0]["text"]


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
    drawn = waterfall.drawing(trace, selected="chat")
    assert all(0 <= row["left"] <= 1 and row["left"] + row["width"] <= 1.0001 for row in drawn["rows"])
    chat = drawn["rows"][1]
    assert chat["failed"]
    assert chat["selected"]
    assert "APITimeoutError" in chat["title"]
    assert chat["first"] == pytest.approx(0.1)


def test_empty_trace_has_no_rows() -> None:
    """No spans, no drawing to break."""
    assert waterfall.layout([]).nodes == []


def test_thousands_of_spans_are_laid_out_at_once() -> None:
    """Two thousand spans in a chain of parents neither recurse too deep nor take seconds."""
    began = time.process_time()
    chain = [span(f"s{n}", "tool", n, 5000 - 2 * n, parent=f"s{n - 1}" if n else "root") for n in range(2000)]
    trace = waterfall.layout([request(4000.0, 6000), *chain])
    assert trace.nodes[-1].depth == 2000
    assert sum(ms for _, ms in trace.parts) == pytest.approx(4000)
    assert time.process_time() - began < 5
