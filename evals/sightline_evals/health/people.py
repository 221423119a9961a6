"""What people said of answers beside what the judge said: rows of the store into arrays. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sightline_evals.datasets.stored import Feedback, feedback_of
from sightline_evals.health.agreement import Flags, Floats
from sightline_evals.runs.samples import sampling_weight
from sightline_store.questions.asking import Row


@dataclass(frozen=True, slots=True)
class JudgedAnswers:
    """Answers that a judge gave a value, with what people said of some of them.

    Attributes:
        bad: what people say of the labelled ones, bool[labelled].
        suspicion: how bad the judge holds these for, 0 to 1, float64[labelled].
        weights: how many answers of the traffic each stands for, float64[labelled].
        other_suspicion: the same of the answers without a label, float64[others].
        other_weights: likewise.
    """

    bad: Flags
    suspicion: Floats
    weights: Floats
    other_suspicion: Floats
    other_weights: Floats

    @property
    def judged(self) -> int:
        """Answers in all."""
        return len(self.bad) + len(self.other_suspicion)

    @property
    def weighted(self) -> int:
        """Answers that stand for more than themselves."""
        return int(np.sum(self.weights != 1) + np.sum(self.other_weights != 1))


@dataclass(frozen=True, slots=True)
class Selection:
    """How the labelled answers differ from the others, as the judge sees it.

    Attributes:
        labelled: mean suspicion of those with a label.
        others: mean suspicion of the others.
        p: two-sided p-value of Mann and Whitney's test of "no difference".
    """

    labelled: float
    others: float
    p: float


def judged_answers(rows: Sequence[Row], *, lower_is_better: bool) -> JudgedAnswers:
    """The answers in rows of the question `judge/judged`.

    Args:
        rows: value, is_labelled, said, label, sampling_weight, trace_state.
        lower_is_better: a high value of the metric is bad.
    """
    suspicion = np.array([row["value"] if lower_is_better else 1 - row["value"] for row in rows], dtype=np.float64)
    weights = np.array([sampling_weight(float(row["sampling_weight"]), row["trace_state"]) for row in rows])
    said = [feedback_of({"value": row["said"], "label": row["label"]}) if row["is_labelled"] else None for row in rows]
    labelled = np.array([each is not None for each in said], dtype=np.bool_)
    bad = np.array([each is Feedback.DOWN for each in said], dtype=np.bool_)
    return JudgedAnswers(
        bad[labelled], suspicion[labelled], weights[labelled], suspicion[~labelled], weights[~labelled]
    )


def selection(answers: JudgedAnswers) -> Selection | None:
    """Whether the labelled answers look like the others; None where there are none of either."""
    from scipy import stats  # noqa: PLC0415  a second of every start

    if not len(answers.suspicion) or not len(answers.other_suspicion):
        return None
    tested = stats.mannwhitneyu(answers.suspicion, answers.other_suspicion)
    return Selection(float(answers.suspicion.mean()), float(answers.other_suspicion.mean()), float(tested.pvalue))
