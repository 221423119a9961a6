"""What pages ask and show, over a store that answers given rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import drift_events
import pytest
from asked_store import AskedStore, Rows, cells, charts_of, data, shown, texts
from streamlit.testing.v1 import AppTest

from sightline_dashboards import drift

NOW_MS = int(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp() * 1000)
HOSTILE = "<script>alert(1)</script>\nsecond line"


def _request(number: int, **more: Any) -> dict[str, Any]:
    return {
        "trace_id": f"{number:032x}", "span_id": f"{number:016x}", "started_ms": NOW_MS - number, "service": "api",
        "name": "POST /chat", "route_name": "/chat", "tenant_name": "acme", "user_id": "u", "session_id": "s",
        "failed": 0, "error_type": "", "http_status": 200, "ttft_ms": 200.0, "ttft_definition": "delivered",
        "total_ms": 900.0, "matching": 73, **more,
    }  # fmt: skip


def _spent(row: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "trace_id": row["trace_id"], "models": ["m"], "llm_calls": 1, "input_tokens": 900, "output_tokens": 80,
        "cost_usd": 0.001, **more,
    }  # fmt: skip


def _asked(row: Mapping[str, Any], question: str) -> dict[str, Any]:
    return {
        "trace_id": row["trace_id"], "span_id": row["span_id"], "parent_id": "", "start_ns": 1, "end_ns": 2,
        "stage": "request", "is_log": False, "event_names": [], "event_attributes": [],
        "attributes": {"sightline.stage": "request", "sightline.input": question},
    }  # fmt: skip


REQUESTS = [_request(1), _request(2, failed=1, error_type="Timeout"), _request(3)]


def _traces(**answers: Any) -> AskedStore:
    return AskedStore(
        {
            "traces": REQUESTS,
            "spend_of_traces": [_spent(REQUESTS[0]), _spent(REQUESTS[1], llm_calls=0), _spent(REQUESTS[2])],
            "scores_of_traces": [
                {"trace_id": REQUESTS[0]["trace_id"], "groundedness": 0.41, "faithfulness": 0.8, "judged": 2},
                {"trace_id": REQUESTS[2]["trace_id"], "groundedness": None, "faithfulness": None, "judged": 1},
            ],
            "asked": [_asked(REQUESTS[0], HOSTILE), _asked(REQUESTS[1], "  \n how long? ")],
            **answers,
        }
    )


def test_traces_lead_with_the_question_and_its_groundedness() -> None:
    """The first line as it stands; what is not known says what it is. Content is read of the rows that are shown."""
    store = _traces()
    app = shown("traces", store, sort="total")
    table = data(app, "traces")
    labels = [column["label"] for column in table["columns"]]
    assert labels[:3] == ["Asked", "Question", "Outcome"]
    assert labels.index("Groundedness") + 1 == labels.index("Faithfulness")
    by_label = [dict(zip(labels, row["cells"], strict=True)) for row in table["rows"]]
    assert [row["Question"] for row in by_label] == ["<script>alert(1)</script>", "how long?", "not captured"]
    assert [row["Groundedness"] for row in by_label] == ["0.41", "not judged", "unknown"]
    assert by_label[0]["Faithfulness"] == "0.80"
    assert (by_label[1]["Outcome"], by_label[1]["Cost"]) == ("✕ Timeout", "no call")
    shown_ids = [row["trace_id"] for row in REQUESTS]
    assert [params["trace_ids"] for params in store.params("asked")] == [shown_ids]
    assert [params["trace_ids"] for params in store.params("conversations")] == [[REQUESTS[2]["trace_id"]]]
    assert store.params("traces")[0]["limit"] == 50


def test_a_search_is_in_the_address_and_narrows_the_list() -> None:
    """Its values travel as parameters; a search of columns reads no text, so all requests are looked at."""
    store = _traces()
    app = shown("traces", store, q='tenant:"a\'b" cost>0.01')
    assert data(app, "trace_search")["value"] == 'tenant:"a\'b" cost>0.01'
    (asked,) = store.params("traces")
    assert (asked["search_1_value"], asked["search_2_number"]) == ("a'b", 0.01)
    assert not store.params("searched_requests")
    assert "73 requests, last 1 h</p>" in texts(app)


@pytest.mark.parametrize("candidates", [10_000, 10_005])
def test_a_search_of_words_says_how_far_it_reached(candidates: int) -> None:
    """Where not all of the requests were looked at."""
    store = _traces(searched_requests=[{"requests": candidates, "read": 10_000}])
    told = texts(shown("traces", store, q="time tenant:acme"))
    assert ("newest 10,000 of 10,005 requests" in told) == (candidates > 10_000)


def test_a_wrong_search_says_where_and_asks_nothing() -> None:
    """The element has the character and what was expected there."""
    store = _traces()
    app = shown("traces", store, q="cost>cheap")
    assert data(app, "trace_search")["error"] == {"at": 6, "expected": "a number, for example 0.01 or 2000"}
    assert not store.params("traces")
    assert "<code>-stage:cache</code> without what follows" in texts(app)


def test_the_search_completes_keys_and_the_values_of_the_window() -> None:
    """Those that the filter bar has asked for."""
    box = data(shown("traces", _traces()), "trace_search")
    assert box["values"]["tenant"] == ["acme", "globex"]
    assert box["values"]["model"] == ["gpt-4o"]
    assert "search" in box["values"]["stage"]
    assert {"put": "score.groundedness<", "hint": "0 to 1"} in box["keys"]


def _drift_answers(runs: int = 6, drifting: int = 2) -> dict[str, Any]:
    """Answers of the questions of drift, out of the same events that a run sends."""
    events = [
        row["LogAttributes"] for row in drift_events.rows(datetime(2026, 3, 1, 12, tzinfo=UTC), runs, drifting=drifting)
    ]
    rows: Rows = []
    for event in events:
        facts = json.loads(event["gen_ai.evaluation.explanation"])
        value = event.get("gen_ai.evaluation.score.value")
        rows.append(
            {
                **{name: facts.get(name) for name in ("low", "high", "p", "kind", "reference", "current")},
                **{name: facts[name] for name in ("key", "from_ms", "to_ms", "reference_from_ms", "reference_to_ms")},
                "run_id": event["sightline.evaluation.run.id"], "at_ms": facts["to_ms"],
                "signal": event["gen_ai.evaluation.name"].removeprefix("drift."),
                "state": event["gen_ai.evaluation.score.label"], "sentence": facts["sentence"],
                "effect": None if value is None else float(value),
                "reference_n": facts.get("reference_n", 0), "current_n": facts.get("current_n", 0),
            }
        )  # fmt: skip
    verdicts = [
        {**row, "outcome": row["state"], "comparisons": 6, "drifting": 2, "suspected": 0, "untested": 1}
        for row in reversed(rows)
        if row["signal"] == "verdict"
    ]
    compared = [row for row in rows if row["run_id"] == verdicts[0]["run_id"] and row["signal"] != "verdict"]
    return {
        "drift_runs": verdicts,
        "drift_comparisons": compared,
        "drift_history": lambda params: [row for row in rows if row["signal"] in params["signals"]],
    }


SEARCHED: dict[str, Any] = {
    "retrieval_over_time": [
        {
            "bucket": NOW_MS // 1000, "searches": 9, "errors": 0, "empty": 1, "counted": 9, "scored": 9,
            "top_score_p10": 0.5, "top_score_p50": 0.7, "top_score_p90": 0.9, "p95_ms": 40.0,
        }
    ],
}  # fmt: skip


def test_retrieval_says_how_to_get_drift_where_there_is_none() -> None:
    """A sentence with the command; what is known of drift is shown without a search in the window too."""
    app = shown("retrieval", AskedStore(_drift_answers()))
    assert cells(app, "drift_comparisons")
    app = shown("retrieval", AskedStore(SEARCHED))
    assert "sightline-evals drift" in texts(app)
    with pytest.raises(AssertionError, match="0 elements"):
        data(app, "drift_comparisons")


def test_retrieval_shows_the_newest_verdict_and_what_it_compared() -> None:
    """State with its beginning, size with its unit, interval and corrected p; the signal run by run, and canaries."""
    store = AskedStore({**SEARCHED, **_drift_answers()})
    app = shown("retrieval", store)
    told = texts(app)
    assert "▲ Drift</b> since" in told
    assert "The best score of searches fell from 0.72 to 0.65" in told
    rows = cells(app, "drift_comparisons")
    assert rows[0][:3] == ["▲ drift", "Best score of searches", drift_events.KEY]
    assert rows[0][3].endswith(" SD")
    assert rows[0][5] == "<0.0001"
    assert [rows[3][0], *rows[3][3:6]] == ["too little data", "unknown", "unknown", "not tested"]
    signals = [params["signals"] for params in store.params("drift_history")]
    assert signals == [list(drift.CANARY_SIGNALS), ["retrieval.top_score"]]
    since = datetime(2026, 3, 1, 12, tzinfo=UTC) - timedelta(hours=1)
    stands = drift.standing(_drift_answers()["drift_runs"])
    assert stands is not None
    assert (stands.outcome, stands.since_ms, stands.is_since_first) == ("drift", since.timestamp() * 1000, False)


def test_passages_are_listed_by_their_titles() -> None:
    """Ids stand beside them; a passage whose text nobody captured says so."""
    found = {
        "hits": 3_200_000, "share": 0.3, "mean_rank": 1.5, "mean_score": 0.7, "trace_id": "a" * 32, "found_ms": NOW_MS,
        "sampled": 1, "searches": 10_000,
    }  # fmt: skip
    documents = json.dumps([{"id": "uuid-1", "title": "", "content": "The  first words\nof a passage."}])
    attributes = {"gen_ai.retrieval.documents": documents}
    span = {
        "trace_id": "a" * 32, "span_id": "b" * 16, "parent_id": "", "start_ns": 1, "end_ns": 2, "stage": "search",
        "is_log": False, "attributes": attributes, "event_names": [], "event_attributes": [],
    }  # fmt: skip
    answers = {
        "retrieval_documents": [{**found, "document_id": "uuid-1"}, {**found, "document_id": "uuid-2"}],
        "found_passages": [span],
    }
    store = AskedStore({**SEARCHED, **answers})
    rows = cells(shown("retrieval", store), "documents")
    assert [row[:2] for row in rows] == [["The first words of a passage.", "uuid-1"], ["text not captured", "uuid-2"]]
    assert [row[2] for row in rows] == ["3,200,000"] * 2
    assert [params["trace_ids"] for params in store.params("conversations")] == [["a" * 32]]
    sampled = {"retrieval_documents": [{**found, "document_id": "uuid-1", "sampled": 16, "searches": 600_000}]}
    page = shown("retrieval", AskedStore({**SEARCHED, **answers, **sampled}))
    assert [row[2] for row in cells(page, "documents")] == ["about 3.20 M"]
    assert "those of one half hour in 16 were read" in texts(page)


def _card(outcomes: list[str]) -> Any:
    runs = [
        {"outcome": outcome, "at_ms": NOW_MS - 1000 * number, "drifting": 2, "comparisons": 9, "sentence": "Why."}
        for number, outcome in enumerate(outcomes)
    ]
    stands = drift.standing(runs)
    return drift.card(runs, str((NOW_MS - stands.since_ms) // 1000) if stands else "")


def test_the_card_of_drift_says_since_when() -> None:
    """Since the first of the runs in a row that say the same; only an alarm is marked, and it leads to Retrieval."""
    card = _card(["drift", "drift", "no drift", "drift"])
    assert (card.value, card.note, card.change, card.tone, card.page) == ("Alarm", "since 1", "▲", "bad", "retrieval")
    assert "2 of 9 comparisons" in card.hint
    card = _card(["no drift", "no drift"])
    assert (card.value, card.note, card.tone) == ("None", "first run 1", "neutral")
    assert _card(["too little data", "drift"]).value == "unknown"
    assert _card([]).note == "no run yet"
    assert "sightline-evals drift" in _card([]).hint


@pytest.mark.parametrize(
    ("kind", "effect", "interval", "values"),
    [
        ("deviations", "+0.20 SD", "0.10 to 0.30", "0.500 → 0.700"),
        ("share", "+20.0 points", "10.0 to 30.0", "50 % → 70 %"),
        ("auc", "AUC 0.20", "0.10 to 0.30", "0.500 → 0.700"),
        ("moved", "20.0 % moved", "10.0 to 30.0", "0.500 → 0.700"),
        ("overlap", "+0.200", "0.10 to 0.30", "0.500 → 0.700"),
    ],
)
def test_sizes_of_drift_have_units(kind: str, effect: str, interval: str, values: str) -> None:
    """As the command line shows them."""
    row = {"kind": kind, "effect": 0.2, "low": 0.1, "high": 0.3, "reference": 0.5, "current": 0.7}
    assert (drift.effect(row), drift.interval(row), drift.values(row)) == (effect, interval, values)


def _quality(explanation: str, **answers: Any) -> AskedStore:
    summary = {
        "bucket": 0, "n": 44, "failed": 3, "mean": 0.8, "sd": 0.1, "is_binary": False, "judges": ["offline lexical-2"],
        "notes": [],
    }  # fmt: skip
    score = {
        "trace_id": "a" * 32, "span_id": "b" * 16, "name": "groundedness", "value": 0.2, "label": "", "error_type": "",
        "explanation": explanation, "judge": "offline", "judge_version": "lexical-2", "asked_ms": NOW_MS,
        "tenant_name": "acme",
    }  # fmt: skip
    return AskedStore(
        {
            "scores_over_time": [{**summary, "name": "faithfulness"}, {**summary, "name": "groundedness"}],
            "score_list": [score],
            **answers,
        }
    )


def test_quality_leads_with_groundedness_and_shows_the_unsupported_sentence() -> None:
    """Not the judge's arithmetic; scores without a value have a share, and the judge its version."""
    lines = (
        "- It was added in 1999. (p(unsupported)=0.97: 20% of its words)\n"
        "+ It runs. (p(unsupported)=0.1: 90% of its words)"
    )
    app = shown("quality", _quality(lines))
    assert [row[0] for row in cells(app, "score_summary")] == ["groundedness", "faithfulness"]
    assert cells(app, "score_summary")[0][3:] == ["3 of 47 (6.38 %)", "offline lexical-2"]
    (lowest,) = cells(app, "lowest_groundedness")
    assert lowest[1:5] == ["not captured", "0.20", "“It was added in 1999.”", "offline lexical-2"]
    assert "sightline-evals health" in texts(app)


