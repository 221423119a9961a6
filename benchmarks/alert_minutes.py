"""A rule at every minute of a week at once, in numpy: what `alerts.replay` finds one minute after the other.

Windows, conditions and limits are those of `alerts.conditions`, for rules that keep their state where nothing is known
and watch the greater side; the states are stepped by `alerts.machine`. `agrees` holds both against each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from sightline_dashboards.alerts import machine
from sightline_dashboards.alerts.conditions import Verdict, burn
from sightline_dashboards.alerts.evaluation import timing
from sightline_dashboards.alerts.machine import State, Status
from sightline_dashboards.alerts.metrics import Kind
from sightline_dashboards.alerts.replay import replay
from sightline_dashboards.alerts.rules import Missing, Rule
from sightline_dashboards.alerts.series import Amount, Series
from sightline_store.questions.alerts import BIN_RATIO

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
_Judged = tuple[Bools, Bools, Bools]

MINUTE_S = 60
_BREACHED, _BETWEEN, _CLEAR, _UNKNOWN = range(4)
_VERDICTS = (Verdict.BREACHED, Verdict.BETWEEN, Verdict.CLEAR, Verdict.UNKNOWN)


@dataclass(frozen=True)
class Minutes:
    """Amounts of each minute of some days.

    Attributes:
        first_s: epoch second at which the first minute begins.
        bad: bad events, float64[minutes].
        events: all events, float64[minutes].
        bins: events by bin of their value, int64[minutes, bins]; without a column where there are no values.
        first_bin: number of the first bin.
    """

    first_s: int
    bad: Floats
    events: Floats
    bins: Ints
    first_bin: int = 0

    def series(self) -> Series:
        """The same for the evaluator."""
        return Series(
            (
                (self.first_s + MINUTE_S * minute, self._amount(minute))
                for minute in np.flatnonzero(self.events).tolist()
            ),
            MINUTE_S,
        )

    def _amount(self, minute: int) -> Amount:
        counts = self.bins[minute]
        held = np.flatnonzero(counts)
        bins = dict(zip((held + self.first_bin).tolist(), counts[held].tolist(), strict=True))
        return Amount(float(self.bad[minute]), float(self.events[minute]), bins=bins)


def pages(rule: Rule, minutes: Minutes, start: datetime, end: datetime) -> list[datetime]:
    """When a rule that is evaluated each minute from a minute after `start` to `end` would have begun to fire.

    Raises:
        NotImplementedError: the rule is of a kind that is not simulated.
    """
    if rule.missing is not Missing.KEEP or rule.change or not rule.is_above:
        raise NotImplementedError(f"{rule.name} cannot be simulated in numpy")
    first = (round(start.timestamp()) - minutes.first_s) // MINUTE_S + 1
    ends = np.arange(first, (round(end.timestamp()) - minutes.first_s) // MINUTE_S + 1)
    judge = _burned if rule.burn_rate else _quantile if rule.of.kind is Kind.QUANTILE else _share
    is_breached, is_clear, is_known = judge(rule, minutes, ends)
    verdicts = np.select([~is_known, is_breached, is_clear], [_UNKNOWN, _BREACHED, _CLEAR], _BETWEEN)
    moments = minutes.first_s + MINUTE_S * ends + rule.of.late_s
    return list(_fired(rule, start, verdicts, moments))


def agrees(rule: Rule, minutes: Minutes, start: datetime, end: datetime) -> bool:
    """Whether the evaluator's own code, minute by minute, fires at the same moments."""
    done = replay(rule, minutes.series(), start, end)
    return [episode.begins for episode in done.episodes] == pages(rule, minutes, start, end)


def _fired(rule: Rule, start: datetime, verdicts: Ints, moments: Ints) -> Iterator[datetime]:
    """The beginnings of episodes; while nothing is open, only a breach changes the state."""
    breaches = np.flatnonzero(verdicts == _BREACHED)
    state, at, length = State(since=start), 0, len(verdicts)
    times = timing(rule)
    while at < length:
        if state.status in {Status.OK, Status.RESOLVED}:
            following = np.searchsorted(breaches, at)
            if following == len(breaches):
                return
            at = int(breaches[following])
        before, now = state, datetime.fromtimestamp(int(moments[at]), UTC)
        state = machine.step(before, _VERDICTS[verdicts[at]], now, times)
        if state.status is Status.FIRING and before.status is not Status.FIRING:
            yield state.since
        at += 1


def _share(rule: Rule, minutes: Minutes, ends: Ints) -> _Judged:
    """Breached, clear and known, of a share in the window that ends before each minute."""
    if rule.of.kind is not Kind.SHARE:
        raise NotImplementedError(f"{rule.metric} cannot be simulated in numpy")
    width = rule.window_s // MINUTE_S
    events = _over(minutes.events, ends, width)
    values = _over(minutes.bad, ends, width) / np.maximum(events, 1)
    return values > rule.threshold, values <= rule.resolve_at, _enough(rule, events)


def _quantile(rule: Rule, minutes: Minutes, ends: Ints) -> _Judged:
    """The same of a quantile: it is above a limit where not more events are below than its place leaves there."""
    width = rule.window_s // MINUTE_S
    events = _over(minutes.events, ends, width)
    # The place of ClickHouse's quantileExact, and the middle of a bin as its value, as `series.quantile` has them.
    place = np.minimum(np.floor(rule.of.quantile * events), np.maximum(events - 1, 0))
    values = BIN_RATIO ** (np.arange(minutes.bins.shape[1]) + minutes.first_bin + 0.5)

    def above(limit: float) -> Bools:
        below = minutes.bins[:, : int(np.count_nonzero(values <= limit))].sum(axis=1)
        return np.array(_over(below, ends, width) <= place)

    return above(rule.threshold), ~above(rule.resolve_at), _enough(rule, events)


def _enough(rule: Rule, events: Floats) -> Bools:
    return (events > 0) & (events >= rule.events_needed)


def _burned(rule: Rule, minutes: Minutes, ends: Ints) -> _Judged:
    """The same of the most urgent pair of windows that had enough events."""
    assert rule.burn_rate is not None
    worst = np.full(len(ends), -1.0)
    for pair in rule.burn_rate.pairs:
        rates = [_burn_rate(rule, minutes, ends, width_s // MINUTE_S) for width_s in (pair.long, pair.short)]
        urgency = np.minimum(*rates) / rule.burn_rate.rate(pair)
        enough = _over(minutes.events, ends, pair.long // MINUTE_S) >= max(rule.events_needed, 1)
        worst = np.where(enough, np.maximum(worst, urgency), worst)
    return worst >= rule.threshold, worst <= rule.resolve_at, worst >= 0


def _burn_rate(rule: Rule, minutes: Minutes, ends: Ints, width: int) -> Floats:
    assert rule.burn_rate is not None
    bad, events = _over(minutes.bad, ends, width), _over(minutes.events, ends, width)
    return np.array(burn(rule.burn_rate, 1.0) * bad / np.maximum(events, 1))


def _over(amounts: Floats | Ints, ends: Ints, width: int) -> Floats:
    """Sums over the `width` minutes before each of `ends`."""
    sums = np.concatenate([[0.0], np.cumsum(amounts, dtype=np.float64)])
    return np.array(sums[ends] - sums[np.maximum(ends - width, 0)])
