"""When a difference becomes an alarm: a small state machine, one step a window. Pure.

What one window shows is evidence for each comparison and signal: `WEAK` where its p-value, corrected over all of the
window's tests together (Holm), is at most `SUSPECT_AT` and the effect is large enough to matter; `STRONG` where it is
at most `ALARM_AT`. Strong evidence is an alarm at once; weak evidence is one when the window before showed it too. So a
window without drift alarms with a probability of at most ALARM_AT, and that of weak evidence twice in a row. An alarm
ends with the first window without evidence; a window with too little data changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

SUSPECT_AT: Final = 0.05
"""Family-wise p-value of a window up to which a difference is suspected."""
ALARM_AT: Final = 0.001
"""... up to which it is an alarm without another window."""


class Evidence(StrEnum):
    """What one window shows for one comparison and signal."""

    UNKNOWN = "unknown"
    """Too little data."""
    NONE = "none"
    WEAK = "weak"
    STRONG = "strong"


class State(StrEnum):
    """What is held of one comparison and signal."""

    QUIET = "quiet"
    SUSPECTED = "suspected"
    """One window alone spoke for a drift."""
    DRIFT = "drift"


def evidence(p_adjusted: float | None, *, matters: bool) -> Evidence:
    """What a window shows.

    Args:
        p_adjusted: p-value after Holm; None where there was too little data to test.
        matters: whether the effect is at least the least one of its signal.
    """
    if p_adjusted is None:
        return Evidence.UNKNOWN
    if not matters or p_adjusted > SUSPECT_AT:
        return Evidence.NONE
    return Evidence.STRONG if p_adjusted <= ALARM_AT else Evidence.WEAK


def advance(state: State, shown: Evidence) -> State:
    """The state behind one more window."""
    match shown:
        case Evidence.UNKNOWN:
            return state
        case Evidence.STRONG:
            return State.DRIFT
        case Evidence.WEAK:
            return State.SUSPECTED if state is State.QUIET else State.DRIFT
        case Evidence.NONE:
            return State.QUIET


def fold(shown: Iterable[Evidence], state: State = State.QUIET) -> State:
    """The state behind several windows, the oldest first."""
    for each in shown:
        state = advance(state, each)
    return state
