"""What user code says about the span that it is in. Nothing here raises."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanContext, TraceFlags, format_span_id, format_trace_id, get_current_span

from sightline import faults, semconv
from sightline.capture import CapturePolicy, attribute, length_of
from sightline.runtime import Frame, current_frame, current_request, runtime
from sightline.settings import Capture
from sightline.streaming.chunks import usage_attributes

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
                _content(found, key, value, _policy(frame))
                continue
            plain = attribute(value)
            if plain is not None:
                found[key] = plain
        _write(frame, found)
    except Exception as fault:
        faults.report("annotate", fault)


def _policy(frame: Frame | None) -> CapturePolicy:
    """Return what may be captured in a frame: a decorator's own ``capture=`` holds for what is said inside it too."""
    return runtime.capture if frame is None or frame.policy is None else frame.policy


def _content(found: dict[str, Any], key: str, value: object, policy: CapturePolicy) -> None:
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
    text = _policy(current_frame()).documents(documents)
    if text is not None:
        _safely("record documents", {key: text})


def record_search(
    *,
    query: str | None = None,
    vector: object = None,
    top_k: int | None = None,
    filters: object = None,
    alpha: float | None = None,
    system: str | None = None,
    collection: str | None = None,
    operation: str | None = None,
    tenant: str | None = None,
    returned: int | None = None,
    index_version: str | None = None,
    embedding_name: str | None = None,
    embedding_version: str | None = None,
) -> None:
    """Write what was searched for, where and how onto the innermost span; what was found is ``record_documents``.

    Args:
        query: text of the search, as the capture setting allows.
        vector: embedding of the query; only its sketch is written (``sightline.sketch``).
        top_k: how many documents were asked for.
        filters: filter of the search: a text, or anything that becomes JSON.
        alpha: of a hybrid search: 0 = keywords only, 1 = vectors only.
        system: ``weaviate``, ``milvus``, ... (``db.system.name``).
        collection: collection or table; names a span that has no name yet.
        operation: ``hybrid``, ``near_vector``, ``bm25``, ...
        tenant: tenant of the vector store.
        returned: documents that came back.
        index_version: version of the index that answered.
        embedding_name: embedding of query and index.
        embedding_version: its version.
    """
    try:
        frame = current_frame()
        redact = _policy(frame).redact
        told = attribute(filters)
        found: dict[str, object] = {
            semconv.RETRIEVAL_QUERY_TEXT: query,
            semconv.GEN_AI_REQUEST_TOP_K: top_k,
            semconv.RETRIEVAL_FILTER: redact(told) if redact is not None and isinstance(told, str) else told,
            semconv.RETRIEVAL_ALPHA: None if alpha is None else float(alpha),
            semconv.DB_SYSTEM_NAME: system,
            semconv.DB_COLLECTION_NAME: collection,
            semconv.DB_OPERATION_NAME: operation,
            semconv.DB_NAMESPACE: tenant,
            semconv.DB_RESPONSE_RETURNED_ROWS: returned,
            semconv.INDEX_VERSION: index_version,
            semconv.EMBEDDING_NAME: embedding_name,
            semconv.EMBEDDING_VERSION: embedding_version,
        }
        if collection is not None and frame is not None and frame.prefix is not None:
            found[semconv.GEN_AI_DATA_SOURCE_ID] = collection
        if vector is not None:
            from sightline.sketch import query_attributes  # noqa: PLC0415  only who hands over vectors pays for it

            found.update(query_attributes(vector))
    except Exception as fault:
        faults.report("record search", fault)
        return
    _annotate(frame, found)


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


def link(other: SpanContext | Mapping[str, str] | str, span_id: str | None = None, /, **attributes: object) -> None:
    """Link the innermost span to a span that is no parent of it: the request that filled a cache, a batch's messages.

    Args:
        other: the other span: its context, the headers of a message (``traceparent``), or its trace id in hex.
        span_id: the other span's id as 16 hex digits, beside a trace id.
        attributes: attributes of the link.
    """
    try:
        context = _linked(other, span_id)
        if context is None:
            return
        frame = current_frame()
        span = get_current_span() if frame is None else frame.span
        found = {key: plain for key, value in attributes.items() if (plain := attribute(value)) is not None}
        span.add_link(context, found)
    except Exception as fault:
        faults.report("link", fault)


def _linked(other: SpanContext | Mapping[str, str] | str, span_id: str | None) -> SpanContext | None:
    if isinstance(other, SpanContext):
        context = other
    elif isinstance(other, str):
        context = SpanContext(int(other, 16), int(span_id or "0", 16), True, TraceFlags(TraceFlags.SAMPLED))
    else:
        from opentelemetry.propagate import extract  # noqa: PLC0415

        context = get_current_span(extract(other, Context())).get_span_context()
    return context if context.is_valid else None


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
