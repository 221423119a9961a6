"""What a run of the demo showed: pure functions from the roles' own numbers to one record, a table and a verdict.

Every number comes from a role's interface: the `demo_summary` query of the store, the counters of the library in each
process that emitted spans, and the counters of the collector. Unknown stays unknown (`None`), never 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.table import Table

_MAX_REASONS = 4
_MAX_SHOWN_CHARS = 300


@dataclass(frozen=True)
class WorstAnswer:
    """The answer with the lowest faithfulness, and what the judge says of it."""

    faithfulness: float
    trace_id: str
    question: str
    answer: str
    reasons: str
    """The judge's explanation, a line each statement: `- ` before those that the passages do not support."""


@dataclass(frozen=True)
class Summary:
    """The numbers of one run. Times of requests are in milliseconds, `ready_s` and `wall_s` in seconds."""

    requests: int | None = None
    errors: int | None = None
    error_types: str | None = None
    ttft_p50_ms: float | None = None
    ttft_p95_ms: float | None = None
    total_p50_ms: float | None = None
    total_p95_ms: float | None = None
    queue_p50_ms: float | None = None
    queue_p95_ms: float | None = None
    prompt_p50_ms: float | None = None
    prompt_p95_ms: float | None = None
    input_tokens: int | None = None
    cached_input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    priced_as: str | None = None
    retrieval_hit_at_5: float | None = None
    faithfulness: float | None = None
    faithfulness_low: float | None = None
    faithfulness_high: float | None = None
    faithfulness_n: int | None = None
    judge: str | None = None
    worst: WorstAnswer | None = None
    spans_emitted: int | None = None
    spans_dropped: int | None = None
    spans_received: int | None = None
    spans_stored: int | None = None
    ready_s: float | None = None
    wall_s: float | None = None
    embedding: str | None = None
    retrieval_backend: str | None = None
    model: str | None = None
    restarts: Mapping[str, int] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as JSON values, with `lost` counted and no NaN."""
        values = {name: _jsonable(value) for name, value in asdict(self).items()}
        return {**values, "spans_lost": self.spans_lost, "ok": self.is_whole}

    @property
    def spans_lost(self) -> int | None:
        """Spans that were emitted and are not stored; None when either is unknown."""
        if self.spans_emitted is None or self.spans_stored is None:
            return None
        return max(0, self.spans_emitted - self.spans_stored, self.spans_dropped or 0)  # emitted: dropped ones, too

    @property
    def is_whole(self) -> bool:
        """True when spans were emitted and every one of them is stored."""
        return bool(self.spans_emitted) and self.spans_lost == 0


def _jsonable(value: Any) -> Any:
    if isinstance(value, float):
        return None if math.isnan(value) or math.isinf(value) else round(value, 6)
    return list(value) if isinstance(value, tuple) else value


def worst_answer(scored: Mapping[str, Any]) -> WorstAnswer | None:
    """Return the answer that was judged least faithful; None where none was judged.

    Args:
        scored: JSON of `sightline-evals run`, schema ``sightline-evals/2``.
    """
    judged = [
        (value, row)
        for row in scored.get("scores") or ()
        if row.get("metric") == "faithfulness" and (value := number(row.get("value"))) is not None
    ]
    if not judged:
        return None
    value, row = min(judged, key=lambda pair: pair[0])
    judged_case: Mapping[str, Any] = next(
        (each for each in scored.get("cases") or () if each.get("case") == row.get("case")), {}
    )
    question, answer = (" ".join(str(judged_case.get(name) or "").split()) for name in ("question", "answer"))
    trace_id = str(judged_case.get("trace_id") or "")
    return WorstAnswer(value, trace_id, question, answer, str(row.get("explanation") or ""))


def number(value: Any) -> float | None:
    """Read a number as ClickHouse's JSON gives it: numeric, quoted, null or nan."""
    if value is None or isinstance(value, bool):
        return None
    try:
        parsed = float(value)
    except (TypeError, ValueError):
        return None
    return None if math.isnan(parsed) or math.isinf(parsed) else parsed


def count(value: Any) -> int | None:
    """Read a count; None when there is none."""
    parsed = number(value)
    return None if parsed is None else int(parsed)


