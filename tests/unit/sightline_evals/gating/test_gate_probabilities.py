"""Student's t, the fair coin and three-way counts, against tables and exact values."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline_evals.gating.probabilities import (
    fair_coin_tail,
    student_t_cdf,
    student_t_quantile,
    trinomial_probabilities,
)


@pytest.mark.parametrize(
    ("degrees", "quantile"),
    [(1, 6.313751515), (2, 2.919985580), (9, 1.833112933), (19, 1.729132812), (999, 1.646380345)],
)
def test_quantiles_of_t_are_those_of_the_table(degrees: int, quantile: float) -> None:
    """The 95% quantile, by degrees of freedom, and its mirror."""
    assert student_t_quantile(0.95, degrees) == pytest.approx(quantile, abs=1e-8)
    assert student_t_quantile(0.05, degrees) == pytest.approx(-quantile, abs=1e-8)


@given(st.floats(-50, 50), st.integers(1, 400))
def test_distribution_of_t_is_symmetric(value: float, degrees: int) -> None:
    """P(T <= -t) is 1 - P(T <= t)."""
    assert student_t_cdf(value, degrees) + student_t_cdf(-value, degrees) == pytest.approx(1, abs=1e-9)


def test_distribution_of_t_ends_at_infinity_and_refuses_no_degrees() -> None:
    """Both ends are certain."""
    assert (student_t_cdf(-math.inf, 3), student_t_cdf(math.inf, 3)) == (0, 1)
    with pytest.raises(ValueError, match="need 1 or more"):
        student_t_cdf(0.0, 0)
    with pytest.raises(ValueError, match="more than 0"):
        student_t_quantile(1.0, 3)


@pytest.mark.parametrize(
    ("heads", "tosses", "p"),
    [
        (14, 18, 0.01544189453125),  # binomtest(14, 18, 0.5, alternative="greater")
        (9, 11, 0.03271484375),
        (6, 6, 0.015625),
        (5, 5, 0.03125),
        (60, 100, 0.028443966820490395),
        (0, 0, 1.0),
        (-1, 4, 1.0),
        (5, 4, 0.0),
    ],
)
def test_fair_coin_agrees_with_the_binomial_test(heads: int, tosses: int, p: float) -> None:
    """One-sided exact p-values."""
    assert fair_coin_tail(heads, tosses) == pytest.approx(p, rel=1e-12)


def test_three_way_counts_sum_to_one_and_allow_impossible_outcomes() -> None:
    """All pairs of counts of ten trials; an outcome of chance 0 never happens."""
    numbers = np.arange(11)
    assert trinomial_probabilities(numbers, numbers, 10, (0.2, 0.3)).sum() == pytest.approx(1)
    never = trinomial_probabilities(numbers, numbers, 10, (0.0, 1.0))
    assert never[0, 10] == pytest.approx(1)
    assert never.sum() == pytest.approx(1)
