"""Two traces side by side: spans, numbers, answers and passages; and the page that shows them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import pytest
from asked_store import AskedStore, Rows, cells, data, shown, texts
from trace_rows import path, request, span

from sightline_dashboards import formats
from sightline_dashboards.comparison import answers, choice, figures, passages, spans
from sightline_dashboards.comparison.figures import Figure
from sightline_dashboards.trace_detail import waterfall
from sightline_store.contents.parts import Passage
from sightline_store.questions.asking import Filters, Row

FIRST, SECOND = "a" * 32, "b" * 32
WINDOW = Filters(start=datetime(2026, 3, 1, 11, tzinfo=UTC), end=datetime(2026, 3, 1, 12, tzinfo=UTC))


def _matched(
    first: list[dict[str, Any]], second: list[dict[str, Any]]
) -> list[tuple[int, str, float, float, int, int]]:
    rows = spans.matched(waterfall.layout(first).nodes, waterfall.layout(second).nodes)
    return [
        (
            row.depth,
            row.name,
            row.first.total_ms if row.first else 0.0,
            row.second.total_ms if row.second else 0.0,
            row.first.spans if row.first else 0,
            row.second.spans if row.second else 0,
        )
        for row in rows
    ]


def test_spans_are_matched_by_their_path_and_loops_count_together() -> None:
    """A call below a tool is not the same as one below the request; what is in one trace only stands where it began."""
    first = [
        request(took_ms=300),
        span("search", "search", 0, 40),
        span("tool", "tool", 50, 60),
        span("inner", "model", 55, 20, parent="tool", name="chat m"),
        span("one", "model", 120, 30, name="chat m"),
        span("two", "model", 160, 30, name="chat m"),
    ]
    second = [request(took_ms=500), span("search", "search", 0, 90), span("three", "model", 120, 100, name="chat m")]
    assert _matched(first, second) == [
        (0, "root", 300, 500, 1, 1),
        (1, "search", 40, 90, 1, 1),
        (1, "tool", 60, 0, 1, 0),
        (2, "chat m", 20, 0, 1, 0),
        (1, "chat m", 60, 100, 2, 1),
    ]


def test_spans_of_one_stage_are_taken_for_each_other_where_names_differ() -> None:
    """Another model has another name and is compared all the same, with what is below it; other stages stay apart."""
    first = [
        request(),
        span("chat", "model", 10, 50, name="chat gpt-4o"),
        span("http", "", 11, 40, parent="chat", name="POST"),
        span("guard", "guard", 0, 5),
    ]
    second = [
        request(),
        span("chat", "model", 10, 20, name="chat mini"),
        span("http", "", 11, 10, parent="chat", name="POST"),
        span("rerank", "rerank", 5, 5),
        span("plain", "", 80, 5),
    ]
    assert [row[:2] for row in _matched(first, second)] == [
        (0, "root"), (1, "guard"), (1, "rerank"), (1, "chat gpt-4o → chat mini"), (2, "POST"), (1, "plain"),
    ]  # fmt: skip


def test_a_deep_trace_of_many_spans_is_matched() -> None:
    """A chain of parents does not recurse; of many paths those with the greatest differences are kept, in order."""
    chain = [span(f"s{n}", "tool", n, 5000 - 2 * n, parent=f"s{n - 1}" if n else "root") for n in range(2000)]
    slower = [{**each, "duration_ns": each["duration_ns"] + (n % 7) * 10**6} for n, each in enumerate(chain)]
    whole = [request(4000.0, 6000)]
    found = spans.matched(waterfall.layout(whole + chain).nodes, waterfall.layout(whole + slower).nodes)
    assert len(found) == 2001
    kept = spans.greatest(found, 250)
    assert len(kept) == 250
    assert {row.difference_ms for row in kept} == {6.0}
    assert [row.depth for row in kept] == sorted(row.depth for row in kept)


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (400.0, 520.0, "+120 ms (+30 %)"),
        (2000.0, 500.0, "-1.50 s (-75 %)"),
        (400.0, 401.0, "+1.00 ms"),
        (2.0, 2.0001, "±0"),
        (7.0, 7.0, "±0"),
        (0.0, 5.0, "+5.00 ms"),
        (None, 5.0, ""),
    ],
)
def test_a_difference_has_its_sign_and_its_share(first: float | None, second: float | None, told: str) -> None:
    """Of what it is compared with; of nothing there is no share, and of the unknown no difference."""
    assert figures.duration_difference(first, second) == told
    assert figures.difference(1000.0, 1001.0, formats.count) == "+1"


def test_times_divide_the_first_token_by_stage() -> None:
    """A stage that only one trace has took no time in the other."""
    first = [request(100.0), span("chat", "model", 20, 200)]
    second = [request(150.0), span("search", "search", 0, 60), span("chat", "model", 60, 200)]
    laid = (
        waterfall.layout(first, path(first, ("rest", 0.0, 20.0, ""), ("model", 20.0, 100.0, "chat"))),
        waterfall.layout(
            second, path(second, ("search", 0.0, 60.0, "search"), ("model", 60.0, 150.0, "chat"), until_ms=150.0)
        ),
    )
    assert figures.times(*laid) == [
        Figure("First token", "100 ms", "150 ms", "+50.0 ms (+50 %)"),
        Figure("of which model", "80.0 ms", "90.0 ms", "+10.0 ms (+12 %)"),
        Figure("of which rest", "20.0 ms", "0 ms", "-20.0 ms (-100 %)"),
        Figure("of which search", "0 ms", "60.0 ms", "+60.0 ms"),
        Figure("Total", "300 ms", "300 ms", "±0"),
    ]


def test_first_tokens_of_different_moments_are_not_compared() -> None:
    """One left for the user, the other one only left the model."""
    spans_of = [request(100.0), span("chat", "model", 20, 200)]
    piece = ("model", 0.0, 100.0, "chat")
    delivered = waterfall.layout(spans_of, path(spans_of, piece))
    of_model = waterfall.layout(spans_of, path(spans_of, piece, until="first chunk"))
    assert figures.times(delivered, of_model) == [
        Figure("First token", "100 ms", "≥ 100 ms", ""),
        Figure("Total", "300 ms", "300 ms", "±0"),
    ]


def test_cost_is_unknown_where_one_call_has_no_price() -> None:
    """And not the sum of the others; tokens that no call has are no row."""
    call = {
        "input_tokens": 900,
        "output_tokens": 80,
        "cache_read_tokens": None,
        "reasoning_tokens": 0,
        "cost_usd": 0.01,
    }
    told = {each.label: each for each in figures.spending([call], [call, {**call, "cost_usd": None}])}
    assert list(told) == ["Model calls", "Tokens in", "Tokens out", "Cost"]
    assert told["Tokens in"] == Figure("Tokens in", "900", "1,800", "+900 (+100 %)")
    assert (told["Cost"].first, told["Cost"].second, told["Cost"].difference) == ("$0.0100", "unknown", "")


def test_scores_are_compared_by_name_and_judge() -> None:
    """The newest of each; one that a trace was not given is no 0."""

    def score(name: str, value: float | None, judge: str = "offline") -> dict[str, Any]:
        return {"name": name, "value": value, "judge": judge, "judge_version": "2", "source": ""}

    found = figures.scoring(
        [score("groundedness", 0.9), score("groundedness", 0.1), score("helpful", None)],
        [score("groundedness", 0.6), score("groundedness", 0.7, "panel")],
    )
    assert found == [
        Figure("groundedness, offline 2", "0.90", "0.60", "-0.30 (-33 %)"),
        Figure("helpful, offline 2", "unknown", "-", ""),
        Figure("groundedness, panel 2", "-", "0.70", ""),
    ]


def test_words_of_both_answers_are_told_apart() -> None:
    """What is left without one side's words is the other text; nothing of it becomes markup."""
    first, second = "It runs <b>fast</b> on Linux.\nAlways.", "It runs <b>slowly</b> on Linux.\nNearly always."
    runs = answers.compared(first, second)
    assert "".join(run.text for run in runs if run.of != "first") == second
    assert "".join(run.text for run in runs if run.of != "second").split() == first.split()
    html = answers.as_html(runs)
    assert "<del>&lt;b&gt;fast&lt;/b&gt;</del>" in html
    assert "<ins>&lt;b&gt;slowly&lt;/b&gt;</ins>" in html
    assert "<b>" not in html
    assert answers.shared_share(answers.compared("", "")) is None


