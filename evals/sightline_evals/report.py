"""A run for a person (a table) and for a program (one JSON object). Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sightline_evals.gate import Verdict
from sightline_evals.scorers import SampleScore
from sightline_evals.summary import RESAMPLES, Summary


@dataclass(frozen=True, slots=True)
class Run:
    """The facts of a run beside its scores.

    Attributes:
        id: sent with every score.
        source: origin of the samples, in words.
        judge: name of the judge.
        judge_version: its version.
        samples: how many.
        duration_s: seconds that scoring took.
        notes: remarks on the answers, for example "extractive, no LLM".
        sent: scores that the collector accepted; None where sending is off.
    """

    id: str
    source: str
    judge: str
    judge_version: str
    samples: int
    duration_s: float
    notes: tuple[str, ...]
    sent: int | None


def table(run: Run, summaries: Sequence[Summary], verdict: Verdict) -> str:
    """The run as text: one line for each metric, then remarks and the verdict."""
    head = ("metric", "mean", "95% interval", "scored", "NaN", "of these failed")
    rows = [
        (
            summary.name,
            _number(summary.mean),
            f"{_number(summary.low)} to {_number(summary.high)}" if summary.scored > 1 else "-",
            str(summary.scored),
            str(summary.nan),
            str(summary.failed),
        )
        for summary in summaries
    ]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = [
        f"run {run.id}: {run.samples} samples from {run.source}",
        f"judge: {run.judge}, version {run.judge_version}; {run.duration_s:.1f} s"
        + (f", {1000 * run.duration_s / run.samples:.0f} ms a sample" if run.samples else ""),
        *(f"answers: {note}" for note in run.notes),
        "",
        *("  ".join(_cells(row, widths)).rstrip() for row in (head, tuple("-" * width for width in widths), *rows)),
        "",
        *(
            f"{summary.name}: {count} x {error}, counted as NaN"
            for summary in summaries
            for error, count in summary.errors.items()
        ),
    ]
    if run.sent is not None:
        lines.append(f"{run.sent} scores sent to the collector")
    lines += [f"{verdict.code.name.lower()}: {reason}" for reason in verdict.reasons]
    return "\n".join(lines).rstrip() + "\n"


def as_json(
    run: Run, summaries: Sequence[Summary], verdict: Verdict, sample_scores: Sequence[SampleScore]
) -> dict[str, Any]:
    """The run as JSON values; NaN is null, because JSON has none."""
    return {
        "run": asdict(run),
        "exit_code": int(verdict.code),
        "outcome": verdict.code.name.lower(),
        "reasons": list(verdict.reasons),
        "interval": f"95%, percentile bootstrap, {RESAMPLES} resamples",
        "metrics": {
            summary.name: {
                "mean": _or_none(summary.mean),
                "low": _or_none(summary.low),
                "high": _or_none(summary.high),
                "scored": summary.scored,
                "nan": summary.nan,
                "failed": summary.failed,
                "nothing_to_judge": summary.nothing_to_judge,
                "errors": summary.errors,
            }
            for summary in summaries
        },
        "scores": [
            {
                "sample": sample_score.sample.id,
                "trace_id": sample_score.sample.trace_id or None,
                "tenant": sample_score.sample.tenant or None,
                "metric": sample_score.score.name,
                "value": _or_none(sample_score.score.value),
                "label": sample_score.score.label,
                "explanation": sample_score.score.explanation,
                "error": sample_score.score.error or None,
                "judge": sample_score.score.judge,
                "judge_version": sample_score.score.judge_version,
                "note": sample_score.sample.note or None,
            }
            for sample_score in sample_scores
        ],
    }


def _cells(row: tuple[str, ...], widths: list[int]) -> list[str]:
    return [
        cell.ljust(width) if column == 0 else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]


def _number(value: float) -> str:
    return "NaN" if math.isnan(value) else f"{value:.3f}"


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
