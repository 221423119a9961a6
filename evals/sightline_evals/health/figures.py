"""What a run of `sightline-evals health` found: four figures, each with its state and a sentence. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from sightline_evals.gate import ExitCode
from sightline_evals.health.agreement import auroc, kappa
from sightline_evals.health.control import FEWEST_PAIRS, Pinned, Shift
from sightline_evals.health.people import JudgedAnswers, selection
from sightline_evals.health.prediction_powered import FEWEST_LABELS, prediction_powered_rate, rate_of_labels
from sightline_evals.runs.records import none_if_nan

MAX_FAILED: Final = 0.1
"""Share of the control set that may fail, or turn from a value to none, before the shift is not believed."""
_SIGNIFICANT: Final = 0.05


class State(StrEnum):
    """What a figure comes to."""

    HELD = "held"
    """The judge moved by less than the bound, its whole interval."""
    SHIFTED = "shifted"
    """It moved by more than the bound, or many answers lost their value."""
    INCONCLUSIVE = "inconclusive"
    """The interval reaches over the bound, and the shift is not both significant and beyond it."""
    FIRST = "first"
    """Nothing was pinned to compare with; the next run compares with this one."""
    PINNED = "pinned"
    """Pinned as it is, because a person said so."""
    JUDGE_FAILED = "judge failed"
    """Too many answers of the control set have no score."""
    MEASURED = "measured"
    """A figure about people's labels."""
    TOO_FEW = "too few labels"
    """There is none, for want of labels."""


_CODE: Final = {
    State.SHIFTED: ExitCode.BELOW,
    State.JUDGE_FAILED: ExitCode.INFRASTRUCTURE,
    State.INCONCLUSIVE: ExitCode.INCONCLUSIVE,
    State.FIRST: ExitCode.INCONCLUSIVE,
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure.

    Attributes:
        name: ``control_shift``, ``kappa``, ``auroc`` or ``ppi_rate``.
        state: what it comes to.
        sentence: the figure for a person.
        value: None where there is none.
        low: lower end of its two-sided 95% interval.
        high: upper end.
        n: answers of the control set, or labels.
        details: further numbers, JSON values.
    """

    name: str
    state: State
    sentence: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    details: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The figure as JSON values."""
        return {
            "state": str(self.state),
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "n": self.n,
            **self.details,
            "sentence": self.sentence,
        }


def control_figure(found: Shift, pinned: Pinned, max_shift: float) -> Figure:
    """The shift of the control set against its bound."""
    expected = found.answers + found.vanished + found.failed
    state, reason = State.HELD, ""
    if found.failed > MAX_FAILED * expected:
        state, reason = State.JUDGE_FAILED, f"; the judge failed on {found.failed} of {expected}"
    elif found.vanished + found.appeared > MAX_FAILED * (expected + found.appeared):
        state = State.SHIFTED
        reason = f"; {found.vanished} answers lost their value and {found.appeared} have one that had none"
    elif found.answers < FEWEST_PAIRS:
        state, reason = State.INCONCLUSIVE, f"; needs {FEWEST_PAIRS} answers or more"
    elif abs(found.mean) > max_shift and not found.low <= 0 <= found.high:
        state = State.SHIFTED
    elif found.low < -max_shift or found.high > max_shift:
        state, reason = State.INCONCLUSIVE, "; the interval reaches over the bound: a larger control set is needed"
    interval = f" ({found.low:+.4f} to {found.high:+.4f})" if math.isfinite(found.low) else ""
    sentence = (
        f"{state}: moved by {found.mean:+.4f}{interval} on {found.answers} answers since {pinned.at:%Y-%m-%d}, "
        f"bound {max_shift:g}; mean {found.then:.4f} then, {found.now:.4f} now; "
        f"{found.flipped} verdicts changed{reason}"
    )
    return Figure(
        "control_shift",
        state,
        sentence,
        none_if_nan(found.mean),
        found.low if math.isfinite(found.low) else None,
        found.high if math.isfinite(found.high) else None,
        found.answers,
        {
            "max_shift": max_shift,
            "pinned_at": pinned.at.isoformat(),
            "mean_then": none_if_nan(found.then),
            "mean_now": none_if_nan(found.now),
            "flipped": found.flipped,
            "vanished": found.vanished,
            "appeared": found.appeared,
            "failed": found.failed,
        },
    )


def people_figures(answers: JudgedAnswers, human: str, pass_at: float, *, note: str = "") -> list[Figure]:
    """Agreement with people, and the rate of answers that they call bad.

    Args:
        answers: what judge and people said.
        human: name of people's scores.
        pass_at: value of the judge from which an answer passes.
        note: of people's scores, where only those with one were taken.
    """
    labels, bad = len(answers.bad), int(answers.bad.sum())
    have = f"{labels} of {answers.judged} judged answers have a label of {human!r}, {bad} of them bad"
    names = ("kappa", "auroc", "ppi_rate")
    if labels < FEWEST_LABELS:
        return [
            Figure(name, State.TOO_FEW, f"too few labels: {have}; needs {FEWEST_LABELS}", n=labels) for name in names
        ]
    flagged = answers.suspicion > 1 - pass_at
    agreed, ranked = kappa(answers.bad, flagged), auroc(answers.bad, answers.suspicion)
    figures = []
    for name, found, about in (
        ("kappa", agreed, "agreement of verdicts beyond chance"),
        ("auroc", ranked, "probability that a bad answer is judged worse than a good one"),
    ):
        if found is None:
            sentence = f"too few labels: {have}; needs answers of both verdicts"
            figures.append(Figure(name, State.TOO_FEW, sentence, n=labels))
        else:
            sentence = f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f}), {about}; {have}"
            figures.append(Figure(name, State.MEASURED, sentence, found.value, found.low, found.high, labels))
    return [*figures, _rate_figure(answers, human, note)]


