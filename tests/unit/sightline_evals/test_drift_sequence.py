"""When a difference becomes an alarm: the state machine against a model that looks at the whole history."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sightline_evals.drift.sequence import ALARM_AT, SUSPECT_AT, Evidence, State, advance, evidence, fold


@pytest.mark.parametrize(
    ("p", "matters", "shown"),
    [
        (None, True, Evidence.UNKNOWN),
        (ALARM_AT, True, Evidence.STRONG),
        (SUSPECT_AT, True, Evidence.WEAK),
        (SUSPECT_AT * 1.01, True, Evidence.NONE),
        (0.0, False, Evidence.NONE),
    ],
)
def test_evidence_needs_a_small_p_value_and_an_effect_that_matters(
    p: float | None, matters: bool, shown: Evidence
) -> None:
    """The limits are inclusive; too little data is neither for nor against."""
    assert evidence(p, matters=matters) is shown


@pytest.mark.parametrize(
    ("history", "state"),
    [
        ([Evidence.WEAK], State.SUSPECTED),
        ([Evidence.WEAK, Evidence.WEAK], State.DRIFT),
        ([Evidence.STRONG], State.DRIFT),
        ([Evidence.WEAK, Evidence.NONE, Evidence.WEAK], State.SUSPECTED),
        ([Evidence.WEAK, Evidence.UNKNOWN, Evidence.WEAK], State.DRIFT),
        ([Evidence.STRONG, Evidence.NONE], State.QUIET),
        ([Evidence.STRONG, Evidence.WEAK], State.DRIFT),
        ([], State.QUIET),
    ],
)
def test_one_weak_window_is_a_suspicion_and_two_are_an_alarm(history: list[Evidence], state: State) -> None:
    """Strong evidence is an alarm at once, a window without evidence ends it, one without data changes nothing."""
    assert fold(history) is state


class Windows(RuleBasedStateMachine):
    """Windows come one by one; what is held must follow from those that had data."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State.QUIET
        self.known: list[Evidence] = []

    @rule(shown=st.sampled_from(Evidence))
    def window(self, shown: Evidence) -> None:
        """One more window."""
        self.state = advance(self.state, shown)
        if shown is not Evidence.UNKNOWN:
            self.known.append(shown)

    @invariant()
    def alarm_means_strong_evidence_or_two_windows(self) -> None:
        """The run of windows with evidence that ends now decides, and nothing before it."""
        run: list[Evidence] = []
        for shown in reversed(self.known):
            if shown is Evidence.NONE:
                break
            run.append(shown)
        if not run:
            expected = State.QUIET
        elif len(run) > 1 or run[0] is Evidence.STRONG:
            expected = State.DRIFT
        else:
            expected = State.SUSPECTED
        assert self.state is expected


TestWindows = Windows.TestCase


@given(st.lists(st.sampled_from(Evidence)), st.lists(st.sampled_from(Evidence)))
def test_folding_in_two_parts_is_folding_at_once(first: list[Evidence], second: list[Evidence]) -> None:
    """A watcher that keeps the state sees what one sees that reads all windows."""
    assert fold(second, fold(first)) is fold([*first, *second])