def test_long_answers_are_compared_by_lines() -> None:
    """So that two of ten thousand words do not take minutes."""
    lines = [f"line {n} " + "word " * 20 for n in range(500)]
    runs = answers.compared("\n".join(lines), "\n".join([*lines[:250], "another line", *lines[251:]]))
    assert [run.of for run in runs] == ["both", "first", "second", "both"]
    assert answers.shared_share(runs) == pytest.approx(1, abs=0.01)


def test_passages_are_found_by_both_or_by_one() -> None:
    """By their id, else by what they say; of one that is there twice the first place counts."""
    found = passages.matched(
        [Passage("1", "A", 0.9, "a"), Passage("", "B", 0.8, "b"), Passage("1", "A", 0.1, "a")],
        [Passage("", "B", None, "b"), Passage("3", "C", 0.7, "c"), Passage("1", "A", 0.5, "a")],
    )
    assert [(row.passage.title, row.first, row.second, row.first_score, row.second_score) for row in found] == [
        ("A", 1, 3, 0.9, 0.5), ("B", 2, 1, 0.8, None), ("C", None, 2, None, 0.7),
    ]  # fmt: skip


def test_the_same_question_is_looked_for_by_its_words_and_compared_whole() -> None:
    """Characters that JSON writes otherwise are not looked for; blanks do not matter."""
    question = 'How do I\nopen "a file" with a time limit of five seconds?'

    def asked(trace_id: str, text: str) -> dict[str, Any]:
        return {
            "trace_id": trace_id, "span_id": "c" * 16, "parent_id": "", "start_ns": 1, "end_ns": 2, "stage": "request",
            "is_log": False, "event_names": [], "event_attributes": [],
            "attributes": {"sightline.stage": "request", "sightline.input": text},
        }  # fmt: skip

    row = {"service": "api", "name": "POST", "started_ms": 1, "span_id": "c" * 16}
    store = AskedStore(
        {
            "traces": [{**row, "trace_id": FIRST}, {**row, "trace_id": SECOND}],
            "spend_of_traces": [_spent(FIRST), _spent(SECOND)],
            "asked": [asked(FIRST, question.replace("\n", "  ")), asked(SECOND, f"{question} And why?")],
        }
    )
    found = choice.same_question(store, WINDOW, question)
    assert [each["trace_id"] for each in found] == [FIRST]
    assert store.params("traces")[0]["search_1_value"] == "with a time limit of five seconds?"
    assert choice.same_question(store, WINDOW, "協程怎麼 “限時”") == []
    assert store.params("traces")[1]["search_1_value"] == "協程怎麼 “限時”"


