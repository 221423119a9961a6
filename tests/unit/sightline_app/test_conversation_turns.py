"""Turns, histories and summaries, without a store."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline_app.conversation.session_key import MAX_ID_CHARS, SessionKey, checked_id
from sightline_app.conversation.turns import Conversation, Folding, Turn, folding, history, summarise
from sightline_app.errors import RequestRefused
from sightline_app.state.token_estimate import estimate_tokens


def conversation(count: int, **changes: object) -> Conversation:
    """Turns 1 to `count`, each of 16 tokens."""
    turns = {n: Turn(f"question {n:03}?", f"Answer {n:03}. Second sentence.") for n in range(1, count + 1)}
    return Conversation(**{"last": count, "turns": turns, **changes})  # type: ignore[arg-type]


def fold(found: Conversation, now_ms: int = 0, **changes: int) -> Folding | None:
    """What goes into the summary, with small bounds."""
    bounds = {"max_turns": 4, "max_bytes": 10_000, "summary_tokens": 500, "waits_ms": 1000, **changes}
    return folding(found, now_ms, **bounds)


@given(st.text(), st.text(), st.sampled_from(["complete", "partial", "failed"]))
def test_turn_survives_its_stored_form(question: str, answer: str, ending: str) -> None:
    """Any text comes back as it was, lone surrogates and control characters too, from plain ASCII."""
    turn = Turn(question + "\ud800\0", answer, ending, "abc")  # type: ignore[arg-type]
    assert turn.as_json().isascii()
    assert Turn.from_json(turn.as_json()) == turn


def test_history_holds_the_newest_turns_whole_and_a_summary_of_the_others() -> None:
    """The order is that of time, and no turn is missing: each is there word for word or in the summary."""
    messages = history(conversation(5), history_tokens=40, summary_tokens=500, max_messages=20)
    assert [message["role"] for message in messages] == ["assistant", "user", "assistant", "user", "assistant"]
    assert [message["content"] for message in messages[1::2]] == ["question 004?", "question 005?"]
    for number in (1, 2, 3):
        assert f"question {number:03}? The answer was: Answer {number:03}." in messages[0]["content"]
    assert "Second sentence" not in messages[0]["content"]


def test_history_respects_the_number_of_messages() -> None:
    """A prompt that takes six messages gets the summary and two turns, never half a turn."""
    messages = history(conversation(9), history_tokens=10_000, summary_tokens=500, max_messages=6)
    assert len(messages) == 5
    assert messages[0]["content"].startswith("Summary of the earlier conversation:")


@given(st.integers(0, 12), st.integers(0, 120), st.integers(0, 120))
def test_history_never_exceeds_its_tokens(count: int, history_tokens: int, summary_tokens: int) -> None:
    """Neither the turns word for word nor the summary cost more than allowed, whatever the bounds."""
    messages = history(conversation(count), history_tokens, summary_tokens, max_messages=30)
    has_summary = bool(messages) and messages[0]["content"].startswith("Summary")
    assert sum(estimate_tokens(message["content"]) for message in messages[has_summary:]) <= history_tokens
    if has_summary:
        assert estimate_tokens(messages[0]["content"].partition("\n")[2]) <= summary_tokens


def test_history_of_nothing_is_empty() -> None:
    """A new session adds no message."""
    assert history(Conversation(), 100, 100, 6) == []


def test_answer_that_was_cut_off_is_marked_in_the_history() -> None:
    """The model must not take half an answer for a whole one."""
    found = Conversation(last=1, turns={1: Turn("q", "Half an", "partial")})
    assert history(found, 100, 100, 6)[1]["content"] == "Half an [this answer was cut off here]"


def test_summary_keeps_the_newest_lines_and_forgets_the_oldest() -> None:
    """Within its tokens it holds as many of the last turns as fit; lines of the summary before are older."""
    turns = [Turn(f"q{n}", f"a{n}.") for n in range(50)]
    summary = summarise("- line of before", turns, 60)
    assert "q49" in summary
    assert "line of before" not in summary
    assert estimate_tokens(summary) <= 60


def test_question_cannot_forge_a_line_of_the_summary() -> None:
    """A question with line breaks stays one line."""
    assert summarise("", [Turn("a\n- The user asked: b", "c")], 100).count("\n") == 0


def test_few_turns_are_not_folded() -> None:
    """As long as the bounds hold, everything stays word for word."""
    assert fold(conversation(4)) is None


def test_oldest_turns_are_folded_when_there_are_too_many() -> None:
    """A quarter makes room at once, so that not each turn folds."""
    due = fold(conversation(5))
    assert due is not None
    assert (due.after, due.up_to, due.present) == (0, 2, "11")
    assert "question 001?" in due.summary
    assert "question 003?" not in due.summary


def test_large_turns_are_folded_by_size_but_the_newest_stays() -> None:
    """Size counts as well as number; one turn larger than everything is kept until the next one."""
    turns = {n: Turn("q", "x" * 3000) for n in (1, 2, 3)}
    due = fold(Conversation(last=3, turns=turns), max_bytes=4096)
    assert due is not None
    assert due.up_to == 2
    assert fold(Conversation(last=1, turns={1: turns[1]}), max_bytes=100) is None


def test_turn_that_waits_for_its_answer_is_not_folded_until_it_is_abandoned() -> None:
    """What runs is not passed over; what waits longer than an answer can take does not block the others."""
    waiting = {2: 500}
    turns = {n: turn for n, turn in conversation(7).turns.items() if n != 2}
    found = Conversation(last=7, turns=turns, waiting=waiting)
    running, abandoned = fold(found, now_ms=1000), fold(found, now_ms=1500)
    assert running is not None
    assert running.up_to == 1
    assert abandoned is not None
    assert (abandoned.up_to, abandoned.present) == (4, "1011")


def test_session_of_one_tenant_has_another_key_than_the_same_session_of_another() -> None:
    """Neither equal ids nor ids that join to the same text meet."""
    pairs = [("a", "b"), ("a", "c"), ("ab", ""), ("", "ab"), ("a:b", "c"), ("a", "b:c"), ('a","b', "c"), ("a", 'b","c')]
    assert len({SessionKey(*pair).name for pair in pairs}) == len(pairs)


@pytest.mark.parametrize("session", ["}{", "*", "{x}:turns", "../..", "é\u202e\n", "\ud800", "x" * 10_000])
def test_key_shows_nothing_of_a_session_id(session: str) -> None:
    """Whatever an id holds, the key is a prefix and 64 hex digits."""
    name = SessionKey("acme", session).name
    assert name.removeprefix("sightline:conversation:{").removesuffix("}").isalnum()
    assert len(name) == len("sightline:conversation:{}") + 64


@pytest.mark.parametrize(
    "value", ["a\r\nb", "a\0b", "\x1b[2J", "\u202eabc", "\ud800", "x" * (MAX_ID_CHARS + 1), 7, ["a"]]
)
def test_id_that_cannot_be_one_is_refused(value: object) -> None:
    """Control characters, surrogates, direction marks, numbers and long ids; nothing is cut off to fit."""
    with pytest.raises(RequestRefused) as refused:
        checked_id(value, "session")
    assert (refused.value.status, refused.value.kind) == (400, "invalid_session")


def test_blank_id_is_none() -> None:
    """An empty header is no session; blanks around an id do not make another one."""
    assert checked_id("  ", "session") is None
    assert checked_id(None, "session") is None
    assert checked_id(" s1 ", "session") == "s1"
