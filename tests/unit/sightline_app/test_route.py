"""Which model is asked first, and when one is left alone."""

from __future__ import annotations

import pytest

from sightline_app.retriever import Hit
from sightline_app.settings import AppSettings, RouteSettings
from sightline_app.stages.events import Question
from sightline_app.stages.route import decide
from sightline_app.state.circuit import Circuit

GOOD = [Hit(str(n), "t", "text", [], "m", "2026-01-01", 0.8) for n in range(3)]
TURN = {"role": "user", "content": "earlier"}


@pytest.mark.parametrize(
    ("question", "hits", "reason"),
    [
        (Question("word " * 25), GOOD, "hard: words 25"),
        (Question("Why does it fail?"), GOOD, "hard: phrase why"),
        (Question("list VS tuple"), GOOD, "hard: phrase vs"),
        (Question("And then?", history=[TURN] * 4), GOOD, "hard: messages 4"),
        (Question("How do I copy?"), GOOD[:1], "hard: passages 1"),
        (Question("How do I copy?"), [], "hard: passages 0"),
        (Question("How do I copy?"), [Hit("1", "t", "x", [], "m", "d", 0.59)] * 2, "hard: top_score 0.59"),
    ],
)
def test_each_sign_alone_makes_a_question_hard(question: Question, hits: list[Hit], reason: str) -> None:
    """The reason names the sign and what was counted."""
    size, reasons = decide(RouteSettings(), question, hits)
    assert size == "large"
    assert reason in reasons


def test_question_without_a_sign_is_easy() -> None:
    """Words that only contain a phrase do not count: `vs` is in no word of `canvas`."""
    assert decide(RouteSettings(), Question("How do I fill a canvas?"), GOOD) == (
        "small",
        ["easy: no sign of a hard question"],
    )


def test_signs_that_are_turned_off_do_not_count() -> None:
    """0 turns each number off, no phrase all phrases."""
    off = RouteSettings(hard_words=0, hard_top_score=0, hard_passages=0, hard_messages=0, hard_phrases=())
    assert decide(off, Question("why " * 50, history=[TURN] * 9), [])[0] == "small"


@pytest.mark.parametrize("size", ["small", "large"])
def test_fixed_route_does_not_look_at_the_question(size: str) -> None:
    """The reason is the setting."""
    settings = RouteSettings(rule=size, large_model="big")
    assert decide(settings, Question("why"), []) == (size, [f"SIGHTLINE_APP_ROUTE={size}"])


def test_settings_name_the_large_model() -> None:
    """Its endpoint and key are the small one's unless said otherwise; another endpoint does not get that key."""
    both = AppSettings(model_api_key="k", route=RouteSettings(large_model="big")).large_endpoint
    assert both is not None
    assert (both.base_url, both.api_key, both.model) == ("http://127.0.0.1:8081/v1", "k", "big")
    other = RouteSettings(large_model="big", large_base_url="http://127.0.0.1:9/v1")
    apart = AppSettings(model_api_key="k", route=other).large_endpoint
    assert apart is not None
    assert apart.api_key == "local"
    assert AppSettings().large_endpoint is None


def test_circuit_opens_after_failures_in_a_row_and_lets_one_request_try() -> None:
    """An answer between failures counts anew; after the pause one request is let through, the next one is not."""
    now = [0.0]
    circuit = Circuit(2, 30.0, lambda: now[0])
    circuit.failed()
    circuit.worked()
    circuit.failed()
    assert circuit.admits()
    circuit.failed()
    assert not circuit.admits()
    now[0] = 30.0
    assert circuit.admits()
    assert not circuit.admits()
    circuit.worked()
    assert circuit.admits()


def test_circuit_that_is_turned_off_never_opens() -> None:
    """0 failures are none."""
    circuit = Circuit(0, 30.0)
    for _ in range(5):
        circuit.failed()
    assert circuit.admits()
