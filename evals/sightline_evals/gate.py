"""Whether a run passes: summaries and floors in, verdict and reasons out. Pure.

Nothing unknown passes. For each metric that has a floor (or a ceiling, where lower is better):

* enough of its samples must have a score (`Rules.min_coverage`): refusals, samples without a reference and failures all
  count against it;
* the mean must hold its floor, and still hold it if every score that could not be had were the worst one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from sightline_evals.runs.summary import Summary
from sightline_evals.scoring.metrics import metric_of

TOLERANCE: Final = 1e-6
"""How far a mean may miss its floor and still be equal to it: scores are rounded to six decimals."""


class ExitCode(IntEnum):
    """How `sightline-evals run` ends."""

    PASS = 0
    """All floors hold, or none was set."""
    BELOW = 1
    """A mean is below its floor, or too many answers made no statement that could be judged."""
    USAGE = 2
    """A flag, a setting or the dataset is wrong."""
    INFRASTRUCTURE = 3
    """The judge, the store, the application or the collector failed, or nothing was there to be judged: the quality of
    the answers is unknown."""
    INCONCLUSIVE = 4
    """The scores do not decide the question; given only where a person asked for it with `--strict`."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of a run.

    Attributes:
        code: how the process should end.
        reasons: one line for each thing that led to it; for a pass, the floors that hold.
    """

    code: ExitCode
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What a run needs beside its floors.

    Attributes:
        max_error_share: share of failed scores, 0 to 1, from above which a metric counts as not measured.
        min_scored: scores that a metric with a floor needs.
        min_coverage: share of the samples, 0 to 1, that a metric with a floor needs a score of; by metric, "" for all
            others.
        errors_count_as_failures: a score that could not be had counts as the worst one, and is no failure of the run.
        allow_empty: a run without any sample to judge passes.
        strict: a mean that holds its floor while its interval does not is inconclusive.
    """

    max_error_share: float = 0.1
    min_scored: int = 1
    min_coverage: Mapping[str, float] = field(default_factory=lambda: {"": 0.9})
    errors_count_as_failures: bool = False
    allow_empty: bool = False
    strict: bool = False

    def coverage_of(self, name: str) -> float:
        """The least coverage of a metric."""
        return self.min_coverage.get(name, self.min_coverage.get("", 0.9))


def gate_verdict(summaries: Sequence[Summary], floors: Mapping[str, float], rules: Rules | None = None) -> Verdict:
    """Compare the means of a run with their floors.

    Args:
        summaries: one a metric.
        floors: least mean by metric; of a metric where lower is better, the greatest.
        rules: what is needed beside them.
    """
    rules = rules or Rules()
    found: dict[ExitCode, list[str]] = {code: [] for code in ExitCode}
    if not any(summary.scored for summary in summaries):
        code, reason = _nothing_judged(summaries, rules)
        found[code].append(reason)
        if code is ExitCode.PASS:
            floors = {}
    if not rules.errors_count_as_failures:
        for summary in summaries:
            share = summary.failed / summary.total if summary.total else 0.0
            if share > rules.max_error_share:
                found[ExitCode.INFRASTRUCTURE].append(
                    f"{summary.name}: no score of {summary.failed} of {summary.total} samples "
                    f"({share:.0%}, at most {rules.max_error_share:.0%} may fail): {_failures(summary)}"
                )
    summary_of = {summary.name: summary for summary in summaries}
    for name, floor in floors.items():
        code, reason = _of_floor(name, floor, summary_of.get(name), rules)
        found[code].append(reason)
    for code in (ExitCode.INFRASTRUCTURE, ExitCode.BELOW, ExitCode.INCONCLUSIVE):
        if found[code]:
            worse = [] if code is not ExitCode.INFRASTRUCTURE else found[ExitCode.BELOW]
            return Verdict(code, (*found[code], *worse))
    return Verdict(ExitCode.PASS, tuple(found[ExitCode.PASS]))


