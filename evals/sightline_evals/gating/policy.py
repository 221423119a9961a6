"""What the gate asks for: margins, floors, coverage. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from sightline_evals.errors import UsageError
from sightline_evals.gating.run_report import MEASURES
from sightline_evals.scoring.metrics import METRICS, metric_of

MARGIN: Final = 0.02
"""Drop of a mean score that is tolerated, unless another is named."""
RELATIVE_MARGIN: Final = 0.1
"""Relative rise of a time, a cost or a number of tokens that is tolerated, unless another is named."""
COVERAGE: Final = 0.9
"""Least share of cases that must be compared, unless another is named."""
PASS_AT: Final = 0.5
"""Score from which a case passes, unless another is named: for must-pass cases and for a rerun's disagreement."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What the gate asks for.

    Attributes:
        metrics: metrics to gate; empty for every score of the baseline, and those of `MEASURES` that have a margin.
        margins: tolerated drop of the mean by metric; of `MEASURES` the tolerated relative rise.
        floors: least mean by metric, higher being better.
        ceilings: greatest mean by metric, lower being better.
        coverage: least share of cases compared, by metric; `least_coverage` for the others.
        least_coverage: 0 to 1.
        pass_at: score from which a case passes, by metric; 0.5 for the others.
        lower_is_better: scores whose lower end is the good one, beside those that are known.
        allow_dataset_change: compare the common cases of two datasets.
        strict: an inconclusive comparison fails.

    Raises:
        UsageError: a value is out of its range.
    """

    metrics: tuple[str, ...] = ()
    margins: Mapping[str, float] = field(default_factory=dict)
    floors: Mapping[str, float] = field(default_factory=dict)
    ceilings: Mapping[str, float] = field(default_factory=dict)
    coverage: Mapping[str, float] = field(default_factory=dict)
    least_coverage: float = COVERAGE
    pass_at: Mapping[str, float] = field(default_factory=dict)
    lower_is_better: frozenset[str] = frozenset()
    allow_dataset_change: bool = False
    strict: bool = False

    def __post_init__(self) -> None:
        for values, what in ((self.margins, "margin"), (self.coverage, "coverage")):
            for metric, value in values.items():
                _in_range(f"the {what} of {metric}", value)
        _in_range("the least coverage", self.least_coverage)
        for values in (self.floors, self.ceilings, self.pass_at):
            for metric, value in values.items():
                if not math.isfinite(value):
                    raise UsageError(f"the bound of {metric} is {value}; needs a number")
        for metric in self.floors:
            if self.is_lower_better(metric):
                raise UsageError(f"{metric} has a floor, but lower is better; it needs a ceiling")
        for metric in self.ceilings:
            if not self.is_lower_better(metric):
                raise UsageError(f"{metric} has a ceiling, but higher is better; it needs a floor")

    def margin(self, metric: str) -> float:
        """Tolerated mean change for the worse; of `MEASURES` as a difference of logarithms."""
        if metric in MEASURES:
            return math.log1p(self.margins.get(metric, RELATIVE_MARGIN))
        return self.margins.get(metric, MARGIN)

    def min_coverage(self, metric: str) -> float:
        """Least share of cases that must be compared."""
        return self.coverage.get(metric, self.least_coverage)

    def is_lower_better(self, metric: str) -> bool:
        """Whether the lower end is the good one."""
        known = metric in METRICS and metric_of(metric).lower_is_better
        return metric in MEASURES or metric in self.lower_is_better or known

    def passes(self, metric: str, value: float) -> bool:
        """Whether one case passes by itself."""
        limit = self.pass_at.get(metric, PASS_AT)
        return value <= limit if self.is_lower_better(metric) else value >= limit


def _in_range(what: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise UsageError(f"{what} is {value:g}; needs 0 to 1")
