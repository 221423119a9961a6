"""The gate's result for a person at a terminal. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sightline_evals.gating.inference import p_text
from sightline_evals.gating.results import GateResult, MetricComparison, Outcome
from sightline_evals.untrusted import on_a_line

COLUMNS = ("metric", "base", "new", "change", "95% bounds", "p (Holm)", "verdict", "detectable")
"""Headings; one-sided bounds; `detectable` is the true drop that is reported with a chance of 80%."""


def table(result: GateResult) -> str:
    """A line for each metric, then what else was checked, remarks, and the outcome."""
    lines = [f"gate: {on_a_line(result.current.run_id, 80)} against {_baselines(result)}", ""]
    if result.comparisons:
        rows = [COLUMNS, *(cells(comparison) for comparison in result.comparisons)]
        rows = [(on_a_line(row[0], 40), *row[1:]) for row in rows]
        widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
        rows.insert(1, tuple("-" * width for width in widths))
        lines += [_line(row, widths) for row in rows]
        lines += ["", *(on_a_line(note) for note in footnotes(result)), ""]
    lines += [f"{check.outcome}: {on_a_line(check.name, 80)}: {on_a_line(check.reason)}" for check in result.checks]
    lines += [f"note: {on_a_line(note)}" for note in result.notes]
    lines += [
        f"quarantined in {on_a_line(metric, 40)}, a rerun gave another verdict: "
        + ", ".join(on_a_line(case_id, 80) for case_id in case_ids)
        for metric, case_ids in result.quarantined.items()
    ]
    lines += [
        f"worse: {on_a_line(case.case_id, 80)}: {on_a_line(case.metric, 40)} {case.base:.3f} -> {case.new:.3f}: "
        f"{on_a_line(case.question, 100)}"
        for case in result.worst
    ]
    lines += ["", headline(result)]
    return "\n".join(lines) + "\n"


def headline(result: GateResult) -> str:
    """The outcome, and how the process ends."""
    counts = {outcome: sum(check.outcome is outcome for check in result.checks) for outcome in Outcome}
    told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    tolerated = " (a warning; --strict fails)" if result.outcome is Outcome.INCONCLUSIVE and not result.strict else ""
    return f"{result.outcome}{tolerated}: {told}; exit code {int(result.code)}"


def cells(comparison: MetricComparison) -> tuple[str, ...]:
    """One metric as texts, in the order of `COLUMNS`; the first is untrusted."""
    number = _percent if comparison.is_relative else _number
    detectable = "none" if comparison.detectable is None else number(abs(comparison.shown(-comparison.detectable)))
    low, high = comparison.interval
    return (
        comparison.metric,
        _value(comparison.base_mean),
        _value(comparison.new_mean),
        number(comparison.delta, signed=True),
        f"{number(low, signed=True)} to {number(high, signed=True)}" if comparison.inference else "-",
        p_text(comparison.adjusted_p) if comparison.inference else "-",
        str(comparison.check.outcome),
        detectable if comparison.inference else "-",
    )


def footnotes(result: GateResult) -> list[str]:
    """What the numbers are."""
    notes = []
    for comparison in result.comparisons:
        if comparison.inference is not None:
            changes = comparison.pairs.summed()
            spread = "one case" if math.isnan(changes.sd) else f"SD of a case's change {changes.sd:.3f}"
            worst_case = comparison.worst_case_lower - comparison.inference.lower
            hidden = "" if worst_case >= -1e-9 else f", worst case {comparison.worst_case_lower:+.4f}"
            notes.append(
                f"{comparison.metric}: {len(comparison.pairs.case_ids)} of {comparison.pairs.expected} cases in "
                f"{changes.clusters} conversations, {changes.changed} changed, {spread}; "
                f"{comparison.inference.method}{hidden}"
            )
    if any(comparison.is_relative for comparison in result.comparisons):
        notes.append("times, costs and tokens: the change is the geometric mean of the cases' ratios")
    return notes


def _baselines(result: GateResult) -> str:
    names = [on_a_line(report.run_id, 80) for report in result.baselines]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "") if names else "no baseline"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        cell.ljust(width) if column == 0 else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join((first, *others)).rstrip()


def _value(value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:.3f}" if abs(value) < 100 else f"{value:,.0f}"


def _number(value: float, *, signed: bool = False) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:+.3f}" if signed else f"{value:.3f}"


def _percent(value: float, *, signed: bool = False) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:+.1%}" if signed else f"{value:.1%}"