def test_quality_shows_what_is_known_of_the_judges() -> None:
    """The newest figure of each judge and metric; what is none says so, and a shift is marked."""
    row = {
        "judge": "offline", "judge_version": "lexical-2", "metric": "groundedness", "n": 60, "at_ms": NOW_MS,
        "sentence": "held: moved by +0.0010", "low": -0.01, "high": 0.012,
    }  # fmt: skip
    health = [
        {**row, "figure": "kappa", "state": "too few labels", "value": None},
        {**row, "figure": "control_shift", "state": "shifted", "value": 0.2},
        {**row, "figure": "control_shift", "state": "held", "value": 0.001},
    ]
    app = shown("quality", _quality("no statement here", **{"judge/health": health}))
    rows = cells(app, "judge_health")
    assert [[cell[0], *cell[3:5]] for cell in rows] == [
        ["Shift on the control set", "+0.200 (-0.010 to +0.012)", "shifted"],
        ["Agreement with people (kappa)", "unknown", "too few labels"],
    ]
    assert data(app, "judge_health")["rows"][0]["tones"][4] == "bad"
    assert cells(app, "lowest_groundedness")[0][3] == "no statement here"


def test_a_pointer_over_a_chart_runs_nothing() -> None:
    """Only what is clicked and what is dragged over come back to the page."""
    asked = [element.proto.selection_mode for element in charts_of(shown("retrieval", AskedStore(SEARCHED)))]
    assert asked
    assert all(list(modes) == ["pick", "zoom"] for modes in asked)


