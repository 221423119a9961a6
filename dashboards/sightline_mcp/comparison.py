"""Two windows of traffic side by side: what moved, by how much, and how sure that is. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import BaseModel, Field

from sightline_mcp import recorded
from sightline_mcp.windows import Window, window
from sightline_store.questions.asking import Filters, Row
from sightline_store.questions.estimates import Estimate, estimate
from sightline_store.questions.queries import Overview

Better = Literal["lower", "higher", "neither"]
_MAX_GROUPS: Final = 20


class Metric(BaseModel):
    """A number of both windows. Null is unknown, never 0."""

    name: str
    unit: str
    better: Better
    before: float | None
    now: float | None
    difference: float | None = Field(description="now - before, in the unit.")
    change: float | None = Field(description="difference / before; 0.1 is 10 % more.")
    low: float | None = Field(
        description="Lower end of the 95 % interval of the difference; null where none is computed."
    )
    high: float | None = Field(description="Upper end. An interval that holds 0 does not show a change.")
    before_n: int = Field(description="Requests, calls or scores that `before` is of.")
    now_n: int
    note: str = ""


class StageMetric(BaseModel):
    """What a stage adds to the time to the first token, on average; the stages of a window sum to its mean."""

    stage: str
    before_ms: float | None
    now_ms: float | None
    difference_ms: float | None


class ErrorMetric(BaseModel):
    """Failed requests of a type."""

    error_type: str
    before: int
    now: int
    newest_trace_id: str = Field(description="Of the window `now`, else of the one before.")


class ModelMetric(BaseModel):
    """What calls of a model cost. Null is unknown, never 0."""

    model: str
    before_calls: int
    now_calls: int
    before_usd: float | None
    now_usd: float | None


class Comparison(BaseModel):
    """Two windows compared."""

    warning: str = recorded.WARNING
    before: Window
    now: Window
    metrics: list[Metric]
    first_token_stages: list[StageMetric] = Field(description="The largest difference first.")
    errors: list[ErrorMetric]
    models: list[ModelMetric]
    notes: list[str]


@dataclass(frozen=True)
class WindowRows:
    """A window's answers to the questions of these names."""

    asked: Filters
    overview: Overview
    stage_stack: Sequence[Row]
    errors_by_type: Sequence[Row]
    spend_by: Sequence[Row]


def compare(before: WindowRows, now: WindowRows) -> Comparison:
    """Compare two windows.

    Shares and scores have a 95 % interval of their difference, from those of both sides; percentiles, sums and costs
    have none: read them with their numbers of requests.

    Source: R. G. Newcombe, Interval estimation for the difference between independent proportions (1998), method 10.
    """
    return Comparison(
        before=window(before.asked),
        now=window(now.asked),
        metrics=[*_times(before, now), *_rates(before, now), *_spending(before.overview, now.overview)],
        first_token_stages=_stages(before, now),
        errors=_errors(before.errors_by_type, now.errors_by_type),
        models=_models(before.spend_by, now.spend_by),
        notes=list(_notes(before, now)),
    )


def difference(before: Estimate, now: Estimate) -> tuple[float | None, float | None]:
    """The 95 % interval of now - before, out of both intervals; None where a side is unknown."""
    was, told = _ends(before), _ends(now)
    if was is None or told is None:
        return None, None
    moved = told[1] - was[1]
    return (
        moved - math.hypot(told[1] - told[0], was[2] - was[1]),
        moved + math.hypot(told[2] - told[1], was[1] - was[0]),
    )


def _ends(side: Estimate) -> tuple[float, float, float] | None:
    """Lower end, mean and upper end."""
    if side.low is None or side.mean is None or side.high is None:
        return None
    return side.low, side.mean, side.high


def _metric(
    name: str,
    unit: str,
    better: Better,
    values: tuple[float | None, float | None],
    counts: tuple[int, int],
    *,
    interval: tuple[float | None, float | None] = (None, None),
    note: str = "",
) -> Metric:
    before, now = values
    moved = None if before is None or now is None or note else now - before
    return Metric(
        name=name,
        unit=unit,
        better=better,
        before=before,
        now=now,
        difference=moved,
        change=None if moved is None or not before else moved / before,
        low=interval[0],
        high=interval[1],
        before_n=counts[0],
        now_n=counts[1],
        note=note,
    )


def _times(before: WindowRows, now: WindowRows) -> Iterable[Metric]:
    was, told = before.overview, now.overview
    note = ""
    if was.ttft_definition and told.ttft_definition and was.ttft_definition != told.ttft_definition:
        note = f"not comparable: before it is the time to '{was.ttft_definition}', now to '{told.ttft_definition}'"
    counts = (was.ttft_n, told.ttft_n)
    yield _metric("ttft_p50", "ms", "lower", (was.ttft_p50_ms, told.ttft_p50_ms), counts, note=note)
    yield _metric("ttft_p95", "ms", "lower", (was.ttft_p95_ms, told.ttft_p95_ms), counts, note=note)
    counts = (was.requests, told.requests)
    yield _metric("total_p50", "ms", "lower", (was.total_p50_ms, told.total_p50_ms), counts)
    yield _metric("total_p95", "ms", "lower", (was.total_p95_ms, told.total_p95_ms), counts)


