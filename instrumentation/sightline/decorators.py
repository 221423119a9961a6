"""Tracing decorators for sync and async functions, generators and async generators.

Each is used with or without parentheses, and as a context manager:

```python
@sightline.retrieval
def search(question: str) -> list[Doc]: ...

@sightline.llm("gpt-4o-mini", provider="openai")
async def answer(prompt: str) -> AsyncIterator[str]: ...

with sightline.rerank("cross-encoder") as span: ...
```

A decorated function keeps its kind, its signature, its result and its exceptions. A function that returns a
coroutine, a generator or a client library's stream is followed until that ends. Of a property, the getter is traced.
"""

import dataclasses
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from typing import Any, Final, ParamSpec, TypeVar, cast

from opentelemetry.trace import SpanKind

from sightline import faults, semconv
from sightline.callables import STREAMS, decorate_inside, function_inside, kind_of, show_as
from sightline.capture.values import attribute
from sightline.runtime import CONTEXT, detach
from sightline.settings import Capture
from sightline.spans import OpenSpan, SpanBlock, SpanPlan, end_span, start_span
from sightline.streaming.stream_managers import TracedAsyncManager, TracedManager
from sightline.streaming.traced_streams import (
    TracedAsyncGenerator,
    TracedAsyncIterator,
    TracedGenerator,
    TracedIterator,
)

P = ParamSpec("P")
R = TypeVar("R")
RECORDED_ONLY: Final = "recorded"
"""Value of ``capture=`` that leaves out arguments and result and keeps what the code inside records."""
_STREAM_TYPES: Final = (str, bytes, list, tuple, dict, set)


class SpanScope(SpanBlock):
    """What a decorator with arguments returns: a decorator and a context manager in one."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[str | None], SpanPlan]) -> None:
        super().__init__(make(None))
        self._make = make

    def __call__(self, function: Callable[P, R], /) -> Callable[P, R]:
        """Decorate a function."""
        return decorate(function, self._make(_name_of(function)))


def _name_of(function: Any) -> str:
    name = (
        getattr(function, "__qualname__", None)
        or getattr(function_inside(function), "__qualname__", None)
        or type(function).__qualname__
    )
    return str(name).rpartition("<locals>.")[2]


@dataclasses.dataclass(frozen=True, slots=True)
class StageRow:
    """How the spans of one stage are named and what they carry."""

    stage: str | None
    """Value of ``sightline.stage``."""
    kind: SpanKind = SpanKind.INTERNAL
    """Span kind."""
    prefix: str | None = None
    """First word of the span's name; the target follows."""
    operation: str | None = None
    """``gen_ai.operation.name``."""
    target_attribute: str | None = None
    """Attribute that holds the target: model, index, tool."""
    target_is_function: bool = False
    """Whether the function's name is the target where none is given."""


def make_scope(
    row: StageRow,
    target: str | None,
    name: str | None = None,
    attributes: Mapping[str, object] | None = None,
    capture: str | None = None,
    *,
    stage: str | None = None,
    option_attributes: Mapping[str, object] | None = None,
) -> SpanScope:
    """Return the scope for one use of a decorator.

    Args:
        row: the decorator's stage.
        target: what the span is about (model, index, tool); completes the name after the row's prefix.
        name: span name, overrides everything else.
        attributes: more attributes.
        capture: overrides the capture mode.
        stage: overrides the row's stage.
        option_attributes: attributes from the decorator's own options (provider, top_k).
    """
    recorded_only = capture == RECORDED_ONLY
    mode = None if recorded_only else _capture_mode(capture)
    if stage is None:
        stage = row.stage

    def make(function_name: str | None) -> SpanPlan:
        subject = target or (function_name if row.target_is_function else None)
        static: dict[str, Any] = {}
        if stage:
            static[semconv.STAGE] = stage
        if row.operation:
            static[semconv.GEN_AI_OPERATION_NAME] = row.operation
        if row.target_attribute and subject:
            static[row.target_attribute] = subject
        for key, value in {**(option_attributes or {}), **(attributes or {})}.items():
            attribute_value = attribute(value)
            if attribute_value is not None:
                static[key] = attribute_value
        prefix = row.prefix
        if name:
            span_name = name
        elif prefix:
            span_name = f"{prefix} {subject}" if subject else prefix
        else:
            span_name = subject or function_name or stage or "span"
        pending_prefix = prefix if prefix and not name and not subject else None
        return SpanPlan(
            span_name,
            stage or "",
            row.kind,
            static,
            pending_prefix,
            row.target_attribute,
            mode,
            recorded_only=recorded_only,
        )

    return SpanScope(make)


