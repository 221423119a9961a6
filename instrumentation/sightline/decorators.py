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
import types
from collections.abc import Callable, Mapping
from typing import Any, Final, ParamSpec, TypeVar, cast

from opentelemetry.trace import SpanKind

from sightline import faults, semconv
from sightline.callables import decorate_inside, function_inside, kind_of, show_as
from sightline.capture.mode import Capture
from sightline.capture.values import attribute
from sightline.runtime import CONTEXT, detach
from sightline.spans import OpenSpan, SpanBlock, SpanPlan, end_span, start_span
from sightline.streaming.client_streams import follow_client_stream
from sightline.streaming.traced_streams import TracedAsyncGenerator, TracedGenerator

P = ParamSpec("P")
R = TypeVar("R")
RECORDED_ONLY: Final = "recorded"
"""Value of ``capture=`` that leaves out arguments and result and keeps what the code inside records."""
_PLAIN_TYPES: Final = (str, bytes, list, tuple, dict, set)
"""Types of results that are neither streams nor coroutines."""


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
    first_is_argument = bool(parameter_names) and parameter_names[0] not in ("self", "cls")
    plan = dataclasses.replace(plan, parameter_names=parameter_names, first_is_argument=first_is_argument)
    wrapper: Any
    if kind == inspect.CO_COROUTINE:
        wrapper = _wrap_coroutine_function(function, plan)
    elif kind & inspect.CO_GENERATOR:
        wrapper = _wrap_generator_function(function, plan, kind)
    elif kind & inspect.CO_ASYNC_GENERATOR:
        wrapper = show_as(kind, _wrap_function(function, _of_stream(plan)))
    else:
        wrapper = _wrap_function(function, plan)
    return cast("Callable[P, R]", functools.wraps(function)(wrapper))


def _of_stream(plan: SpanPlan) -> SpanPlan:
    """Return the plan for a call whose result is a stream."""
    if plan.stage != semconv.STAGE_MODEL:
        return plan
    return dataclasses.replace(plan, attributes={**(plan.attributes or {}), semconv.GEN_AI_REQUEST_STREAM: True})


def _wrap_coroutine_function(function: Callable[..., Any], plan: SpanPlan) -> Callable[..., Any]:
    first_is_argument = plan.first_is_argument

    async def traced(*args: Any, **kwargs: Any) -> Any:
        open_span = start_span(plan, None, args[0] if first_is_argument and len(args) == 1 and not kwargs else None)
        if open_span is None:
            return await function(*args, **kwargs)
        token = CONTEXT.set(open_span.context)
        try:
            if (args or kwargs) and not open_span.has_input:
                open_span.capture_call(args, kwargs)
            result = await function(*args, **kwargs)
        except BaseException as error:
            detach(token)
            end_span(open_span, error)
            raise
        detach(token)
        return _finish(open_span, result)

    return traced


def _wrap_generator_function(function: Callable[..., Any], plan: SpanPlan, kind: int) -> Any:
    call = _wrap_function(function, _of_stream(plan))
    await_call = _wrap_coroutine_function(lambda *args, **kwargs: _run(function, args, kwargs), plan)

    def traced(*args: Any, **kwargs: Any) -> Any:
        if wrapper.__code__.co_flags & inspect.CO_ITERABLE_COROUTINE:
            # @types.coroutine below or above: what the generator yields are waits, no items of a stream.
            return _run(await_call, args, kwargs)
        return call(*args, **kwargs)

    wrapper = show_as(kind, cast("types.FunctionType", traced))
    return wrapper


@types.coroutine
def _run(call: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Await what a call returns; as a generator-based coroutine, which ``yield from`` accepts too."""
    return (yield from call(*args, **kwargs))


class _Returned:
    """A coroutine that a call returned.

    Its span ends too when it is dropped before its first step, as that of a task is that is cancelled at once.
    """

    __slots__ = ("_coroutine", "_open_span")

    def __init__(self, coroutine: Any, open_span: OpenSpan) -> None:
        self._coroutine = coroutine
        self._open_span: OpenSpan | None = open_span

    async def run(self) -> Any:
        """Await it inside of its span."""
        open_span, self._open_span = cast("OpenSpan", self._open_span), None
        token = CONTEXT.set(open_span.context)
        try:
            result = await self._coroutine
        except BaseException as error:
            detach(token)
            end_span(open_span, error)
            raise
        detach(token)
        return _finish(open_span, result)

    def __del__(self) -> None:
        if self._open_span is not None:
            self._coroutine.close()  # else CPython warns of a coroutine that was never awaited
            self._open_span.span.set_attribute(semconv.SPAN_CANCELLED, True)
            end_span(self._open_span, None)


def _wrap_function(function: Callable[..., Any], plan: SpanPlan) -> Any:
    first_is_argument = plan.first_is_argument

    def traced(*args: Any, **kwargs: Any) -> Any:
        open_span = start_span(plan, None, args[0] if first_is_argument and len(args) == 1 and not kwargs else None)
        if open_span is None:
            return function(*args, **kwargs)
        token = CONTEXT.set(open_span.context)
        try:
            if (args or kwargs) and not open_span.has_input:
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
        if isinstance(result, _PLAIN_TYPES) or result is None:
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


def _follow(open_span: OpenSpan, result: Any) -> Any:
    if inspect.iscoroutine(result):
        awaited: Any = _Returned(result, open_span).run()
        awaited.__name__, awaited.__qualname__ = result.__name__, result.__qualname__  # for logs of tasks
        return awaited
    if inspect.isgenerator(result):
        if inspect.isawaitable(result):
            return _run(_Returned(result, open_span).run, (), {})
        return TracedGenerator(result, open_span)
    if inspect.isasyncgen(result):
        return TracedAsyncGenerator(result, open_span)
    if open_span.stage == semconv.STAGE_MODEL and not hasattr(type(result), "__len__"):
        followed = follow_client_stream(result, open_span)
        if followed is not None:
            open_span.span.set_attribute(semconv.GEN_AI_REQUEST_STREAM, True)
        return followed
    return None
