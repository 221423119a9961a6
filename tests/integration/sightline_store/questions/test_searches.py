"""The search for requests, and what lists of them show, asked of a real store, against the same traffic in Python."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import drift_events
import pytest
import queries_traffic
from questioned_store import END, Filled
from traffic_texts import PASSAGES

from sightline_store.client import Client
from sightline_store.questions import conditions, drift_runs, queries, request_lists, written
from sightline_store.questions.asking import Filters
from sightline_store.questions.search import SearchError

HOSTILE = "'); DROP TABLE requests; -- {tenant:String} \\"
_Holds = Callable[[list[dict[str, Any]], list[dict[str, Any]]], bool]


def _root(spans: list[dict[str, Any]]) -> dict[str, Any]:
    return next(span for span in spans if span["ParentSpanId"] == "")


def _says(spans: list[dict[str, Any]], key: str, value: object) -> bool:
    return any(span["SpanAttributes"].get(key) == value for span in spans)


def _has_words(spans: list[dict[str, Any]], words: str) -> bool:
    keys = ("sightline.input", "sightline.output", "gen_ai.input.messages", "gen_ai.output.messages")
    found = [span["SpanAttributes"].get(key, "") for span in spans for key in keys]
    return any(words in text.lower() or json.dumps(words)[1:-1] in text.lower() for text in found)


def _tokens(spans: list[dict[str, Any]]) -> int:
    keys = ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens")
    return sum(int(span["SpanAttributes"].get(key, 0)) for span in spans for key in keys)


def _score(scores: list[dict[str, Any]], name: str) -> float | None:
    told = [s["LogAttributes"] for s in scores if s["LogAttributes"]["gen_ai.evaluation.name"] == name]
    return (
        float(told[0]["gen_ai.evaluation.score.value"]) if told and "gen_ai.evaluation.score.value" in told[0] else None
    )


SEARCHES: dict[str, _Holds] = {
    "coroutine": lambda spans, _: _has_words(spans, "coroutine"),
    "COROUTINE -wait_for": lambda spans, _: _has_words(spans, "coroutine") and not _has_words(spans, "wait_for"),
    "\"alert('x')\" tenant:acme": lambda spans, _: (
        _has_words(spans, "alert('x')") and _says(spans, "tenant.id", "acme")
    ),
    "-tenant:acme error": lambda spans, _: (
        not _says(spans, "tenant.id", "acme") and _root(spans)["StatusCode"] == "Error"
    ),
    "ms>2500": lambda spans, _: _root(spans)["Duration"] / 1e6 > 2500,
    "-ms>500": lambda spans, _: _root(spans)["Duration"] / 1e6 <= 500,
    "model:mystery-7b": lambda spans, _: _says(spans, "gen_ai.request.model", "mystery-7b"),
    "-stage:model": lambda spans, _: not _says(spans, "sightline.stage", "model"),
    "tokens>=1500": lambda spans, _: _tokens(spans) >= 1500,
    "score.groundedness<0.5": lambda _, scores: (_score(scores, "groundedness") or 0.5) < 0.5,
    "-score.groundedness<0.5": lambda _, scores: (_score(scores, "groundedness") or 0.0) >= 0.5,
    "tokens>=900 stage:model score.groundedness<0.9": lambda spans, scores: (
        _tokens(spans) >= 900
        and _says(spans, "sightline.stage", "model")
        and (_score(scores, "groundedness") or 0.9) < 0.9
    ),
    "score.groundedness<0.9 model:mystery-7b": lambda spans, scores: (
        _says(spans, "gen_ai.request.model", "mystery-7b") and (_score(scores, "groundedness") or 0.9) < 0.9
    ),
    "gen_ai.request.top_k:3 user:user-07": lambda spans, _: (
        _says(spans, "gen_ai.request.top_k", "3") and _says(spans, "user.id", "user-07")
    ),
    "-sightline.guardrail.flagged:true coroutine": lambda spans, _: (
        not _says(spans, "sightline.guardrail.flagged", "true") and _has_words(spans, "coroutine")
    ),
    "gen_ai.usage.output_tokens>180": lambda spans, _: any(
        int(span["SpanAttributes"].get("gen_ai.usage.output_tokens", 0)) > 180 for span in spans
    ),
    f'"{HOSTILE}\\"': lambda *_: False,
    f'tenant:"{HOSTILE}\\" gen_ai.x:"{HOSTILE}\\"': lambda *_: False,
}


_IN_EVERY_ORDER = ("COROUTINE -wait_for", "gen_ai.request.top_k:3 user:user-07")


@pytest.mark.parametrize("text", SEARCHES)
def test_a_search_finds_what_holds_its_terms(filled: Filled, window: Filters, text: str) -> None:
    """Some are asked in every order of the list."""
    rows = request_lists.traces(filled.client, window, search=text, limit=1000)
    by_trace = {trace.spans[0]["TraceId"]: trace for trace in filled.traces}
    asked = {root["TraceId"] for root in filled.roots()}
    wanted = {trace_id for trace_id in asked if SEARCHES[text](by_trace[trace_id].spans, by_trace[trace_id].scores)}
    assert {row["trace_id"] for row in rows} == wanted
    assert len(wanted) > 1 or HOSTILE in text
    assert all(row["matching"] == len(wanted) for row in rows)
    if text not in _IN_EVERY_ORDER:
        return
    by_cost = request_lists.traces(filled.client, window, search=text, sort="cost", limit=1000)
    assert {row["trace_id"] for row in by_cost} == wanted
    by_score = request_lists.traces(filled.client, window, search=text, sort="groundedness", limit=1000)
    assert {row["trace_id"] for row in by_score} == {
        trace_id for trace_id in wanted if _score(by_trace[trace_id].scores, "groundedness") is not None
    }


def test_costs_are_compared_where_they_are_known(filled: Filled, window: Filters) -> None:
    """What is unknown is neither above nor below."""
    every = request_lists.traces(filled.client, window, limit=1000)
    known = [row["cost_usd"] for row in every if row["cost_usd"] is not None]
    middle = sorted(known)[len(known) // 2]
    above = request_lists.traces(filled.client, window, search=f"cost>{middle}", limit=1000)
    below = request_lists.traces(filled.client, window, search=f"-cost>{middle}", limit=1000)
    assert len(above) + len(below) == len(known) < len(every)
    assert min(row["cost_usd"] for row in above) > middle >= max(row["cost_usd"] for row in below)
    judged = request_lists.traces(filled.client, window, search=f"cost>{middle} score.groundedness<0.9", limit=1000)
    low = {row["trace_id"] for row in above if row["groundedness"] is not None and row["groundedness"] < 0.9}
    assert {row["trace_id"] for row in judged} == low
    assert low


def test_words_are_looked_for_in_the_newest_requests(
    filled: Filled, window: Filters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of those that hold the other terms; what was not read is not said to be without a word."""
    monkeypatch.setattr(conditions, "MAX_READ", 40)
    newest = request_lists.traces(filled.client, window, search="tenant:acme", limit=40)
    with_it = request_lists.traces(filled.client, window, search="tenant:acme coroutine", limit=1000)
    without = request_lists.traces(filled.client, window, search="tenant:acme -coroutine", limit=1000)
    assert {row["trace_id"] for row in with_it + without} == {row["trace_id"] for row in newest}
    assert with_it
    assert without
    told = request_lists.searched_requests(filled.client, window, search="tenant:acme coroutine")
    assert (
        told["requests"]
        == request_lists.traces(filled.client, window, search="tenant:acme", limit=1)[0]["matching"]
        > 40
    )
    assert told["read"] == 40
    monkeypatch.setattr(conditions, "MAX_BEHIND", 30)
    behind = {row["trace_id"] for row in request_lists.traces(filled.client, window, limit=30)}
    read = [row for row in newest if row["trace_id"] in behind]
    told = request_lists.searched_requests(filled.client, window, search="tenant:acme coroutine")
    assert 0 < told["read"] == len(read) < 30
    with_it = request_lists.traces(filled.client, window, search="tenant:acme coroutine", limit=1000)
    without = request_lists.traces(filled.client, window, search="tenant:acme -coroutine", limit=1000)
    assert {row["trace_id"] for row in with_it + without} == {row["trace_id"] for row in read}
    with pytest.raises(SearchError):
        request_lists.traces(filled.client, window, search="tennant:acme")


