"""Scores leave as OpenTelemetry log records named ``gen_ai.evaluation.result``, beside the spans they judge.

Source: https://github.com/open-telemetry/semantic-conventions/blob/v1.41.1/docs/gen-ai/gen-ai-events.md
"""

import math
import time
from dataclasses import dataclass
from typing import Final

from opentelemetry import baggage
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, get_current_span, set_span_in_context

from sightline import faults, semconv
from sightline.capture.values import cut
from sightline.runtime import current_request, runtime

_COMMENT_LIMIT_CHARS: Final = 4096


@dataclass(frozen=True, slots=True)
class Score:
    """One evaluation result on its way to the collector."""

    attributes: dict[str, str | float]
    """Attributes of the log record."""
    judged: Context
    """Context whose span is the judged one."""
    time_ns: int
    """When it was sent, nanoseconds since the epoch."""


def score(
    name: str,
    value: float | None = None,
    *,
    label: str | None = None,
    explanation: str | None = None,
    trace_id: str | None = None,
    span_id: str | None = None,
    judge: str | None = None,
    judge_version: str | None = None,
    run_id: str | None = None,
    source: str = "code",
    note: str | None = None,
    error: str | BaseException | None = None,
) -> None:
    """Send one evaluation result. Never raises, never blocks.

    Args:
        name: metric, for example ``faithfulness``.
        value: the score. None or NaN means unknown and is left out: never a pass.
        label: for example ``pass``.
        explanation: why.
        trace_id: 32 hex digits of the judged trace; by default the running request, else the current span.
        span_id: 16 hex digits of the judged span.
        judge: name of the judge.
        judge_version: version of the judge.
        run_id: run that the score belongs to.
        source: ``ragas``, ``code`` or ``human``.
        note: what a reader must know about the score.
        error: why the judge failed; sets ``error.type``.
    """
    try:
        emit = runtime.emit_score
        if emit is None:
            faults.report("send score", "sightline.configure() was not called, or tracing is disabled")
            return
        attributes: dict[str, str | float] = {semconv.GEN_AI_EVALUATION_NAME: name, semconv.EVALUATION_SOURCE: source}
        if value is not None and not math.isnan(float(value)):
            attributes[semconv.GEN_AI_EVALUATION_SCORE_VALUE] = float(value)
        texts = {
            semconv.GEN_AI_EVALUATION_SCORE_LABEL: label,
            semconv.GEN_AI_EVALUATION_EXPLANATION: explanation,
            semconv.EVALUATION_JUDGE: judge,
            semconv.EVALUATION_JUDGE_VERSION: judge_version,
            semconv.EVALUATION_RUN_ID: run_id,
            semconv.EVALUATION_NOTE: note,
            semconv.ERROR_TYPE: _error_type(error),
        }
        attributes.update({key: str(text) for key, text in texts.items() if text is not None})
        if isinstance(error, BaseException) and explanation is None:
            attributes[semconv.GEN_AI_EVALUATION_EXPLANATION] = str(error)[:1000]
        emit(Score(attributes, _context_of_judged_span(trace_id, span_id), time.time_ns()))
    except Exception as fault:
        faults.report("send score", fault)


def feedback(
    value: float | bool | None = None,
    *,
    label: str | None = None,
    comment: str | None = None,
    user: str | None = None,
    request_id: str | tuple[str, str] | None = None,
    name: str = "feedback",
    note: str | None = None,
) -> None:
    """Send a person's verdict on an answer. Never raises, never blocks.

    It travels like a score, with source ``human``: hand ``request_ids()`` to the client with the answer, and send
    them back with the thumb.

    Args:
        value: how good, higher is better; a thumb is True (1) or False (0). None where there is only a word.
        label: the word, for example ``thumbs_down``; for a thumb without one it follows from the value.
        comment: text of the person; masked by ``configure(redact=...)``, cut at 4,096 characters.
        user: the person; by default the user of ``identify()`` in this context.
        request_id: 32 hex digits of the trace, or trace id and span id as ``request_ids()`` returned them; by
            default the running request, else the current span.
        name: name of the score, for example ``helpful``.
        note: what a reader must know about it.
    """
    try:
        if isinstance(value, bool) and label is None:
            label = "thumbs_up" if value else "thumbs_down"
        trace_id, span_id = (request_id, None) if request_id is None or isinstance(request_id, str) else request_id
        emit = runtime.emit_score
        if emit is None:
            faults.report("send feedback", "sightline.configure() was not called, or tracing is disabled")
            return
        attributes: dict[str, str | float] = {semconv.GEN_AI_EVALUATION_NAME: name, semconv.EVALUATION_SOURCE: "human"}
        if value is not None and math.isfinite(float(value)):
            attributes[semconv.GEN_AI_EVALUATION_SCORE_VALUE] = float(value)
        if comment is not None:
            redact = runtime.capture.redact
            text = cut(comment, _COMMENT_LIMIT_CHARS)
            attributes[semconv.GEN_AI_EVALUATION_EXPLANATION] = text if redact is None else redact(text)
        texts = {
            semconv.GEN_AI_EVALUATION_SCORE_LABEL: label,
            semconv.USER_ID: user if user is not None else baggage.get_baggage(semconv.USER_ID),
            semconv.SESSION_ID: baggage.get_baggage(semconv.SESSION_ID),
            semconv.TENANT_ID: baggage.get_baggage(semconv.TENANT_ID),
            semconv.EVALUATION_NOTE: note,
        }
        attributes.update({key: str(text) for key, text in texts.items() if text is not None})
        emit(Score(attributes, _context_of_judged_span(trace_id or None, span_id or None), time.time_ns()))
    except Exception as fault:
        faults.report("send feedback", fault)


def _error_type(error: str | BaseException | None) -> str | None:
    if isinstance(error, BaseException):
        kind = type(error)
        return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return error


def _context_of_judged_span(trace_id: str | None, span_id: str | None) -> Context:
    if trace_id is not None:
        context = SpanContext(int(trace_id, 16), int(span_id or "0", 16), True, TraceFlags(TraceFlags.SAMPLED))
        return set_span_in_context(NonRecordingSpan(context))
    request = current_request()
    return set_span_in_context(request.stage_span.span if request is not None else get_current_span())