def _nothing_judged(summaries: Sequence[Summary], rules: Rules) -> tuple[ExitCode, str]:
    if not any(summary.failed for summary in summaries) and rules.allow_empty:
        return ExitCode.PASS, "nothing was there to be judged, which --allow-empty allows"
    if not summaries:
        return ExitCode.INFRASTRUCTURE, "no sample was found; nothing measured is no pass (--allow-empty lets it pass)"
    return ExitCode.INFRASTRUCTURE, "no sample has a value for any metric; nothing measured is no pass"


def _of_floor(name: str, floor: float, summary: Summary | None, rules: Rules) -> tuple[ExitCode, str]:
    """What one floor comes to, and a sentence that says why."""
    least = max(1, rules.min_scored)
    failures_count = rules.errors_count_as_failures
    scored = 0 if summary is None else summary.scored + (summary.failed if failures_count else 0)
    if summary is None or scored < least or summary.scored == 0:
        return (
            ExitCode.INFRASTRUCTURE,
            f"{name}: {scored} samples have a value, needs {least}; nothing measured is no pass",
        )
    least_coverage = rules.coverage_of(name)
    if scored / summary.total < least_coverage - TOLERANCE:
        missing = _missing(summary, with_failures=not failures_count)
        reason = (
            f"{name}: {scored} of {summary.total} samples have a value ({scored / summary.total:.0%}, "
            f"--min-coverage needs {least_coverage:.0%}): {missing}"
        )
        would_do = (scored + summary.declined) / summary.total >= least_coverage - TOLERANCE
        return (ExitCode.BELOW if would_do else ExitCode.INFRASTRUCTURE), reason
    mean = summary.worst_case_mean if failures_count else summary.mean
    lower_is_better = metric_of(name).lower_is_better
    beyond, within = ("is above", "is not above") if lower_is_better else ("is below", "is not below")
    if not _holds(summary.best_case_mean if not failures_count else mean, floor, lower_is_better=lower_is_better):
        return ExitCode.BELOW, f"{name}: mean {_told(mean, floor)} {beyond} {floor:g}"
    if not failures_count and not _holds(summary.worst_case_mean, floor, lower_is_better=lower_is_better):
        lowest, highest = sorted((summary.worst_case_mean, summary.best_case_mean))
        return (
            ExitCode.INFRASTRUCTURE,
            f"{name}: mean {_told(mean, floor)} of {summary.scored} is undecided against {floor:g}: with the "
            f"{summary.failed} that could not be scored it is {lowest:.4f} to {highest:.4f}: {_failures(summary)}",
        )
    end = summary.high if lower_is_better else summary.low
    if rules.strict and (math.isnan(end) or not _holds(end, floor, lower_is_better=lower_is_better)):
        interval = "no interval" if math.isnan(end) else f"interval {summary.low:.4f} to {summary.high:.4f}"
        return (
            ExitCode.INCONCLUSIVE,
            f"{name}: mean {mean:.4f} {within} {floor:g}, but its {interval} does not exclude it (--strict)",
        )
    return ExitCode.PASS, f"{name}: mean {mean:.4f} {within} {floor:g}"


def _holds(mean: float, floor: float, *, lower_is_better: bool) -> bool:
    return mean <= floor + TOLERANCE if lower_is_better else mean >= floor - TOLERANCE


def _told(mean: float, floor: float) -> str:
    """A mean with as many decimals as tell it from its floor."""
    return next((text for digits in (4, 6) if float(text := f"{mean:.{digits}f}") != floor), f"{mean:.9f}")


def _failures(summary: Summary) -> str:
    return ", ".join(f"{count} {error}" for error, count in summary.errors.items())


def _missing(summary: Summary, *, with_failures: bool) -> str:
    parts = [f"{summary.declined} answers make no statement"] * bool(summary.declined)
    parts += [f"{summary.lacking} lack what the metric needs"] * bool(summary.lacking)
    parts += [f"{summary.failed} could not be scored ({_failures(summary)})"] * bool(summary.failed and with_failures)
    return ", ".join(parts)