def _capture_mode(capture: str | None) -> Capture | None:
    try:
        return None if capture is None else Capture(capture)
    except ValueError:
        faults.report("read capture=", f"{capture!r} is none of {', '.join([*Capture, RECORDED_ONLY])}")
        return Capture.NONE


def decorate(function: Callable[P, R], plan: SpanPlan) -> Callable[P, R]:
    """Return the function with a span around each call, made from the plan.

    Raises:
        TypeError: it is no function and holds none that can be traced.
    """
    if not callable(function) or isinstance(function, (classmethod, staticmethod)):
        # The decorator is above @staticmethod, @property, ...: decorate the function inside, keep the kind.
        return cast("Callable[P, R]", decorate_inside(function, functools.partial(decorate, plan=plan)))
    try:
        parameter_names = tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        parameter_names = ()
    kind = kind_of(function)
    static = plan.attributes
    if kind & STREAMS and plan.stage == semconv.STAGE_MODEL:
        static = {**(static or {}), semconv.GEN_AI_REQUEST_STREAM: True}
    first_is_argument = bool(parameter_names) and parameter_names[0] not in ("self", "cls")
    plan = dataclasses.replace(
        plan, attributes=static, parameter_names=parameter_names, first_is_argument=first_is_argument
    )
    wrapper: Any
    if kind == inspect.CO_COROUTINE:
        wrapper = _wrap_coroutine_function(cast("Callable[..., Any]", function), plan)
    else:
        wrapper = show_as(kind, _wrap_function(function, plan))
    return cast("Callable[P, R]", functools.wraps(function)(wrapper))


def _wrap_coroutine_function(function: Callable[..., Coroutine[Any, Any, Any]], plan: SpanPlan) -> Callable[..., Any]:
    async def traced(*args: Any, **kwargs: Any) -> Any:
        open_span = start_span(plan)
        if open_span is None:
            return await function(*args, **kwargs)
        return await _await(open_span, function(*args, **kwargs), args, kwargs)

    return traced


async def _await(open_span: OpenSpan, coroutine: Coroutine[Any, Any, Any], args: Any, kwargs: Any) -> Any:
    token = CONTEXT.set(open_span.context)
    try:
        if args or kwargs:
            open_span.capture_call(args, kwargs)
        result = await coroutine
    except BaseException as error:
        detach(token)
        end_span(open_span, error)
        raise
    detach(token)
    return _finish(open_span, result)


def _wrap_function(function: Callable[..., Any], plan: SpanPlan) -> Any:
    def traced(*args: Any, **kwargs: Any) -> Any:
        open_span = start_span(plan)
        if open_span is None:
            return function(*args, **kwargs)
        token = CONTEXT.set(open_span.context)
        try:
            if args or kwargs:
                open_span.capture_call(args, kwargs)
            result = function(*args, **kwargs)
        except BaseException as error:
            detach(token)
            end_span(open_span, error)
            raise
        detach(token)
        return _finish(open_span, result)

    return traced


def _finish(open_span: OpenSpan, result: Any) -> Any:
    """End the span of a call that returned, or hand it to the stream or coroutine that was returned."""
    try:
        if isinstance(result, _STREAM_TYPES) or result is None:
            open_span.capture_result(result)
            open_span.end()
            return result
        followed = _follow(open_span, result)
        if followed is not None:
            return followed
        open_span.capture_result(result)
        open_span.end()
    except Exception as fault:
        faults.report("capture result", fault)
        end_span(open_span, None)
    return result


def _follow(open_span: OpenSpan, result: Any) -> Any:  # noqa: PLR0911  one return a kind reads best
    if inspect.isgenerator(result):
        return TracedGenerator(result, open_span)
    if inspect.isasyncgen(result):
        return TracedAsyncGenerator(result, open_span)
    if inspect.iscoroutine(result):
        return _await(open_span, result, (), {})
    if open_span.stage == semconv.STAGE_MODEL and not hasattr(type(result), "__len__"):
        # A client library's stream: an iterator that is no container.
        if isinstance(result, AsyncIterator):
            open_span.span.set_attribute(semconv.GEN_AI_REQUEST_STREAM, True)
            return TracedAsyncIterator(result, open_span)
        if isinstance(result, Iterator):
            open_span.span.set_attribute(semconv.GEN_AI_REQUEST_STREAM, True)
            return TracedIterator(result, open_span)
        if type(result).__name__.endswith("StreamManager"):
            # OpenAI's and Anthropic's helpers: the stream comes out of a ``with`` block.
            open_span.span.set_attribute(semconv.GEN_AI_REQUEST_STREAM, True)
            kind = TracedAsyncManager if hasattr(type(result), "__aenter__") else TracedManager
            return kind(result, open_span)
    return None