def exit_code(figures: Sequence[Figure], *, strict: bool) -> ExitCode:
    """How the command ends: a shift outranks a judge that failed."""
    codes = {_CODE.get(figure.state, ExitCode.PASS) for figure in figures}
    for code in (ExitCode.BELOW, ExitCode.INFRASTRUCTURE, *([ExitCode.INCONCLUSIVE] if strict else [])):
        if code in codes:
            return code
    return ExitCode.PASS


def _rate_figure(answers: JudgedAnswers, human: str, note: str) -> Figure:
    labels = len(answers.bad)
    found = prediction_powered_rate(
        answers.bad, answers.suspicion, answers.other_suspicion, answers.weights, answers.other_weights
    )
    alone = rate_of_labels(answers.bad, answers.weights)
    parts = [
        f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f}) of the answers are bad by {human!r}; "
        f"by the {labels} labels alone {alone.value:.3f} ({alone.low:.3f} to {alone.high:.3f})"
    ]
    if found.tuning:
        parts.append(f"with the judge they are worth {found.effective_labels:.0f} labels")
    else:
        parts.append("the judge adds nothing to them")
    if answers.weighted:
        parts.append(f"{answers.weighted} answers are weighted by what sampling left them to stand for")
    seen = selection(answers)
    chance = "the interval holds if chance decided which answers have a label, "
    chance += f"which is to be so of those noted {note!r}" if note else "and people choose what they rate"
    if seen is not None and seen.p < _SIGNIFICANT:
        direction = "worse" if seen.labelled > seen.others else "better"
        parts.append(
            f"{chance}: the labelled ones are no random part, the judge holds them for {direction} than the others "
            f"(mean {1 - seen.labelled:.3f} against {1 - seen.others:.3f}, 1 is good, p {seen.p:.2g})"
        )
    else:
        parts.append(f"{chance}: the judge sees no difference between labelled and other answers, which is no proof")
    return Figure(
        "ppi_rate",
        State.MEASURED,
        "; ".join(parts),
        found.value,
        found.low,
        found.high,
        labels,
        {
            "judged": answers.judged,
            "tuning": found.tuning,
            "effective_labels": found.effective_labels,
            "labels_alone": {"value": alone.value, "low": alone.low, "high": alone.high},
            "weighted": answers.weighted,
            "selection_p": None if seen is None else seen.p,
        },
    )
