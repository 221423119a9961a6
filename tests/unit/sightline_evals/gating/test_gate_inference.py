"""Tests of a change: exact values, invariants, and what happens with few conversations."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline_evals.gating.changes import Changes
from sightline_evals.gating.inference import (
    ALPHA,
    Inference,
    Method,
    bootstrap_means,
    expanded_percentile,
    holm,
    infer,
    p_text,
    score_bounds,
    sign_flips_p,
)


def changes(deltas: list[float], clusters: list[int] | None = None, weights: list[float] | None = None) -> Changes:
    """The changes of these cases; each is a conversation of its own unless `clusters` says otherwise."""
    return Changes.of(
        np.array(deltas, dtype=np.float64),
        np.array(clusters if clusters is not None else range(len(deltas)), dtype=np.int64),
        np.array(weights or [1.0] * len(deltas)),
    )


def pass_fail(worse: int, better: int, same: int = 0) -> Inference:
    """So many cases that fell, rose and stayed."""
    return infer(changes([-1.0] * worse + [1.0] * better + [0.0] * same))


@pytest.mark.parametrize(
    ("worse", "better", "p"),
    [
        (14, 4, 0.01544189453125),
        (9, 2, 0.03271484375),
        (6, 0, 0.015625),
        (5, 0, 0.03125),
        (4, 0, 0.0625),
        (3, 3, 0.65625),
    ],
)
def test_pass_fail_scores_are_tested_by_exact_mcnemar(worse: int, better: int, p: float) -> None:
    """One-sided p-values as `scipy.stats.binomtest(worse, worse + better, 0.5, alternative="greater")` gives them."""
    found = pass_fail(worse, better, same=30)
    assert found.method is Method.MCNEMAR
    assert found.p_worse == pytest.approx(p)


def test_mcnemar_and_sign_flips_agree() -> None:
    """With changes of one size both count the same assignments."""
    sums = np.array([-1.0] * 9 + [1.0] * 2 + [0.0] * 5)
    assert sign_flips_p(sums) == pytest.approx(pass_fail(9, 2, 5).p_worse)


def test_sign_flips_count_every_assignment() -> None:
    """Of the eight assignments of 3, 2 and 1, only all-negative is at or below -6, and two are at or below -4."""
    assert sign_flips_p(np.array([-3.0, -2.0, -1.0])) == 1 / 8
    assert sign_flips_p(np.array([-3.0, -2.0, 1.0])) == 2 / 8
    assert sign_flips_p(np.zeros(4)) == 1
    with pytest.raises(ValueError, match="too many"):
        sign_flips_p(np.ones(25))


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=12))
def test_no_assignment_of_signs_favours_a_side(sizes: list[float]) -> None:
    """The p-values of a change and of its mirror are together at least 1: both cannot be significant."""
    sums = np.round(np.array(sizes), 3)
    assert sign_flips_p(sums) + sign_flips_p(-sums) >= 1


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=60))
def test_symmetric_changes_are_never_a_regression(sizes: list[float]) -> None:
    """Each rise has a fall of its size: no test calls that worse, whichever method it is."""
    found = infer(changes([*sizes, *(-size for size in sizes)]))
    assert found.p_worse > ALPHA
    assert found.upper >= 0
    assert found.lower <= 0


@given(
    st.lists(st.tuples(st.floats(-1, 1), st.integers(0, 8), st.floats(0.1, 5)), min_size=2, max_size=80),
    st.floats(0.1, 10),
)
def test_bounds_hold_the_mean_and_scale_of_weights_does_not_matter(
    cases: list[tuple[float, int, float]], factor: float
) -> None:
    """Whatever values, conversations and weights."""
    names = sorted({cluster for _, cluster, _ in cases})
    deltas = [round(delta, 6) for delta, _, _ in cases]
    clusters = [names.index(cluster) for _, cluster, _ in cases]
    weights = [weight for _, _, weight in cases]
    found = infer(changes(deltas, clusters, weights))
    assert found.lower <= found.change + 1e-9
    assert found.upper >= found.change - 1e-9
    scaled = infer(changes(deltas, clusters, [weight * factor for weight in weights]))
    assert scaled.change == pytest.approx(found.change, abs=1e-9)
    assert scaled.method is found.method


def test_a_weight_counts_as_so_many_cases() -> None:
    """A case of weight 3 moves the mean as three cases do."""
    assert changes([-0.4, 0.0], weights=[3.0, 1.0]).mean == pytest.approx(-0.3)


def test_many_changes_are_bootstrapped_with_one_seed() -> None:
    """The same changes give the same bounds, about those of the normal distribution."""
    deltas = list(np.random.default_rng(5).normal(-0.03, 0.2, 400))
    first, second = infer(changes(deltas)), infer(changes(deltas))
    assert first == second
    assert first.method is Method.BOOTSTRAP
    error = float(np.std(deltas, ddof=1)) / 20
    assert first.lower == pytest.approx(first.change - 1.649 * error, abs=0.15 * error)
    assert first.upper == pytest.approx(first.change + 1.649 * error, abs=0.15 * error)


def test_conversations_are_drawn_whole() -> None:
    """Ten equal cases of one conversation say no more than one: the interval is wider than that of single cases."""
    deltas = list(np.repeat(np.random.default_rng(6).normal(0, 0.2, 40), 10))
    together = infer(changes(deltas, list(np.repeat(np.arange(40), 10))))
    alone = infer(changes(deltas))
    assert together.upper - together.lower > 2.5 * (alone.upper - alone.lower)


def test_weights_enter_the_bootstrap() -> None:
    """Means of drawn clusters are weighted; equal weights need no second draw and give the same means."""
    sums, ones = np.array([1.0, -1.0, 0.5]), np.ones(3)
    assert np.allclose(bootstrap_means(sums, ones, 50), bootstrap_means(sums, ones * (1 + 1e-15), 50))
    assert abs(bootstrap_means(sums * 4, ones * 4, 50)).max() <= 1


def test_the_percentile_interval_is_expanded_for_few_conversations() -> None:
    """With 20 conversations the level is 3.8% and not 5%; with very many it is 5%."""
    means = np.linspace(-1, 1, 20_001)
    lower, upper, p_worse = expanded_percentile(means, 20)
    assert lower == pytest.approx(-1 + 2 * 0.0380, abs=2e-3)
    assert upper == pytest.approx(-lower)
    assert p_worse == pytest.approx(0.5, abs=1e-3)
    assert expanded_percentile(means, 100_001)[0] == pytest.approx(-0.9, abs=1e-3)


def test_significance_and_bound_agree() -> None:
    """The upper bound is below 0 if and only if the p-value is at most 5%."""
    for seed in range(40):
        found = infer(changes(list(np.random.default_rng(seed).normal(-0.02, 0.2, 200))))
        assert (found.upper < 0) == (found.p_worse <= ALPHA)


@pytest.mark.parametrize(("count", "width"), [(50, 0.0532), (200, 0.01347)])
def test_no_change_is_no_certainty(count: int, width: float) -> None:
    """Where none of n cases has changed the bounds are Tango's: t^2 / (n + t^2)."""
    lower, upper = score_bounds(changes([0.0] * count))
    assert lower == pytest.approx(-width, abs=1e-4)
    assert upper == pytest.approx(width, abs=1e-4)


