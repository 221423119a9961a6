"""The numbers of two traces side by side: times, tokens, cost and scores. Pure; what is unknown stays unknown."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sightline_dashboards import formats
from sightline_dashboards.trace_detail.waterfall import Trace

Rows = Sequence[Mapping[str, Any]]
Write = Callable[[float | None], str]

NONE = "-"
"""In place of a number that a trace does not have."""

_NO_DIFFERENCE, _SAME = "±0", 0.001
_TOKENS = (
    ("Tokens in", "input_tokens"),
    ("of them cached", "cache_read_tokens"),
    ("Tokens out", "output_tokens"),
    ("of them reasoning", "reasoning_tokens"),
)


@dataclass(frozen=True)
class Figure:
    """A number of both traces, written.

    Attributes:
        label: what it is, with who says it.
        first: of the first trace.
        second: of the second trace.
        difference: the second less the first, with its sign and its share; '' where one of them is not known.
    """

    label: str
    first: str
    second: str
    difference: str


def times(first: Trace, second: Trace) -> list[Figure]:
    """Time to first token, its parts stage by stage, and the total.

    Times to first token of different moments (delivered, or the model's own) have no difference.
    """
    is_of_one_kind = first.first_token_definition == second.first_token_definition
    written = [formats.first_token(trace.ttft_ms, trace.first_token_definition) for trace in (first, second)]
    moved = duration_difference(first.ttft_ms, second.ttft_ms) if is_of_one_kind else ""
    figures = [Figure("First token", written[0], written[1], moved)]
    parts = dict(first.parts), dict(second.parts)
    stages = dict.fromkeys(stage for trace in (first, second) for stage, _ in trace.parts)
    if all(parts) and is_of_one_kind:
        figures += [
            _lasted(f"of which {stage}", parts[0].get(stage, 0.0), parts[1].get(stage, 0.0)) for stage in stages
        ]
    return [*figures, _lasted("Total", _total_ms(first), _total_ms(second))]


def spending(first: Rows, second: Rows) -> list[Figure]:
    """Calls, tokens and cost of all model calls of each trace.

    Args:
        first: rows of `queries.trace_spend`.
        second: those of the other trace.
    """
    figures = [_figure("Model calls", float(len(first)), float(len(second)), formats.count)]
    for label, column in _TOKENS:
        sums = _sum(first, column), _sum(second, column)
        if label in {"Tokens in", "Tokens out"} or any(sums):
            figures.append(_figure(label, *sums, formats.count))
    return [*figures, _figure("Cost", _cost(first), _cost(second), formats.money)]


def scoring(first: Rows, second: Rows) -> list[Figure]:
    """The newest score of each name and judge.

    Args:
        first: rows of `queries.trace_scores`, the newest first.
        second: those of the other trace.
    """
    ones, others = _newest(first), _newest(second)
    return [
        Figure(
            ", ".join(part for part in key if part),
            formats.score(ones[key]) if key in ones else NONE,
            formats.score(others[key]) if key in others else NONE,
            difference(ones.get(key), others.get(key), formats.score),
        )
        for key in dict.fromkeys((*ones, *others))
    ]


def signed(value: float, write: Write) -> str:
    """A difference, which is not 0, with its sign: +120 ms, -0.12."""
    return f"{'+' if value > 0 else '-'}{write(abs(value))}"


def difference(first: float | None, second: float | None, write: Write) -> str:
    """The second less the first with the share of the first that it is: +120 ms (+35 %); '' where one is not known."""
    if first is None or second is None:
        return ""
    if first == second:
        return _NO_DIFFERENCE
    text = signed(second - first, write)
    if first and abs(share := (second - first) / abs(first)) >= 0.005:
        text += f" ({share:+.0%})".replace("%", " %")
    return text


def duration_difference(first_ms: float | None, second_ms: float | None) -> str:
    """The same of durations; those that differ by less than a thousandth are the same, since clocks tell no more."""
    if first_ms is not None and second_ms is not None and math.isclose(first_ms, second_ms, rel_tol=_SAME):
        return _NO_DIFFERENCE
    return difference(first_ms, second_ms, formats.duration)


def _lasted(label: str, first_ms: float | None, second_ms: float | None) -> Figure:
    written = formats.duration(first_ms), formats.duration(second_ms)
    return Figure(label, *written, duration_difference(first_ms, second_ms))


def _figure(label: str, first: float | None, second: float | None, write: Write) -> Figure:
    return Figure(label, write(first), write(second), difference(first, second, write))


def _total_ms(trace: Trace) -> float | None:
    node = trace.request or next(iter(trace.nodes), None)
    return node.end_ms - node.start_ms if node else None


def _sum(rows: Rows, column: str) -> float | None:
    known = [float(row[column]) for row in rows if row[column] is not None]
    return sum(known) if known else None


def _cost(rows: Rows) -> float | None:
    """All of the cost; None where that of one call is unknown."""
    return None if any(row["cost_usd"] is None for row in rows) else _sum(rows, "cost_usd")


def _newest(scores: Rows) -> dict[tuple[str, str], float | None]:
    newest: dict[tuple[str, str], float | None] = {}
    for score in scores:
        judge = " ".join(part for part in (score["judge"] or score["source"], score["judge_version"]) if part)
        newest.setdefault((score["name"], judge), score["value"])
    return newest
