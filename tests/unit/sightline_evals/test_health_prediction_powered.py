"""The prediction-powered rate: its interval holds whatever the judge says, and is narrower where the judge is good."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from sightline_evals.health.prediction_powered import FEWEST_LABELS, prediction_powered_rate, rate_of_labels

Floats = npt.NDArray[np.float64]
Judge = Callable[[np.random.Generator, npt.NDArray[np.bool_]], Floats]


def _good(random: np.random.Generator, bad: npt.NDArray[np.bool_]) -> Floats:
    return random.normal(np.where(bad, 0.8, 0.2), 0.12)


def _strict(random: np.random.Generator, bad: npt.NDArray[np.bool_]) -> Floats:
    """Calls nearly everything bad: its own mean is far off."""
    return random.normal(np.where(bad, 0.95, 0.7), 0.1)


def _verdicts(random: np.random.Generator, bad: npt.NDArray[np.bool_]) -> Floats:
    """Says yes or no, wrong in a fifth of the bad and a tenth of the good."""
    return (random.random(len(bad)) < np.where(bad, 0.8, 0.1)).astype(np.float64)


def _useless(random: np.random.Generator, bad: npt.NDArray[np.bool_]) -> Floats:
    return random.random(len(bad))


def _inverted(random: np.random.Generator, bad: npt.NDArray[np.bool_]) -> Floats:
    return random.normal(np.where(bad, 0.2, 0.8), 0.2)


def _simulated(
    judge: Judge, rate: float, labels: int, *, weighted: bool = False, cases: int = 300
) -> tuple[float, float]:
    """(share of intervals that hold the rate, their mean width over that of the labels alone) with 1,000 others."""
    random = np.random.default_rng(7)
    held, widths, widths_alone = 0, 0.0, 0.0
    for _ in range(cases):
        bad = random.random(labels + 1000) < rate
        predicted = judge(random, bad)
        weights = random.choice([1.0, 4.0], labels + 1000) if weighted else np.ones(labels + 1000)
        found = prediction_powered_rate(
            bad[:labels], predicted[:labels], predicted[labels:], weights[:labels], weights[labels:]
        )
        alone = rate_of_labels(bad[:labels], weights[:labels])
        held += found.low <= rate <= found.high
        widths += found.high - found.low
        widths_alone += alone.high - alone.low
    return held / cases, widths / widths_alone


@pytest.mark.parametrize("judge", [_good, _strict, _verdicts, _useless, _inverted])
@pytest.mark.parametrize(("rate", "labels"), [(0.05, 100), (0.2, 40), (0.5, 100)])
def test_the_interval_holds_whatever_the_judge_says(judge: Judge, rate: float, labels: int) -> None:
    """At least 93% of 300 simulated intervals of 95% hold the true rate; none is much wider than that of the labels."""
    held, width = _simulated(judge, rate, labels)
    assert held >= 0.93
    assert width <= 1.01


@pytest.mark.parametrize("judge", [_good, _verdicts, _useless])
def test_the_interval_holds_with_weights(judge: Judge) -> None:
    """Half of the answers stand for four each."""
    held, _ = _simulated(judge, 0.2, 80, weighted=True)
    assert held >= 0.93


def test_a_good_judge_makes_the_interval_narrower_than_the_labels_alone() -> None:
    """Less than two thirds of the width, as if there were more than twice the labels."""
    _, width = _simulated(_good, 0.2, 100)
    assert width < 0.66


def test_a_judge_that_errs_is_corrected() -> None:
    """Its own mean says four fifths, the labels know better."""
    random = np.random.default_rng(1)
    bad = random.random(5200) < 0.2
    predicted = _strict(random, bad)
    found = prediction_powered_rate(bad[:200], predicted[:200], predicted[200:])
    assert predicted.mean() > 0.7
    assert found.low < 0.2 < found.high < 0.3
    assert found.effective_labels > 250


def test_few_bad_labels_stand_alone() -> None:
    """Two bad answers of twenty say nothing about how far the judge knows them; no label alike is a point."""
    bad = np.array([True, True, *[False] * 18])
    found = prediction_powered_rate(bad, bad.astype(float), np.zeros(1000))
    assert found == rate_of_labels(bad)
    none = prediction_powered_rate(np.zeros(20, dtype=bool), np.zeros(20), np.zeros(1000))
    assert (none.value, none.low) == (0, 0)
    assert none.high > 0.1


def test_a_judge_that_says_always_the_same_adds_nothing() -> None:
    """Whatever the value: neither a division by zero nor a slope out of rounding."""
    bad = np.array([True] * 7 + [False] * 33)
    for value in (0.0, 0.1, 1.0):
        assert prediction_powered_rate(bad, np.full(40, value), np.full(1000, value)) == rate_of_labels(bad)


def test_too_few_labels_are_refused() -> None:
    """A rate of ten labels is none."""
    with pytest.raises(ValueError, match=f"10 labels; needs {FEWEST_LABELS}"):
        prediction_powered_rate(np.zeros(10, dtype=bool), np.zeros(10), np.zeros(10))


def test_the_estimate_is_that_of_the_regression_estimator() -> None:
    """By hand: mean of the labels and slope times the difference of the means, with two unrelated labels added."""
    bad = np.array([True, False] * 10)
    predicted = np.where(bad, 0.6, 0.4)
    found = prediction_powered_rate(bad, predicted, np.full(20, 0.4))
    slope = (20 / 22) * 0.05 / 0.01
    assert found.tuning == pytest.approx(slope)
    assert found.value == pytest.approx(0.5 + slope * (0.45 - 0.5))
