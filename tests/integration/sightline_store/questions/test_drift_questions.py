"""Answers, scores, ingestion and canaries of two windows compared on a real store, changes, and what is told of it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from drift_windows import END, HOSTILE, NOW, THEN, WINDOWS, ComparedStore, plan_of

from sightline_store.questions import drift, queries
from sightline_store.questions.asking import Filters

REFUSALS = r"^\W*i don.t know"


def test_an_empty_store_answers_every_question(store: ComparedStore) -> None:
    """No rows, or one of zeros; nothing raises."""
    client, plan = store.client, plan_of()
    assert drift.size(client, WINDOWS)["current_searches"] == 0
    assert drift.keys(client, WINDOWS) == []
    for question in (drift.searches, drift.query_sketches, drift.documents, drift.moved_documents):
        assert question(client, plan) == []
    assert drift.answers(client, WINDOWS, refusals=REFUSALS) == []
    assert drift.evaluations(client, WINDOWS) == []
    assert drift.canaries(client, WINDOWS) == []
    assert drift.ingestion(client, WINDOWS) == []
    assert drift.changes(client, WINDOWS) == []
    assert drift.texts(client, [], END, END) == {}
    assert drift.texts(client, ["ab"], THEN, END) == {}
    assert drift.results(client, THEN, END) == []
    assert drift.pin(client, "x") is None
    assert drift.canary_searches(client, "r", THEN) == 0


def test_answers_are_read_by_model_and_prompt(store: ComparedStore) -> None:
    """Lengths, refusals, citations and ends; a text that was not captured is unknown, not empty."""
    rows = [store.call(THEN, "old", "It does [1].") for _ in range(3)] + [store.call(THEN, "old", "I don't know.")]
    rows += [store.call(NOW, "new", HOSTILE), store.call(NOW, "new", "Ünï [12]")]
    rows += [
        store.call(
            NOW,
            "new",
            "",
            **{"gen_ai.output.messages": "not json", "gen_ai.response.finish_reasons": '["length"]'},
        )
    ]
    store.put("otel_traces", rows)
    found = {
        (tuple(row["comparison"]), row["signal"]): row
        for row in drift.answers(store.client, WINDOWS, refusals=REFUSALS)
    }
    whole = ("rag", "*", "*", "*")
    assert found[whole, "refusal"]["reference_mean"] == pytest.approx(0.25)
    assert found[whole, "citation"]["reference_mean"] == pytest.approx(0.75)
    length = found[whole, "answer_length"]
    assert (length["reference_n"], length["current_n"]) == (4, 2)
    assert length["current_mean"] == pytest.approx((len(HOSTILE) + 8) / 2)
    assert found[whole, "unusual_end"]["current_mean"] == pytest.approx(1 / 3)
    assert found[whole, "output_tokens"]["current_n"] == 3
    prompts = {key[2] for key, _ in found} - {"*", ""}
    assert len(prompts) == 2
    assert all(len(prompt) == 8 for prompt in prompts)
    assert ("rag", "m", "*", "*") in {key for key, _ in found}


def test_scores_are_compared_by_judge_and_model(store: ComparedStore) -> None:
    """The newest score of a judge counts; scores of drift itself and failed ones are in none."""
    requests = [
        {"Timestamp": moment.strftime("%Y-%m-%d %H:%M:%S.%f"), "TraceId": store.trace(), "ServiceName": "rag"}
        for moment in (THEN, THEN, NOW, NOW)
    ]
    store.put("requests", requests)

    def score(row: dict[str, Any], value: float | None, **others: Any) -> dict[str, Any]:
        return {"Timestamp": row["Timestamp"], "TraceId": row["TraceId"], "Name": "faithfulness", "Value": value,
                "Judge": "j", "JudgeVersion": "1", **others}  # fmt: skip

    late = (NOW + timedelta(minutes=5)).strftime("%Y-%m-%d %H:%M:%S.%f")
    store.put(
        "scores", [score(requests[0], 0.5), score(requests[1], 1.0), score(requests[2], 0.1), score(requests[3], None)]
    )
    store.put("scores", [score(requests[2], 0.7, Timestamp=late), score(requests[2], 0.2, Judge="k")])
    store.put("scores", [score(requests[2], 3.0, Name="drift.verdict"), {**score(requests[2], 9.0), "TraceId": ""}])
    found = {tuple(row["comparison"]): row for row in drift.evaluations(store.client, WINDOWS)}
    row = found["j", "1", "*"]
    assert (row["signal"], row["reference_n"], row["current_n"]) == ("faithfulness", 2, 1)
    assert (row["reference_mean"], row["current_mean"]) == (pytest.approx(0.75), pytest.approx(0.7))
    assert {key[0] for key in found} == {"j", "k"}


def _ask(store: ComparedStore, moment: datetime, canary: str, documents: list[str], **others: Any) -> None:
    row = store.search(moment, DocumentIds=documents)
    store.put("retrievals", [row])
    told = json.dumps({"question": HOSTILE, "expected": ["a", "z"]})
    store.put("scores", [{"Timestamp": row["Timestamp"], "TraceId": row["TraceId"], "Name": "drift.canary", "Value": 1,
                          "Label": canary, "Note": "set", "RunId": "r1", "Explanation": told, **others}])  # fmt: skip


def test_ingestion_lags_from_its_first_span_to_its_last(store: ComparedStore) -> None:
    """Queue and work count, a failed one has no lag, and of those that wait for each other one is read."""

    def ingestion(moment: datetime, lag_s: float, status: str = "Ok") -> list[dict[str, Any]]:
        trace = store.trace()
        spans = [
            ("guard", "scan", 0.0, 5.0, "Ok"),
            ("ingest", "parse", 0.2, 10.0, "Ok"),
            ("ingest", "insert", lag_s - 1, 1000.0, status),
            ("embed", "embed", lag_s + 50, 1.0, "Ok"),
        ]
        return [
            {
                "Timestamp": (moment + timedelta(seconds=after)).strftime("%Y-%m-%d %H:%M:%S.%f"),
                "TraceId": trace,
                "ServiceName": "app",
                "Stage": stage,
                "Name": name,
                "DurationMs": ms,
                "StatusCode": code,
            }
            for stage, name, after, ms, code in spans
        ]

    rows = [row for minute in range(3) for row in ingestion(THEN + timedelta(minutes=minute), 2.0)]
    rows += ingestion(NOW, 8.0) + ingestion(NOW + timedelta(minutes=1), 9.0, "Error")
    rows += [row for second in range(5) for row in ingestion(NOW + timedelta(minutes=2, seconds=second), 8.0)]
    rows += [{**row, "Stage": "search"} for row in ingestion(NOW, 5.0)]
    store.put("stages", rows)
    found = {row["signal"]: row for row in drift.ingestion(store.client, WINDOWS)}
    lag, failed = found["lag"], found["failed"]
    assert (lag["comparison"], lag["reference_n"], lag["current_n"]) == ("app", 3, 2)
    assert lag["reference_mean"] == pytest.approx(2.0, abs=1e-5)
    assert lag["current_mean"] == pytest.approx(8.0, abs=1e-5)
    assert (failed["reference_n"], failed["current_n"], failed["is_share"]) == (3, 3, 1)
    assert failed["current_mean"] == pytest.approx(1 / 3)


def test_canaries_compare_their_newest_answer_with_those_before(store: ComparedStore) -> None:
    """Overlaps with and among the answers before, and recall; what was asked once is not compared."""
    _ask(store, THEN, "c1", ["a", "b", "c"])
    _ask(store, THEN + timedelta(minutes=1), "c1", ["a", "b", "d"])
    _ask(store, NOW - timedelta(minutes=9), "c1", ["x"])
    _ask(store, NOW, "c1", ["a", "q", "r", "too deep"])
    _ask(store, NOW, "c2", ["a"])
    _ask(store, THEN, "c3", ["a"])
    _ask(store, NOW, "c3", [], Value=0)
    (row,) = drift.canaries(store.client, WINDOWS, depth=3)
    assert (row["canaries"], row["canary"], row["text"]) == ("set", "c1", HOSTILE)
    assert row["current_documents"] == ["a", "q", "r"]
    assert row["overlaps"] == [pytest.approx(1 / 3)] * 2
    assert row["overlaps_before"] == [pytest.approx(2 / 3)]
    assert row["recall"] == pytest.approx(0.5)
    assert row["recalls_before"] == [0.5, 0.5]
    assert drift.canary_searches(store.client, "r1", THEN - timedelta(hours=1)) == 6


def test_changes_are_first_appearances_behind_something_else(store: ComparedStore) -> None:
    """What the oldest rows had is no change; the one before is told."""
    store.put(
        "retrievals", [store.search(THEN), store.search(NOW, IndexVersion="v2"), store.search(NOW, Collection="New")]
    )
    early, late = store.call(THEN, "s", "a"), store.call(NOW, "s", "b", **{"gen_ai.request.model": "m2"})
    for row, version in ((early, "1.0"), (late, "1.1")):
        row["ResourceAttributes"] = {"service.version": version}
    store.put("otel_traces", [early, late])
    requests = [
        {"Timestamp": row["Timestamp"], "TraceId": row["TraceId"], "ServiceName": "rag", "Name": "chat m"}
        for row in (early, late)
    ]
    store.put("requests", requests)
    found = {(row["kind"], row["subject"], row["was"], row["value"]) for row in drift.changes(store.client, WINDOWS)}
    assert found == {
        ("index", "Docs", "v1", "v2"),
        ("model", "rag", "m", "m2"),
        ("service version", "rag", "1.0", "1.1"),
    }


def test_what_drift_writes_is_no_score_of_an_answer(store: ComparedStore) -> None:
    """The mark of a canary stands on a trace, beside what a judge says of its answer; pages show the latter."""
    trace, moment = store.trace(), NOW.strftime("%Y-%m-%d %H:%M:%S")
    store.put("requests", [{"Timestamp": moment, "TraceId": trace, "ServiceName": "rag", "Name": "ask"}])
    scores = [("groundedness", "lexical"), ("drift.canary", "sightline-drift")]
    store.put(
        "scores",
        [{"Timestamp": moment, "TraceId": trace, "Name": name, "Value": 1, "Judge": judge} for name, judge in scores],
    )
    window = Filters(start=THEN, end=END)
    assert [row["name"] for row in queries.score_summary(store.client, window)] == ["groundedness"]
    assert queries.labels(store.client, window)["judges"] == ["lexical"]


def test_results_and_pins_come_back_as_they_were_sent(store: ComparedStore) -> None:
    """The newest pin of a name; canaries and pins are no results."""
    told = {
        "low": -0.2,
        "high": 0.1,
        "p": None,
        "key": "collection Docs",
        "reference_n": 9,
        "current_n": 8,
        "from_ms": 1,
        "to_ms": 2,
    }
    moment = NOW.strftime("%Y-%m-%d %H:%M:%S")
    base = {"Timestamp": moment, "RunId": "r1"}
    pins = [(THEN, 5), (NOW, 6)]
    rows: list[dict[str, Any]] = [
        {**base, "Name": "drift.retrieval.top_score", "Label": "quiet", "Value": -0.1, "Explanation": json.dumps(told)},
        {**base, "Name": "drift.verdict", "Label": "no drift", "Value": 0, "Explanation": "broken {"},
        {**base, "Name": "drift.canary"},
        *(
            {**base, "Timestamp": at.strftime("%Y-%m-%d %H:%M:%S"), "Name": "drift.pin", "Label": HOSTILE,
             "Explanation": json.dumps({"from_ms": first, "to_ms": 9})}
            for at, first in pins
        ),
    ]  # fmt: skip
    store.put("scores", rows)
    found = {row["signal"]: row for row in drift.results(store.client, THEN, END)}
    assert set(found) == {"retrieval.top_score", "verdict"}
    top = found["retrieval.top_score"]
    assert (top["effect"], top["low"], top["p"], top["key"], top["to_ms"]) == (-0.1, -0.2, None, "collection Docs", 2)
    assert drift.pin(store.client, HOSTILE) == {"from_ms": 6, "to_ms": 9}
