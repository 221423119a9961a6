"""One trace as an assistant reads it: tree, critical path, first token, tokens, cost, errors, scores, content. Pure.

The report is bounded whatever the trace holds: of each list the part that explains most is kept, and `left_out` counts
the rest. The rules of the request, of its first token and of the path are the store's; the tree is the Trace page's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, Field

from sightline_dashboards.spending import known_sum
from sightline_dashboards.trace_detail import waterfall
from sightline_dashboards.trace_detail.payloads import is_cited
from sightline_mcp import recorded
from sightline_mcp.recorded import Recorded, Unsupported
from sightline_mcp.windows import iso_ms
from sightline_store.contents.traces import Conversation
from sightline_store.questions.asking import Row

MAX_SPANS: Final = 300
"""Most spans that a report may be asked for."""
_MAX_PIECES, _MAX_CALLS, _MAX_ERRORS, _MAX_SCORES, _MAX_PASSAGES = 60, 30, 10, 10, 10
_SHORT_SHARE: Final = 4
"""A passage, a reason and a message may have this part of what an answer may."""


class Request(BaseModel):
    """The request that the trace is of."""

    span_id: str
    service: str
    name: str
    tenant: str
    user: str
    session: str
    started: str = Field(description="ISO 8601 in UTC.")
    failed: bool
    error_type: str
    total_ms: float


class StageShare(BaseModel):
    """What a stage adds to the time to the first token."""

    stage: str
    ms: float
    share: float = Field(description="Of the time to the first token, 0 to 1.")


class Piece(BaseModel):
    """A piece of the critical path; times in ms from the request's start."""

    stage: str
    start_ms: float
    end_ms: float
    span_id: str = Field(description="Empty where no span of a stage ran.")


class FirstToken(BaseModel):
    """Where the time to the first token went."""

    until: str = Field(
        description="What is divided: 'delivered' (the first token that reached the user), 'first token' or 'first "
        "chunk' (of the model's stream: the user has it later), 'total' where nothing streamed; '' where it is unknown."
    )
    until_ms: float | None
    stages: list[StageShare] = Field(description="They sum to until_ms.")
    critical_path: list[Piece] = Field(description="In order: what the first token waited for.")
    note: str = Field(description="Why there is no critical path; empty where there is one.")


class Call(BaseModel):
    """A call of a model."""

    span_id: str
    model: str = Field(description="Provider and model.")
    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int | None = Field(description="Part of input_tokens.")
    reasoning_tokens: int | None = Field(description="Part of output_tokens.")
    cost_usd: float | None = Field(description="Null is unknown, never 0.")
    cost_basis: str = Field(description="'computed' from tokens and prices, 'local', or 'reported'; else empty.")
    cost_unknown_because: str
    priced_as: str = Field(description="The model whose price is taken for it; empty where it is its own.")
    first_chunk_ms: float | None = Field(description="From the call's start.")
    longest_stall_ms: float | None
    outcome: str


class SpanError(BaseModel):
    """A span that failed."""

    span_id: str
    name: str
    stage: str
    error_type: str
    message: Recorded | None


class Score(BaseModel):
    """A score of the answer."""

    name: str
    value: float | None = Field(description="Null where the judge could not judge: never a pass.")
    label: str
    judge: str
    given: str = Field(description="ISO 8601 in UTC.")
    error_type: str
    explanation: Recorded | None
    unsupported: list[Unsupported]


class Passage(BaseModel):
    """A passage that the answer was written from."""

    position: int = Field(description="From 1.")
    title: str
    document: str = Field(description="Its id.")
    score: float | None = Field(description="As the search or the reranker gave it.")
    cited: bool = Field(description="Whether the answer names it.")
    text: Recorded | None


class Span(BaseModel):
    """A span in the tree, parents before their children; times in ms from the trace's first moment."""

    span_id: str
    parent_id: str
    depth: int
    name: str
    stage: str = Field(description="Empty where it is no stage.")
    service: str
    start_ms: float
    duration_ms: float
    critical: bool = Field(description="Whether the first token waited for it.")
    failed: bool
    flagged: bool = Field(description="By a guardrail.")


class LeftOut(BaseModel):
    """How many of each list are not in the report."""

    spans: int = 0
    pieces: int = 0
    calls: int = 0
    errors: int = 0
    scores: int = 0
    passages: int = 0