def test_questions_of_a_list_are_those_that_were_asked(filled: Filled, window: Filters) -> None:
    """Of whatever rows, from the request's span alone."""
    rows = request_lists.traces(filled.client, window, sort="total", limit=30)
    asked = {root["TraceId"]: root["SpanAttributes"]["sightline.input"] for root in filled.roots()}
    told = written.questions(filled.client, rows)
    assert told == {row["trace_id"]: asked[row["trace_id"]] for row in rows}
    # Without the content of their own spans, their searches tell it, and without these their traces do.
    silent = [{**row, "name": "not the name of its span"} for row in rows]
    assert written.questions(filled.client, silent) == told
    unsearched = [{**row, "started_ms": row["started_ms"] - 600_000} for row in silent[:3]]
    assert written.questions(filled.client, unsearched) == {row["trace_id"]: told[row["trace_id"]] for row in rows[:3]}
    held = written.conversations(filled.client, rows[:3])
    assert all(held[row["trace_id"]].question == asked[row["trace_id"]] for row in rows[:3])


def test_passages_have_titles(filled: Filled, window: Filters) -> None:
    """Those that a trace which found them captured."""
    found = queries.retrieval_documents(filled.client, window, limit=20)
    assert written.titles(filled.client, found) == {f"doc-{name}": name for name, _ in PASSAGES}


