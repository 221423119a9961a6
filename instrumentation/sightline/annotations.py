"""Attributes and links that user code adds to its current span. Nothing here raises."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanContext, TraceFlags, format_span_id, format_trace_id, get_current_span

from sightline import faults, semconv
from sightline.capture.mode import Capture
from sightline.capture.policy import CapturePolicy
from sightline.capture.values import attribute, length_of
from sightline.forks import IMPORT_LOCK
from sightline.runtime import StageSpan, current_request, current_stage_span, runtime

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
"""Attributes that hold content: written only as the capture setting allows."""
_LENGTHS: Final = {semconv.INPUT: semconv.INPUT_LENGTH, semconv.OUTPUT: semconv.OUTPUT_LENGTH}


def annotate(values: Mapping[str, object] | None = None, /, **attributes: object) -> None:
    """Write attributes onto the innermost Sightline span, inside generator bodies too.

    Outside of one, the current span gets them. None is left out; values that a span cannot hold become JSON;
    content (``sightline.input``, messages, ...) follows the capture setting.
    """
    _annotate(current_stage_span(), {**(values or {}), **attributes})


def annotate_request(values: Mapping[str, object] | None = None, /, **attributes: object) -> None:
    """Write attributes onto the span of the running request, from anywhere below it."""
    request = current_request()
    _annotate(request.stage_span if request is not None else current_stage_span(), {**(values or {}), **attributes})


def _annotate(stage_span: StageSpan | None, values: Mapping[str, object]) -> None:
    try:
        attributes: dict[str, Any] = {}
        for key, value in values.items():
            if value is None:
                continue
            if key in CONTENT_KEYS:
                _add_content(attributes, key, value, _policy(stage_span))
                continue
            attribute_value = attribute(value)
            if attribute_value is not None:
                attributes[key] = attribute_value
        _write(stage_span, attributes)
    except Exception as fault:
        faults.report("annotate", fault)


def _policy(stage_span: StageSpan | None) -> CapturePolicy:
    """Return the capture policy of a stage's span: a decorator's ``capture=`` holds for annotations inside it too."""
    return runtime.capture if stage_span is None or stage_span.policy is None else stage_span.policy


def _add_content(attributes: dict[str, Any], key: str, value: object, policy: CapturePolicy) -> None:
    if policy.content:
        text = policy.text(value)
        if text is not None:
            attributes[key] = text
    elif policy.mode is Capture.LENGTHS and key in _LENGTHS:
        length = length_of(value)
        if length is not None:
            attributes[_LENGTHS[key]] = length


def _write(stage_span: StageSpan | None, attributes: Mapping[str, Any]) -> None:
    if not attributes:
        return
    if stage_span is None:
        span = get_current_span()
        if span.is_recording():
            span.set_attributes(attributes)
    elif stage_span.span.is_recording():
        stage_span.annotate(attributes)


def record_documents(documents: Iterable[object], key: str = semconv.RETRIEVAL_DOCUMENTS) -> None:
    """Write retrieved documents onto the innermost span, in rank order.

    Args:
        documents: mappings or objects with ``id``, ``score`` and optionally ``content`` and ``title``. Ids and
            scores are always written; content and title as the capture setting allows.
        key: ``semconv.RETRIEVAL_DOCUMENTS`` for the documents of a search, ``semconv.RERANK_DOCUMENTS`` for those
            that a reranker kept.
    """
    text = _policy(current_stage_span()).documents(documents)
    if text is not None:
        _write_safely("record documents", {key: text})


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
    """Write the query, target and options of a search onto the innermost span; ``record_documents`` writes its result.

    Args:
        query: text of the search, as the capture setting allows.
        vector: embedding of the query; only its sketch is written (``sightline.sketch``).
        top_k: how many documents were requested.
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
        stage_span = current_stage_span()
        redact = _policy(stage_span).redact
        filter_value = attribute(filters)
        attributes: dict[str, object] = {
            semconv.RETRIEVAL_QUERY_TEXT: query,
            semconv.GEN_AI_REQUEST_TOP_K: top_k,
            semconv.RETRIEVAL_FILTER: redact(filter_value)
            if redact is not None and isinstance(filter_value, str)
            else filter_value,
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
        if collection is not None and stage_span is not None and stage_span.prefix is not None:
            attributes[semconv.GEN_AI_DATA_SOURCE_ID] = collection
        if vector is not None:
            from sightline.sketch import query_attributes  # noqa: PLC0415  imported only where vectors are used

            attributes.update(query_attributes(vector))
    except Exception as fault:
        faults.report("record search", fault)
        return
    _annotate(stage_span, attributes)


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
        attributes: dict[str, Any] = {}
        if usage is not None:
            with IMPORT_LOCK:
                from sightline.streaming.usage import usage_attributes  # noqa: PLC0415  imported where it is read

            attributes.update(usage_attributes(usage))
        explicit = {
            semconv.GEN_AI_USAGE_INPUT_TOKENS: input_tokens,
            semconv.GEN_AI_USAGE_OUTPUT_TOKENS: output_tokens,
            semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: cache_read_input_tokens,
            semconv.GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS: cache_creation_input_tokens,
            semconv.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS: reasoning_output_tokens,
            semconv.GEN_AI_RESPONSE_FINISH_REASONS: None if finish_reasons is None else list(finish_reasons),
            semconv.GEN_AI_RESPONSE_MODEL: response_model,
        }
        attributes.update({key: value for key, value in explicit.items() if value is not None})
    except Exception as fault:
        faults.report("record usage", fault)
        return
    _write_safely("record usage", attributes)


def record_messages(
    input: object = None,  # noqa: A002  the name of the attribute
    output: object = None,
) -> None:
    """Write what went into and came out of the innermost span, as the capture setting allows.

    On a model span these are ``gen_ai.input.messages`` and ``gen_ai.output.messages`` (a string becomes one
    message); elsewhere ``sightline.input`` and ``sightline.output``.
    """
    stage_span = current_stage_span()
    if stage_span is None or stage_span.stage != semconv.STAGE_MODEL:
        _annotate(stage_span, {semconv.INPUT: input, semconv.OUTPUT: output})
        return
    _annotate(
        stage_span,
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
    """Record that the first content has just been delivered to the client, where no middleware can measure it."""
    try:
        request = current_request()
        if request is not None:
            request.first_token()
    except Exception as fault:
        faults.report("record first token", fault)


def link(other: SpanContext | Mapping[str, str] | str, span_id: str | None = None, /, **attributes: object) -> None:
    """Link the innermost span to a span that is not its parent: the request that filled a cache, a batch's messages.

    Args:
        other: the other span: its context, the headers of a message (``traceparent``), or its trace id in hex.
        span_id: the other span's id as 16 hex digits, beside a trace id.
        attributes: attributes of the link.
    """
    try:
        context = _span_context_of(other, span_id)
        if context is None:
            return
        stage_span = current_stage_span()
        span = get_current_span() if stage_span is None else stage_span.span
        link_attributes = {
            key: attribute_value
            for key, value in attributes.items()
            if (attribute_value := attribute(value)) is not None
        }
        span.add_link(context, link_attributes)
    except Exception as fault:
        faults.report("link", fault)


def _span_context_of(other: SpanContext | Mapping[str, str] | str, span_id: str | None) -> SpanContext | None:
    if isinstance(other, SpanContext):
        context = other
    elif isinstance(other, str):
        context = SpanContext(int(other, 16), int(span_id or "0", 16), True, TraceFlags(TraceFlags.SAMPLED))
    else:
        from opentelemetry.propagate import extract  # noqa: PLC0415

        context = get_current_span(extract(other, Context())).get_span_context()
    return context if context.is_valid else None


def _write_safely(place: str, attributes: Mapping[str, Any]) -> None:
    try:
        _write(current_stage_span(), attributes)
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
    request = current_request()
    return ("", "") if request is None else _ids(request.stage_span.span)


def _ids(span: Span) -> tuple[str, str]:
    context = span.get_span_context()
    if not context.is_valid:
        return ("", "")
    return (format_trace_id(context.trace_id), format_span_id(context.span_id))
