"""What the gate could have seen: its power against a drop, and the drop that it sees in 80% of cases. Pure.

The gate calls a drop a regression when its p-value is at most the level and the measured drop exceeds the margin. The
same rule is applied here to drops that are assumed, with the spread that was measured and what the drop adds to it: a
drop of a score by 0.05 is taken for a twentieth of the cases that fall from 1 to 0. Many small falls of the same mean
add less, and are found with a greater chance.

Source: E. Lehmann, J. Romano, Testing Statistical Hypotheses, 2005, chapter 3 (power of a test)
"""

from __future__ import annotations

import math
from functools import cache
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

from sightline_evals.gating.changes import Changes
from sightline_evals.gating.inference import Method
from sightline_evals.gating.probabilities import fair_coin_tail, student_t_quantile, trinomial_probabilities

TARGET: Final = 0.8
"""Power at which a drop counts as detectable."""

_MOST_COUNTED = 150
"""Changed conversations above which counts are taken for normal."""
_ROUNDING = 1e-9


def power(changes: Changes, method: Method, drop: float, *, level: float, margin: float) -> float:
    """The chance that the gate reports a regression if the true drop were `drop`.

    Args:
        changes: the measured changes.
        method: the test.
        drop: true drop of the mean, 0 or more.
        level: level of the test; Holm's first one, the family's level by the number of metrics, errs to less power.
        margin: drop of the mean up to which nothing is reported.
    """
    if changes.clusters < 2:
        return 0.0
    if method is Method.MCNEMAR and changes.changed <= _MOST_COUNTED:
        return _mcnemar_power(changes, drop, level, margin)
    error = changes.standard_error_at(-drop)
    critical = max(margin, student_t_quantile(1 - level, changes.clusters - 1) * error)
    reported = NormalDist().cdf((drop - critical) / error) if error else float(drop > margin)
    if method is Method.BOOTSTRAP:
        return reported
    # However large they are, fewer falls than this are not significant in a test of signs.
    fewest = math.ceil(-math.log2(level))
    falling = changes.rising / changes.clusters + drop / changes.drop_step
    counts = np.arange(min(fewest, changes.clusters + 1))
    chances = trinomial_probabilities(counts, np.zeros(1, dtype=np.int64), changes.clusters, (min(1.0, falling), 0.0))
    return min(reported, 1 - float(chances.sum()))


def detectable_drop(changes: Changes, method: Method, *, level: float, margin: float, largest: float) -> float | None:
    """The least drop that is reported with a chance of 80%; None where none up to `largest` is.

    Arguments as of `power`.
    """
    if power(changes, method, largest, level=level, margin=margin) < TARGET:
        return None
    low, high = 0.0, largest
    for _ in range(30):
        middle = (low + high) / 2
        if power(changes, method, middle, level=level, margin=margin) >= TARGET:
            high = middle
        else:
            low = middle
    return high


def _mcnemar_power(changes: Changes, drop: float, level: float, margin: float) -> float:
    """Power of the exact test: the chances of all numbers of cases that fall and that rise."""
    clusters = changes.clusters
    chance_down = min(1.0, changes.rising / clusters + drop)
    chance_up = min(changes.rising / clusters, 1 - chance_down)
    down, up = _likely_counts(clusters, chance_down), _likely_counts(clusters, chance_up)
    fewest = np.array([_fewest_rejected(changed, level) for changed in range(int(down[-1] + up[-1]) + 1)])
    rejected = down[:, None] >= fewest[down[:, None] + up[None, :]]
    beyond = down[:, None] - up[None, :] > margin * clusters + _ROUNDING
    chances = trinomial_probabilities(down, up, clusters, (chance_down, chance_up))
    return min(1.0, float(chances[rejected & beyond].sum()))


def _likely_counts(trials: int, chance: float) -> npt.NDArray[np.int64]:
    """The numbers that a binomial count takes, but for those further than 7 standard deviations from its mean."""
    centre, spread = trials * chance, 7 * math.sqrt(trials * chance * (1 - chance)) + 1
    return np.arange(max(0, math.floor(centre - spread)), min(trials, math.ceil(centre + spread)) + 1)


@cache
def _fewest_rejected(changed: int, level: float) -> int:
    """Fewest falls among so many changes at which the exact test rejects; more than all of them where it never does."""
    accepted, rejected = changed // 2, changed + 1
    while rejected - accepted > 1:
        middle = (accepted + rejected) // 2
        if fair_coin_tail(middle, changed) <= level:
            rejected = middle
        else:
            accepted = middle
    return rejected
