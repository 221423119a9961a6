"""P-values and intervals, against known values and against what they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from sightline_evals.drift import significance


def test_kolmogorov_smirnov_is_that_of_scipy() -> None:
    """The limit distribution that SciPy calls asymptotic."""
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=300), rng.normal(0.2, 1, size=400)
    told = stats.ks_2samp(first, second, method="asymp")
    assert significance.ks_p(told.statistic, 300, 400) == pytest.approx(told.pvalue, rel=0.15)


def test_shares_test_is_fishers() -> None:
    """The tea-tasting table: 3 of 4 against 1 of 4 has p = 0.4857."""
    assert significance.shares_p(3, 4, 1, 4) == pytest.approx(0.4857, abs=1e-4)


def test_interval_of_two_shares_is_newcombes() -> None:
    """56/70 and 48/80, the paper's first example: 0.0524 to 0.3339."""
    low, high = significance.shares_interval(48, 80, 56, 70)
    assert (low, high) == (pytest.approx(0.0524, abs=1e-4), pytest.approx(0.3339, abs=1e-4))


def test_auc_of_chance_is_no_evidence_and_the_better_half_counts_twice() -> None:
    """Two halves are not two independent tests."""
    assert significance.auc_p([(0.5, 100, 100), (0.5, 100, 100)]) == 1.0
    one = significance.auc_p([(0.6, 100, 100)])
    assert significance.auc_p([(0.6, 100, 100), (0.4, 100, 100)]) == pytest.approx(2 * one)
    assert significance.auc_p([]) == 1.0


def test_auc_p_is_the_permutation_test_of_the_half_not_seen() -> None:
    """Permuting the labels of the tried half gives the same p-value as the normal limit."""
    rng = np.random.default_rng(2)
    scores, labels = rng.normal(size=200), np.arange(200) % 2
    scores = scores + 0.3 * labels

    def auc(given_labels: np.ndarray) -> float:
        ranks = stats.rankdata(scores)
        return float((ranks[given_labels == 1].sum() - 100 * 101 / 2) / (100 * 100))

    null = [auc(rng.permutation(labels)) for _ in range(4000)]
    share = float(np.mean([each >= auc(labels) for each in null]))
    assert significance.auc_p([(auc(labels), 100, 100)]) == pytest.approx(share, abs=0.02)


def test_auc_interval_holds_the_auc_and_narrows() -> None:
    """Hanley and McNeil's interval."""
    wide, narrow = significance.auc_interval(0.7, 50, 50), significance.auc_interval(0.7, 500, 500)
    assert wide[0] < narrow[0] < 0.7 < narrow[1] < wide[1]
    assert significance.auc_interval(1.0, 50, 50) == (1.0, 1.0)


def test_permutation_p_is_uniform_without_a_difference_and_small_with_one() -> None:
    """Not smaller than it should be: at most about 5 % of null statistics have p below 0.05."""
    rng = np.random.default_rng(3)
    draws = rng.chisquare(80, size=(2000, 129))
    p = np.asarray([significance.permutation_p(row) for row in draws[:400]])
    assert np.mean(p < 0.05) < 0.08
    assert 0.4 < p.mean() < 0.6
    assert significance.permutation_p([200.0, *draws[0][1:]]) < 1e-6


@pytest.mark.parametrize("values", [[1.0], [1.0, *[1.0] * 100], [math.nan, *range(100)], [3.0, *[math.nan] * 100]])
def test_permutation_p_of_what_cannot_be_tested_is_one(values: list[float]) -> None:
    """No variance, no null, no number."""
    assert significance.permutation_p(values) == 1.0


def test_canaries_are_tested_by_their_signs() -> None:
    """Five falls and no rise have p = 1/32; what did not change says nothing."""
    assert significance.fall_p([-0.2] * 5 + [0.0] * 20) == pytest.approx(1 / 32)
    assert significance.fall_p([0.0] * 9) == 1.0
    assert significance.fall_p([0.2] * 9) == 1.0


@pytest.mark.parametrize(("p", "pairs"), [(0.5, 1), (0.05, 5), (1 / 32, 5), (0.05 / 49, 10), (0.001 / 49, 16)])
def test_a_sign_test_needs_so_many_pairs_to_reach_a_p_value(p: float, pairs: int) -> None:
    """All of them fall, and one fewer is not enough."""
    assert significance.least_pairs(p) == pairs
    assert significance.fall_p([-0.1] * pairs) <= p
    assert pairs == 1 or significance.fall_p([-0.1] * (pairs - 1)) > p


def test_mean_interval_of_one_value_is_that_value() -> None:
    """Nothing is known of its spread."""
    assert significance.mean_interval([0.4]) == (0.4, 0.4)
    low, high = significance.mean_interval([0.0, 0.5, 1.0])
    assert low < 0.5 < high
