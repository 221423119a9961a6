"""Scores of a run as one line a metric: mean, interval, and what was not scored. Pure.

The interval is a percentile bootstrap over samples with a fixed seed, so the same scores give the same interval. It
reflects which samples were drawn, not errors of the judge.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from sightline_evals.scorers import METRICS, Score

SEED: Final = 20240229
"""Seed of the bootstrap."""
RESAMPLES: Final = 2000
"""Draws of the bootstrap."""


@dataclass(frozen=True, slots=True)
class Summary:
    """One metric of a run.

    Attributes:
        name: the metric.
        mean: over the samples that have a value; NaN where none has.
        low: lower end of the 95% interval of the mean; NaN with fewer than two values.
        high: upper end.
        scored: samples with a value.
        failed: samples where the judge failed.
        nothing_to_judge: samples without a value that are no failure.
        errors: failures by class, most first.
    """

    name: str
    mean: float
    low: float
    high: float
    scored: int
    failed: int
    nothing_to_judge: int
    errors: dict[str, int]

    @property
    def nan(self) -> int:
        """Samples without a value, for any reason."""
        return self.failed + self.nothing_to_judge

    @property
    def total(self) -> int:
        """Samples in all."""
        return self.scored + self.nan


def summarize(scores: Iterable[Score]) -> list[Summary]:
    """One summary a metric that was asked for, in the order of `METRICS`."""
    scores_by_metric: dict[str, list[Score]] = {}
    for score in scores:
        scores_by_metric.setdefault(score.name, []).append(score)
    return [_summary(name, scores_by_metric[name]) for name in METRICS if name in scores_by_metric]


def bootstrap_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """Percentile interval of the mean of `values`; (NaN, NaN) with fewer than two.

    Source: B. Efron, R. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13
    """
    if len(values) < 2:
        return math.nan, math.nan
    sample_values = np.asarray(values, dtype=np.float64)
    random = np.random.default_rng(SEED)
    means = np.array(
        [sample_values[random.integers(0, sample_values.size, sample_values.size)].mean() for _ in range(RESAMPLES)]
    )
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _summary(name: str, scores: Sequence[Score]) -> Summary:
    values = [score.value for score in scores if score.has_value]
    errors: dict[str, int] = {}
    for score in scores:
        if score.error:
            errors[score.error] = errors.get(score.error, 0) + 1
    failed = sum(errors.values())
    low, high = bootstrap_interval(values)
    return Summary(
        name=name,
        mean=math.fsum(values) / len(values) if values else math.nan,
        low=low,
        high=high,
        scored=len(values),
        failed=failed,
        nothing_to_judge=len(scores) - len(values) - failed,
        errors=dict(sorted(errors.items(), key=lambda item: (-item[1], item[0]))),
    )
