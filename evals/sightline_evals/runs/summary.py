"""Scores of a run as one line a metric: mean, interval, coverage, and the bounds that what is missing leaves. Pure.

Means are weighted by the samples' weights: where traces were drawn with unequal chances, or a collector kept only a
share of them, the mean is that of the traffic and not of the sample. The interval is a percentile bootstrap over
conversations, or over samples where no conversation is known, with a fixed seed, so the same scores give the same
interval; where all values are equal it is Wilson's, since a sample without spread does not make the mean certain. It
reflects which samples were drawn, not errors of the judge.

`worst_case_mean` and `best_case_mean` take every score that should exist and could not be had (the judge failed, the
budget or the time was used up) as the worst or the best one. An answer with nothing to judge has no score that could
be good or bad: it is no part of these bounds, and lowers the coverage.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from sightline_evals.scoring.metrics import METRICS, metric_of
from sightline_evals.scoring.scores import DECLINED, SampleScore, Score
from sightline_store.questions.estimates import estimate

SEED: Final = 20240229
"""Seed of the bootstrap."""
RESAMPLES: Final = 2000
"""Draws of the bootstrap."""


@dataclass(frozen=True, slots=True)
class Summary:
    """One metric of a run. Counts are of samples, means are weighted.

    Attributes:
        name: the metric.
        mean: over the samples that have a value; NaN where none has.
        low: lower end of the 95% interval of the mean; NaN with fewer than two values.
        high: upper end.
        scored: samples with a value.
        failed: samples whose score could not be had.
        declined: samples without a value because the answer makes no statement.
        lacking: samples that lack what the metric needs.
        errors: failures by class, most first.
        reasons: the commonest explanation of each class of failure.
        coverage: share of the samples that have a value, 0 to 1.
        worst_case_mean: the mean if every failed score were the worst one.
        best_case_mean: the mean if every failed score were the best one.
    """

    name: str
    mean: float
    low: float
    high: float
    scored: int
    failed: int
    declined: int
    lacking: int
    errors: dict[str, int]
    coverage: float
    worst_case_mean: float
    best_case_mean: float
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def nothing_to_judge(self) -> int:
        """Samples without a value that are no failure."""
        return self.declined + self.lacking

    @property
    def nan(self) -> int:
        """Samples without a value, for any reason."""
        return self.failed + self.nothing_to_judge

    @property
    def total(self) -> int:
        """Samples in all."""
        return self.scored + self.nan


class Tally:
    """Collects scores one by one, keeping of each only what a summary needs."""

    def __init__(self) -> None:
        self._columns: dict[str, _Column] = {}

    def add(self, scored: SampleScore) -> None:
        """Count one score; a later one of the same sample and metric takes the place of the earlier."""
        self.add_row(scored.score, scored.sample.id, scored.sample.conversation, scored.sample.weight)

    def add_row(self, score: Score, case: str, conversation: str = "", weight: float = 1.0) -> None:
        """Count one score, with what it needs of its sample."""
        column = self._columns.setdefault(score.name, _Column())
        column.rows[case] = (score.value, weight, conversation, score.error, score.label)
        if score.error:
            column.reasons.setdefault(score.error, score.explanation)

    def summaries(self) -> list[Summary]:
        """One summary a metric that has a score, in the order of `METRICS`."""
        return [_summary(name, self._columns[name]) for name in METRICS if name in self._columns]


def summarize(scores: Iterable[SampleScore]) -> list[Summary]:
    """One summary a metric that has a score, in the order of `METRICS`."""
    tally = Tally()
    for scored in scores:
        tally.add(scored)
    return tally.summaries()


def bootstrap_interval(
    values: Sequence[float],
    weights: Sequence[float] | None = None,
    clusters: Sequence[str] | None = None,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Percentile interval of the weighted mean of `values`; (NaN, NaN) with fewer than two clusters.

    Args:
        values: the scores.
        weights: of each value; None is 1 each.
        clusters: what each value belongs to, drawn as a whole, since answers of one conversation are alike; "" stands
            alone.
        confidence: share of the intervals that hold the mean.

    Source: B. Efron, R. Tibshirani, An Introduction to the Bootstrap, 1993, chapters 8 and 13
    """
    given = np.asarray(values, dtype=np.float64)
    heavy = np.ones_like(given) if weights is None else np.asarray(weights, dtype=np.float64)
    if not given.size:
        return math.nan, math.nan
    names = [cluster or f"\0{place}" for place, cluster in enumerate(clusters or [""] * given.size)]
    _, members = np.unique(np.asarray(names), return_inverse=True)
    sums, totals = np.bincount(members, heavy * given), np.bincount(members, heavy)
    if totals.size < 2:
        return math.nan, math.nan
    if given.min() == given.max():
        found = estimate(float(given[0]), None, int(totals.size))
        return float(found.low or 0.0), float(1.0 if found.high is None else found.high)
    random = np.random.default_rng(SEED)
    means = np.empty(RESAMPLES)
    for place in range(RESAMPLES):
        drawn = random.integers(0, totals.size, totals.size)
        means[place] = sums[drawn].sum() / totals[drawn].sum()
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


class _Column:
    """The scores of one metric: value, weight, conversation, error and label by case."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[float, float, str, str, str]] = {}
        self.reasons: dict[str, str] = {}


def _summary(name: str, column: _Column) -> Summary:
    rows = list(column.rows.values())
    good = [(value, weight, conversation) for value, weight, conversation, _, _ in rows if not math.isnan(value)]
    errors: dict[str, int] = {}
    for _, _, _, error, _ in rows:
        if error:
            errors[error] = errors.get(error, 0) + 1
    failed = sum(errors.values())
    declined = sum(math.isnan(value) and not error and label == DECLINED for value, _, _, error, label in rows)
    # Divided once, at the end, so that 0.7 three times has the mean 0.7.
    weighed = math.fsum(value * weight for value, weight, _ in good)
    weight_scored = math.fsum(weight for _, weight, _ in good)
    weight_failed = math.fsum(weight for _, weight, _, error, _ in rows if error)
    at_stake = weight_scored + weight_failed
    lowest = weighed / at_stake if at_stake else math.nan
    highest = (weighed + weight_failed) / at_stake if at_stake else math.nan
    worst, best = (highest, lowest) if metric_of(name).lower_is_better else (lowest, highest)
    low, high = bootstrap_interval(
        [value for value, _, _ in good], [weight for _, weight, _ in good], [each for _, _, each in good]
    )
    return Summary(
        name=name,
        mean=weighed / weight_scored if good else math.nan,
        low=low,
        high=high,
        scored=len(good),
        failed=failed,
        declined=declined,
        lacking=len(rows) - len(good) - failed - declined,
        errors=dict(sorted(errors.items(), key=lambda item: (-item[1], item[0]))),
        coverage=len(good) / len(rows),
        worst_case_mean=worst,
        best_case_mean=best,
        reasons={error: column.reasons[error] for error in errors},
    )
