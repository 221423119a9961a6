"""What chance explains: p-values and intervals. Pure.

All p-values are of the hypothesis that the searches (or answers) of both windows are draws from one distribution. A
drift that is real can be too small to matter: `signals` asks for a least effect beside these.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from types import ModuleType
from typing import Final

import numpy as np

from sightline_evals.calibration.reliability import wilson

Z95: Final = 1.959963984540054
"""97.5th percentile of the standard normal distribution."""


def _special() -> ModuleType:
    """SciPy's special functions, which take a second to import: the other subcommands do without."""
    from scipy import special  # noqa: PLC0415

    return special  # type: ignore[no-any-return]  # scipy has no types


def ks_p(statistic: float, reference_n: float, current_n: float) -> float:
    """P-value of the two-sample Kolmogorov-Smirnov statistic, by its limit distribution; ties make it too large."""
    special = _special()
    return float(special.kolmogorov(statistic * math.sqrt(reference_n * current_n / (reference_n + current_n))))


def shares_p(reference_hits: int, reference_n: int, current_hits: int, current_n: int) -> float:
    """P-value of Fisher's exact test that two shares are equal."""
    from scipy import stats  # noqa: PLC0415

    table = [[reference_hits, reference_n - reference_hits], [current_hits, current_n - current_hits]]
    return float(stats.fisher_exact(table).pvalue)


def shares_interval(reference_hits: int, reference_n: int, current_hits: int, current_n: int) -> tuple[float, float]:
    """95 % interval of the difference of two shares, current less reference.

    Source: R. G. Newcombe, Interval estimation for the difference between independent proportions (1998), method 10.
    """
    r, c = reference_hits / reference_n, current_hits / current_n
    (r_low, r_high), (c_low, c_high) = wilson(reference_hits, reference_n), wilson(current_hits, current_n)
    low = (c - r) - math.hypot(c - c_low, r_high - r)
    high = (c - r) + math.hypot(c_high - c, r - r_low)
    return low, high


def auc_p(halves: Sequence[tuple[float, int, int]]) -> float:
    """P-value of a classifier that was taught on one half of the traces and tried on the other, both ways.

    With the classifier fixed, the labels of the half that it has not seen can be permuted: the Mann-Whitney statistic
    is that permutation test, here by its normal limit. The two halves are no independent tests, so the smaller of their
    p-values counts twice.

    Args:
        halves: AUC, reference n and current n of each half that was tried.
    """
    special, each = _special(), []
    for auc, reference_n, current_n in halves:
        deviation = math.sqrt((reference_n + current_n + 1) / (12 * reference_n * current_n))
        each.append(float(special.ndtr(-(auc - 0.5) / deviation)))
    return min(1.0, len(each) * min(each)) if each else 1.0


def auc_interval(auc: float, reference_n: int, current_n: int) -> tuple[float, float]:
    """95 % interval of an AUC.

    Source: J. A. Hanley and B. J. McNeil, The meaning and use of the area under a ROC curve (1982).
    """
    first, second = auc / (2 - auc), 2 * auc * auc / (1 + auc)
    square = auc * auc
    variance = auc * (1 - auc) + (current_n - 1) * (first - square) + (reference_n - 1) * (second - square)
    half = Z95 * math.sqrt(max(0.0, variance) / (reference_n * current_n))
    return max(0.0, auc - half), min(1.0, auc + half)


def permutation_p(values: Sequence[float]) -> float:
    """P-value of `values[0]` among the statistics of random divisions that stand behind it; large is unlike chance.

    So few divisions cannot count to one in 100,000. Their tail is that of a gamma distribution with their mean and
    variance, and of a t distribution (which has the heavier tail where the variance is uncertain): the larger p counts.
    """
    from scipy import stats  # noqa: PLC0415

    special = _special()
    null = np.asarray(values[1:], dtype=float)
    null = null[np.isfinite(null)]
    if null.size < 20 or not math.isfinite(values[0]):
        return 1.0
    mean, variance = float(null.mean()), float(null.var(ddof=1))
    if variance <= 0 or mean <= 0:
        return 1.0
    by_gamma = special.gammaincc(mean * mean / variance, values[0] * mean / variance)
    z = (values[0] - mean) / math.sqrt(variance * (1 + 1 / null.size))
    by_t = stats.t.sf(z, null.size - 1)
    return float(max(by_gamma, by_t))


def fall_p(differences: Sequence[float]) -> float:
    """P-value of the sign test that falls are not more frequent than rises; equal pairs say nothing."""
    special = _special()
    falls = sum(difference < 0 for difference in differences)
    changed = falls + sum(difference > 0 for difference in differences)
    return float(special.bdtrc(falls - 1, changed, 0.5)) if falls else 1.0


@functools.cache
def least_pairs(p: float) -> int:
    """Fewest pairs with which the sign test can reach a p-value: where all of them fall.

    Args:
        p: above 0; before correction for other tests.
    """
    pairs = 1
    while fall_p([-1.0] * pairs) > p:
        pairs += 1
    return pairs


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % interval of a mean, by the t distribution; the mean itself where there is one value."""
    from scipy import stats  # noqa: PLC0415

    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return mean, mean
    deviation = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    half = float(stats.t.ppf(0.975, len(values) - 1)) * deviation
    return mean - half, mean + half
