"""The public decorators: one row for each stage of a request.

A row is an empty function under ``@_<SIGNATURE>.row(...)``: its name and its docstring are the decorator's own, the
arguments are the name, kind and attributes of the spans of that stage. The calls that a decorator accepts are declared
once, in a protocol for each shape of signature; ``inspect.signature`` and ``help`` show what is declared there.
``sightline.decorators`` traces the decorated functions.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, ParamSpec, Protocol, TypeVar, cast, get_overloads, overload

from opentelemetry.trace import SpanKind

from sightline import semconv
from sightline.decorators import SpanScope, StageRow, make_scope

P = ParamSpec("P")
R = TypeVar("R")
D = TypeVar("D")


class NamedDecorator(Protocol):
    """Decorator of a stage that is known by its name only."""

    @overload
    def __call__(self, function: Callable[P, R], /) -> Callable[P, R]: ...
    @overload
    def __call__(
        self,
        name: str | None = None,
        *,
        attributes: Mapping[str, object] | None = None,
        capture: str | None = None,
    ) -> SpanScope: ...
    def __call__(self, *args: Any, **options: Any) -> Any:  # noqa: D417  the arguments of the overload above
        """Decorate a function, or return what decorates one and is a context manager.

        Args:
            name: name of the span; the function's name when left out.
            attributes: more attributes for every span.
            capture: ``none``, ``lengths``, ``truncated`` or ``full``; overrides the setting here.
        """


class TraceDecorator(Protocol):
    """Decorator of any call."""

    @overload
    def __call__(self, function: Callable[P, R], /) -> Callable[P, R]: ...
    @overload
    def __call__(
        self,
        name: str | None = None,
        *,
        stage: str | None = None,
        attributes: Mapping[str, object] | None = None,
        capture: str | None = None,
    ) -> SpanScope: ...
    def __call__(self, *args: Any, **options: Any) -> Any:  # noqa: D417  the arguments of the overload above
        """Decorate a function, or return what decorates one and is a context manager.

        Args:
            name: name of the span; the function's name when left out.
            stage: value of ``sightline.stage``.
            attributes: more attributes for every span.
            capture: ``none``, ``lengths``, ``truncated`` or ``full``; overrides the setting here, also for what the
                code inside records. ``recorded`` leaves out arguments and result, and what is recorded follows the
                setting.
        """


class ModelDecorator(Protocol):
    """Decorator of a call of a model."""

    @overload
    def __call__(self, function: Callable[P, R], /) -> Callable[P, R]: ...
    @overload
    def __call__(
        self,
        model: str | None = None,
        *,
        name: str | None = None,
        provider: str | None = None,
        attributes: Mapping[str, object] | None = None,
        capture: str | None = None,
    ) -> SpanScope: ...
    def __call__(self, *args: Any, **options: Any) -> Any:  # noqa: D417  the arguments of the overload above
        """Decorate a function, or return what decorates one and is a context manager.

        Args:
            model: the model; completes the span's name and is ``gen_ai.request.model``.
            name: overrides the span's name.
            provider: ``gen_ai.provider.name``, for example ``openai``.
            attributes: more attributes for every span.
            capture: ``none``, ``lengths``, ``truncated`` or ``full``; overrides the setting here.
        """


class RetrievalDecorator(Protocol):
    """Decorator of a search in an index."""

    @overload
    def __call__(self, function: Callable[P, R], /) -> Callable[P, R]: ...
    @overload
    def __call__(
        self,
        data_source: str | None = None,
        *,
        name: str | None = None,
        top_k: int | None = None,
        attributes: Mapping[str, object] | None = None,
        capture: str | None = None,
    ) -> SpanScope: ...
    def __call__(self, *args: Any, **options: Any) -> Any:  # noqa: D417  the arguments of the overload above
        """Decorate a function, or return what decorates one and is a context manager.

        Args:
            data_source: the index or collection; completes the span's name and is ``gen_ai.data_source.id``.
            name: overrides the span's name.
            top_k: how many documents are requested.
            attributes: more attributes for every span.
            capture: ``none``, ``lengths``, ``truncated`` or ``full``; overrides the setting here.
        """


class RerankDecorator(Protocol):
    """Decorator of a choice among documents."""

    @overload
    def __call__(self, function: Callable[P, R], /) -> Callable[P, R]: ...
    @overload
    def __call__(
        self,
        name: str | None = None,
        *,
        top_k: int | None = None,
        attributes: Mapping[str, object] | None = None,
        capture: str | None = None,
    ) -> SpanScope: ...
    def __call__(self, *args: Any, **options: Any) -> Any:  # noqa: D417  the arguments of the overload above
        """Decorate a function, or return what decorates one and is a context manager.

        Args:
            name: name of the span; the function's name when left out.
            top_k: how many documents are kept.
            attributes: more attributes for every span.
            capture: ``none``, ``lengths``, ``truncated`` or ``full``; overrides the setting here.
        """


_OPTION_ATTRIBUTES: Final = {"provider": semconv.GEN_AI_PROVIDER_NAME, "top_k": semconv.GEN_AI_REQUEST_TOP_K}
"""Options of a decorator that are attributes of every span."""


class _Signature(Generic[D]):
    """One shape of signature, and what makes decorators of that shape.

    Args:
        protocol: its ``__call__`` has two overloads, for a bare ``@decorator`` and for ``@decorator(...)``, and a
            docstring that describes the arguments of the second one.
    """

    def __init__(self, protocol: Any) -> None:
        call = get_overloads(protocol.__call__)[1]
        signature = inspect.signature(call)
        parameters = list(signature.parameters.values())[1:]
        self._signature = signature.replace(parameters=parameters)
        self._target = parameters[0].name
        self._options = frozenset(parameter.name for parameter in parameters[1:])
        self._arguments_doc = inspect.cleandoc(protocol.__call__.__doc__ or "").partition("\n")[2].strip()

    def row(
        self,
        stage: str | None,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        prefix: str | None = None,
        operation: str | None = None,
        target_attribute: str | None = None,
        target_is_function: bool = False,
    ) -> Callable[[Callable[[], None]], D]:
        """Make the empty function below into the decorator of a stage; see ``StageRow`` for the arguments."""
        return functools.partial(
            self._decorator, StageRow(stage, kind, prefix, operation, target_attribute, target_is_function)
        )

    def _decorator(self, row: StageRow, stub: Callable[[], None]) -> D:
        target_name, known_options = self._target, self._options

        def decorator(target: Any = None, /, **options: Any) -> Any:
            if options and not known_options.issuperset(options):
                if target is None and target_name in options:
                    return decorator(options.pop(target_name), **options)
                wrong = sorted(options.keys() - known_options)[0]
                fault = "multiple values for" if wrong == target_name else "an unexpected keyword"
                raise TypeError(f"{stub.__name__}() got {fault} argument {wrong!r}")
            function = None
            if target is not None and not isinstance(target, str):
                function, target = target, None  # a bare @decorator
            scope = make_scope(
                row,
                target,
                options.get("name"),
                options.get("attributes"),
                options.get("capture"),
                stage=options.get("stage"),
                option_attributes={
                    key: options[option] for option, key in _OPTION_ATTRIBUTES.items() if option in options
                },
            )
            return scope if function is None else scope(function)

        made: Any = functools.update_wrapper(decorator, stub)
        del made.__wrapped__  # the empty function has no signature worth showing
        made.__signature__ = self._signature
        made.__doc__ = f"{inspect.cleandoc(stub.__doc__ or '')}\n\n{self._arguments_doc}"
        made.__annotations__ = {}
        return cast("D", made)


_NAMED: Final[_Signature[NamedDecorator]] = _Signature(NamedDecorator)
_TRACE: Final[_Signature[TraceDecorator]] = _Signature(TraceDecorator)
_MODEL: Final[_Signature[ModelDecorator]] = _Signature(ModelDecorator)
_RETRIEVAL: Final[_Signature[RetrievalDecorator]] = _Signature(RetrievalDecorator)
_RERANK: Final[_Signature[RerankDecorator]] = _Signature(RerankDecorator)


@_TRACE.row(None)
def trace() -> None:
    """Trace any call. ``stage`` may name a stage that has no decorator of its own: cache, prompt, queue."""


@_NAMED.row(semconv.STAGE_REQUEST)
def request() -> None:
    """Trace a whole request. Inside a request it becomes a workflow, so that one request is counted once."""


@_NAMED.row(
    semconv.STAGE_WORKFLOW,
    prefix="invoke_workflow",
    operation="invoke_workflow",
    target_attribute=semconv.GEN_AI_WORKFLOW_NAME,
    target_is_function=True,
)
def workflow() -> None:
    """Trace a named part of a request that holds other stages."""


@_NAMED.row(semconv.STAGE_GUARD, prefix="guardrail", target_attribute=semconv.GUARDRAIL_NAME, target_is_function=True)
def guardrail() -> None:
    """Trace a check of input or output; write its verdict with ``annotate({semconv.GUARDRAIL_FLAGGED: ...})``."""


@_NAMED.row(
    semconv.STAGE_TOOL,
    prefix="execute_tool",
    operation="execute_tool",
    target_attribute=semconv.GEN_AI_TOOL_NAME,
    target_is_function=True,
)
def tool() -> None:
    """Trace a tool that a model called."""


@_NAMED.row(
    semconv.STAGE_AGENT,
    prefix="invoke_agent",
    operation="invoke_agent",
    target_attribute=semconv.GEN_AI_AGENT_NAME,
    target_is_function=True,
)
def agent() -> None:
    """Trace a run of an agent."""


@_MODEL.row(
    semconv.STAGE_EMBED,
    kind=SpanKind.CLIENT,
    prefix="embeddings",
    operation="embeddings",
    target_attribute=semconv.GEN_AI_REQUEST_MODEL,
)
def embedding() -> None:
    """Trace a computation of embeddings: text into vectors."""


@_RETRIEVAL.row(
    semconv.STAGE_SEARCH,
    kind=SpanKind.CLIENT,
    prefix="retrieval",
    operation="retrieval",
    target_attribute=semconv.GEN_AI_DATA_SOURCE_ID,
)
def retrieval() -> None:
    """Trace a search in an index; write the retrieved documents with ``record_documents``."""


@_RERANK.row(semconv.STAGE_RERANK, prefix="rerank", target_is_function=True)
def rerank() -> None:
    """Trace the choice among retrieved documents.

    Write the chosen ones with ``record_documents(documents, key=semconv.RERANK_DOCUMENTS)``.
    """


@_MODEL.row(
    semconv.STAGE_MODEL,
    kind=SpanKind.CLIENT,
    prefix="chat",
    operation="chat",
    target_attribute=semconv.GEN_AI_REQUEST_MODEL,
)
def llm() -> None:
    """Trace a call of a language model.

    A streamed answer is followed to its end: first content, stalls, chunks, outcome.
    """
