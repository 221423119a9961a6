"""One type for the score of any metric by any judge. Pure.

A score is a number, or NaN with a reason; no number is invented. NaN has two kinds: there should be a number and it
could not be had (`error` is set), or there is nothing to judge, for example an answer that only declines (`error` is
empty). Neither is a pass.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from sightline_evals.datasets import Sample

DECLINED: Final = "no statements"
"""Label of an answer that makes no checkable statement."""
MISSING_INPUT: Final = frozenset({"no answer", "no passages", "no reference"})
"""Labels of a sample that lacks what the metric needs."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What a judge says of one statement or one passage.

    Attributes:
        text: the statement; of a metric that judges passages, ``passage 1`` and so on.
        p_unsupported: probability, 0 to 1, that it is not supported; None where the judge gives verdicts only.
        supported: the verdict; None where the judge gives none.
        reason: why, for a person.
    """

    text: str
    p_unsupported: float | None
    supported: bool | None
    reason: str


@dataclass(frozen=True, slots=True)
class Score:
    """A judge's score of one sample.

    Attributes:
        name: the metric.
        value: 0 to 1; NaN where there is none. `Metric.lower_is_better` says which end is good.
        label: the value in words, or why there is none: ``judge failed``, `DECLINED` or one of `MISSING_INPUT`.
        explanation: the reasons, for a person; at most 2,000 characters.
        error: class of the failure, for example ``JudgeTimeout``; "" where nothing failed.
        judge: name of the judge.
        judge_version: its version.
        prompt_sha256: hash of the instructions that a model was given, without the sample, 64 hex digits: scores of two
            hashes come from two prompts. "" where no model was asked.
        threshold: probability from which the offline judge calls a statement unsupported; None of other judges.
        statements: the evidence, one by one.
    """

    name: str
    value: float
    label: str
    explanation: str
    error: str
    judge: str
    judge_version: str
    prompt_sha256: str = ""
    threshold: float | None = None
    statements: tuple[Statement, ...] = ()

    @property
    def has_value(self) -> bool:
        """Whether there is a value."""
        return not math.isnan(self.value)


@dataclass(frozen=True, slots=True)
class SampleScore:
    """A score and the sample that it is of."""

    sample: Sample
    score: Score
