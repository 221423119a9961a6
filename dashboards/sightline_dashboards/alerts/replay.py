"""What a rule would have done: its evaluations over past days, by the same code, on one answer of the store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sightline_dashboards.alerts.conditions import observe
from sightline_dashboards.alerts.evaluation import advanced
from sightline_dashboards.alerts.machine import State, Status
from sightline_dashboards.alerts.readings import REPLAY_STEP_S
from sightline_dashboards.alerts.rules import Rule
from sightline_dashboards.alerts.series import Series


@dataclass(frozen=True)
class Episode:
    """One time that the rule would have fired.

    Attributes:
        begins: when it would have fired.
        ends: when it would have been resolved; None where it would be firing still.
        peak: the worst value, in the unit of the threshold; None where nothing was known.
    """

    begins: datetime
    ends: datetime | None
    peak: float | None


@dataclass(frozen=True)
class Replay:
    """A rule over past days.

    Attributes:
        episodes: in order.
        evaluations: how many there were.
        judged: those of which the verdict was known.
        pending: how often the rule became pending and did not fire.
        best: the value that was furthest on the good side; None where nothing was known.
        worst: the same on the bad side.
    """

    episodes: tuple[Episode, ...]
    evaluations: int
    judged: int
    pending: int
    best: float | None
    worst: float | None


def replay(rule: Rule, series: Series, start: datetime, end: datetime, step_s: int = REPLAY_STEP_S) -> Replay:
    """Evaluate a rule at each step between two moments.

    Args:
        rule: the rule.
        series: covers its windows from `start` on, see `readings.past`.
        start: the first evaluation is a step later.
        end: the last one.
        step_s: seconds between two evaluations; whole buckets of the series.
    """
    state = State(since=start)
    episodes: list[Episode] = []
    values: list[float] = []
    judged = started = 0
    moment_s, last_s = round(start.timestamp()) + step_s, end.timestamp()
    evaluations = 0
    while moment_s <= last_s:
        found = observe(rule, series, moment_s)
        now = datetime.fromtimestamp(moment_s + rule.of.late_s, UTC)
        before, state = state, advanced(rule, state, found, now)
        evaluations += 1
        if found.value is not None:
            judged += 1
            values.append(found.value)
        started += state.episode - before.episode
        if state.status is Status.FIRING:
            episode = Episode(state.since, None, state.peak)
            if before.status is Status.FIRING:
                episodes[-1] = episode
            else:
                episodes.append(episode)
        elif before.status is Status.FIRING:
            episodes[-1] = Episode(episodes[-1].begins, state.since, state.peak)
        moment_s += step_s
    worst, best = (max, min) if rule.is_above else (min, max)
    return Replay(
        tuple(episodes),
        evaluations,
        judged,
        started - len(episodes) - (state.status is Status.PENDING),
        best(values) if values else None,
        worst(values) if values else None,
    )
