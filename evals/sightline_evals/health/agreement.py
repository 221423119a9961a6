"""How far a judge agrees with people on the answers that both have judged. Pure.

Cohen's kappa is the agreement of verdicts beyond what chance gives; AUROC is the probability that of two answers the
one that people call bad has the worse score. Both have a two-sided 95% interval that is never a point, since perfect
agreement on a few answers is no certainty.

Sources: J. Cohen, A Coefficient of Agreement for Nominal Scales, Educational and Psychological Measurement 20 (1960);
J. L. Fleiss, J. Cohen, B. S. Everitt, Large Sample Standard Errors of Kappa and Weighted Kappa, Psychological Bulletin
72 (1969); R. G. Newcombe, Confidence Intervals for an Effect Size Measure Based on the Mann-Whitney Statistic, part 2,
Statistics in Medicine 25 (2006), method 5
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

Z95: Final = NormalDist().inv_cdf(0.975)
"""97.5th percentile of the standard normal distribution."""
_NEAR_AN_END: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its two-sided 95% interval."""

    value: float
    low: float
    high: float


def kappa(bad: Flags, flagged: Flags) -> Interval | None:
    """Cohen's kappa of two verdicts on the same answers; None where both give all of them the same one.

    The interval is that of the table with one answer added to each of its four cells, reaching to the value itself:
    the formula alone gives perfect agreement a point.

    Args:
        bad: what people say, bool[answers].
        flagged: what the judge says, bool[answers].
    """
    cells = np.array(
        [[np.sum((bad == row) & (flagged == column)) for column in (True, False)] for row in (True, False)]
    )
    value, _ = _kappa(cells.astype(np.float64))
    if math.isnan(value):
        return None
    centre, error = _kappa(cells + 1.0)
    low, high = centre - Z95 * error, centre + Z95 * error
    return Interval(value, min(value, max(-1.0, low)), max(value, min(1.0, high)))


def auroc(bad: Flags, suspicion: Floats) -> Interval | None:
    """Probability that a bad answer has the higher suspicion, a tie counting half; None without answers of both kinds.

    Args:
        bad: what people say, bool[answers].
        suspicion: how bad the judge holds each for, float64[answers].
    """
    from scipy import stats  # noqa: PLC0415  a second of every start

    positives, negatives = int(np.sum(bad)), int(np.sum(~bad))
    if not positives or not negatives:
        return None
    ranks = stats.rankdata(suspicion)
    value = float((ranks[bad].sum() - positives * (positives + 1) / 2) / (positives * negatives))

    def distance(candidate: float) -> float:
        """How far the measured value is from a candidate, beyond what 1.96 standard errors there allow."""
        half = (positives + negatives) / 2 - 1
        spread = 1 + half * ((1 - candidate) / (2 - candidate) + candidate / (1 + candidate))
        return abs(value - candidate) - Z95 * math.sqrt(candidate * (1 - candidate) * spread / (positives * negatives))

    return Interval(value, _edge(distance, 0.0, value), _edge(distance, 1.0, value))


def _kappa(cells: Floats) -> tuple[float, float]:
    """(kappa, its standard error) of a table of counts, float64[2, 2]; NaN where chance alone agrees always."""
    total = float(cells.sum())
    shares = cells / total
    rows, columns = shares.sum(axis=1), shares.sum(axis=0)
    chance = float(rows @ columns)
    if math.isclose(chance, 1.0):
        return math.nan, math.nan
    value = (float(np.trace(shares)) - chance) / (1 - chance)
    off = 1 - value
    agreed = sum(shares[i, i] * (1 - (rows[i] + columns[i]) * off) ** 2 for i in range(2))
    disagreed = off**2 * sum(shares[i, 1 - i] * (columns[i] + rows[1 - i]) ** 2 for i in range(2))
    variance = float(agreed + disagreed - (value - chance * off) ** 2) / (total * (1 - chance) ** 2)
    return value, math.sqrt(max(0.0, variance))


def _edge(distance: Callable[[float], float], end: float, value: float) -> float:
    """Where the distance becomes 0 between a value and an end of the scale; the end itself where it never does."""
    from scipy import optimize  # noqa: PLC0415  a second of every start

    if value == end or distance(end) <= 0:
        return end
    inside = min(max(value, _NEAR_AN_END), 1 - _NEAR_AN_END)  # at the ends themselves no spread is left
    return float(optimize.brentq(distance, end, inside, xtol=1e-9))
