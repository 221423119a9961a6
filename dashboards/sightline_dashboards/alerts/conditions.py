"""Judges what a rule's windows hold: breached, clear, in between, or not to be judged.

Pure functions of a rule, a series of amounts and a moment, so that the evaluator, `alerts test` and the benchmark
cannot differ.

The arithmetic of burn rates follows https://sre.google/workbook/alerting-on-slos/.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sightline_dashboards import formats
from sightline_dashboards.alerts.metrics import Kind, Metric
from sightline_dashboards.alerts.rules import Against, BurnRate, BurnWindow, Missing, Rule
from sightline_dashboards.alerts.series import Series

WEEK_S: Final = 7 * 86_400
_WRITTEN: Final[dict[str, Callable[[float], str]]] = {
    "ms": formats.duration,
    "s": lambda value: formats.duration(value * 1e3),
    "share": formats.share,
    "score": formats.score,
    "USD/h": lambda value: f"{formats.money(value)} an hour",
    "bytes": lambda value: f"{formats.compact(value)}B" if value >= 1e3 else f"{formats.count(value)} B",
}
_PER: Final = {"tokens/h": "tokens an hour", "requests/min": "requests a minute"}


class Verdict(StrEnum):
    """What an evaluation says of a rule."""

    BREACHED = "breached"
    BETWEEN = "between"
    """On the good side of the threshold, and not yet of the value from which the rule is clear."""
    CLEAR = "clear"
    UNKNOWN = "unknown"
    """Nothing is known: the rule stays as it is."""


@dataclass(frozen=True)
class Observation:
    """What one evaluation of a rule found.

    Attributes:
        verdict: for the state machine.
        value: what the threshold is compared with; None where nothing is known.
        events: of the window, on which the value rests.
        tell: makes the sentence, which most of the evaluations of a past week do not need.
    """

    verdict: Verdict
    value: float | None
    events: float
    tell: Callable[[], str]

    @property
    def sentence(self) -> str:
        """What people are told."""
        return self.tell()


def observe(rule: Rule, series: Series, end_s: float) -> Observation:
    """Judge a rule on its windows that end at a moment.

    Args:
        rule: whose windows `series` covers.
        series: of the rule's metric.
        end_s: epoch second; exclusive.
    """
    if rule.burn_rate:
        return _burned(rule, rule.burn_rate, series, end_s)
    metric, length_s = rule.of, rule.window_s
    amount = series.over(end_s, length_s)
    value = metric.value(amount, length_s)

    def said(words: str) -> str:
        return f"{metric.name}{_narrowed(rule)} over {length(length_s)}{words}"

    if (gap := _gap(rule, value, amount.denominator)) is not None:
        return _unjudged(rule, amount.denominator, lambda: said(f": {gap}"))
    assert value is not None
    if not rule.change:
        limit = rule.threshold
        return Observation(
            _side(rule, value),
            value,
            amount.denominator,
            lambda: said(f" is {shown(metric, value)}; the limit is {shown(metric, limit)}"),
        )
    earlier_s = end_s - (WEEK_S if rule.change.against is Against.WEEK_BEFORE else length_s)
    before_amount = series.over(earlier_s, length_s)
    before = metric.value(before_amount, length_s)
    words = "a week before" if rule.change.against is Against.WEEK_BEFORE else f"in the {length(length_s)} before"
    if (gap := _gap(rule, before, before_amount.denominator)) is not None:
        return Observation(Verdict.UNKNOWN, None, amount.denominator, lambda: said(f": {gap} {words}"))
    assert before is not None
    if before == 0:
        zero = f": was 0 {words}, which nothing exceeds by a share"
        return Observation(Verdict.UNKNOWN, None, amount.denominator, lambda: said(zero))
    moved = value / before - 1
    return Observation(
        _side(rule, moved),
        moved,
        amount.denominator,
        lambda: said(
            f" is {shown(metric, value)}, {moved:+.0%} against {shown(metric, before)} {words}; "
            f"the limit is {rule.threshold:+.0%}"
        ),
    )


def burn(burn_rate: BurnRate, bad_share: float) -> float:
    """How many times faster than allowed a share of bad events spends the error budget."""
    return bad_share / burn_rate.budget


def lookback_s(rule: Rule) -> int:
    """Seconds before a moment that its windows reach back to, without those of a week before."""
    if rule.burn_rate:
        return max(pair.long for pair in rule.burn_rate.pairs)
    before = rule.change is not None and rule.change.against is Against.WINDOW_BEFORE
    return rule.window_s * (2 if before else 1)


def step_s(rule: Rule) -> int:
    """The widest bucket of which every window of the rule is a whole number."""
    if rule.of.kind is Kind.HIGHEST:
        return 60  # gauges of several processes are added up at one moment, not over an hour
    windows = [width for pair in rule.burn_rate.pairs for width in (pair.long, pair.short)] if rule.burn_rate else []
    return math.gcd(*(windows or [rule.window_s]))


def shown(metric: Metric, value: float | None) -> str:
    """A value of a metric with its unit, as the pages write it."""
    if value is None:
        return formats.UNKNOWN
    write = _WRITTEN.get(metric.unit)
    return write(value) if write else f"{formats.compact(value)} {_PER.get(metric.unit, metric.unit)}"


def _threshold_shown(rule: Rule) -> str:
    sign = ">" if rule.is_above else "<"
    if rule.burn_rate:
        rates = " or ".join(f"{rule.burn_rate.rate(pair):g}" for pair in rule.burn_rate.pairs)
        return f"spends a budget of {formats.share(rule.burn_rate.budget)} at {rates} times the allowed rate"
    if rule.change:
        words = "a week before" if rule.change.against is Against.WEEK_BEFORE else "the window before"
        return f"{sign} {rule.threshold:+.0%} against {words}"
    return f"{sign} {shown(rule.of, rule.threshold)}"


def condition_shown(rule: Rule) -> str:
    """The rule's metric and condition, and what it is narrowed to."""
    narrowed = "".join(f", {name} {value}" for name, value in rule.filters.given().items())
    return f"{rule.metric} {_threshold_shown(rule)}{narrowed}"


