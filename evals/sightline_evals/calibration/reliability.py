"""How far probabilities can be believed: a reliability diagram, and the threshold of a wanted precision. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_Z: Final = 1.959964
_BINS: Final = 10
_BAR: Final = 40
_LEAST_THRESHOLD: Final = 0.5


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers of like probability.

    Attributes:
        low: least probability, included.
        high: end of the bin.
        answers: how many are in it.
        predicted: their mean probability; NaN without answers.
        observed: share of them that is unsupported; NaN without answers.
        interval: 95% Wilson interval of `observed`.
    """

    low: float
    high: float
    answers: int
    predicted: float
    observed: float
    interval: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Threshold:
    """A threshold, and what is flagged with it among answers that nothing was fitted to.

    Attributes:
        value: probability from which an answer is flagged.
        flagged: how many answers are.
        precision: share of the flagged that is unsupported.
        precision_interval: its 95% Wilson interval.
        recall: share of the unsupported that is flagged.
        recall_interval: its 95% Wilson interval.
    """

    value: float
    flagged: int
    precision: float
    precision_interval: tuple[float, float]
    recall: float
    recall_interval: tuple[float, float]


def wilson(successes: int, total: int) -> tuple[float, float]:
    """95% interval of a share; the whole range without observations.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference" (1927)
    """
    if not total:
        return 0.0, 1.0
    share = successes / total
    middle = (share + _Z**2 / (2 * total)) / (1 + _Z**2 / total)
    half = _Z / (1 + _Z**2 / total) * math.sqrt(share * (1 - share) / total + _Z**2 / (4 * total**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def bins(predicted: Sequence[float], unsupported: Sequence[bool]) -> list[Bin]:
    """Ten bins of equal width."""
    members: list[list[tuple[float, bool]]] = [[] for _ in range(_BINS)]
    for p, truth in zip(predicted, unsupported, strict=True):
        members[min(int(p * _BINS), _BINS - 1)].append((p, truth))
    result: list[Bin] = []
    for index, inside in enumerate(members):
        count, bad = len(inside), sum(truth for _, truth in inside)
        result.append(
            Bin(
                index / _BINS,
                (index + 1) / _BINS,
                count,
                math.fsum(p for p, _ in inside) / count if count else math.nan,
                bad / count if count else math.nan,
                wilson(bad, count),
            )
        )
    return result


def expected_calibration_error(predicted: Sequence[float], unsupported: Sequence[bool]) -> float:
    """Mean distance of predicted and observed over the bins, weighted by their answers: 0 to 1, lower is better.

    Source: Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning" (2015)
    """
    return math.fsum(
        each.answers / len(predicted) * abs(each.predicted - each.observed)
        for each in bins(predicted, unsupported)
        if each.answers
    )


def diagram(found: Sequence[Bin]) -> str:
    """The bins as text: ``#`` to what was observed, ``|`` at what was predicted."""
    lines = ["predicted  answers  unsupported (95% interval)"]
    for each in found:
        if not each.answers:
            lines.append(f"{each.low:.1f}-{each.high:.1f}    {0:7}")
            continue
        bar = ["#" if place < round(each.observed * _BAR) else " " for place in range(_BAR + 1)]
        bar[round(each.predicted * _BAR)] = "|"
        low, high = each.interval
        lines.append(
            f"{each.low:.1f}-{each.high:.1f}    {each.answers:7}  {each.observed:4.2f} ({low:.2f}-{high:.2f})  "
            + "".join(bar).rstrip()
        )
    return "\n".join(lines)


def threshold_for(precision: float, predicted: Sequence[float], unsupported: Sequence[bool]) -> Threshold | None:
    """The lowest threshold whose flagged answers are unsupported in at least the wanted share; None for no such one.

    It is never below a half: what is flagged is more probably unsupported than not, even where nearly all answers are.

    Args:
        precision: the wanted share, 0 to 1.
        predicted: probabilities of answers that the map was not fitted to.
        unsupported: the verdicts.
    """
    ranked = sorted(zip(predicted, unsupported, strict=True), reverse=True)
    all_bad = sum(unsupported)
    best: Threshold | None = None
    bad = 0
    for flagged, (p, truth) in enumerate(ranked, start=1):
        if p < _LEAST_THRESHOLD:
            break
        bad += truth
        # Half way to the next answer below, so that the answer itself stays on its side of the threshold.
        below = ranked[flagged][0] if flagged < len(ranked) else p
        ends_tie = flagged == len(ranked) or below < p
        if ends_tie and bad / flagged >= precision:
            best = Threshold(
                max(round((p + below) / 2, 4), _LEAST_THRESHOLD),
                flagged,
                bad / flagged,
                wilson(bad, flagged),
                bad / all_bad,
                wilson(bad, all_bad),
            )
    return best
