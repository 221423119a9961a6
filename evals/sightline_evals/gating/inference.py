"""Has a metric become worse? An estimate with one-sided 95% bounds, and a p-value against "no worse". Pure.

Three methods, chosen by what was measured, never by the result:

* **exact McNemar**: every change is -1, 0 or 1 and every conversation is one case of equal weight. The p-value is the
  chance that at least as many of the changed cases fell, if each fell or rose like a fair coin.
* **cluster bootstrap**: 20 or more conversations have changed. Conversations are drawn with replacement, 10,000 times,
  with a fixed seed. The percentile interval is too narrow with few conversations (it uses n instead of n - 1 and the
  normal distribution instead of t), so its levels are those of Hesterberg's expanded percentile interval.
* **exact sign flips**: fewer have changed. Where the change has no direction, each conversation's sum is as likely with
  the other sign; all 2^changed assignments are counted. The bounds are those of t with the standard error as the model
  of `Changes` has it, so that "none of 12 has changed" is not shown as certainty.

Sources: T. Hesterberg, What Teachers Should Know about the Bootstrap, 2014, https://arxiv.org/abs/1411.5279, section
5.3; Q. McNemar, Psychometrika 12 (1947) 153-157; R. A. Fisher, The Design of Experiments, 1935, section 21
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist
from typing import Final

import numpy as np

from sightline_evals.gating.changes import Changes, Floats
from sightline_evals.gating.probabilities import fair_coin_tail, student_t_cdf, student_t_quantile

ALPHA: Final = 0.05
"""Level of each one-sided bound, and of the family of tests after Holm."""
RESAMPLES: Final = 10_000
"""Draws of the bootstrap."""
SEED: Final = 20240229
"""Seed of the bootstrap."""
LEAST_CHANGED: Final = 20
"""Changed conversations from which the bootstrap is used."""

_DRAWN_AT_ONCE = 1_000_000
_ROUNDING = 1e-12


class Method(StrEnum):
    """How a metric was tested."""

    MCNEMAR = "exact McNemar"
    BOOTSTRAP = "cluster bootstrap"
    SIGN_FLIPS = "exact sign flips"


@dataclass(frozen=True, slots=True)
class Inference:
    """What the changes of a metric show.

    Attributes:
        change: the mean change; negative is worse.
        lower: one-sided 95% lower bound of the true change; -inf with one conversation.
        upper: one-sided 95% upper bound; inf with one conversation, and at or above 0 where `p_worse` exceeds 0.05.
        p_worse: one-sided p-value of "the true change is 0 or for the better".
        method: how it was tested.
    """

    change: float
    lower: float
    upper: float
    p_worse: float
    method: Method


def infer(changes: Changes) -> Inference:
    """Test one metric."""
    if changes.single_signs:
        method = Method.MCNEMAR
        worse = int(np.count_nonzero(changes.sums < 0))
        p_worse = fair_coin_tail(worse, changes.changed)
        p_better = fair_coin_tail(changes.changed - worse, changes.changed)
    elif changes.changed >= LEAST_CHANGED:
        means = bootstrap_means(changes.sums, changes.weights)
        return Inference(changes.mean, *expanded_percentile(means, changes.clusters), Method.BOOTSTRAP)
    else:
        method = Method.SIGN_FLIPS
        p_worse, p_better = sign_flips_p(changes.sums), sign_flips_p(-changes.sums)
    lower, upper = score_bounds(changes)
    # These bounds are approximate: they claim no direction that the exact test does not.
    upper = max(upper, 0.0) if p_worse > ALPHA else upper
    lower = min(lower, 0.0) if p_better > ALPHA else lower
    return Inference(changes.mean, lower, upper, p_worse, method)


def bootstrap_means(sums: Floats, weights: Floats, resamples: int = RESAMPLES, seed: int = SEED) -> Floats:
    """Weighted means of clusters drawn with replacement, float64[resamples].

    Args:
        sums: weighted sum of each cluster, float64[clusters].
        weights: sum of the weights of each cluster, float64[clusters], above 0.
        resamples: how many.
        seed: the same seed gives the same means.
    """
    clusters = len(sums)
    random = np.random.default_rng(seed)
    means = np.empty(resamples)
    equal = bool(np.all(weights == weights[0]))
    at_once = max(1, _DRAWN_AT_ONCE // clusters)
    for start in range(0, resamples, at_once):
        drawn = random.integers(0, clusters, (min(at_once, resamples - start), clusters))
        totals = clusters * weights[0] if equal else weights.take(drawn).sum(axis=1)
        means[start : start + len(drawn)] = sums.take(drawn).sum(axis=1) / totals
    return means


def expanded_percentile(means: Floats, clusters: int) -> tuple[float, float, float]:
    """(lower bound, upper bound, p-value of "not worse") out of bootstrap means, with levels corrected for `clusters`.

    Source: T. Hesterberg, https://arxiv.org/abs/1411.5279, section 5.3
    """
    normal = NormalDist()
    expansion = math.sqrt(clusters / (clusters - 1))
    level = normal.cdf(expansion * student_t_quantile(ALPHA, clusters - 1))
    lower, upper = np.quantile(means, [level, 1 - level])
    draws = len(means)
    not_worse = min(draws, int(np.count_nonzero(means >= -_ROUNDING)) + 1) / (draws + 1)
    p_worse = student_t_cdf(normal.inv_cdf(not_worse) / expansion, clusters - 1)
    return float(lower), float(upper), p_worse


def sign_flips_p(sums: Floats) -> float:
    """Share of all assignments of signs whose total is at or below the measured one; 1 where nothing changed.

    Args:
        sums: weighted sum of each cluster, float64[clusters]; at most 24 of them other than 0.
    """
    changed = sums[sums != 0]
    if len(changed) > 24:
        raise ValueError(f"{len(changed)} sums are too many to count all signs of; use the bootstrap")
    totals = np.zeros(1)
    for value in np.abs(changed):
        totals = np.concatenate((totals + value, totals - value))
    allowance = _ROUNDING * max(1.0, float(np.abs(changed).sum()))
    return float(np.mean(totals <= changed.sum() + allowance))


def score_bounds(changes: Changes) -> tuple[float, float]:
    """(lower, upper) one-sided 95% bounds: the true changes from which the measured one is `t` standard errors away.

    Infinite with one cluster.
    """
    if changes.clusters < 2:
        return -math.inf, math.inf
    quantile = student_t_quantile(1 - ALPHA, changes.clusters - 1)
    measured = changes.mean

    def reached(distance: float, direction: int) -> bool:
        return distance >= quantile * changes.standard_error_at(measured + direction * distance)

    return (
        measured - _first_distance(lambda distance: reached(distance, -1), changes.step),
        measured + _first_distance(lambda distance: reached(distance, 1), changes.step),
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values, in the order given: each at most `ALPHA` where Holm's procedure rejects.

    Source: S. Holm, A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian Journal of Statistics 6
    (1979) 65-70
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda each: p_values[each])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def p_text(p_value: float) -> str:
    """A p-value for a person: four digits, and "<0.0001" below what they can show."""
    return f"{p_value:.4f}" if p_value >= 0.0001 else "<0.0001"


def _first_distance(reached: Callable[[float], bool], start: float) -> float:
    """The least distance from which `reached` holds."""
    high = start
    for _ in range(64):
        if reached(high):
            break
        high *= 2
    low = 0.0
    for _ in range(60):
        middle = (low + high) / 2
        if reached(middle):
            high = middle
        else:
            low = middle
    return high
