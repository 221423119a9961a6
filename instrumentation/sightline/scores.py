"""Scores leave as OpenTelemetry log records named ``gen_ai.evaluation.result``, beside the spans they judge.

Source: https://github.com/open-telemetry/semantic-conventions/blob/v1.41.1/docs/gen-ai/gen-ai-events.md
"""

import math
import time
from dataclasses import dataclass

from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, get_current_span, set_span_in_context

from sightline import faults, semconv
from sightline.runtime import current_request, runtime


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
        judge: who judged.
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
        told = {
            semconv.GEN_AI_EVALUATION_SCORE_LABEL: label,
            semconv.GEN_AI_EVALUATION_EXPLANATION: explanation,
            semconv.EVALUATION_JUDGE: judge,
            semconv.EVALUATION_JUDGE_VERSION: judge_version,
            semconv.EVALUATION_RUN_ID: run_id,
            semconv.EVALUATION_NOTE: note,
            semconv.ERROR_TYPE: _error_type(error),
        }
        attributes.update({key: str(text) for key, text in told.items() if text is not None})
        if isinstance(error, BaseException) and explanation is None:
            attributes[semconv.GEN_AI_EVALUATION_EXPLANATION] = str(error)[:1000]
        emit(Score(attributes, _judged(trace_id, span_id), time.time_ns()))
    except Exception as fault:
        faults.report("send score", fault)


def _error_type(error: str | BaseException | None) -> str | None:
    if isinstance(error, BaseException):
        kind = type(error)
        return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return error


def _judged(trace_id: str | None, span_id: str | None) -> Context:
    if trace_id is not None:
        context = SpanContext(int(trace_id, 16), int(span_id or "0", 16), True, TraceFlags(TraceFlags.SAMPLED))
        return set_span_in_context(NonRecordingSpan(context))
    mark = current_request()
    return set_span_in_context(mark.frame.span if mark is not None else get_current_span())