def test_charts_begin_where_the_data_does() -> None:
    """With narrower buckets."""
    first_ms = int((datetime.now(UTC) - timedelta(hours=2)).timestamp() * 1000)
    store = AskedStore({**SEARCHED, "data_since": [{"first_ms": first_ms}]})
    told = texts(shown("retrieval", store, window="7d"))
    assert "Data of this window begins at" in told
    assert store.params("retrieval_over_time")[0]["bucket_s"] == 300


def test_overview_shows_drift_beside_the_other_cards_and_compares_whole_windows() -> None:
    """Charts begin where the data does; the window before is that of the whole window all the same."""
    first = datetime.now(UTC) - timedelta(hours=2)
    overview = {
        "requests": 9, "errors": 0, "ttft_n": 9, "ttft_definition": "delivered", "ttft_others": 0, "ttft_p50_ms": 1.0,
        "ttft_p95_ms": 2.0, "total_p50_ms": 3.0, "total_p95_ms": 4.0, "llm_calls": 0, "unpriced_calls": 0,
        "input_tokens": None, "output_tokens": None, "cost_usd": None, "hit": None, "hit_n": 0,
        "groundedness": 0.7, "groundedness_sd": 0.1, "groundedness_n": 8, "groundedness_failed": 1,
        "faithfulness": 0.9, "faithfulness_sd": 0.1, "faithfulness_n": 8, "faithfulness_failed": 0,
    }  # fmt: skip
    levels = {f"{prefix}_{level}_ms": 1.0 for prefix in ("ttft", "total") for level in ("p50", "p95", "p99")}
    latency = {"bucket": int(first.timestamp()), "requests": 9, "errors": 0, "ttft_definition": "delivered", **levels}
    store = AskedStore(
        {
            "overview": lambda _: [dict(overview)],  # the question takes its row apart
            "data_since": [{"first_ms": int(first.timestamp() * 1000)}],
            "latency_over_time": [latency],
            **_drift_answers(),
        }
    )
    told = data(shown("overview", store, window="7d"), "overview_cards")["cards"]
    assert [card["label"] for card in told[-4:]] == ["Groundedness", "Retrieval hit@5", "Drift", "Spans lost"]
    assert told[-4]["value"].startswith("0.70")
    assert told[-4]["note"] == "RAGAS 0.90 ±0.07"
    assert (told[-2]["value"], told[-2]["href"]) == ("Alarm", "retrieval?window=7d")
    days = [
        (datetime.fromisoformat(params["to"]) - datetime.fromisoformat(params["from"])).days
        for params in store.params("overview")
    ]
    assert days == [7, 7]
    assert {params["bucket_s"] for params in store.params("latency_over_time")} == {300}


