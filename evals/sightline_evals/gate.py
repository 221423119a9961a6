"""Whether a run passes: summaries and floors in, verdict and reasons out. Pure.

A run whose judge failed too often, or that has no value for a metric with a floor, does not pass: it is
`INFRASTRUCTURE`, which means that the quality of the answers is still unknown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from sightline_evals.summary import Summary


class ExitCode(IntEnum):
    """How `sightline-evals run` ends."""

    PASS = 0
    """All floors hold, or none was set."""
    BELOW = 1
    """A mean is below its floor."""
    USAGE = 2
    """A flag, a setting or the dataset is wrong."""
    INFRASTRUCTURE = 3
    """The judge, the store or the collector failed: the answers were not measured."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of a run.

    Attributes:
        code: how the process should end.
        reasons: one line for each thing that led to it; for a pass, the floors that hold.
    """

    code: ExitCode
    reasons: tuple[str, ...]


def gate_verdict(
    summaries: Sequence[Summary],
    floors: Mapping[str, float],
    *,
    max_error_share: float,
    min_scored: int = 1,
) -> Verdict:
    """Compare the means of a run with their floors.

    Args:
        summaries: one a metric.
        floors: least mean by metric.
        max_error_share: share of judge failures, 0 to 1, from above which a metric counts as not measured.
        min_scored: values that a metric with a floor needs to count as measured.
    """
    unmeasured: list[str] = []
    below: list[str] = []
    passed: list[str] = []
    for summary in summaries:
        share = summary.failed / summary.total if summary.total else 0.0
        if share > max_error_share:
            failures = ", ".join(f"{count} {error}" for error, count in summary.errors.items())
            unmeasured.append(
                f"{summary.name}: the judge failed on {summary.failed} of {summary.total} samples "
                f"({share:.0%}, at most {max_error_share:.0%} may): {failures}"
            )
    summary_by_name = {summary.name: summary for summary in summaries}
    for name, floor in floors.items():
        metric_summary = summary_by_name.get(name)
        if metric_summary is None or metric_summary.scored < max(1, min_scored) or math.isnan(metric_summary.mean):
            scored = metric_summary.scored if metric_summary else 0
            unmeasured.append(
                f"{name}: {scored} samples have a value, needs {max(1, min_scored)}; nothing measured is no pass"
            )
        elif metric_summary.mean < floor:
            below.append(f"{name}: mean {metric_summary.mean:.4f} is below {floor:g}")
        else:
            passed.append(f"{name}: mean {metric_summary.mean:.4f} is not below {floor:g}")
    if summaries and not any(summary.scored for summary in summaries) and not unmeasured:
        unmeasured.append("no sample has a value for any metric; nothing measured is no pass")
    if unmeasured:
        return Verdict(ExitCode.INFRASTRUCTURE, (*unmeasured, *below))
    if below:
        return Verdict(ExitCode.BELOW, tuple(below))
    return Verdict(ExitCode.PASS, tuple(passed))
