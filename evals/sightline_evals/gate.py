"""Whether a run passes: summaries and floors in, verdict and reasons out. Pure.

What was not measured does not pass: a run whose judge failed too often, or that has no value for a metric with a
floor, is `INFRASTRUCTURE`, which says that the answers are as unknown as before.
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


def judged(
    summaries: Sequence[Summary],
    floors: Mapping[str, float],
    *,
    max_error_share: float,
    min_scored: int = 1,
) -> Verdict:
    """Hold the means of a run against their floors.

    Args:
        summaries: one a metric.
        floors: least mean by metric.
        max_error_share: share of judge failures, 0 to 1, from above which a metric counts as not measured.
        min_scored: values that a metric with a floor needs to count as measured.
    """
    unmeasured: list[str] = []
    below: list[str] = []
    hold: list[str] = []
    for summary in summaries:
        share = summary.failed / summary.total if summary.total else 0.0
        if share > max_error_share:
            failures = ", ".join(f"{count} {error}" for error, count in summary.errors.items())
            unmeasured.append(
                f"{summary.name}: the judge failed on {summary.failed} of {summary.total} samples "
                f"({share:.0%}, at most {max_error_share:.0%} may): {failures}"
            )
    known = {summary.name: summary for summary in summaries}
    for name, floor in floors.items():
        found = known.get(name)
        if found is None or found.scored < max(1, min_scored) or math.isnan(found.mean):
            scored = found.scored if found else 0
            unmeasured.append(
                f"{name}: {scored} samples have a value, needs {max(1, min_scored)}; nothing measured is no pass"
            )
        elif found.mean < floor:
            below.append(f"{name}: mean {found.mean:.4f} is below {floor:g}")
        else:
            hold.append(f"{name}: mean {found.mean:.4f} is not below {floor:g}")
    if summaries and not any(summary.scored for summary in summaries) and not unmeasured:
        unmeasured.append("no sample has a value for any metric; nothing measured is no pass")
    if unmeasured:
        return Verdict(ExitCode.INFRASTRUCTURE, (*unmeasured, *below))
    if below:
        return Verdict(ExitCode.BELOW, tuple(below))
    return Verdict(ExitCode.PASS, tuple(hold))
