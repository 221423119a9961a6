"""The public decorators for the four stages of a retrieval-augmented answer: embedding, retrieval, rerank, llm."""

from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar, overload

from opentelemetry.trace import SpanKind

from sightline import semconv
from sightline.decorators import SpanScope
from sightline.decorators import apply_scope as _apply
from sightline.decorators import make_scope as _scope
from sightline.decorators import told as _told

P = ParamSpec("P")
R = TypeVar("R")


@overload
def embedding(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def embedding(
    model: str | None = None,
    *,
    name: str | None = None,
    provider: str | None = None,
    attributes: Mapping[str, object] | None = None,
    capture: str | None = None,
) -> SpanScope: ...
def embedding(
    model: Any = None,
    *,
    name: str | None = None,
    provider: str | None = None,
    attributes: Mapping[str, object] | None = None,
    capture: str | None = None,
) -> Any:
    """Trace the turning of text into vectors.

    Args:
        model: the model; completes the span's name and is ``gen_ai.request.model``.
        name: overrides the span's name.
        provider: ``gen_ai.provider.name``.
        attributes: more attributes for every span.
        capture: ``none``, ``lengths``, ``truncated`` or ``full``; overrides the setting here.
    """
    function, target = _told(model)
    return _apply(
        _scope(
            semconv.STAGE_EMBED,
            target,
            name,
            attributes,
            capture,
            kind=SpanKind.CLIENT,
            prefix="embeddings",
            operation="embeddings",
            subject=semconv.GEN_AI_REQUEST_MODEL,
            extra={semconv.GEN_AI_PROVIDER_NAME: provider},
        ),
        function,
    )


@overload
def retrieval(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def retrieval(
    data_source: str | None = None,
    *,
    name: str | None = None,
    top_k: int | None = None,
    attributes: Mapping[str, object] | None = None,
    capture: str | None = None,
) -> SpanScope: ...
def retrieval(
    data_source: Any = None,
    *,
    name: str | None = None,
    top_k: int | None = None,
    attributes: Mapping[str, object] | None = None,
    capture: str | None = None,
) -> Any:
    """Trace a search in an index; hand over what was found with ``record_documents``.

    Args:
        data_source: the index or collection; completes the span's name and is ``gen_ai.data_source.id``.
        name: overrides the span's name.
        top_k: how many documents are asked for.
        attributes: more attributes for every span.
        capture: ``none``, ``lengths``, ``truncated`` or ``full``; overrides the setting here.
    """
    function, target = _told(data_source)
    return _apply(
        _scope(
            semconv.STAGE_SEARCH,
            target,
            name,
            attributes,
            capture,
            kind=SpanKind.CLIENT,
            prefix="retrieval",
            operation="retrieval",
            subject=semconv.GEN_AI_DATA_SOURCE_ID,
            extra={semconv.GEN_AI_REQUEST_TOP_K: top_k},
        ),
        function,
    )


@overload
def rerank(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def rerank(
    name: str | None = None,
    *,
    top_k: int | None = None,
    attributes: Mapping[str, object] | None = None,
    capture: str | None = None,
) -> SpanScope: ...
def rerank(
    name: Any = None,
    *,
    top_k: int | None = None,
    attributes: Mapping[str, object] | None = None,
    capture: str | None = None,
) -> Any:
    """Trace the choice among found documents.

    Hand over the chosen ones with ``record_documents(documents, key=semconv.RERANK_DOCUMENTS)``.

    Args:
        name: what the span is called; the function's name when left out.
        top_k: how many documents are kept.
        attributes: more attributes for every span.
        capture: ``none``, ``lengths``, ``truncated`` or ``full``; overrides the setting here.
    """
    function, target = _told(name)
    return _apply(
        _scope(
            semconv.STAGE_RERANK,
            target,
            None,
            attributes,
            capture,
            prefix="rerank",
            target_is_function=True,
            extra={semconv.GEN_AI_REQUEST_TOP_K: top_k},
        ),
        function,
    )


@overload
def llm(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def llm(
    model: str | None = None,
    *,
    name: str | None = None,
    provider: str | None = None,
    attributes: Mapping[str, object] | None = None,
    capture: str | None = None,
) -> SpanScope: ...
def llm(
    model: Any = None,
    *,
    name: str | None = None,
    provider: str | None = None,
    attributes: Mapping[str, object] | None = None,
    capture: str | None = None,
) -> Any:
    """Trace a call of a language model.

    A streamed answer is followed to its end: first content, stalls, chunks, outcome.

    Args:
        model: the model; completes the span's name and is ``gen_ai.request.model``.
        name: overrides the span's name.
        provider: ``gen_ai.provider.name``, for example ``openai``.
        attributes: more attributes for every span.
        capture: ``none``, ``lengths``, ``truncated`` or ``full``; overrides the setting here.
    """
    function, target = _told(model)
    return _apply(
        _scope(
            semconv.STAGE_MODEL,
            target,
            name,
            attributes,
            capture,
            kind=SpanKind.CLIENT,
            prefix="chat",
            operation="chat",
            subject=semconv.GEN_AI_REQUEST_MODEL,
            extra={semconv.GEN_AI_PROVIDER_NAME: provider},
        ),
        function,
    )
