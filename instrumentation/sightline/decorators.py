"""Tracing decorators for sync and async functions, generators and async generators.

Each is used with or without parentheses, and as a context manager:

```python
@sightline.retrieval
def search(question: str) -> list[Doc]: ...

@sightline.llm("gpt-4o-mini", provider="openai")
async def answer(prompt: str) -> AsyncIterator[str]: ...

with sightline.rerank("cross-encoder") as span: ...
```

A decorated function keeps its signature, its result and its exceptions. A function that returns a
coroutine, a generator or a client library's stream is followed until that ends.
"""

import dataclasses
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from typing import Any, Final, ParamSpec, TypeVar, cast

from opentelemetry.trace import SpanKind

from sightline import faults, semconv
from sightline.capture import attribute
from sightline.runtime import CONTEXT, restore
from sightline.settings import Capture
from sightline.spans import OpenSpan, SpanBlock, SpanPlan, leave, open_span
from sightline.streaming.stream_managers import TracedAsyncManager, TracedManager
from sightline.streaming.streams import TracedAsyncGenerator, TracedAsyncIterator, TracedGenerator, TracedIterator

P = ParamSpec("P")
R = TypeVar("R")
BY_HAND: Final = "recorded"
"""``capture=`` of a call whose arguments and result are left out, but not what its code records."""
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
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return str(name).rpartition("<locals>.")[2]


def make_scope(
    stage: str | None,
    target: str | None,
    name: str | None,
    attributes: Mapping[str, object] | None,
    capture: str | None,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    prefix: str | None = None,
    operation: str | None = None,
    subject: str | None = None,
    target_is_function: bool = False,
    extra: Mapping[str, object] | None = None,
) -> SpanScope:
    """Return the scope for one decorator.

    Args:
        stage: value of ``sightline.stage``.
        target: what the span is about (model, index, tool); completes the name after ``prefix``.
        name: span name, overrides everything else.
        attributes: more attributes.
        capture: overrides the capture mode.
        kind: span kind.
        prefix: first word of the span's name.
        operation: ``gen_ai.operation.name``.
        subject: attribute that holds the target.
        target_is_function: without a target, the function's name is it.
        extra: attributes that the decorator's own arguments stand for.
    """
    by_hand = capture == BY_HAND
    mode = None if by_hand else _capture_mode(capture)

    def make(function_name: str | None) -> SpanPlan:
        what = target or (function_name if target_is_function else None)
        static: dict[str, Any] = {}
        if stage:
            static[semconv.STAGE] = stage
        if operation:
            static[semconv.GEN_AI_OPERATION_NAME] = operation
        if subject and what:
            static[subject] = what
        for key, value in {**(extra or {}), **(attributes or {})}.items():
            plain = attribute(value)
            if plain is not None:
                static[key] = plain
        if name:
            full = name
        elif prefix:
            full = f"{prefix} {what}" if what else prefix
        else:
            full = what or function_name or stage or "span"
        pending = prefix if prefix and not name and not what else None
        return SpanPlan(full, stage or "", kind, static, pending, subject, mode, by_hand=by_hand)

    return SpanScope(make)


def _capture_mode(capture: str | None) -> Capture | None:
    try:
        return None if capture is None else Capture(capture)
    except ValueError:
        faults.report("read capture=", f"{capture!r} is none of {', '.join([*Capture, BY_HAND])}")
        return Capture.NONE


def decorate(function: Callable[P, R], plan: SpanPlan) -> Callable[P, R]:
    """Return the function with a span around each call, as the plan says."""
    if isinstance(function, (classmethod, staticmethod)):
        # The decorators in the other order: what they hold is decorated, what they are stays.
        return cast("Callable[P, R]", type(function)(decorate(function.__func__, plan)))
    try:
        names = tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        names = ()
    streams = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
    static = plan.attributes
    if streams and plan.stage == semconv.STAGE_MODEL:
        static = {**(static or {}), semconv.GEN_AI_REQUEST_STREAM: True}
    plain = bool(names) and names[0] not in ("self", "cls")
    plan = dataclasses.replace(plan, attributes=static, names=names, plain=plain)
    wrapper: Any
    if inspect.iscoroutinefunction(function):
        wrapper = _wrap_coroutine_function(function, plan)
    else:
        wrapper = _wrap_function(function, plan)
    return cast("Callable[P, R]", functools.wraps(function)(wrapper))