def test_data_of_a_window_begins_with_its_first_row(filled: Filled, window: Filters) -> None:
    """And charts fit it where it begins late; an empty window has no beginning."""
    first = min(root["Timestamp"] for root in filled.roots())
    wide = Filters(start=window.start - timedelta(days=2), end=window.end)
    told = queries.data_since(filled.client, wide)
    assert told is not None
    assert told.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] == first[:-3]
    fitted = wide.fitted(told)
    assert told - timedelta(minutes=5) < fitted.start < told
    assert window.fitted(told) is window
    nothing = Filters(start=window.start - timedelta(days=2), end=window.start - timedelta(days=1))
    assert queries.data_since(filled.client, nothing) is None
    assert nothing.fitted(None) is nothing


def test_runs_of_drift_come_back_as_they_were_sent(database: Callable[[str], Client], store_url: str) -> None:
    """Verdicts, one run's comparisons with alarms first, and a signal run by run; canaries and pins are none."""
    client = database("drift_questions")
    client.command("TRUNCATE TABLE scores")
    assert drift_runs.runs(client, END - timedelta(days=30), END) == []
    queries_traffic.insert(store_url, "otel_logs", drift_events.rows(END, runs=8, drifting=2), "drift_questions")
    start, end = END - timedelta(days=30), END + timedelta(seconds=1)
    runs = drift_runs.runs(client, start, end)
    assert [run["outcome"] for run in runs] == ["drift"] * 2 + ["no drift"] * 6
    newest = runs[0]
    assert newest["at_ms"] == END.timestamp() * 1000
    assert (newest["comparisons"], newest["drifting"], newest["suspected"], newest["untested"]) == (6, 2, 0, 1)
    assert newest["sentence"].startswith("Drift: the best score")
    assert newest["to_ms"] == newest["at_ms"]
    compared = drift_runs.comparisons(client, newest)
    assert [row["state"] for row in compared] == ["drift"] * 2 + ["quiet"] * 3 + ["too_little_data"]
    assert (compared[0]["signal"], compared[0]["key"], compared[0]["kind"]) == (
        "retrieval.top_score",
        drift_events.KEY,
        "deviations",
    )
    assert compared[0]["low"] < compared[0]["effect"] < compared[0]["high"]
    assert (compared[-1]["effect"], compared[-1]["p"]) == (None, None)
    canaries = drift_runs.history(client, start, end, ["canaries.overlap", "canaries.recall"])
    assert len(canaries) == 16
    assert [row["at_ms"] for row in canaries] == sorted(row["at_ms"] for row in canaries)
    assert canaries[-2]["current"] == pytest.approx(0.67)
    top = drift_runs.history(client, start, end, ["retrieval.top_score"], keys=[drift_events.KEY], limit=3)
    assert [row["state"] for row in top] == ["suspected", "drift", "drift"]
    assert drift_runs.history(client, start, end, ["retrieval.top_score"], keys=["another"]) == []
    assert drift_runs.history(client, start, end, ["retrieval.top_score"], keys=[""]) == []
