"""What a page asks before it waits for anything, and that each part of it waits for its own answers only."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Event
from typing import Any

import pytest
from asked_store import AskedStore, Rows, data, shown, texts

from sightline_store.errors import StoreUnavailable

TRACE = "ab" * 16
SPAN = {
    "span_id": "cd" * 8, "parent_id": "", "name": "POST /chat", "service": "api", "start_ns": 1, "duration_ns": 20,
    "status": "Unset", "status_message": "", "error_type": "", "stage": "request", "ttft_ms": None, "flagged": False,
    "first_chunk_ms": None, "model_name": "", "tenant_name": "acme", "user_id": "", "session_id": "",
}  # fmt: skip
CALL = {
    "span_id": "cd" * 8, "priced_as": "", "note": "", "input_tokens": 800, "output_tokens": 90, "cost_usd": 0.25,
    "cache_read_tokens": None, "reasoning_tokens": None, "token_rule": "", "longest_stall_ms": None, "outcome": "",
}  # fmt: skip

_ESTIMATES = ("groundedness", "faithfulness")
_NO_REQUEST = {
    "requests": 0, "errors": 0, "ttft_n": 0, "ttft_p50_ms": None, "ttft_p95_ms": None, "total_p50_ms": None,
    "total_p95_ms": None, "llm_calls": 0, "unpriced_calls": 0, "input_tokens": None, "output_tokens": None,
    "cost_usd": None, "groundedness_failed": 0, "faithfulness_failed": 0, "hit": None, "hit_n": 0,
    **{f"{name}{more}": None for name in _ESTIMATES for more in ("", "_sd")},
    **{f"{name}_n": 0 for name in _ESTIMATES},
}  # fmt: skip


@pytest.mark.parametrize(
    ("page", "first"),
    [
        ("overview", "overview"),
        ("latency", "latency_over_time"),
        ("traces", "traces"),
        ("sessions", "people/sessions"),
        ("cost", "overview"),
        ("retrieval", "retrieval_over_time"),
        ("quality", "scores_over_time"),
        ("pipeline", "freshness"),
    ],
)
def test_a_page_does_not_wait_for_its_filter_bar(page: str, first: str) -> None:
    """The values of the bar and the remarks come only after the first question of the body was asked."""
    is_asked = Event()

    def after(rows: Any) -> Any:
        def answer(_: Mapping[str, Any]) -> Rows:
            assert is_asked.wait(30)
            return rows

        return answer

    usual = {**AskedStore().answers, "overview": lambda _: [dict(_NO_REQUEST)]}

    def first_asked(_: Mapping[str, Any]) -> Any:
        is_asked.set()
        answer = usual.get(first, [])
        return answer({}) if callable(answer) else answer

    waiting = {name: after(usual[name]) for name in ("filter_values", "labels")}
    shown(page, AskedStore({**usual, **waiting, first: first_asked}))


def test_a_waterfall_does_not_wait_for_what_stands_beside_it() -> None:
    """Where the store fails behind the spans, they are shown with the header as far as it is known."""

    def away(_: Mapping[str, Any]) -> Rows:
        raise StoreUnavailable("http://127.0.0.1:1", "refused")

    app = shown("trace", AskedStore({"trace_spans": [SPAN], "trace_spend": away}), trace=TRACE)
    assert data(app, f"waterfall_{TRACE}")["drawn"]["names"] == ["POST /chat"]
    assert "<small>Cost</small><b>…</b>" in texts(app)
    assert "No store answers" in texts(app)
    app = shown("trace", AskedStore({"trace_spans": [SPAN], "trace_spend": [CALL]}), trace=TRACE)
    assert "<small>Cost</small><b>$0.250</b>" in texts(app)
    assert "<b>…</b>" not in texts(app)


def test_a_stage_with_alarms_leads_to_the_newest_of_their_traces() -> None:
    """It is looked for when somebody follows the link; where the window holds none, a sentence says so."""
    stages = [
        {"stage": stage, "spans": 3, "p50_ms": 1.0, "p95_ms": 2.0, "p99_ms": 3.0, "errors": 0, "flagged": flagged,
         "slowest_trace_id": TRACE}
        for stage, flagged in (("guard", 2), ("search", 0))
    ]  # fmt: skip
    latency = [
        {"bucket": 0, "requests": 1, "errors": 0, "ttft_definition": "delivered", "ttft_others": 0,
         **{f"{what}_{p}_ms": 1.0 for what in ("ttft", "total") for p in ("p50", "p95", "p99")}}
    ]  # fmt: skip
    app = shown("latency", AskedStore({"latency_over_time": latency, "stage_summary": stages}))
    assert [row["href"] for row in data(app, "stage_rows")["rows"]] == ["trace?flagged=guard", f"trace?trace={TRACE}"]
    elsewhere = AskedStore({"flagged_traces": [{"stage": "search", "trace_id": TRACE}]})
    app = shown("trace", elsewhere, flagged="guard")
    assert "No request of this window (last 1 h) has a flagged span of the stage guard." in texts(app)


def test_review_without_a_name_shows_how_many_answers_wait() -> None:
    """And what reviews are for; no answer is shown, and none can be judged."""
    store = AskedStore({"people/review_random": [{"waiting": 7, "sampled": 1}]})
    app = shown("review", store)
    assert "Enter your name to begin" in texts(app)
    assert [row["cells"][:2] for row in data(app, "review_queues")["rows"]] == [
        ["Lowest scores", "0"],
        ["Judges disagree", "0"],
        ["Users complained", "0"],
        ["Random", "7"],
    ]
    asked = store.params("people/review_queue") + store.params("people/review_random")
    assert [params["limit"] for params in asked] == [1] * 4
    app = shown("review", AskedStore({"people/review_random": [{"waiting": 12_438_016, "sampled": 32}]}))
    assert data(app, "review_queues")["rows"][-1]["cells"][:2] == ["Random", "about 12.4 M"]
    assert not [each for each in app.button if str(each.key).startswith(("good", "bad"))]