def _wrap_coroutine_function(function: Callable[..., Coroutine[Any, Any, Any]], plan: SpanPlan) -> Callable[..., Any]:
    async def traced(*args: Any, **kwargs: Any) -> Any:
        opened = open_span(plan)
        if opened is None:
            return await function(*args, **kwargs)
        return await _await(opened, function(*args, **kwargs), args, kwargs)

    return traced


async def _await(opened: OpenSpan, call: Coroutine[Any, Any, Any], args: Any, kwargs: Any) -> Any:
    token = CONTEXT.set(opened.context)
    try:
        if args or kwargs:
            opened.capture_call(args, kwargs)
        result = await call
    except BaseException as error:
        restore(token)
        leave(opened, error)
        raise
    restore(token)
    return _finish(opened, result)


def _wrap_function(function: Callable[..., Any], plan: SpanPlan) -> Callable[..., Any]:
    def traced(*args: Any, **kwargs: Any) -> Any:
        opened = open_span(plan)
        if opened is None:
            return function(*args, **kwargs)
        token = CONTEXT.set(opened.context)
        try:
            if args or kwargs:
                opened.capture_call(args, kwargs)
            result = function(*args, **kwargs)
        except BaseException as error:
            restore(token)
            leave(opened, error)
            raise
        restore(token)
        return _finish(opened, result)

    return traced


def _finish(opened: OpenSpan, result: Any) -> Any:
    """End the span of a call that returned, or hand it to the stream or coroutine that was returned."""
    try:
        if isinstance(result, _STREAM_TYPES) or result is None:
            opened.capture_result(result)
            opened.end()
            return result
        followed = _follow(opened, result)
        if followed is not None:
            return followed
        opened.capture_result(result)
        opened.end()
    except Exception as fault:
        faults.report("capture result", fault)
        leave(opened, None)
    return result


def _follow(opened: OpenSpan, result: Any) -> Any:  # noqa: PLR0911  one return a kind reads best
    if inspect.isgenerator(result):
        return TracedGenerator(result, opened)
    if inspect.isasyncgen(result):
        return TracedAsyncGenerator(result, opened)
    if inspect.iscoroutine(result):
        return _await(opened, result, (), {})
    if opened.stage == semconv.STAGE_MODEL and not hasattr(type(result), "__len__"):
        # A client library's stream: an iterator that is no container.
        if isinstance(result, AsyncIterator):
            opened.span.set_attribute(semconv.GEN_AI_REQUEST_STREAM, True)
            return TracedAsyncIterator(result, opened)
        if isinstance(result, Iterator):
            opened.span.set_attribute(semconv.GEN_AI_REQUEST_STREAM, True)
            return TracedIterator(result, opened)
        if type(result).__name__.endswith("StreamManager"):
            # OpenAI's and Anthropic's helpers: the stream comes out of a ``with`` block.
            opened.span.set_attribute(semconv.GEN_AI_REQUEST_STREAM, True)
            kind = TracedAsyncManager if hasattr(type(result), "__aenter__") else TracedManager
            return kind(result, opened)
    return None


def told(first: Any) -> tuple[Callable[..., Any] | None, str | None]:
    """Tell the function of a bare ``@decorator`` from the first argument of ``@decorator("...")``."""
    return (None, first) if first is None or isinstance(first, str) else (first, None)


def apply_scope(scope: SpanScope, function: Callable[P, R] | None) -> Callable[P, R] | SpanScope:
    """Return the decorated function, or the scope itself when there is none yet."""
    return scope if function is None else scope(function)
