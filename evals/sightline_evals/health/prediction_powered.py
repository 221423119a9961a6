"""The true rate of bad answers out of few labels and many judged answers. Pure.

A judge errs, so the rate that it gives is off by an unknown amount; labels alone are few. The prediction-powered
estimate takes the judge's mean over all answers and corrects it by what the labels show the judge to miss:

    rate = mean(labels) + tuning * (mean prediction of all answers - mean prediction of the labelled ones)

It is right on average whatever the judge says, as long as which answers have a label is a matter of chance. The tuning
is the slope of the labels on the predictions, which makes the variance least: a judge that knows nothing gets 0, and
the estimate is that of the labels alone. The answers that have a label are a part of all answers.

The interval is Wilson's at that rate, for the number of labels that would give the same variance without a judge
(`effective_labels`), with the quantile of Student's t for the labels there are. So it is no point where all labels are
alike, and stays within 0 and 1. With weights, numbers of answers are Kish's.

Sources: A. N. Angelopoulos et al., Prediction-powered inference, Science 382 (2023), https://arxiv.org/abs/2301.09633;
A. N. Angelopoulos, J. C. Duchi, T. Zrnic, PPI++: Efficient Prediction-Powered Inference,
https://arxiv.org/abs/2311.01453, section 6; W. G. Cochran, Sampling Techniques, 1977, section 12.6, for labels that are
a part of all; L. Kish, Survey Sampling, 1965, section 11.7
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from sightline_evals.health.agreement import Flags, Floats

FEWEST_LABELS: Final = 20
"""Labels below which no rate is given."""
_FEWEST_OF_A_VERDICT: Final = 3
"""Labels of either verdict below which the predictions are not used: nothing is known of how they go together."""
_UNRELATED_LABELS: Final = 2
"""Labels that are added to the estimate of how far labels and predictions go together: among a handful of bad answers
they agree by chance too often. Chosen by simulation of the interval's coverage."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate of bad answers, 0 to 1, with its two-sided 95% interval.

    Attributes:
        value: the rate.
        low: lower end.
        high: upper end.
        tuning: how far the judge's predictions are used; 0 is not at all.
        effective_labels: labels that would give the same variance without a judge.
    """

    value: float
    low: float
    high: float
    tuning: float
    effective_labels: float


def rate_of_labels(bad: Flags, weights: Floats | None = None) -> Rate:
    """The rate by labels alone.

    Args:
        bad: the labels, bool[labels], at least `FEWEST_LABELS`.
        weights: how many answers each stands for, float64[labels], above 0; None is 1 each.
    """
    heavy = np.ones(len(bad)) if weights is None else weights
    return _rate(float(np.average(bad, weights=heavy)), 0.0, _kish(heavy), len(bad) - 1)


def prediction_powered_rate(
    bad: Flags, predicted: Floats, others: Floats, weights: Floats | None = None, other_weights: Floats | None = None
) -> Rate:
    """The rate by labels and predictions.

    Args:
        bad: the labels, bool[labels], at least `FEWEST_LABELS`.
        predicted: how bad the judge holds the labelled answers for, float64[labels], of any scale.
        others: the same of the answers without a label, float64[others].
        weights: how many answers each labelled one stands for, float64[labels], above 0; None is 1 each.
        other_weights: the same of the others, float64[others].

    Raises:
        ValueError: there are too few labels.
    """
    if len(bad) < FEWEST_LABELS:
        raise ValueError(f"{len(bad)} labels; needs {FEWEST_LABELS} or more")
    heavy = np.ones(len(bad)) if weights is None else weights
    if min(np.sum(bad), np.sum(~bad)) < _FEWEST_OF_A_VERDICT:
        return rate_of_labels(bad, heavy)
    all_heavy = np.concatenate((heavy, np.ones(len(others)) if other_weights is None else other_weights))
    labelled_number, all_number = _kish(heavy), _kish(all_heavy)
    label_mean, prediction_mean = np.average(bad, weights=heavy), np.average(predicted, weights=heavy)
    off, leaning = bad - label_mean, predicted - prediction_mean
    # As if so many more labels, half of them bad, had nothing to do with the predictions.
    kept = labelled_number / (labelled_number + _UNRELATED_LABELS)
    shared = kept * float(np.average(off * leaning, weights=heavy))
    spread = float(np.average(leaning**2, weights=heavy))
    label_spread = kept * float(np.average(off**2, weights=heavy)) + (1 - kept) / 4
    explained = shared**2 / (spread * label_spread) if spread > 0 and label_spread > 0 else 0.0
    # Of the slope that fits these labels best a part is chance.
    explained = 1 - (1 - explained) * (labelled_number - 1) / max(1.0, labelled_number - 2)
    if shared <= 0 or explained <= 0:
        return rate_of_labels(bad, heavy)
    tuning = shared / spread
    everywhere = float(np.average(np.concatenate((predicted, others)), weights=all_heavy))
    value = float(np.clip(label_mean + tuning * (everywhere - prediction_mean), 0.0, 1.0))
    number = 1 / ((1 - explained) / labelled_number + explained / max(all_number, labelled_number))
    return _rate(value, tuning, number, len(bad) - 2)


def _rate(value: float, tuning: float, number: float, freedom: int) -> Rate:
    """A rate with Wilson's interval for so many labels."""
    from scipy import stats  # noqa: PLC0415  a second of every start

    square = float(stats.t.ppf(0.975, freedom)) ** 2
    centre = (value + square / (2 * number)) / (1 + square / number)
    half = (
        math.sqrt(square) / (1 + square / number) * math.sqrt(value * (1 - value) / number + square / (4 * number**2))
    )
    return Rate(value, max(0.0, centre - half), min(1.0, centre + half), tuning, number)


def _kish(weights: Floats) -> float:
    """How many answers of equal weight vary as much."""
    return float(weights.sum() ** 2 / np.sum(weights**2))