def first_row(value: Any) -> Mapping[str, Any]:
    """Return the one row of a query's JSON: a row, a list of rows, or ClickHouse's `{"data": [...]}`; else empty."""
    if isinstance(value, dict) and isinstance(value.get("data"), list):
        value = value["data"]
    if isinstance(value, list):
        value = value[0] if value else {}
    return value if isinstance(value, dict) else {}


def milliseconds(value: float | None) -> str:
    """Write a duration: `412 ms`, from one second on `2.31 s`; unknown as `unknown`."""
    if value is None:
        return "unknown"
    return f"{value:.0f} ms" if value < 1000 else f"{value / 1000:.2f} s"


def _whole(value: int | None) -> str:
    return "unknown" if value is None else f"{value:,}"


def _share(value: float | None, suffix: str = "") -> str:
    return "unknown" if value is None else f"{value:.2f}{suffix}"


def _model_times(summary: Summary) -> list[tuple[str, str]]:
    """What the model server did until its first token; nothing where it does not say so."""
    if summary.prompt_p50_ms is None:
        return []
    rows = (
        ("  in the model's queue", summary.queue_p50_ms, summary.queue_p95_ms),
        ("  reading the prompt", summary.prompt_p50_ms, summary.prompt_p95_ms),
    )
    return [(name, f"p50 {milliseconds(half)}   p95 {milliseconds(most)}") for name, half, most in rows]


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN_CHARS else f"{text[: _MAX_SHOWN_CHARS - 1]}…"


def _worst_rows(worst: WorstAnswer) -> list[tuple[str, str]]:
    rows = [("Least faithful answer", f"{worst.faithfulness:.2f}  trace {worst.trace_id}")]
    if worst.question:
        rows += [("  question", worst.question), ("  answer", _shortened(worst.answer))]
    reasons = [line for line in worst.reasons.splitlines() if not line.startswith("+ ")]
    return [*rows, *(("  judge", line) for line in reasons[:_MAX_REASONS])]


def table(summary: Summary) -> Table:
    """Return the summary as a table for the terminal."""
    grid = Table(title="What the demo showed", title_justify="left", show_header=False, pad_edge=False)
    grid.add_column(style="dim")
    grid.add_column()
    cost = "unknown" if summary.cost_usd is None else f"${summary.cost_usd:.4f}"
    if summary.priced_as:
        cost += f'  as if "{summary.priced_as}"'
    interval = ""
    if summary.faithfulness_low is not None and summary.faithfulness_high is not None:
        interval = f" (95% interval {summary.faithfulness_low:.2f} to {summary.faithfulness_high:.2f})"
    judged = f", n = {_whole(summary.faithfulness_n)}" + (f", judge {summary.judge}" if summary.judge else "")
    dropped = f"  ({summary.spans_dropped:,} dropped before they were sent)" if summary.spans_dropped else ""
    rows = [
        (
            "Requests",
            f"{_whole(summary.requests)}, {_whole(summary.errors)} with an error"
            + (f" ({summary.error_types})" if summary.error_types else ""),
        ),
        (
            "Time to first token",
            f"p50 {milliseconds(summary.ttft_p50_ms)}   p95 {milliseconds(summary.ttft_p95_ms)}   (delivered)",
        ),
        *_model_times(summary),
        ("Total time", f"p50 {milliseconds(summary.total_p50_ms)}   p95 {milliseconds(summary.total_p95_ms)}"),
        (
            "Tokens",
            f"{_whole(summary.input_tokens)} in"
            + (f" ({summary.cached_input_tokens:,} of them cached)" if summary.cached_input_tokens else "")
            + f", {_whole(summary.output_tokens)} out",
        ),
        ("Cost", cost),
        ("Retrieval hit rate@5", _share(summary.retrieval_hit_at_5)),
        ("Faithfulness", _share(summary.faithfulness, interval + judged)),
        (
            "Spans",
            f"{_whole(summary.spans_emitted)} emitted, {_whole(summary.spans_received)} received, "
            f"{_whole(summary.spans_stored)} stored{dropped}",
        ),
        ("Embedding", summary.embedding or "unknown"),
        ("Retrieval", summary.retrieval_backend or "unknown"),
        ("Model", summary.model or "unknown"),
    ]
    if summary.restarts:
        rows.append(("Started again", ", ".join(f"{name} {times}x" for name, times in summary.restarts.items())))
    if summary.worst is not None:
        rows += _worst_rows(summary.worst)
    rows += [("Note", note) for note in summary.notes]
    for name, text in rows:
        grid.add_row(name, text)
    return grid
