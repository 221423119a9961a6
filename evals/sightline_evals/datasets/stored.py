"""Cases out of stored traces: by their ids, by a low score, by the feedback of users.

What a case gets from its trace: question, answer, passages, model, tenant, session as its conversation, times, tokens,
cost, in its metadata the newest scores and all feedback, and as its reference the answer as a reviewer corrected it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Final

from sightline_evals.datasets.sample import Sample
from sightline_store.client import Client
from sightline_store.contents import traces
from sightline_store.questions import people, queries, request_lists
from sightline_store.questions.asking import Filters, Row

_MOST_FEEDBACK: Final = 100_000
_LABELS: Final = ("thumbs_down", "thumbs_up")


class Feedback(Enum):
    """What users said of an answer: by the label of their feedback, without one by its value."""

    DOWN = "down"
    """`thumbs_down`, or a value of 0 or less."""
    UP = "up"
    """`thumbs_up`, or a value above 0."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A trace that is to become a case.

    Attributes:
        trace_id: 32 hex digits.
        asked_ms: when its request began, milliseconds since the epoch; None where it is not known.
    """

    trace_id: str
    asked_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """Cases of the wanted traces.

    Attributes:
        samples: one for each trace that has what a case needs.
        unknown: ids of traces that the store does not hold.
        not_captured: ids of traces without a question or an answer.
    """

    samples: tuple[Sample, ...]
    unknown: tuple[str, ...]
    not_captured: tuple[str, ...]


def scored_below(client: Client, filters: Filters, metric: str, below: float, limit: int) -> list[Wanted]:
    """The traces whose newest score of a metric is below a value, the lowest first."""
    rows = queries.score_list(client, filters, metric, limit=limit)
    return [_wanted(row) for row in rows if row["value"] is not None and row["value"] < below]


def with_feedback(client: Client, filters: Filters, feedback: Feedback, name: str, limit: int) -> list[Wanted]:
    """The traces whose newest feedback of a name is of this kind; of more than 100,000 the lowest values count."""
    rows = queries.score_list(client, filters, name, limit=_MOST_FEEDBACK)
    return [_wanted(row) for row in rows if feedback_of(row) is feedback][:limit]


def cases_of(client: Client, wanted: Sequence[Wanted], on_trace: Callable[[], object] = lambda: None) -> Found:
    """Read the wanted traces.

    Args:
        client: the store.
        wanted: the traces, each once.
        on_trace: called after each trace.

    Raises:
        sightline_store.errors.StoreError: the store does not answer.
    """
    samples: list[Sample] = []
    unknown: list[str] = []
    not_captured: list[str] = []
    for trace in wanted:
        spans = queries.trace_spans(client, trace.trace_id)
        if not spans:
            unknown.append(trace.trace_id)
        elif (sample := _case(client, trace, spans)) is None:
            not_captured.append(trace.trace_id)
        else:
            samples.append(sample)
        on_trace()
    return Found(tuple(samples), tuple(unknown), tuple(not_captured))


def reviewed(client: Client, filters: Filters, limit: int) -> list[Wanted]:
    """The traces that people have reviewed, the newest review first."""
    latest = {row["trace_id"]: Wanted(str(row["trace_id"])) for row in people.reviews(client, filters)}
    return list(latest.values())[:limit]


def _wanted(row: Row) -> Wanted:
    return Wanted(str(row["trace_id"]), int(row["asked_ms"]))


def feedback_of(row: Row) -> Feedback | None:
    """What a person's score (`label`, `value`) says of the answer; None where it says nothing."""
    if row["label"] in _LABELS:
        return Feedback.DOWN if row["label"] == _LABELS[0] else Feedback.UP
    if row["value"] is None:
        return None
    return Feedback.UP if row["value"] > 0 else Feedback.DOWN


def _case(client: Client, trace: Wanted, spans: Sequence[Row]) -> Sample | None:
    content = traces.conversation(traces.read(queries.trace_contents(client, trace.trace_id)))
    question, answer = content.question.strip(), "" if content.is_answer_cut else content.answer.strip()
    if not question or not answer:
        return None
    request = _request(client, trace, spans)
    judgements = queries.trace_scores(client, trace.trace_id)
    calls = queries.trace_spend(client, trace.trace_id)
    model = next((span["model_name"] for span in spans if span["span_id"] == content.model_span_id), "")
    return Sample(
        id=trace.trace_id,
        question=question,
        answer=answer,
        contexts=tuple(passage.content for passage in content.passages if passage.content.strip()),
        trace_id=trace.trace_id,
        span_id=request.get("span_id", ""),
        tenant=request.get("tenant_name", ""),
        conversation=request.get("session_id", ""),
        model=model or next(iter(request.get("models") or ()), ""),
        note=next((call["note"] for call in calls if call["span_id"] == content.model_span_id), ""),
        ttft_ms=request.get("ttft_ms"),
        duration_ms=request.get("total_ms"),
        cost_usd=request.get("cost_usd"),
        input_tokens=request.get("input_tokens"),
        output_tokens=request.get("output_tokens"),
        reference=_correction(judgements),
        metadata=_judgements(judgements),
    )


def _request(client: Client, trace: Wanted, spans: Sequence[Row]) -> Row:
    """The trace's first request with what it spent; {} where it has none."""
    asked = datetime.fromtimestamp(spans[0]["start_ns"] / 1e9 if trace.asked_ms is None else trace.asked_ms / 1e3, UTC)
    until = timedelta(days=1) if trace.asked_ms is None else timedelta(seconds=1)
    window = Filters(start=asked - timedelta(seconds=1), end=asked + until)
    rows = request_lists.traces(client, window, search=trace.trace_id, descending=False, limit=1)
    return rows[0] if rows else {}


def _correction(rows: Sequence[Row]) -> str:
    """The newest answer that a reviewer wrote in the place of this one, in their newest review; '' where nobody did.

    Args:
        rows: of `queries.trace_scores`, the newest first. The verdict is the last score of a review.
    """
    reviews: Counter[str] = Counter()
    for row in rows:
        if row["name"] == people.REVIEW:
            reviews[row["judge"]] += 1
        elif row["name"] == people.REVIEW_CORRECTION and row["explanation"] and reviews[row["judge"]] <= 1:
            return str(row["explanation"])
    return ""


def _judgements(rows: Sequence[Row]) -> dict[str, Any]:
    """The newest score of each metric, and what people said."""
    scores: dict[str, float] = {}
    feedback = []
    for row in rows:
        if row["source"] == "human":
            said = {
                "name": row["name"],
                "value": row["value"],
                "label": row["label"] or None,
                "comment": row["explanation"] or None,
            }
            feedback.append({name: value for name, value in said.items() if value is not None})
        elif row["value"] is not None:
            scores.setdefault(row["name"], row["value"])
    return {name: value for name, value in (("scores", scores), ("feedback", feedback)) if value}
