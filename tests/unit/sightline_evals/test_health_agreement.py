"""Agreement of a judge with people: known values, and intervals that are no point."""

from __future__ import annotations

import numpy as np
import pytest

from sightline_evals.health.agreement import auroc, kappa


def _verdicts(both: int, only_people: int, only_judge: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    """(what people say, what the judge says) with so many answers of each kind."""
    bad = [True] * (both + only_people) + [False] * (only_judge + neither)
    flagged = [True] * both + [False] * only_people + [True] * only_judge + [False] * neither
    return np.array(bad), np.array(flagged)


def test_kappa_and_its_error_are_those_of_a_worked_example() -> None:
    """20, 5, 10 and 15 of 50: agreement .70, by chance .50; the error by the formula of 1969 is .127 there."""
    found = kappa(*_verdicts(20, 5, 10, 15))
    assert found is not None
    assert found.value == pytest.approx(0.4)
    assert found.low < found.value < found.high
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * 0.127, rel=0.05)


def test_perfect_agreement_on_a_few_answers_is_not_certain() -> None:
    """The interval has a width, and narrows with more answers."""
    few, many = kappa(*_verdicts(5, 0, 0, 5)), kappa(*_verdicts(100, 0, 0, 100))
    assert few is not None
    assert many is not None
    assert few.value == many.value == 1
    assert few.low < 0.8 < many.low


def test_kappa_of_one_verdict_alone_does_not_exist() -> None:
    """Where nobody finds anything bad, chance agrees as well."""
    assert kappa(*_verdicts(0, 0, 0, 30)) is None
    disagree = kappa(*_verdicts(0, 0, 30, 0))
    assert disagree is not None
    assert disagree.value == 0


def test_auroc_counts_pairs_and_ties_half() -> None:
    """Of the four pairs two are right, one is a tie, one is wrong."""
    found = auroc(np.array([True, True, False, False]), np.array([0.9, 0.4, 0.4, 0.3]))
    assert found is not None
    assert found.value == pytest.approx((1 + 1 + 0.5 + 1) / 4)
    assert auroc(np.array([True]), np.array([1.0])) is None


def test_the_interval_of_auroc_is_never_a_point_and_stays_in_range() -> None:
    """Also where the ranking is perfect, one way or the other."""
    bad = np.array([True] * 10 + [False] * 10)
    best, worst = auroc(bad, bad.astype(float)), auroc(bad, 1 - bad.astype(float))
    assert best is not None
    assert worst is not None
    assert (best.value, best.high) == (1, 1)
    assert 0.7 < best.low < 0.95
    assert (worst.value, worst.low) == (0, 0)
    assert worst.high == pytest.approx(1 - best.low)


def test_intervals_cover_the_truth() -> None:
    """1,000 simulated samples of 60 answers: both intervals hold the true value in 93% or more of them."""
    random = np.random.default_rng(3)

    def drawn(answers: int) -> tuple[np.ndarray, np.ndarray]:
        bad = random.random(answers) < 0.3
        return bad, random.normal(np.where(bad, 1.0, 0.0))

    bad, suspicion = drawn(400_000)
    true_auroc, true_kappa = auroc(bad, suspicion), kappa(bad, suspicion > 0.5)
    assert true_auroc is not None
    assert true_kappa is not None
    held = np.zeros(2)
    for _ in range(1000):
        bad, suspicion = drawn(60)
        for place, (found, truth) in enumerate(
            ((auroc(bad, suspicion), true_auroc.value), (kappa(bad, suspicion > 0.5), true_kappa.value))
        ):
            assert found is not None
            held[place] += found.low <= truth <= found.high
    assert held.min() >= 0.93 * 1000