def _spent(trace_id: str) -> Row:
    return {
        "trace_id": trace_id, "models": [], "llm_calls": 0, "input_tokens": None, "output_tokens": None,
        "cost_usd": None,
    }  # fmt: skip


def _traces(params: Mapping[str, Any]) -> Rows:
    model = {FIRST: "gpt-4o", SECOND: "mini"}.get(params["trace_id"])
    if model is None:
        return []
    return [request(), span("chat", "model", 20, 100 if model == "mini" else 200, name=f"chat {model}")]


def _contents(params: Mapping[str, Any]) -> Rows:
    answer = "It runs fast." if params["trace_id"] == FIRST else "It runs <i>slowly</i>."
    return [
        {
            "span_id": "root", "parent_id": "", "start_ns": 1, "end_ns": 2, "stage": "request", "is_log": False,
            "event_names": [], "event_attributes": [],
            "attributes": {"sightline.stage": "request", "sightline.input": "How?", "sightline.output": answer},
        }
    ]  # fmt: skip


STORED = {"trace_spans": _traces, "trace_contents": _contents}


def test_the_page_shows_two_traces_side_by_side() -> None:
    """By the address; a span leads to its trace, and hostile words of an answer stay words."""
    app = shown("trace", AskedStore(STORED), trace=FIRST, **{"with": SECOND})
    told = texts(app)
    assert "<del>fast.</del>" in told
    assert "<ins>&lt;i&gt;slowly&lt;/i&gt;.</ins>" in told
    rows = cells(app, "compared_spans")
    assert rows[1] == ["\N{EM SPACE}chat gpt-4o → chat mini", "200 ms", "100 ms", "-100 ms (-50 %)"]
    links = [row["href"] for row in data(app, "compared_spans")["rows"]]
    assert links[1] == f"trace?trace={FIRST}&span=chat"
    assert ["Total", "300 ms", "300 ms", "±0"] in cells(app, "compared_figures")
    assert data(app, "compared_passages")["rows"] == []


