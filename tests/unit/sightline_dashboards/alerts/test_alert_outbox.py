"""Telling people: once, in order, again where a channel was away, and not while a rule is silent."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from alert_journal import URL, Channel, MemoryJournal, later, phase
from hypothesis import given
from hypothesis import strategies as st

from sightline_dashboards.alerts import outbox
from sightline_dashboards.alerts.errors import DeliveryFailed
from sightline_dashboards.alerts.machine import Status
from sightline_dashboards.alerts.messages import Message, message
from sightline_dashboards.alerts.outbox import FIRST_WAIT_S, LONGEST_ASKED_S, LONGEST_WAIT_S, MOST_ATTEMPTS, wait_s
from sightline_dashboards.alerts.phases import Phase, Silence, Told


def deliver(journal: MemoryJournal, minutes: float, channels: dict[str, Any], *, holds: bool = True) -> None:
    """Send what is due."""
    now = later(minutes)

    def compose(about: Phase, fired: Phase | None) -> Message:
        return message(about, None, fired, now, URL)

    outbox.deliver(journal, channels, compose, now, lambda: holds)


def silence(begins: float, ends: float, rule: str = "a") -> Silence:
    """A silence between two minutes."""
    return Silence(id="s", rule=rule, begins=later(begins), ends=later(ends))


def test_each_phase_is_told_once_to_each_channel() -> None:
    """However often the outbox is emptied, and whoever empties it."""
    journal, ops, team = MemoryJournal(), Channel(), Channel()
    journal.write([phase(Status.FIRING, 0, channels=("ops", "team")), phase(Status.PENDING, 0, rule="b")])
    for minutes in (0, 1, 2):
        deliver(journal, minutes, {"ops": ops, "team": team})
    journal.write([phase(Status.RESOLVED, 30, channels=("ops", "team"))])
    for minutes in (30, 31):
        deliver(journal, minutes, {"ops": ops, "team": team})
    assert ops.statuses == team.statuses == ["a firing", "a resolved"]
    assert len({sent.id for sent in ops.taken}) == 2
    assert [sent.lasted_s for sent in ops.taken] == [None, 1800]


def test_a_channel_that_is_away_is_tried_again_and_keeps_the_order() -> None:
    """The others do not wait for it; that a rule is resolved is not told before that it fires."""
    journal, ops, team = MemoryJournal(), Channel(away=True), Channel()
    journal.write([phase(Status.FIRING, 0, channels=("ops", "team"))])
    deliver(journal, 0, {"ops": ops, "team": team})
    journal.write([phase(Status.RESOLVED, 0.1, channels=("ops", "team"))])
    deliver(journal, 0.1, {"ops": ops, "team": team})
    assert (ops.attempts, team.statuses) == (1, ["a firing", "a resolved"])
    deliver(journal, 1, {"ops": ops, "team": team})
    assert ops.attempts == 2
    ops.away = False
    deliver(journal, 10, {"ops": ops, "team": team})
    assert ops.statuses == ["a firing", "a resolved"]
    assert {each.told for each in journal.deliveries.values()} == {Told.SENT}


@given(st.lists(st.booleans(), max_size=60))
def test_a_message_is_never_lost(is_away: list[bool]) -> None:
    """Whenever the channel is away, once it is back it has every message, once and in order."""
    journal, ops = MemoryJournal(), Channel()
    for number, away in enumerate(is_away):
        ops.away = away
        if number % 10 == 0:
            journal.write([phase(Status.FIRING, number, episode=number)])
        if number % 10 == 5:
            journal.write([phase(Status.RESOLVED, number, episode=number - 5)])
        deliver(journal, number, {"ops": ops})
    ops.away = False
    for extra in range(30):
        deliver(journal, len(is_away) + 20 * extra, {"ops": ops})
    by_episode: dict[str, list[str]] = {}
    for sent in ops.taken:
        by_episode.setdefault(sent.id.split("_")[1], []).append(sent.status)
    assert all(statuses in (["firing"], ["firing", "resolved"]) for statuses in by_episode.values())
    assert len(ops.taken) == len(journal.phases)


def test_waits_grow_and_a_receiver_may_ask_for_more() -> None:
    """From 15 s to 15 min; `Retry-After` wins where it is longer."""
    waits = [wait_s(attempts) for attempts in range(1, 12)]
    assert (waits[0], waits[1], waits[-1]) == (FIRST_WAIT_S, 2 * FIRST_WAIT_S, LONGEST_WAIT_S)
    assert waits == sorted(waits)
    journal, ops = MemoryJournal(), Channel(away=True, retry_after_s=600)
    journal.write([phase(Status.FIRING, 0)])
    deliver(journal, 0, {"ops": ops})
    (waiting,) = journal.deliveries.values()
    assert (waiting.next_at, waiting.problem) == (later(10), "nobody answers")


@pytest.mark.parametrize("asked_s", [1e7, 1e30, float("inf")])
def test_a_receiver_cannot_ask_for_a_wait_without_end(asked_s: float) -> None:
    """However long a `Retry-After` it sends: the message goes again within an hour."""
    journal, ops = MemoryJournal(), Channel(away=True, retry_after_s=asked_s)
    journal.write([phase(Status.FIRING, 0)])
    deliver(journal, 0, {"ops": ops})
    ops.away = False
    deliver(journal, LONGEST_ASKED_S / 60, {"ops": ops})
    assert ops.statuses == ["a firing"]


def test_what_is_given_up_is_logged_and_kept(caplog: pytest.LogCaptureFixture) -> None:
    """After the last attempt, and where the rules file has lost the channel."""
    journal, ops = MemoryJournal(), Channel(away=True)
    journal.write([phase(Status.FIRING, 0), phase(Status.FIRING, 0, rule="b", channels=("gone",))])
    with caplog.at_level(logging.ERROR, "sightline.alerts"):
        for attempt in range(MOST_ATTEMPTS + 5):
            deliver(journal, 20 * attempt, {"ops": ops})
    assert ops.attempts == MOST_ATTEMPTS
    assert {each.told for each in journal.deliveries.values()} == {Told.ABANDONED}
    assert "given up after 200 attempts: nobody answers" in caplog.text
    assert "has no channel gone any more" in caplog.text


def test_nothing_is_sent_by_a_process_that_lost_its_lease() -> None:
    """The next one sends it."""
    journal, ops = MemoryJournal(), Channel()
    journal.write([phase(Status.FIRING, 0)])
    deliver(journal, 0, {"ops": ops}, holds=False)
    assert (ops.attempts, journal.deliveries) == (0, {})
    deliver(journal, 0, {"ops": ops})
    assert ops.statuses == ["a firing"]


@pytest.mark.parametrize("rule", ["a", "*"])
def test_what_fires_when_a_silence_ends_is_told_then(rule: str) -> None:
    """And not before."""
    journal, ops = MemoryJournal(silences=[silence(0, 60, rule)]), Channel()
    journal.write([phase(Status.FIRING, 5)])
    for minutes in (5, 30, 59):
        deliver(journal, minutes, {"ops": ops})
    assert ops.taken == []
    deliver(journal, 60, {"ops": ops})
    assert ops.statuses == ["a firing"]


def test_what_came_and_went_in_a_silence_is_told_to_nobody() -> None:
    """Another rule is told as ever; the end of what was told before is told too."""
    journal, ops = MemoryJournal(), Channel()
    journal.write([phase(Status.FIRING, 0, episode=1)])
    deliver(journal, 0, {"ops": ops})
    journal.silences.append(silence(1, 60))
    journal.write([phase(Status.RESOLVED, 10, episode=1), phase(Status.FIRING, 20, rule="b")])
    deliver(journal, 20, {"ops": ops})
    journal.write([phase(Status.FIRING, 30, episode=2)])
    deliver(journal, 30, {"ops": ops})
    journal.write([phase(Status.RESOLVED, 40, episode=2)])
    for minutes in (40, 61, 120):
        deliver(journal, minutes, {"ops": ops})
    assert ops.statuses == ["a firing", "a resolved", "b firing"]
    silenced = [key for key, each in journal.deliveries.items() if each.told is Told.SILENCED]
    assert silenced == [(("a", 2, "firing"), "ops"), (("a", 2, "resolved"), "ops")]


def test_a_message_that_was_sent_and_not_noted_has_the_same_id() -> None:
    """The process dies between: a receiver can tell the repetition."""

    class Dying(MemoryJournal):
        def record(self, deliveries: Any) -> None:
            raise DeliveryFailed("the power is gone")

    kept = MemoryJournal()
    kept.write([phase(Status.FIRING, 0)])
    dying, ops = Dying(phases=kept.phases), Channel()
    with pytest.raises(DeliveryFailed, match="power"):
        deliver(dying, 0, {"ops": ops})
    deliver(kept, 5, {"ops": ops})
    assert len(ops.taken) == 2
    assert len({sent.id for sent in ops.taken}) == 1


def test_a_defect_of_a_channel_is_a_failure_of_it_alone(caplog: pytest.LogCaptureFixture) -> None:
    """The other channel is told, and the message is tried again."""

    class Broken:
        def send(self, sent: Message) -> None:
            raise ZeroDivisionError(sent.id)

    journal, team = MemoryJournal(), Channel()
    journal.write([phase(Status.FIRING, 0, channels=("ops", "team"))])
    deliver(journal, 0, {"ops": Broken(), "team": team})
    assert team.statuses == ["a firing"]
    (waiting,) = (each for each in journal.deliveries.values() if each.told is Told.WAITING)
    assert waiting.problem == "ZeroDivisionError, see the evaluator's log"
    assert "a channel failed in an unknown way" in caplog.text
