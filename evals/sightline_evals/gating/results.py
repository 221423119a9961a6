"""What the gate says: checks with an outcome each, the metrics behind them, and the cases that lost most. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from sightline_evals.gate import ExitCode
from sightline_evals.gating.changes import Floats
from sightline_evals.gating.inference import Inference
from sightline_evals.gating.pairing import Pairs
from sightline_evals.gating.run_report import MEASURES, RunReport

NO_BASELINE: Final = "baseline"
"""Name of the check that says that there is no baseline yet."""


class Outcome(StrEnum):
    """What a check says, the graver first."""

    REGRESSION = "regression"
    UNMEASURED = "not measured"
    INCONCLUSIVE = "inconclusive"
    PASS = "pass"  # noqa: S105 - no password


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that the gate looked at.

    Attributes:
        name: for example ``faithfulness``, ``floor of faithfulness``, ``must pass: case-7``.
        outcome: what it says.
        reason: why, in a sentence.
    """

    name: str
    outcome: Outcome
    reason: str


@dataclass(frozen=True, slots=True)
class MetricComparison:
    """One metric of two runs, with what it shows.

    Attributes:
        pairs: the cases.
        inference: None where nothing could be compared.
        adjusted_p: p-value after Holm.
        margin: tolerated change for the worse; a difference of logarithms for `MEASURES`.
        worst_case_lower: lower bound of the change if every missing case had changed for the worst.
        detectable: least true drop that would be reported with a chance of 80%; None where there is none.
        lower_is_better: the sign of `delta` is that of new less base; a change for the worse is positive then.
        check: the outcome.
    """

    pairs: Pairs
    inference: Inference | None
    adjusted_p: float
    margin: float
    worst_case_lower: float
    detectable: float | None
    lower_is_better: bool
    check: Check

    @property
    def metric(self) -> str:
        """Its name."""
        return self.pairs.metric

    @property
    def is_relative(self) -> bool:
        """Whether changes are shares of the baseline."""
        return self.metric in MEASURES

    @property
    def base_mean(self) -> float:
        """Weighted mean of the baseline over the pairs; NaN without one."""
        return _mean(self.pairs.base, self.pairs.weights)

    @property
    def new_mean(self) -> float:
        """Weighted mean of the current run over the pairs; NaN without one."""
        return _mean(self.pairs.new, self.pairs.weights)

    @property
    def delta(self) -> float:
        """New less base, or the relative change; NaN without a pair."""
        return math.nan if self.inference is None else self.shown(self.inference.change)

    @property
    def interval(self) -> tuple[float, float]:
        """The one-sided 95% bounds of `delta`, the lower first; (NaN, NaN) without a pair."""
        if self.inference is None:
            return math.nan, math.nan
        low, high = sorted((self.shown(self.inference.lower), self.shown(self.inference.upper)))
        return low, high

    def shown(self, change: float) -> float:
        """A change for the better as new less base; of `MEASURES` as a share of the baseline."""
        difference = -change if self.lower_is_better else change
        if not self.is_relative:
            return difference
        return math.expm1(min(difference, 700.0))


@dataclass(frozen=True, slots=True)
class WorseCase:
    """A case that became worse, side by side.

    Attributes:
        case_id: the case.
        metric: that in which it lost most.
        base: value in the baseline.
        new: value in the current run.
        question: what was asked.
        base_answer: answer of the newest baseline that has the case.
        new_answer: answer of the current run.
        unsupported: statements of the new answer that the judge found unsupported.
    """

    case_id: str
    metric: str
    base: float
    new: float
    question: str
    base_answer: str
    new_answer: str
    unsupported: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GateResult:
    """What the gate says.

    Attributes:
        current: the run.
        baselines: what it was compared with, the newest first; empty where there was none yet.
        comparisons: one a gated metric.
        checks: all of them: metrics, floors, must-pass cases.
        worst: cases that lost most, at most ten.
        quarantined: flaky cases by metric.
        notes: remarks that change no outcome.
        strict: whether an inconclusive comparison fails.
    """

    current: RunReport
    baselines: tuple[RunReport, ...]
    comparisons: tuple[MetricComparison, ...]
    checks: tuple[Check, ...]
    worst: tuple[WorseCase, ...]
    quarantined: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...]
    strict: bool

    def __bool__(self) -> bool:
        return self.code is ExitCode.PASS

    def __repr__(self) -> str:
        """The outcome and what led to it, for an assert that fails."""
        reasons = "; ".join(f"{check.name}: {check.reason}" for check in self.checks if check.outcome is self.outcome)
        return f"<{type(self).__name__} {self.outcome}: {reasons}>"

    @property
    def outcome(self) -> Outcome:
        """The gravest of all checks; a drop that was shown outranks what could not be measured."""
        outcomes = {check.outcome for check in self.checks}
        return next((outcome for outcome in Outcome if outcome in outcomes), Outcome.INCONCLUSIVE)

    @property
    def code(self) -> ExitCode:
        """How the process should end."""
        return {
            Outcome.REGRESSION: ExitCode.BELOW,
            Outcome.UNMEASURED: ExitCode.INFRASTRUCTURE,
            Outcome.INCONCLUSIVE: ExitCode.INCONCLUSIVE if self.strict else ExitCode.PASS,
            Outcome.PASS: ExitCode.PASS,
        }[self.outcome]


def _mean(values: Floats, weights: Floats) -> float:
    return float(np.average(values, weights=weights)) if len(values) else math.nan
