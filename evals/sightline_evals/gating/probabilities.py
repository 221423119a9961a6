"""Student's t, the fair coin and three-way counts, exact for the whole numbers that they are asked for. Pure.

All are finite sums, so that no further package is needed for them.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import numpy.typing as npt


def student_t_cdf(value: float, degrees: int) -> float:
    """P(T <= value) of Student's t with a whole number of degrees of freedom, 1 or more.

    Source: M. Abramowitz, I. Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4
    """
    if degrees < 1:
        raise ValueError(f"degrees of freedom are {degrees}; need 1 or more")
    if math.isinf(value):
        return 0.0 if value < 0 else 1.0
    angle = math.atan(value / math.sqrt(degrees))
    cosine_squared = degrees / (degrees + value * value)
    if degrees % 2 == 0:
        steps = np.arange(1, degrees // 2, dtype=np.float64)
        series = 1 + np.cumprod((2 * steps - 1) / (2 * steps) * cosine_squared).sum()
        inside = math.sin(angle) * series
    else:
        steps = np.arange(1, (degrees - 1) // 2, dtype=np.float64)
        series = 1 + np.cumprod(2 * steps / (2 * steps + 1) * cosine_squared).sum() if degrees > 1 else 0.0
        inside = 2 / math.pi * (angle + math.sin(angle) * math.cos(angle) * series)
    return min(1.0, max(0.0, 0.5 + 0.5 * float(inside)))


@cache
def student_t_quantile(probability: float, degrees: int) -> float:
    """The value that T stays below with this probability, 0 to 1 exclusive; to about 1e-10."""
    if not 0 < probability < 1:
        raise ValueError(f"probability is {probability}; needs more than 0 and less than 1")
    if probability < 0.5:
        return -student_t_quantile(1 - probability, degrees)
    high = 1.0
    while student_t_cdf(high, degrees) < probability:
        high *= 2
    low = 0.0
    for _ in range(100):
        middle = (low + high) / 2
        if student_t_cdf(middle, degrees) < probability:
            low = middle
        else:
            high = middle
    return high


def fair_coin_tail(heads: int, tosses: int) -> float:
    """P(X >= heads) of `tosses` of a fair coin, by whole numbers; 1 where `heads` is 0 or less."""
    if heads <= 0:
        return 1.0
    if heads > tosses:
        return 0.0
    ways = term = math.comb(tosses, heads)
    for number in range(heads, tosses):
        term = term * (tosses - number) // (number + 1)
        ways += term
    return float(ways / 2**tosses)


def trinomial_probabilities(
    first: npt.NDArray[np.int64], second: npt.NDArray[np.int64], trials: int, chances: tuple[float, float]
) -> npt.NDArray[np.float64]:
    """P(first outcome so often and the second so often), float64[len(first), len(second)]; 0 where it cannot be.

    Args:
        first: numbers of the first outcome, int64, 0..trials.
        second: numbers of the second outcome, int64, 0..trials.
        trials: trials with three outcomes.
        chances: of the first and of the second outcome in one trial; their sum is at most 1.
    """
    rest = trials - first[:, None] - second[None, :]
    log_factorials = _log_factorials(trials)
    logs = (
        log_factorials[trials]
        - log_factorials[first][:, None]
        - log_factorials[second][None, :]
        - log_factorials[np.maximum(rest, 0)]
        + _times_log(first, chances[0])[:, None]
        + _times_log(second, chances[1])[None, :]
        + _times_log(np.maximum(rest, 0), 1 - chances[0] - chances[1])
    )
    return np.where(rest >= 0, np.exp(logs), 0.0)


def _times_log(numbers: npt.NDArray[np.int64], chance: float) -> npt.NDArray[np.float64]:
    """Each number times log(chance), and 0 for 0 times an impossible outcome."""
    if chance > 0:
        return numbers.astype(np.float64) * math.log(chance)
    return np.where(numbers > 0, -math.inf, 0.0).astype(np.float64)


@cache
def _log_factorials(largest: int) -> npt.NDArray[np.float64]:
    """log(n!) for n of 0..largest, float64[largest + 1]."""
    return np.array([math.lgamma(number + 1) for number in range(largest + 1)])