def value_shown(rule: Rule, value: float | None) -> str:
    """What an evaluation compared with the threshold, in the unit of that."""
    if value is None:
        return formats.UNKNOWN
    if rule.burn_rate:
        return f"{formats.share(value)} of the limit"
    return f"{value:+.0%}" if rule.change else shown(rule.of, value)


def _burned(rule: Rule, burn_rate: BurnRate, series: Series, end_s: float) -> Observation:
    """The pair of windows that is nearest to its limit, or furthest beyond it."""
    nearest: tuple[float, BurnWindow, float, float] | None = None
    events = 0.0
    for pair in burn_rate.pairs:
        long, short = series.over(end_s, pair.long), series.over(end_s, pair.short)
        events = max(events, long.denominator)
        if long.denominator < max(rule.events_needed, 1):
            continue
        # A short window without events burns nothing: the service level has stopped suffering.
        rates = [
            burn(burn_rate, part.numerator / part.denominator) if part.denominator else 0.0 for part in (long, short)
        ]
        urgency = min(rates) / burn_rate.rate(pair)
        if nearest is None or urgency > nearest[0]:
            nearest = (urgency, pair, rates[0], rates[1])
    if nearest is None:
        few = "no events" if not events else f"{events:.0f} events, and {rule.events_needed} are needed"
        return _unjudged(rule, events, lambda: f"{rule.metric}{_narrowed(rule)}: {few}")
    urgency, pair, long_rate, short_rate = nearest
    return Observation(
        _side(rule, urgency),
        urgency,
        events,
        lambda: (
            f"{rule.metric}{_narrowed(rule)} burns the error budget of {formats.share(burn_rate.budget)} "
            f"{formats.significant(long_rate)} times as fast as allowed over {length(pair.long)}, and "
            f"{formats.significant(short_rate)} times over {length(pair.short)}; "
            f"the limit is {burn_rate.rate(pair):g} times"
        ),
    )


def _side(rule: Rule, value: float) -> Verdict:
    # A burn rate is breached when it reaches its limit, all else when it goes beyond it.
    if rule.burn_rate:
        breached = value >= rule.threshold
    else:
        breached = value > rule.threshold if rule.is_above else value < rule.threshold
    if breached:
        return Verdict.BREACHED
    is_clear = value <= rule.resolve_at if rule.is_above else value >= rule.resolve_at
    return Verdict.CLEAR if is_clear else Verdict.BETWEEN


def _gap(rule: Rule, value: float | None, events: float) -> str | None:
    """Why a window is not judged, None where it is."""
    if value is None:
        return "nothing is known"
    if events < rule.events_needed:
        return f"{events:.0f} {rule.of.events}, and {rule.events_needed} are needed"
    return None


def _unjudged(rule: Rule, events: float, tell: Callable[[], str]) -> Observation:
    """What the rule makes of a window without enough events; only one without any can be an alert."""
    if rule.missing is Missing.OK:
        return Observation(Verdict.CLEAR, None, events, tell)
    if rule.missing is Missing.ALERT and events == 0:
        return Observation(Verdict.BREACHED, None, events, tell)
    return Observation(Verdict.UNKNOWN, None, events, tell)


def _narrowed(rule: Rule) -> str:
    given = ", ".join(f"{name} {value}" for name, value in rule.filters.given().items())
    return f" ({given})" if given else ""


def length(seconds: float) -> str:
    """A length of time in the widest unit of which it is a whole number: 10 min, 6 h, 3 d."""
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
