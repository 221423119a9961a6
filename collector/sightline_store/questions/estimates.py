"""Means of scores with their uncertainty. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

_Z95 = 1.959963984540054  # 97.5th percentile of the standard normal distribution


@dataclass(frozen=True)
class Estimate:
    """A mean of scores with its 95 % interval; all None where nothing was scored."""

    mean: float | None
    low: float | None
    high: float | None
    n: int

    @property
    def half_width(self) -> float | None:
        """Half of the interval's length, None where there is none."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


def estimate(mean: float | None, sd: float | None, n: int) -> Estimate:
    """Put a 95 % interval around a mean of scores between 0 and 1.

    Wilson's interval for 0/1 scores (`sd` None) and where all scores are equal, since a spread of 0 in a sample does
    not make the mean certain; else the normal approximation, cut at 0 and 1.

    Source: E. B. Wilson, Probable Inference, the Law of Succession, and Statistical Inference (1927).
    """
    if mean is None or n == 0:
        return Estimate(None, None, None, 0)
    if sd is None or sd == 0.0:
        square = _Z95 * _Z95
        centre = (mean + square / (2 * n)) / (1 + square / n)
        half = _Z95 / (1 + square / n) * math.sqrt(max(0.0, mean * (1 - mean) / n) + square / (4 * n * n))
    else:
        centre, half = mean, _Z95 * sd / math.sqrt(n)
    return Estimate(mean, max(0.0, centre - half), min(1.0, centre + half), n)