def test_the_second_trace_is_chosen_of_those_with_the_same_question() -> None:
    """They are looked for when the drawer is opened, and each leads to the comparison."""
    listed = {
        "trace_id": SECOND, "span_id": "root", "started_ms": 1_700_000_000_000, "service": "api", "name": "POST",
        "failed": 0, "error_type": "", "http_status": 200, "ttft_ms": 200.0, "ttft_definition": "delivered",
        "total_ms": 900.0, "matching": 2, "tenant_name": "", "user_id": "", "session_id": "", "route_name": "",
    }  # fmt: skip
    asked = [{**_contents({"trace_id": each})[0], "trace_id": each} for each in (FIRST, SECOND)]
    store = AskedStore(
        {
            **STORED,
            "traces": [{**listed, "trace_id": each} for each in (FIRST, SECOND)],
            "spend_of_traces": [_spent(each) for each in (FIRST, SECOND)],
            "asked": asked,
        }
    )
    app = shown("trace", store, trace=FIRST)
    assert not store.params("traces")
    with (
        patch("sightline_dashboards.source.client", lambda: store),
        patch("sightline_dashboards.navigation.link"),
    ):
        app.session_state["compare"] = True
        app.run(timeout=60)
    assert not app.exception
    (row,) = data(app, "alike")["rows"]
    assert row["href"] == f"trace?trace={FIRST}&with={SECOND}"
    assert row["cells"][1:3] == ["answered", "200 ms"]


def test_a_second_trace_that_is_unknown_is_said_and_the_first_is_shown() -> None:
    """An address that somebody sent, of a trace that has been deleted by age meanwhile."""
    app = shown("trace", AskedStore(STORED), trace=FIRST, **{"with": "c" * 32})
    assert f"The store holds no trace {'c' * 32}" in texts(app)
    assert data(app, f"waterfall_{FIRST}")["drawn"]["names"] == ["root", "chat gpt-4o"]


def test_two_requests_of_the_list_can_be_ticked() -> None:
    """Each row is named by the address that it leads to."""
    row: Row = {
        "span_id": "c" * 16, "started_ms": 1_700_000_000_000, "service": "api", "name": "POST", "failed": 0,
        "error_type": "", "http_status": 200, "ttft_ms": 200.0, "ttft_definition": "delivered", "total_ms": 900.0,
        "matching": 2, "tenant_name": "", "user_id": "", "session_id": "", "route_name": "",
    }  # fmt: skip
    store = AskedStore(
        {
            "traces": [{**row, "trace_id": each} for each in (FIRST, SECOND)],
            "spend_of_traces": [_spent(each) for each in (FIRST, SECOND)],
        }
    )
    listed = data(shown("traces", store), "traces")
    assert listed["pair"] == "Compare the two"
    assert [row["id"] for row in listed["rows"]] == [f"trace?trace={FIRST}", f"trace?trace={SECOND}"]
