"""Fits a calibration to labelled answers, and measures it on answers that it was not fitted to. Pure.

What is calibrated is the probability of a statement, what is compared with labels is the soft score of an answer, the
mean
of the highest and the average probability of its statements: so the map is fitted through that mean. Two maps are
tried, a logistic curve (Platt) and a rising line (isotonic); the one with the lower Brier score over the folds is kept.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sightline_evals.calibration.maps import Isotonic, Map, Platt, logit

FEWEST_LABELS: Final = 50
"""Fewest labels that a calibration is fitted to."""
FEWEST_OF_A_VERDICT: Final = 8
"""Fewest labels of either verdict among them."""
_FOLDS: Final = 10
_FOLDS_SEED: Final = 7


@dataclass(frozen=True, slots=True)
class Judged:
    """One labelled answer, or a statement as an answer of one, with what the judge says of it.

    Attributes:
        probabilities: p(unsupported) of each statement, uncalibrated; one or more.
        unsupported: a person's verdict on the answer.
        group: answers of one group are never split between fitting and measuring.
    """

    probabilities: tuple[float, ...]
    unsupported: bool
    group: int


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fitted map, and what it does on answers that it was not fitted to.

    Attributes:
        map: fitted to all answers.
        raw: soft probability of each answer before.
        held_out: the same after, each by a map that was fitted without it; in the order of the answers.
        brier_by_method: mean squared error over the folds, of each map that was tried and of ``none``.
    """

    map: Map
    raw: list[float]
    held_out: list[float]
    brier_by_method: dict[str, float]


def soft(probabilities: Sequence[float]) -> float:
    """Probability that an answer is unsupported: the mean of the highest and the average of its statements'."""
    return (max(probabilities) + math.fsum(probabilities) / len(probabilities)) / 2


def brier(predicted: Sequence[float], unsupported: Sequence[bool]) -> float:
    """Mean squared error of probabilities, 0 to 1; lower is better.

    Source: Brier, "Verification of forecasts expressed in terms of probability" (1950)
    """
    return math.fsum((p - truth) ** 2 for p, truth in zip(predicted, unsupported, strict=True)) / len(predicted)


def fit(answers: Sequence[Judged], on_step: Callable[[], object] = lambda: None) -> Fitted:
    """Fit and measure both maps, and keep the better one.

    Args:
        answers: at least `FEWEST_LABELS`, both verdicts among them.
        on_step: called after each of `STEPS` fits.
    """
    truth = [answer.unsupported for answer in answers]
    raw = [soft(answer.probabilities) for answer in answers]
    folds = _folds(answers)
    held_out_by_method: dict[str, list[float]] = {}
    for method, fit_map in _METHODS.items():
        held_out = [0.0] * len(answers)
        for fold in range(_FOLDS):
            map_ = fit_map([answer for answer, place in zip(answers, folds, strict=True) if place != fold])
            for index, answer in enumerate(answers):
                if folds[index] == fold:
                    held_out[index] = soft([map_(p) for p in answer.probabilities])
            on_step()
        held_out_by_method[method] = held_out
    briers = {method: brier(held_out, truth) for method, held_out in held_out_by_method.items()}
    best = min(briers, key=lambda method: briers[method])
    return Fitted(_METHODS[best](answers), raw, held_out_by_method[best], {"none": brier(raw, truth), **briers})


def _folds(answers: Sequence[Judged]) -> list[int]:
    """A fold for each answer, one for a group; groups with supported answers are spread evenly, so are the others."""
    shuffled = random.Random(_FOLDS_SEED)  # noqa: S311 - nothing secret
    with_supported = {answer.group for answer in answers if not answer.unsupported}
    groups = sorted({answer.group for answer in answers})
    shuffled.shuffle(groups)
    groups.sort(key=lambda group: group in with_supported)
    fold_of = {group: place % _FOLDS for place, group in enumerate(groups)}
    return [fold_of[answer.group] for answer in answers]


def fit_platt(answers: Sequence[Judged]) -> Platt:
    """The logistic curve of the least log loss, by Newton's method; targets are drawn from 0 and 1 as Platt does it."""
    positives = sum(answer.unsupported for answer in answers)
    high, low = (positives + 1) / (positives + 2), 1 / (len(answers) - positives + 2)
    odds = [[logit(p) for p in answer.probabilities] for answer in answers]
    targets = [high if answer.unsupported else low for answer in answers]

    def loss(slope: float, intercept: float) -> float:
        total = 0.0
        for logits, target in zip(odds, targets, strict=True):
            p = soft([1 / (1 + math.exp(-min(max(slope * value + intercept, -30), 30))) for value in logits])
            total -= target * math.log(p) + (1 - target) * math.log(1 - p)
        return total + 0.01 * (slope - 1) ** 2

    return Platt(*_minimum(loss, 1.0, 0.0))


def _minimum(loss: Callable[[float, float], float], slope: float, intercept: float) -> tuple[float, float]:
    """(slope, intercept) of the least loss: a search in steps that halve, since two numbers need no more.

    The slope stays above 0, so that the map rises.
    """
    best, step = loss(slope, intercept), 1.0
    while step > 1e-4:
        around = [
            (slope + along * step, intercept + across * step)
            for along in (-1, 0, 1)
            for across in (-1, 0, 1)
            if (along or across) and slope + along * step > 0
        ]
        value, place = min((loss(*place), place) for place in around)
        if value < best - 1e-9:
            best, (slope, intercept) = value, place
        else:
            step /= 2
    return slope, intercept


def fit_isotonic(answers: Sequence[Judged]) -> Isotonic:
    """The rising line of the least squares over answers, by pooling neighbours that fall.

    It is fitted to the soft probability of answers and applied to that of statements: an answer of one statement has
    the same. Each level is drawn a little to the middle, so that few labels claim no certainty.
    """
    pools: list[tuple[float, float, int]] = []  # (sum of raw, sum of verdicts, number)
    by_raw: dict[float, list[bool]] = {}
    for answer in answers:
        by_raw.setdefault(soft(answer.probabilities), []).append(answer.unsupported)
    for raw, verdicts_of_raw in sorted(by_raw.items()):
        pools.append((raw * len(verdicts_of_raw), float(sum(verdicts_of_raw)), len(verdicts_of_raw)))
        while len(pools) > 1 and pools[-2][1] / pools[-2][2] >= pools[-1][1] / pools[-1][2]:
            last, before = pools.pop(), pools.pop()
            pools.append((before[0] + last[0], before[1] + last[1], before[2] + last[2]))
    points: dict[float, float] = {}
    highest = 0.0
    for raw_sum, verdicts, count in pools:
        # Drawn to the middle, small pools could fall below the one before.
        highest = max(highest, (verdicts + 0.5) / (count + 1))
        points[raw_sum / count] = highest
    return Isotonic(tuple(points), tuple(points.values()))


_METHODS: Final[dict[str, Callable[[Sequence[Judged]], Map]]] = {"platt": fit_platt, "isotonic": fit_isotonic}
STEPS: Final = _FOLDS * len(_METHODS)
"""Fits that `fit` makes and tells of."""