def _answer(answer: str, scores: list[dict[str, object]]) -> None:
    from sightline_dashboards.trace_detail import answer_panel
    from sightline_store.contents.traces import Conversation

    answer_panel.show(Conversation(question="How?", answer=answer), scores)


def test_the_answer_of_a_trace_marks_what_is_not_supported() -> None:
    """With a legend that names the judge; groundedness comes first; where nothing is doubted, nothing is marked."""
    score = {
        "judge": "offline",
        "judge_version": "lexical-2",
        "source": "code",
        "note": "",
        "label": "",
        "error_type": "",
    }
    doubts = (
        "- It <b>flies</b>. (p(unsupported)=0.97: 20% of its words)\n+ It runs. (p(unsupported)=0.1: 90% of its words)"
    )
    scores = [
        {**score, "name": "faithfulness", "value": 0.5, "explanation": ""},
        {**score, "name": "groundedness", "value": 0.2, "explanation": doubts},
    ]
    with patch("sightline_dashboards.navigation.link"):
        app = AppTest.from_function(_answer, kwargs={"answer": "It runs [1]. It <b>flies</b> [2].", "scores": scores})
        told = texts(app.run(timeout=60))
        app = AppTest.from_function(_answer, kwargs={"answer": "It runs [1].", "scores": scores[:1]})
        plain = app.run(timeout=60)
    assert 'It runs [1]. <mark title="20% of its words">It &lt;b&gt;flies&lt;/b&gt; [2].</mark>' in told
    assert "1 of 2 statements are not supported by the passages, says the judge offline lexical-2" in told
    assert told.index("<b>groundedness 0.20</b>") < told.index("<b>faithfulness 0.50</b>")
    assert "<mark" not in texts(plain)
    assert "<pre data-text>It runs [1].</pre>" in texts(plain)
