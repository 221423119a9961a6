"""What user code says about the span that it is in. Nothing here raises."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from opentelemetry.trace import Span, format_span_id, format_trace_id, get_current_span

from sightline import faults, semconv
from sightline.capture import attribute, length_of
from sightline.chunks import usage_attributes
from sightline.runtime import Frame, current_frame, current_request, runtime
from sightline.settings import Capture

CONTENT_KEYS: Final = frozenset(
    {
        semconv.INPUT,
        semconv.OUTPUT,
        semconv.GEN_AI_SYSTEM_INSTRUCTIONS,
        semconv.GEN_AI_INPUT_MESSAGES,
        semconv.GEN_AI_OUTPUT_MESSAGES,
        semconv.RETRIEVAL_QUERY_TEXT,
        semconv.GEN_AI_TOOL_CALL_ARGUMENTS,
        semconv.GEN_AI_TOOL_CALL_RESULT,
    }
)
"""Attributes that hold content: written only as the capture setting allows, whoever writes them."""
_LENGTHS: Final = {semconv.INPUT: semconv.INPUT_LENGTH, semconv.OUTPUT: semconv.OUTPUT_LENGTH}


def annotate(values: Mapping[str, object] | None = None, /, **attributes: object) -> None:
    """Write attributes onto the innermost Sightline span, inside generator bodies too.

    Outside of one, the current span gets them. None is left out; values that a span cannot hold become JSON;
    content (``sightline.input``, messages, ...) follows the capture setting.
    """
    _annotate(current_frame(), {**(values or {}), **attributes})


def annotate_request(values: Mapping[str, object] | None = None, /, **attributes: object) -> None:
    """Write attributes onto the span of the running request, from anywhere below it."""
    mark = current_request()
    _annotate(mark.frame if mark is not None else current_frame(), {**(values or {}), **attributes})


def _annotate(frame: Frame | None, values: Mapping[str, object]) -> None:
    try:
        found: dict[str, Any] = {}
        for key, value in values.items():
            if value is None:
                continue
            if key in CONTENT_KEYS:
                _content(found, key, value)
                continue
            plain = attribute(value)
            if plain is not None:
                found[key] = plain
        _write(frame, found)
    except Exception as fault:
        faults.report("annotate", fault)


def _content(found: dict[str, Any], key: str, value: object) -> None:
    policy = runtime.capture
    if policy.content:
        text = policy.text(value)
        if text is not None:
            found[key] = text
    elif policy.mode is Capture.LENGTHS and key in _LENGTHS:
        length = length_of(value)
        if length is not None:
            found[_LENGTHS[key]] = length


def _write(frame: Frame | None, found: Mapping[str, Any]) -> None:
    if not found:
        return
    if frame is None:
        span = get_current_span()
        if span.is_recording():
            span.set_attributes(found)
    elif frame.span.is_recording():
        frame.annotate(found)


def record_documents(documents: Iterable[object], key: str = semconv.RETRIEVAL_DOCUMENTS) -> None:
    """Write retrieved documents onto the innermost span, in rank order.

    Args:
        documents: mappings or objects with ``id``, ``score`` and optionally ``content`` and ``title``. Ids and
            scores are always written; content and title as the capture setting allows.
        key: ``semconv.RETRIEVAL_DOCUMENTS`` for what a search found, ``semconv.RERANK_DOCUMENTS`` for what was
            given to the prompt.
    """
    text = runtime.capture.documents(documents)
    if text is not None:
        _safely("record documents", {key: text})


def record_usage(
    usage: object = None,
    *,
    input_tokens: int | None = None,
    output_tokens: int | None = None,
    cache_read_input_tokens: int | None = None,
    cache_creation_input_tokens: int | None = None,
    reasoning_output_tokens: int | None = None,
    finish_reasons: Iterable[str] | None = None,
    response_model: str | None = None,
) -> None:
    """Write token counts onto the innermost span.

    Args:
        usage: a provider's usage object (OpenAI's, Anthropic's); the other arguments override it.
        input_tokens: all input tokens, cache tokens included.
        output_tokens: all output tokens, reasoning tokens included.
        cache_read_input_tokens: input tokens that came from the provider's cache.
        cache_creation_input_tokens: input tokens written to the provider's cache.
        reasoning_output_tokens: reasoning tokens.
        finish_reasons: why the model stopped, one for each choice.
        response_model: model that answered.
    """
    try:
        found: dict[str, Any] = dict(usage_attributes(usage))
        told = {
            semconv.GEN_AI_USAGE_INPUT_TOKENS: input_tokens,
            semconv.GEN_AI_USAGE_OUTPUT_TOKENS: output_tokens,
            semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: cache_read_input_tokens,
            semconv.GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS: cache_creation_input_tokens,
            semconv.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS: reasoning_output_tokens,
            semconv.GEN_AI_RESPONSE_FINISH_REASONS: None if finish_reasons is None else list(finish_reasons),
            semconv.GEN_AI_RESPONSE_MODEL: response_model,
        }
        found.update({key: value for key, value in told.items() if value is not None})
    except Exception as fault:
        faults.report("record usage", fault)
        return
    _safely("record usage", found)


def record_messages(
    input: object = None,  # noqa: A002  the name of the attribute
    output: object = None,
) -> None:
    """Write what went into and came out of the innermost span, as the capture setting allows.

    On a model span these are ``gen_ai.input.messages`` and ``gen_ai.output.messages`` (a string becomes one
    message); elsewhere ``sightline.input`` and ``sightline.output``.
    """
    frame = current_frame()
    if frame is None or frame.stage != semconv.STAGE_MODEL:
        _annotate(frame, {semconv.INPUT: input, semconv.OUTPUT: output})
        return
    _annotate(
        frame,
        {
            semconv.GEN_AI_INPUT_MESSAGES: _messages(input, "user"),
            semconv.GEN_AI_OUTPUT_MESSAGES: _messages(output, "assistant"),
        },
    )


def _messages(value: object, role: str) -> object:
    if isinstance(value, str):
        return [{"role": role, "parts": [{"type": "text", "content": value}]}]
    return value


def record_first_token() -> None:
    """Say by hand that the first content has just been delivered to the client (where no middleware can see it)."""
    try:
        mark = current_request()
        if mark is not None:
            mark.first_token()
    except Exception as fault:
        faults.report("record first token", fault)


def _safely(place: str, found: Mapping[str, Any]) -> None:
    try:
        _write(current_frame(), found)
    except Exception as fault:
        faults.report(place, fault)


def current_trace_id() -> str:
    """Return the current trace id as 32 hex digits, an empty string outside of a trace."""
    return _ids(get_current_span())[0]


def current_span_id() -> str:
    """Return the current span id as 16 hex digits, an empty string outside of a trace."""
    return _ids(get_current_span())[1]


def request_ids() -> tuple[str, str]:
    """Return trace id and span id of the running request's span; empty strings outside of a request."""
    mark = current_request()
    return ("", "") if mark is None else _ids(mark.frame.span)


def _ids(span: Span) -> tuple[str, str]:
    context = span.get_span_context()
    if not context.is_valid:
        return ("", "")
    return (format_trace_id(context.trace_id), format_span_id(context.span_id))
