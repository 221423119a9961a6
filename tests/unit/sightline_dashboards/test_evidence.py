"""Which sentences of an answer are marked as unsupported."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline_dashboards.trace_detail import evidence

ANSWER = "Use `asyncio.timeout()` as a context\nmanager [1]. It was added in 1999 [2, 3]! See the (old) docs."
WHY = "p(unsupported)=0.97: 20% of its words in the context, 1 number(s) not in it"
LINES = f"""- It was added in 1999! ({WHY})
- See the (old) docs. (p(unsupported)=0.50: 50% of its words in the context)
+ Use asyncio.timeout() as a context manager. (p(unsupported)=0.12: 90% of its words in the context)"""


def _score(explanation: str, name: str = "groundedness") -> dict[str, Any]:
    return {"name": name, "explanation": explanation}


def test_statements_are_read_with_their_verdicts() -> None:
    """The judge's own; brackets inside of a statement belong to it."""
    told = evidence.statements(_score(LINES))
    assert [(each.text, each.is_supported) for each in told] == [
        ("It was added in 1999!", False),
        ("See the (old) docs.", False),
        ("Use asyncio.timeout() as a context manager.", True),
    ]
    assert told[0].why == "20% of its words in the context, 1 number(s) not in it"


def test_brackets_that_do_not_pair_hide_no_statement() -> None:
    """A model's reason may hold a bracket that nothing opens."""
    (told,) = evidence.statements(_score("- See the (old) docs. (1) no passage says so)"))
    assert (told.text, told.is_supported) == ("See the (old) docs.", False)


def test_verdicts_of_ragas_are_taken_as_they_are() -> None:
    """Plus and minus; the line that counts, and a line that was cut, are no statement with a verdict of their own."""
    lines = "1 of 2 statements supported\n- It flies (to Rome). (no passage says (so))\n+ It runs. (passage 1)\n+ It r…"
    told = evidence.statements(_score(lines, "faithfulness"))
    assert [(each.text, each.is_supported, each.why) for each in told] == [
        ("It flies (to Rome).", False, "no passage says (so)"),
        ("It runs.", True, "passage 1"),
    ]


@pytest.mark.parametrize("text", ["", "no reason", "ratings of 0 to 2: 1, 2", "(", ")", "a (b", "4 of 5 (claims)"])
def test_other_explanations_hold_no_statements(text: str) -> None:
    """Another score, or words without a verdict."""
    assert evidence.statements(_score(text)) == []
    assert evidence.statements(_score(LINES, "context_recall")) == []


def test_unsupported_sentences_are_found_in_the_answer() -> None:
    """Citations, markup and line breaks of the answer do not matter; what is supported is not marked."""
    told = evidence.statements(_score(LINES))
    assert [ANSWER[begin:end] for begin, end, _ in evidence.places(ANSWER, told)] == [
        "It was added in 1999 [2, 3]!",
        "See the (old) docs.",
    ]
    html = evidence.marked_html(ANSWER, told)
    assert html.count("<mark ") == 2
    assert "Use `asyncio.timeout()` as a context\nmanager [1]. <mark" in html


def test_a_sentence_that_one_of_a_panel_doubts_is_found() -> None:
    """The name of the judge stands in front of its first statement."""
    told = evidence.statements(
        _score(f"mean of all: a 0.1; b 0.9\na: - It was added in 1999! ({WHY})\nb: + It is. (0.1)")
    )
    assert [(each.text, each.is_supported) for each in told] == [("It was added in 1999!", False), ("It is.", True)]
    assert [ANSWER[begin:end] for begin, end, _ in evidence.places(ANSWER, told)] == ["It was added in 1999 [2, 3]!"]


def test_a_statement_in_other_words_is_listed_below() -> None:
    """A model's own words stand nowhere in the answer."""
    told = [evidence.Statement("Rome is <b>old</b>.", is_supported=False, why='it "says" so')]
    assert evidence.places(ANSWER, told) == []
    legend = evidence.legend_html(ANSWER, told, "gpt & co")
    assert "1 of 1 statements" in legend
    assert "Rome is &lt;b&gt;old&lt;/b&gt;." in legend
    assert "gpt &amp; co" in legend


def test_groundedness_is_taken_before_faithfulness() -> None:
    """The newest one that says something of statements."""
    ragas = _score("0 of 1 statements supported\n- It flies. (no)", "faithfulness")
    chosen = evidence.judged([ragas, _score(LINES)])
    assert chosen is not None
    assert chosen[0]["name"] == "groundedness"
    chosen = evidence.judged([_score("judge failed"), ragas])
    assert chosen is not None
    assert chosen[0]["name"] == "faithfulness"
    assert evidence.judged([]) is None


@given(st.text(), st.lists(st.text(min_size=1), max_size=4))
def test_marks_change_no_text_and_let_no_markup_through(answer: str, texts: list[str]) -> None:
    """Without its marks the HTML is the escaped answer."""
    told = [evidence.Statement(text, is_supported=False, why="<i>") for text in [*texts, answer[2:9]] if text]
    html = evidence.marked_html(answer, told)
    assert "<i>" not in html
    spans = evidence.places(answer, told)
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(spans))
    assert html.count("<mark ") == len(spans)
