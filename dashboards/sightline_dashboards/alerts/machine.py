"""The states of a rule: ok, pending, firing, resolved. Pure: the next follows from this one, a verdict and a moment.

::

    ok, resolved --breached--> pending --breached for `pending_s`, and `cool_down` is over--> firing
    pending --clear or between--> ok
    firing --clear for `clear_for`--> resolved

A value between threshold and resolve value ends neither: what fires goes on, what is clear stays so. An unknown value
changes nothing. After `resolved` a rule fires again only when its cool-down is over, however long it is breached
before. Each way from ok to firing and back is an episode with a number of its own, so a phase is named by rule, episode
and status: whoever writes it twice writes the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from sightline_dashboards.alerts.conditions import Verdict


class Status(StrEnum):
    """What a rule is in."""

    OK = "ok"
    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How long things have to last, in seconds.

    Attributes:
        pending_s: a breach, before the rule fires.
        clear_for_s: a clear value, before the rule is resolved.
        cool_down_s: after a resolve, before the rule may fire again.
    """

    pending_s: float
    clear_for_s: float
    cool_down_s: float


@dataclass(frozen=True, kw_only=True)
class State:
    """Where a rule is.

    Attributes:
        episode: number of the latest way out of ok, 0 before the first.
        since: when it came into this status.
        breached_since: first of the evaluations that were breached without a break; None where the last was not.
        clear_since: the same for clear ones, while firing.
        resolved_at: when it was resolved last.
        peak: the worst value of the episode.
    """

    status: Status = Status.OK
    episode: int = 0
    since: datetime
    breached_since: datetime | None = None
    clear_since: datetime | None = None
    resolved_at: datetime | None = None
    peak: float | None = None


def step(
    state: State, verdict: Verdict, now: datetime, timing: Timing, value: float | None = None, *, is_above: bool = True
) -> State:
    """The state after an evaluation.

    Args:
        state: before it.
        verdict: what it said.
        now: when it was; not before any moment in `state`.
        timing: of the rule.
        value: what it found, for the peak.
        is_above: whether greater values are worse.
    """
    if verdict is Verdict.UNKNOWN:
        return state
    if state.status is Status.FIRING:
        return _firing(replace(state, peak=_worse(state.peak, value, is_above)), verdict, now, timing)
    if verdict is not Verdict.BREACHED:
        if state.status is Status.PENDING:
            return replace(state, status=Status.OK, since=now, breached_since=None)
        return state
    if state.status is not Status.PENDING:
        state = replace(
            state, status=Status.PENDING, episode=state.episode + 1, since=now, breached_since=now, peak=None
        )
    state = replace(state, peak=_worse(state.peak, value, is_above))
    began = state.breached_since or now
    cooled = state.resolved_at is None or now - state.resolved_at >= timedelta(seconds=timing.cool_down_s)
    if cooled and now - began >= timedelta(seconds=timing.pending_s):
        return replace(state, status=Status.FIRING, since=now, clear_since=None)
    return state


def ended(state: State, now: datetime) -> State:
    """The state of a rule that is no longer evaluated: nothing of it stays open."""
    if state.status is Status.FIRING:
        return _resolved(state, now)
    if state.status is Status.PENDING:
        return replace(state, status=Status.OK, since=now, breached_since=None)
    return state


def _firing(state: State, verdict: Verdict, now: datetime, timing: Timing) -> State:
    if verdict is not Verdict.CLEAR:
        return replace(state, clear_since=None)
    began = state.clear_since or now
    if now - began >= timedelta(seconds=timing.clear_for_s):
        return _resolved(state, now)
    return replace(state, clear_since=began)


def _resolved(state: State, now: datetime) -> State:
    return replace(state, status=Status.RESOLVED, since=now, breached_since=None, clear_since=None, resolved_at=now)


def _worse(peak: float | None, value: float | None, is_above: bool) -> float | None:
    """The worse of the two; one that is unknown does not count."""
    if value is None or peak is None:
        return peak if value is None else value
    return max(peak, value) if is_above else min(peak, value)