class TraceReport(BaseModel):
    """One trace, explained."""

    warning: str = recorded.WARNING
    trace_id: str
    request: Request | None = Field(description="Null where the trace has no request.")
    first_token: FirstToken
    calls: list[Call]
    input_tokens: int | None = Field(description="Of all calls; null where a call does not tell it.")
    output_tokens: int | None = Field(description="Of all calls; null where a call does not tell it.")
    cost_usd: float | None = Field(description="Of all calls; null where the cost of a call is unknown.")
    errors: list[SpanError]
    scores: list[Score] = Field(description="The newest first.")
    question: Recorded | None = Field(description="Null where it was not captured.")
    answer: Recorded | None = Field(description="Null where it was not captured.")
    passages: list[Passage]
    spans: list[Span]
    left_out: LeftOut
    notes: list[str]


@dataclass(frozen=True)
class TraceRows:
    """What the store knows of a trace: the rows of the questions of these names, and its content."""

    trace_spans: Sequence[Row]
    ttft_trace: Sequence[Row]
    trace_spend: Sequence[Row]
    trace_scores: Sequence[Row]
    conversation: Conversation


def report(trace_id: str, rows: TraceRows, *, max_spans: int, max_text_chars: int, read_limit: int) -> TraceReport:
    """Explain a trace.

    Args:
        trace_id: as it was asked for.
        rows: of that trace; at least one span.
        max_spans: most spans of the tree, 1 to `MAX_SPANS`.
        max_text_chars: most characters of the question and of the answer; a quarter of it for everything shorter.
        read_limit: number of spans at which reading them was cut off.
    """
    trace = waterfall.layout(rows.trace_spans, rows.ttft_trace)
    short = max(100, max_text_chars // _SHORT_SHARE)
    kept = _kept(trace.nodes, max_spans)
    failed = [node.span for node in trace.nodes if node.span["status"] == "Error"]
    talk, spend, scores, path = rows.conversation, rows.trace_spend, rows.trace_scores, _path(trace, rows.ttft_trace)
    return TraceReport(
        trace_id=trace_id,
        request=_request(trace.request),
        first_token=FirstToken(
            until=str(rows.ttft_trace[0]["until"]) if rows.ttft_trace else "",
            until_ms=float(rows.ttft_trace[0]["until_ms"]) if rows.ttft_trace else None,
            stages=_stages(trace),
            critical_path=path[:_MAX_PIECES],
            note=trace.path_note,
        ),
        calls=[_call(call) for call in spend[:_MAX_CALLS]],
        input_tokens=_whole(spend, "input_tokens"),
        output_tokens=_whole(spend, "output_tokens"),
        cost_usd=None if any(call["cost_usd"] is None for call in spend) else known_sum([c["cost_usd"] for c in spend]),
        errors=[_error(span, short) for span in failed[:_MAX_ERRORS]],
        scores=[_score(score, short) for score in scores[:_MAX_SCORES]],
        question=recorded.recorded(talk.question, max_text_chars),
        answer=recorded.recorded(talk.answer, max_text_chars),
        passages=[
            Passage(
                position=position,
                title=recorded.name(passage.title),
                document=recorded.name(passage.identity),
                score=passage.score,
                cited=is_cited(passage, position, talk.answer),
                text=recorded.recorded(passage.content, short),
            )
            for position, passage in enumerate(talk.passages[:_MAX_PASSAGES], 1)
        ],
        spans=[_span(node) for node in kept],
        left_out=LeftOut(
            spans=len(trace.nodes) - len(kept),
            pieces=max(0, len(path) - _MAX_PIECES),
            calls=max(0, len(spend) - _MAX_CALLS),
            errors=max(0, len(failed) - _MAX_ERRORS),
            scores=max(0, len(scores) - _MAX_SCORES),
            passages=max(0, len(talk.passages) - _MAX_PASSAGES),
        ),
        notes=list(_notes(trace, rows, kept, read_limit)),
    )


def _kept(nodes: Sequence[waterfall.Node], limit: int) -> list[waterfall.Node]:
    """The spans that explain most, with all their parents, in the order of the tree.

    First those of the critical path, failed, flagged and models' ones, then the longest. A span whose parents do not
    fit is left out, so that the tree has no gaps.
    """
    if len(nodes) <= limit:
        return list(nodes)
    above: list[int] = []  # places of the open parents, by depth
    parents: list[list[int]] = []
    for place, node in enumerate(nodes):
        del above[node.depth :]
        parents.append(list(above))
        above.append(place)

    def rank(place: int) -> tuple[bool, float]:
        node = nodes[place]
        matters = (
            node.critical or node.span["status"] == "Error" or node.span["flagged"] or node.span["stage"] == "model"
        )
        return not matters, node.start_ms - node.end_ms

    chosen: set[int] = set()
    for place in sorted(range(len(nodes)), key=rank):
        wanted = {place, *parents[place]} - chosen
        if len(chosen) + len(wanted) <= limit:
            chosen |= wanted
    return [nodes[place] for place in sorted(chosen)]


def _request(node: waterfall.Node | None) -> Request | None:
    if node is None:
        return None
    span = node.span
    return Request(
        span_id=span["span_id"],
        service=recorded.name(span["service"]),
        name=recorded.name(span["name"]),
        tenant=recorded.name(span["tenant_name"]),
        user=recorded.name(span["user_id"]),
        session=recorded.name(span["session_id"]),
        started=iso_ms(int(span["start_ns"]) / 1e6),
        failed=span["status"] == "Error",
        error_type=recorded.name(span["error_type"]),
        total_ms=node.end_ms - node.start_ms,
    )


def _stages(trace: waterfall.Trace) -> list[StageShare]:
    whole = sum(ms for _, ms in trace.parts)
    return [StageShare(stage=stage, ms=ms, share=ms / whole) for stage, ms in trace.parts]


def _path(trace: waterfall.Trace, path: Sequence[Mapping[str, Any]]) -> list[Piece]:
    if trace.path_note:
        return []
    return [
        Piece(stage=piece["stage"], start_ms=piece["start_ms"], end_ms=piece["end_ms"], span_id=piece["span_id"])
        for piece in path
        if piece["end_ms"] > piece["start_ms"]
    ]


def _call(call: Mapping[str, Any]) -> Call:
    return Call(
        span_id=call["span_id"],
        model=recorded.name(call["price_key"]),
        **{
            column: call[column]
            for column in (
                "input_tokens", "output_tokens", "cache_read_tokens", "reasoning_tokens", "cost_usd", "cost_basis",
                "longest_stall_ms",
            )
        },
        cost_unknown_because=str(call["cost_unknown"]),
        priced_as=recorded.name(call["priced_as"]),
        first_chunk_ms=call["ttft_ms"],
        outcome=recorded.name(call["outcome"]),
    )  # fmt: skip


def _error(span: Mapping[str, Any], max_chars: int) -> SpanError:
    return SpanError(
        span_id=span["span_id"],
        name=recorded.name(span["name"]),
        stage=recorded.name(span["stage"]),
        error_type=recorded.name(span["error_type"]),
        message=recorded.recorded(span["status_message"], max_chars),
    )


def _score(score: Mapping[str, Any], max_chars: int) -> Score:
    return Score(
        name=recorded.name(score["name"]),
        value=score["value"],
        label=recorded.name(score["label"]),
        judge=recorded.name(
            " ".join(part for part in (score["judge"] or score["source"], score["judge_version"]) if part)
        ),
        given=iso_ms(score["given_ms"]),
        error_type=recorded.name(score["error_type"]),
        explanation=recorded.recorded(score["explanation"], max_chars),
        unsupported=recorded.unsupported(score["explanation"]),
    )


def _span(node: waterfall.Node) -> Span:
    span = node.span
    return Span(
        span_id=span["span_id"],
        parent_id=span["parent_id"],
        depth=node.depth,
        name=recorded.name(span["name"]),
        stage=recorded.name(span["stage"]),
        service=recorded.name(span["service"]),
        start_ms=node.start_ms,
        duration_ms=node.end_ms - node.start_ms,
        critical=node.critical,
        failed=span["status"] == "Error",
        flagged=bool(span["flagged"]),
    )


def _whole(calls: Sequence[Mapping[str, Any]], column: str) -> int | None:
    counts = [call[column] for call in calls]
    return None if not counts or None in counts else sum(counts)


def _notes(trace: waterfall.Trace, rows: TraceRows, kept: Sequence[waterfall.Node], read_limit: int) -> Iterable[str]:
    if len(rows.trace_spans) >= read_limit:
        yield f"The trace has {read_limit} spans or more: only those that began first were read."
    if left_out := len(trace.nodes) - len(kept):
        yield f"{left_out} spans are left out, the shortest that neither failed nor were waited for; see max_spans."
    if orphans := sum(node.orphan for node in trace.nodes):
        yield f"{orphans} spans name a parent that is not in the store."
    if rows.ttft_trace and (skewed := rows.ttft_trace[0]["skewed"]):
        yield f"{skewed} spans began before the span that they are inside of: clocks differ, and they are clipped."
    if rows.conversation.is_answer_cut:
        yield "The end of the answer was not recorded: a limit on the length of a value cut it off."
    if not rows.conversation.question and not rows.conversation.answer:
        yield "No prompt and no answer were captured: SIGHTLINE_CAPTURE=truncated or full lets the library record them."
    if not rows.trace_scores:
        yield "The answer was not scored. `sightline-evals run` judges a sample."