def _rates(before: WindowRows, now: WindowRows) -> Iterable[Metric]:
    was, told = before.overview, now.overview
    hours = [each.asked.duration.total_seconds() / 3600 for each in (before, now)]
    counts = (was.requests, told.requests)
    yield _metric("requests_per_hour", "1/h", "neither", (was.requests / hours[0], told.requests / hours[1]), counts)
    shares = [estimate(each.error_rate, None, each.requests) for each in (was, told)]
    yield _estimated("error_rate", "lower", shares[0], shares[1])
    yield _estimated("groundedness", "higher", was.groundedness, told.groundedness)
    yield _estimated("faithfulness", "higher", was.faithfulness, told.faithfulness)
    yield _estimated("retrieval_hit_at_5", "higher", was.hit_at_5, told.hit_at_5)


def _estimated(name: str, better: Better, was: Estimate, told: Estimate) -> Metric:
    return _metric(name, "share of 1", better, (was.mean, told.mean), (was.n, told.n), interval=difference(was, told))


def _spending(was: Overview, told: Overview) -> Iterable[Metric]:
    calls = (was.llm_calls, told.llm_calls)
    yield _metric("cost", "USD", "lower", (was.cost_usd, told.cost_usd), calls)
    for name, unit, value in (
        ("cost_per_request", "USD", "cost_usd"),
        ("input_tokens_per_request", "tokens", "input_tokens"),
        ("output_tokens_per_request", "tokens", "output_tokens"),
    ):
        each = tuple(_per_request(getattr(side, value), side.requests) for side in (was, told))
        yield _metric(
            name, unit, "lower" if unit == "USD" else "neither", (each[0], each[1]), (was.requests, told.requests)
        )


def _per_request(value: float | None, requests: int) -> float | None:
    return None if value is None or not requests else value / requests


def _stages(before: WindowRows, now: WindowRows) -> list[StageMetric]:
    was = {row["stage"]: row["mean_ms"] for row in before.stage_stack}
    told = {row["stage"]: row["mean_ms"] for row in now.stage_stack}
    found = [
        StageMetric(
            stage=stage,
            before_ms=was.get(stage),
            now_ms=told.get(stage),
            difference_ms=told[stage] - was[stage] if stage in was and stage in told else None,
        )
        for stage in {**was, **told}
        if was.get(stage) or told.get(stage)
    ]
    return sorted(found, key=lambda each: -abs(each.difference_ms or 0.0))


def _errors(before: Sequence[Row], now: Sequence[Row]) -> list[ErrorMetric]:
    was, told = ({row["error_type"]: row for row in rows} for rows in (before, now))
    found = [
        ErrorMetric(
            error_type=recorded.name(kind),
            before=_number(was.get(kind), "requests"),
            now=_number(told.get(kind), "requests"),
            newest_trace_id=(told.get(kind) or was[kind])["trace_id"],
        )
        for kind in {**told, **was}
    ]
    return sorted(found, key=lambda each: -abs(each.now - each.before))[:_MAX_GROUPS]


def _models(before: Sequence[Row], now: Sequence[Row]) -> list[ModelMetric]:
    was, told = ({row["name"]: row for row in rows} for rows in (before, now))
    found = [
        ModelMetric(
            model=recorded.name(name),
            before_calls=_number(was.get(name), "calls"),
            now_calls=_number(told.get(name), "calls"),
            before_usd=was[name]["cost_usd"] if name in was else None,
            now_usd=told[name]["cost_usd"] if name in told else None,
        )
        for name in {**told, **was}
    ]
    return sorted(found, key=lambda each: -max(each.before_calls, each.now_calls))[:_MAX_GROUPS]


def _number(row: Mapping[str, Any] | None, column: str) -> int:
    return int(row[column]) if row else 0


def _notes(before: WindowRows, now: WindowRows) -> Iterable[str]:
    for name, side in (("before", before), ("now", now)):
        told = side.overview
        if not told.requests:
            yield f"The window '{name}' holds no request."
        if told.unpriced_calls:
            yield f"In '{name}' the cost of {told.unpriced_calls} of {told.llm_calls} calls is unknown: in no sum."
        if told.ttft_others:
            yield f"In '{name}' {told.ttft_others} requests recorded another kind of first token: not compared."
        for score, failed in (("groundedness", told.groundedness_failed), ("faithfulness", told.faithfulness_failed)):
            if failed:
                yield f"In '{name}' the {score} of {failed} answers could not be judged; they are in no mean."
    yield "Percentiles, sums and costs have no interval: with few requests a difference may be chance."
