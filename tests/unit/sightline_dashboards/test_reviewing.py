"""A review as scores, the sentences of an answer, the agreement of reviewers, and a turn of a conversation as HTML."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

import sightline
from sightline_dashboards import reviewing
from sightline_dashboards.pages.sessions import turn_html
from sightline_store.contents.traces import Conversation
from sightline_store.questions import people

TRACE, SPAN = "ab" * 16, "cd" * 8
ANSWER = "Use asyncio.timeout() [1]. It costs $3.50 (really).\nSee also wait_for!"
ROW: dict[str, Any] = {
    "trace_id": TRACE,
    "started_ms": 1_700_000_000_000,
    "failed": False,
    "ttft_ms": 120.0,
    "ttft_definition": "delivered",
    "total_ms": 900.0,
    "llm_calls": 1,
    "cost_usd": 0.001,
    "models": ["<b>"],
    "groundedness": None,
    "faithfulness": None,
    "judged": 0,
    "error_type": "",
    "http_status": 200,
}


def test_sentences_end_at_full_stops_and_lines() -> None:
    """A full stop inside of a word or a number ends nothing."""
    assert reviewing.sentences_of(ANSWER) == [
        "Use asyncio.timeout() [1].",
        "It costs $3.50 (really).",
        "See also wait_for!",
    ]
    assert reviewing.sentences_of(" \n ") == []


def test_a_review_is_up_to_three_scores_and_the_verdict_is_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """The share of good sentences, the correction, and the verdict, each with reviewer and queue."""
    sent: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
    monkeypatch.setattr(sightline, "score", lambda *args, **more: sent.append((args, more)))
    review = reviewing.Review(
        trace_id=TRACE,
        span_id=SPAN,
        reviewer="Ann",
        queue="random",
        is_good=False,
        sentences=reviewing.sentences_of(ANSWER),
        wrong={1},
        comment=" no price is in the passages ",
        correction=" Use asyncio.timeout(). ",
    )
    assert reviewing._hand_over(review) == 3
    assert [args for args, _ in sent] == [
        (people.REVIEW_SENTENCES, pytest.approx(2 / 3)),
        (people.REVIEW_CORRECTION, None),
        (people.REVIEW, 0.0),
    ]
    assert all(
        (more["trace_id"], more["span_id"], more["judge"], more["source"], more["note"])
        == (TRACE, SPAN, "Ann", "human", "queue: random")
        for _, more in sent
    )
    lines = sent[0][1]["explanation"].splitlines()
    assert [line[0] for line in lines] == ["+", "-", "+"]
    assert sent[1][1]["explanation"] == "Use asyncio.timeout()."
    assert sent[2][1]["explanation"] == "no price is in the passages"


def test_without_an_answer_a_review_is_its_verdict_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is said of sentences that nobody saw."""
    sent: list[tuple[Any, ...]] = []
    monkeypatch.setattr(sightline, "score", lambda *args, **_: sent.append(args))
    review = reviewing.Review(trace_id=TRACE, span_id="", reviewer="Ann", queue="lowest", is_good=True)
    assert reviewing._hand_over(review) == 1
    assert sent == [(people.REVIEW, 1.0)]


class _Tracing:
    """The library at a collector that accepts as many scores as it is told to, in their order."""

    def __init__(self) -> None:
        self.settings = SimpleNamespace(logs_endpoint="http://127.0.0.1:4318/v1/logs")
        self.accepts = 0
        self.emitted = self.exported = self.dropped = 0

    def score_stats(self) -> sightline.Stats:
        queued = self.emitted - self.exported - self.dropped
        return sightline.Stats(self.emitted, self.exported, self.dropped, queued)

    def score(self, *_: Any, **__: Any) -> None:
        self.emitted += 1

    def force_flush(self, _: float) -> bool:
        self.exported += min(self.accepts, self.emitted - self.exported)
        return self.exported == self.emitted


def test_scores_that_an_earlier_review_left_waiting_are_not_those_of_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """A review is accepted when its own scores are, behind all that waited."""
    tracing = _Tracing()
    monkeypatch.setattr(sightline, "configure", lambda **_: tracing)
    monkeypatch.setattr(sightline, "score", tracing.score)
    review = reviewing.Review(trace_id=TRACE, span_id=SPAN, reviewer="Ann", queue="lowest", is_good=True)
    sender = reviewing.Sender({})
    for tracing.accepts in (0, 1):
        with pytest.raises(reviewing.ReviewNotSent, match="accepted 0 of 1 scores"):
            sender.send(review)
    tracing.accepts = 2
    assert sender.send(review) == 1


def test_a_score_that_the_library_did_not_take_is_not_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tracing may be switched off in the environment."""
    monkeypatch.setattr(sightline, "configure", lambda **_: _Tracing())
    monkeypatch.setattr(sightline, "score", lambda *_, **__: None)
    review = reviewing.Review(trace_id=TRACE, span_id=SPAN, reviewer="Ann", queue="lowest", is_good=True)
    with pytest.raises(reviewing.ReviewNotSent, match="accepted 0 of 1 scores"):
        reviewing.Sender({}).send(review)


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([("a", 1.0), ("b", 0.0)], (0, None, None)),
        ([("a", 1.0), ("a", 1.0)], (1, 1.0, None)),
        ([("a", 1.0), ("a", 1.0), ("b", 0.0), ("b", 0.0)], (2, 1.0, 1.0)),
        # Half of the pairs agree, as often as by chance where half of all verdicts are good.
        (
            [("a", 1.0), ("a", 1.0), ("b", 0.0), ("b", 0.0), ("c", 1.0), ("c", 0.0), ("d", 0.0), ("d", 1.0)],
            (4, 0.5, 0.0),
        ),
        ([("a", 1.0), ("a", None)], (0, None, None)),
    ],
)
def test_agreement_of_reviewers(verdicts: list[tuple[str, float | None]], expected: tuple[Any, ...]) -> None:
    """Pairs of verdicts on one answer, the share that agree, and what of it is beyond chance."""
    assert people.agreement([{"trace_id": trace, "value": value} for trace, value in verdicts]) == expected


def test_a_turn_escapes_what_strangers_wrote() -> None:
    """Question, answer and names of models are text."""
    html = turn_html(ROW, Conversation(question="<script>", answer="<img src=x>", is_answer_cut=True))
    assert "<script>" not in html
    assert "<img" not in html
    assert "<b>" not in html
    assert "&lt;img src=x&gt;" in html
    assert "(cut off)" in html


def test_a_turn_says_what_was_not_captured_and_what_failed() -> None:
    """A failed request shows its failure in place of an answer."""
    assert "question not captured" in turn_html(ROW, None)
    assert "answer not captured" in turn_html(ROW, None)
    failed = turn_html({**ROW, "failed": True, "error_type": "TimeoutError"}, None)
    assert "TimeoutError" in failed
    assert "answer not captured" not in failed