def test_one_conversation_shows_nothing() -> None:
    """Its bounds are infinite."""
    found = infer(changes([-1.0, -1.0, -1.0], clusters=[0, 0, 0]))
    assert (found.lower, found.upper) == (-math.inf, math.inf)
    assert found.p_worse == 0.5


def test_four_conversations_are_too_few_for_significance() -> None:
    """All of them fell, and that still happens in one of 16."""
    found = infer(changes([-0.5, -0.6, -0.7, -0.8]))
    assert found.method is Method.SIGN_FLIPS
    assert found.p_worse == 1 / 16
    assert found.upper >= 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_the_order_and_lies_between_p_and_bonferroni(p_values: list[float]) -> None:
    """A smaller p-value never has a larger adjusted one."""
    adjusted = holm(p_values)
    count = len(p_values)
    for p, q in zip(p_values, adjusted, strict=True):
        assert p <= q <= min(1, count * p) + 1e-12
    by_p = [q for _, q in sorted(zip(p_values, adjusted, strict=True))]
    assert by_p == sorted(by_p)


def test_holm_of_a_known_family() -> None:
    """Three times the smallest, twice the next, the largest as it is, and never falling."""
    assert holm([0.03, 0.01, 0.04]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([]) == []


def test_a_tiny_p_value_is_not_shown_as_nothing() -> None:
    """No p-value is 0."""
    assert [p_text(p) for p in (0.03125, 0.0001, 1e-9)] == ["0.0312", "0.0001", "<0.0001"]
