"""The changes between two runs, by conversation, and how their spread grows with a drop. Pure.

Cases of one conversation are not independent, so all that follows looks at conversations ("clusters"): a case without
one is a cluster of its own. `Changes` knows the mean change and its standard error; its model of the variance says what
the standard error would be if the true change were another. The model is that of paired proportions, for values of any
size: without a true change, rises and falls are equally frequent; a true change adds steps in one direction. These are
taken to be as large as they can be, from 1 to 0 for a score, because a few large falls have a larger variance than many
small ones of the same mean: the bounds and the detectable drop then hold for both. For values of 0 and 1 this gives
Tango's interval where no case has changed.

Source: T. Tango, Equivalence test and confidence interval for the difference in proportions for the paired-sample
design, Statistics in Medicine 17 (1998) 891-908
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_NOTHING = 1e-12
"""Sums of changes that cancel are 0, whatever rounding leaves of them."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes of one metric, summed by cluster; a negative change is for the worse.

    Attributes:
        sums: weighted sum of the changes of each cluster, float64[clusters].
        weights: sum of the weights of each cluster, float64[clusters], above 0.
        pairs: cases compared.
        mean: the weighted mean change.
        standard_error: of the mean change, by clusters (linearised ratio); NaN with one cluster.
        second_moment: weighted mean square of the changes of cases.
        mean_size: weighted mean of their sizes.
        full_step: largest change of a case; None where there is none, then `step` stands for it.
        single_signs: every cluster is one case, all of one weight, and every change is -1, 0 or 1.
    """

    sums: Floats
    weights: Floats
    pairs: int
    mean: float
    standard_error: float
    second_moment: float
    mean_size: float
    full_step: float | None
    single_signs: bool

    @classmethod
    def of(
        cls, deltas: Floats, clusters: npt.NDArray[np.int64], weights: Floats, full_step: float | None = 1.0
    ) -> Changes:
        """Sum cases up.

        Args:
            deltas: new value less old value, float64[n], n at least 1, higher is better.
            clusters: number of each case's cluster, int64[n], from 0 without gaps.
            weights: weight of each case, float64[n], above 0.
            full_step: largest change of a case: 1 for a score of 0 to 1; None where there is none.
        """
        number = int(clusters.max()) + 1
        sums = np.bincount(clusters, weights=deltas * weights, minlength=number).astype(np.float64)
        sums[np.abs(sums) < _NOTHING] = 0.0
        totals = np.bincount(clusters, weights=weights, minlength=number).astype(np.float64)
        mean = float(sums.sum() / totals.sum())
        residuals = sums - mean * totals
        variance = number / (number - 1) * float(residuals @ residuals) if number > 1 else math.nan
        return cls(
            sums=sums,
            weights=totals,
            pairs=len(deltas),
            mean=mean,
            standard_error=math.sqrt(variance) / float(totals.sum()),
            second_moment=float(np.average(deltas * deltas, weights=weights)),
            mean_size=float(np.average(np.abs(deltas), weights=weights)),
            full_step=full_step,
            single_signs=number == len(deltas)
            and bool(np.all(weights == weights[0]))
            and bool(np.all(np.isin(deltas, (-1.0, 0.0, 1.0)))),
        )

    @property
    def clusters(self) -> int:
        """How many."""
        return len(self.sums)

    @property
    def changed(self) -> int:
        """Clusters whose sum is not 0."""
        return int(np.count_nonzero(self.sums))

    @property
    def sd(self) -> float:
        """Standard deviation of the changes of cases; NaN with one case."""
        if self.pairs < 2:
            return math.nan
        return math.sqrt(self._variance() * self.pairs / (self.pairs - 1))

    @property
    def step(self) -> float:
        """Size of the change of a case that changes: mean square by mean size; the full step where none has."""
        return self.second_moment / self.mean_size if self.mean_size else (self.full_step or 1.0)

    @property
    def drop_step(self) -> float:
        """Size of the steps that a further drop is made of."""
        return self.step if self.full_step is None else max(self.step, self.full_step)

    @property
    def rising(self) -> float:
        """Clusters that rise, and as many that fall, if the true change is 0."""
        return self.changed * (1 - self._certain_change() / self.mean_size) / 2 if self.mean_size else 0.0

    def standard_error_at(self, change: float) -> float:
        """Standard error of the mean change if the true mean change were `change`; NaN with one cluster."""
        if self.clusters < 2:
            return math.nan
        modelled, measured = self._variance_at(change), self._variance()
        if self.standard_error > 0 and measured > 0:
            return self.standard_error * math.sqrt(modelled / measured)
        return math.sqrt(modelled / self.clusters)

    def _variance(self) -> float:
        """Of the changes of cases, as measured."""
        return max(0.0, self.second_moment - self.mean * self.mean)

    def _variance_at(self, change: float) -> float:
        """Of the changes of cases, as it would be at another true mean change."""
        further = abs(change) - self._certain_change()
        step = self.drop_step if further > 0 else self.step
        return max(0.0, self.second_moment + step * further - change * change)

    def _certain_change(self) -> float:
        """Size of the mean change less what chance adds to it: 0 where it is within its standard error."""
        if self.clusters < 2:
            return 0.0
        return math.sqrt(max(0.0, self.mean * self.mean - self.standard_error * self.standard_error))
