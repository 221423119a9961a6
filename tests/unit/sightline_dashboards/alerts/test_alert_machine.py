"""The states of a rule, for every sequence of verdicts."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline_dashboards.alerts import machine, phases
from sightline_dashboards.alerts.conditions import Verdict
from sightline_dashboards.alerts.machine import State, Status, Timing
from sightline_dashboards.alerts.phases import Phase

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
STEP_S = 60
BREACHED, BETWEEN, CLEAR, UNKNOWN = Verdict
VERDICTS = st.lists(st.sampled_from(list(Verdict)), max_size=60)
MINUTES = st.integers(0, 6).map(lambda minutes: 60.0 * minutes)
TIMINGS = st.builds(Timing, pending_s=MINUTES, clear_for_s=MINUTES, cool_down_s=MINUTES)


def at(number: int) -> datetime:
    """The moment of an evaluation."""
    return START + timedelta(seconds=STEP_S * number)


def run(verdicts: list[Verdict], timing: Timing, value: float = 1.0) -> list[State]:
    """The state before the first evaluation and after each."""
    states = [State(since=START)]
    for number, verdict in enumerate(verdicts):
        states.append(machine.step(states[-1], verdict, at(number), timing, value))
    return states


def statuses(verdicts: list[Verdict], timing: Timing) -> list[str]:
    """The statuses after each evaluation."""
    return [str(state.status) for state in run(verdicts, timing)[1:]]


def changes(states: list[State]) -> list[State]:
    """The states that begin a phase."""
    return [
        after
        for before, after in itertools.pairwise(states)
        if (before.episode, before.status) != (after.episode, after.status)
    ]


@given(VERDICTS, TIMINGS)
def test_nothing_fires_twice_without_a_resolve_between(verdicts: list[Verdict], timing: Timing) -> None:
    """And each phase has a name of its own, so that telling it once can be checked."""
    begun = changes(run(verdicts, timing))
    told = [state.status for state in begun if state.status in {Status.FIRING, Status.RESOLVED}]
    assert told == [(Status.FIRING, Status.RESOLVED)[number % 2] for number in range(len(told))]
    names = [(state.episode, state.status) for state in begun]
    assert len(names) == len(set(names))
    episodes = [state.episode for state in begun]
    assert episodes == sorted(episodes)


@given(VERDICTS, TIMINGS)
def test_firing_needs_a_breach_that_lasts_and_a_cool_down_that_is_over(verdicts: list[Verdict], timing: Timing) -> None:
    """Every evaluation of the pending time was breached or unknown; a resolve was at least the cool-down ago."""
    begun = changes(run(verdicts, timing))
    for state in begun:
        if state.status is Status.FIRING:
            assert state.breached_since is not None
            assert state.since - state.breached_since >= timedelta(seconds=timing.pending_s)
            first, last = ((moment - START).seconds // STEP_S for moment in (state.breached_since, state.since))
            assert set(verdicts[first : last + 1]) <= {BREACHED, UNKNOWN}
            assert verdicts[first] is verdicts[last] is BREACHED
            assert state.resolved_at is None or state.since - state.resolved_at >= timedelta(seconds=timing.cool_down_s)
        if state.status is Status.RESOLVED:
            last = (state.since - START).seconds // STEP_S
            quiet = int(timing.clear_for_s) // STEP_S
            assert set(verdicts[last - quiet : last + 1]) <= {CLEAR, UNKNOWN}


@given(VERDICTS, TIMINGS, st.sets(st.integers(0, 59)))
def test_a_restart_at_any_moment_changes_nothing(verdicts: list[Verdict], timing: Timing, restarts: set[int]) -> None:
    """The row that is kept of a phase holds all that the next evaluation needs."""
    states = [State(since=START)]
    for number, verdict in enumerate(verdicts):
        before = states[-1]
        if number in restarts:
            kept = phases.row_of(Phase(rule="a", state=before, seen_at=at(number)))
            before = phases.phase_of(kept).state
        states.append(machine.step(before, verdict, at(number), timing, float(number)))
    again = [State(since=START)]
    for number, verdict in enumerate(verdicts):
        again.append(machine.step(again[-1], verdict, at(number), timing, float(number)))
    assert states == again


@given(VERDICTS, TIMINGS)
def test_the_same_evaluation_twice_changes_nothing(verdicts: list[Verdict], timing: Timing) -> None:
    """Two evaluators that act at one moment write the same phase, where nothing has to last."""
    state = State(since=START)
    for number, verdict in enumerate(verdicts):
        once = machine.step(state, verdict, at(number), timing, 1.0)
        twice = machine.step(state, verdict, at(number), timing, 1.0)
        assert once == twice
        state = once


def test_a_rule_goes_from_ok_to_resolved() -> None:
    """Pending for two minutes, firing, clear for two minutes, resolved."""
    timing = Timing(pending_s=120, clear_for_s=120, cool_down_s=0)
    verdicts = [CLEAR, BREACHED, BREACHED, BREACHED, CLEAR, CLEAR, CLEAR, CLEAR]
    assert statuses(verdicts, timing) == [
        "ok",
        "pending",
        "pending",
        "firing",
        "firing",
        "firing",
        "resolved",
        "resolved",
    ]


def test_a_value_between_threshold_and_resolve_value_keeps_what_is() -> None:
    """It ends a pending rule, and neither fires nor resolves."""
    timing = Timing(pending_s=60, clear_for_s=60, cool_down_s=0)
    assert statuses([BREACHED, BETWEEN, BREACHED, BREACHED], timing) == ["pending", "ok", "pending", "firing"]
    assert statuses([BREACHED, BREACHED, CLEAR, BETWEEN, CLEAR, CLEAR], timing) == [
        *("pending", "firing", "firing", "firing", "firing", "resolved"),
    ]


def test_a_value_that_flaps_pages_once() -> None:
    """Above and below in turn, for an hour: without the resolve time it would be thirty pages."""
    verdicts = [BREACHED, CLEAR] * 30
    calm = Timing(pending_s=0, clear_for_s=300, cool_down_s=600)
    assert sum(state.status is Status.FIRING for state in changes(run(verdicts, calm))) == 1
    nervous = Timing(pending_s=0, clear_for_s=0, cool_down_s=0)
    assert sum(state.status is Status.FIRING for state in changes(run(verdicts, nervous))) == 30


def test_a_breach_within_the_cool_down_fires_when_that_is_over() -> None:
    """It is pending until then, and not forgotten."""
    timing = Timing(pending_s=0, clear_for_s=0, cool_down_s=180)
    assert statuses([BREACHED, CLEAR, BREACHED, BREACHED, BREACHED], timing) == [
        *("firing", "resolved", "pending", "pending", "firing"),
    ]


@pytest.mark.parametrize(("is_above", "peak"), [(True, 9.0), (False, 2.0)])
def test_the_peak_is_the_worst_value_of_the_episode(*, is_above: bool, peak: float) -> None:
    """Of a rule with `below` the smallest; values from before the episode do not count."""
    timing = Timing(pending_s=0, clear_for_s=0, cool_down_s=0)
    state = State(since=START)
    for number, (verdict, value) in enumerate([(CLEAR, 100.0), (BREACHED, 5.0), (BREACHED, 9.0), (BREACHED, 2.0)]):
        state = machine.step(state, verdict, at(number), timing, value, is_above=is_above)
    assert state.peak == peak


def test_a_rule_that_is_removed_leaves_nothing_open() -> None:
    """Firing becomes resolved, pending becomes ok, the others stay."""
    for status, after in (
        (Status.FIRING, Status.RESOLVED),
        (Status.PENDING, Status.OK),
        (Status.OK, Status.OK),
        (Status.RESOLVED, Status.RESOLVED),
    ):
        assert machine.ended(State(status=status, since=START), at(1)).status is after
