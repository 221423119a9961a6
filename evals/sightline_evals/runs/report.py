"""A run for a person (a table) and for a program (one JSON object, schema `SCHEMA`). Pure, but for the stream."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import IO, Any, Final

from sightline_evals.gate import Verdict
from sightline_evals.report_file import SCHEMA
from sightline_evals.runs.records import line_of, none_if_nan
from sightline_evals.runs.summary import RESAMPLES, Summary

_INTERVAL: Final = (
    f"95%, percentile bootstrap over conversations, weighted, {RESAMPLES} resamples; "
    "Wilson's where all values are equal"
)
_MAX_REASON: Final = 160


@dataclass(frozen=True, slots=True)
class Usage:
    """What the judge cost, in the process that wrote the report.

    Attributes:
        judge_calls: calls that were made.
        cached_calls: answers that were known already.
        input_tokens: tokens that the judge read.
        output_tokens: tokens that it wrote.
        cost_usd: None where the price is unknown; 0 where no model judges.
    """

    judge_calls: int = 0
    cached_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = 0.0


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
        notes: remarks, for example "extractive, no LLM".
        sent: scores that the collector accepted; None where sending is off.
        metrics: what was measured.
        started_at: when scoring began, UTC.
        drawn_from: traces that the samples could have been drawn from; None of a dataset.
        incomplete: traces that had no question, answer or passage.
        dataset: name, sha256 and rows; None of stored traces.
        sampling: strategy and seed; None of a dataset.
        usage: what the judge cost.
    """

    id: str
    source: str
    judge: str
    judge_version: str
    samples: int
    duration_s: float
    notes: tuple[str, ...]
    sent: int | None
    metrics: tuple[str, ...] = ()
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    drawn_from: int | None = None
    incomplete: int = 0
    dataset: Mapping[str, Any] | None = None
    sampling: Mapping[str, Any] | None = None
    usage: Usage = field(default_factory=Usage)


def table(run: Run, summaries: Sequence[Summary], verdict: Verdict, outcome: str = "") -> str:
    """The run as text: one line for each metric, then remarks and the verdict."""
    head = ("metric", "mean", "95% interval", "scored", "NaN", "failed", "coverage", "worst to best case")
    rows = [
        (
            summary.name,
            _number(summary.mean),
            f"{_number(summary.low)} to {_number(summary.high)}" if not math.isnan(summary.low) else "-",
            str(summary.scored),
            str(summary.nan),
            str(summary.failed),
            f"{summary.coverage:.0%}",
            f"{_number(min(bounds))} to {_number(max(bounds))}"
            if summary.failed and not math.isnan((bounds := (summary.worst_case_mean, summary.best_case_mean))[0])
            else "-",
        )
        for summary in summaries
    ]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = [
        f"run {run.id}: {run.samples} samples from {run.source}",
        *([f"drawn from {run.drawn_from} traces{_strategy(run)}"] if run.drawn_from is not None else []),
        f"judge: {run.judge}, version {run.judge_version}; {run.duration_s:.1f} s"
        + (f", {1000 * run.duration_s / run.samples:.0f} ms a sample" if run.samples else ""),
        *_spent(run.usage),
        *(f"answers: {note}" for note in run.notes),
        "",
        *("  ".join(_cells(row, widths)).rstrip() for row in (head, tuple("-" * width for width in widths), *rows)),
        "",
        *(
            f"{summary.name}: {count} x {error}, counted as NaN: {_short(summary.reasons.get(error, ''))}"
            for summary in summaries
            for error, count in summary.errors.items()
        ),
    ]
    if run.sent is not None:
        lines.append(f"{run.sent} scores sent to the collector")
    lines += [f"{outcome or verdict.code.name.lower()}: {reason}" for reason in verdict.reasons]
    return "\n".join(lines).rstrip() + "\n"


def write_json(
    stream: IO[str],
    run: Run,
    summaries: Sequence[Summary],
    verdict: Verdict,
    *,
    cases: Iterable[Mapping[str, Any]],
    scores: Iterable[Mapping[str, Any]],
    exit_code: int | None = None,
    outcome: str = "",
    indent: bool = True,
) -> None:
    """Write the run as one JSON object, `cases` and `scores` one by one as they are read.

    Args:
        stream: where to.
        run: its facts.
        summaries: one a metric.
        verdict: what it came to.
        cases: records of `runs.records.case_record`.
        scores: records of `runs.records.score_record`.
        exit_code: where it is not the verdict's.
        outcome: where it is not the verdict's.
        indent: on several lines.
    """
    facts = asdict(run)
    facts["started_at"] = run.started_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    head = {
        "schema": SCHEMA,
        "run": facts,
        "exit_code": int(verdict.code) if exit_code is None else exit_code,
        "outcome": outcome or verdict.code.name.lower(),
        "reasons": list(verdict.reasons),
        "interval": _INTERVAL,
        "metrics": {summary.name: _metric(summary) for summary in summaries},
    }
    between, begin = ("\n", "  ") if indent else ("", "")
    stream.write(f"{{{between}")
    for name, value in head.items():
        stream.write(f"{begin}{json.dumps(name)}: {line_of(value)},{between}")
    for name, records, end in (("cases", cases, ","), ("scores", scores, "")):
        stream.write(f"{begin}{json.dumps(name)}: [")
        for place, record in enumerate(records):
            stream.write(f"{',' if place else ''}{between}{begin * 2}{line_of(record)}")
        stream.write(f"{between}{begin}]{end}{between}")
    stream.write("}\n")


def _metric(summary: Summary) -> dict[str, Any]:
    return {
        "mean": none_if_nan(summary.mean),
        "low": none_if_nan(summary.low),
        "high": none_if_nan(summary.high),
        "scored": summary.scored,
        "nan": summary.nan,
        "failed": summary.failed,
        "nothing_to_judge": summary.nothing_to_judge,
        "errors": summary.errors,
        "error_reasons": summary.reasons,
        "coverage": summary.coverage,
        "worst_case_mean": none_if_nan(summary.worst_case_mean),
        "best_case_mean": none_if_nan(summary.best_case_mean),
    }


def _strategy(run: Run) -> str:
    return f", strategy {run.sampling['strategy']}" if run.sampling else ""


def _spent(usage: Usage) -> list[str]:
    if not usage.judge_calls and not usage.cached_calls:
        return []
    cost = "cost unknown" if usage.cost_usd is None else f"${usage.cost_usd:.4f}"
    cached = f", {usage.cached_calls} answers known already" if usage.cached_calls else ""
    tokens = f"{usage.input_tokens} tokens in, {usage.output_tokens} out"
    return [f"spent: {usage.judge_calls} calls{cached}, {tokens}, {cost}"]


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MAX_REASON else line[: _MAX_REASON - 1] + "…"


def _cells(row: tuple[str, ...], widths: list[int]) -> list[str]:
    return [
        cell.ljust(width) if column == 0 else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]


def _number(value: float) -> str:
    return "NaN" if math.isnan(value) else f"{value:.3f}"
