"""Traced streams: exactly one ended span, however a stream ends.

A traced stream is a thin object around the real generator. Each step runs with the span current and
detaches before the item is handed out, so no context is ever held across a ``yield``; what the body did to
its context (``identify``, nested spans) is kept for its next step. A stream that is neither consumed to its end nor
closed ends its span when it is garbage-collected.
"""

import inspect
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Iterator
from contextvars import Token
from types import TracebackType
from typing import Any, Final

from opentelemetry.context import Context

from sightline import semconv
from sightline.runtime import CONTEXT
from sightline.spans import OpenSpan, is_cancellation
from sightline.streaming.stream_meter import StreamMeter

_perf_counter: Final = time.perf_counter


def _outcome_of(error: BaseException) -> str:
    if isinstance(error, GeneratorExit):
        return semconv.OUTCOME_CLOSED
    if is_cancellation(error):
        return semconv.OUTCOME_CANCELLED
    return semconv.OUTCOME_ERROR


class _TracedStream:
    """What sync and async streams share: the meter, and the context that the body sees."""

    __slots__ = ("__weakref__", "_context", "_meter", "_running", "_source")

    def __init__(self, source: Any, open_span: OpenSpan) -> None:
        self._source = source
        self._context: Context = open_span.context
        self._meter = StreamMeter(open_span)
        self._running = False

    def _enter(self) -> Token[Context]:
        self._running = True
        return CONTEXT.set(self._context)

    def _leave(self, token: Token[Context]) -> None:
        self._running = False
        context = CONTEXT.get()
        try:
            CONTEXT.reset(token)
        except (ValueError, RuntimeError):
            return  # collected in another thread or task, whose context was never changed
        self._context = context

    def _failed(self, error: BaseException) -> None:
        if isinstance(error, GeneratorExit):
            self._meter.finish(semconv.OUTCOME_CLOSED)
        else:
            self._meter.finish(_outcome_of(error), error)

    def _end_by(self, call: Callable[[], Any], outcome: str = semconv.OUTCOME_CLOSED) -> Any:
        """Call what closes the source, inside of the span; the outcome holds unless the stream had ended before."""
        if self._meter.ended or self._running:
            return call()
        token = self._enter()
        error: BaseException | None = None
        try:
            return call()
        except BaseException as caught:
            error = caught
            raise
        finally:
            self._leave(token)
            self._meter.finish(outcome if error is None else _outcome_of(error), error)

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "_source"), name)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """What ``isinstance`` sees: the stream is still one of the client library's, or a generator."""
        return object.__getattribute__(self, "_source").__class__


class TracedIterator(_TracedStream, Iterator[Any]):
    """A sync iterator (for example an OpenAI ``Stream``) whose span ends with it; other attributes are the source's."""

    __slots__ = ()

    def __iter__(self) -> "TracedIterator":
        return self

    def __next__(self) -> Any:
        return self._step(self._source.__next__)

    def _step(self, call: Any, *args: Any) -> Any:
        meter = self._meter
        if meter.ended or self._running:
            return call(*args)
        self._running = True
        token = CONTEXT.set(self._context)
        requested_s = _perf_counter()
        try:
            item = call(*args)
        except StopIteration:
            self._leave(token)
            meter.finish(semconv.OUTCOME_COMPLETED)
            raise
        except BaseException as error:
            self._leave(token)
            self._failed(error)
            raise
        self._leave(token)
        meter.item(item, requested_s)
        return item

    def close(self) -> None:
        """Close the source; the outcome is ``closed`` unless it had ended before."""
        self._end_by(self._source_close)

    def _source_close(self) -> None:
        close = getattr(self._source, "close", None)
        if close is not None:
            close()

    def __enter__(self) -> Any:
        enter = getattr(self._source, "__enter__", None)
        entered = self._source if enter is None else enter()
        return self if entered is self._source else entered

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Any:
        # Some streams can be closed by their own ``__exit__`` only.
        leave = getattr(self._source, "__exit__", None)
        return self._end_by(self._source_close if leave is None else lambda: leave(kind, error, trace))

    def __del__(self) -> None:
        meter = getattr(self, "_meter", None)
        if meter is not None and not meter.ended:
            meter.finish(semconv.OUTCOME_ABANDONED)


class TracedGenerator(TracedIterator, Generator[Any, Any, Any]):
    """A generator whose span starts with the call and ends with the stream."""

    __slots__ = ()

    def send(self, value: Any, /) -> Any:
        """Resume the generator with a value."""
        return self._step(self._source.send, value)

    def throw(self, *args: Any) -> Any:
        """Raise an exception inside the generator."""
        return self._step(self._source.throw, *args)

    def __del__(self) -> None:
        meter = getattr(self, "_meter", None)
        if meter is not None and not meter.ended:
            # The body's own clean-up still runs inside the span.
            self._end_by(self._source_close, semconv.OUTCOME_ABANDONED)


class TracedAsyncIterator(_TracedStream, AsyncIterator[Any]):
    """An async iterator (for example an OpenAI ``AsyncStream``) whose span ends with it."""

    __slots__ = ()

    def __aiter__(self) -> "TracedAsyncIterator":
        return self

    def __anext__(self) -> Coroutine[Any, Any, Any]:
        return self._astep(self._source.__anext__)

    async def _astep(self, call: Any, *args: Any) -> Any:
        meter = self._meter
        if meter.ended or self._running:
            return await call(*args)
        self._running = True
        token = CONTEXT.set(self._context)
        requested_s = _perf_counter()
        try:
            item = await call(*args)
        except StopAsyncIteration:
            self._leave(token)
            meter.finish(semconv.OUTCOME_COMPLETED)
            raise
        except BaseException as error:
            self._leave(token)
            self._failed(error)
            raise
        self._leave(token)
        meter.item(item, requested_s)
        return item

    async def aclose(self) -> None:
        """Close the source; the outcome is ``closed`` unless it had ended before."""
        await self._aend_by(self._source_aclose)

    def close(self) -> Any:
        """Close the source, under the name that OpenAI's ``AsyncStream`` uses; to be awaited where the source's is."""
        close = getattr(self._source, "close", None)
        if close is None or inspect.iscoroutinefunction(close):
            return self.aclose()
        return self._end_by(close)

    async def _aend_by(self, call: Callable[[], Any]) -> Any:
        """Await what closes the source, inside of the span."""
        if self._meter.ended or self._running:
            return await call()
        token = self._enter()
        error: BaseException | None = None
        try:
            return await call()
        except BaseException as caught:
            error = caught
            raise
        finally:
            self._leave(token)
            self._meter.finish(semconv.OUTCOME_CLOSED if error is None else _outcome_of(error), error)

    async def _source_aclose(self) -> None:
        close = getattr(self._source, "aclose", None) or getattr(self._source, "close", None)
        if close is not None:
            closing = close()
            if inspect.isawaitable(closing):
                await closing

    async def __aenter__(self) -> Any:
        enter = getattr(self._source, "__aenter__", None)
        entered = self._source if enter is None else await enter()
        return self if entered is self._source else entered

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Any:
        leave = getattr(self._source, "__aexit__", None)
        return await self._aend_by(self._source_aclose if leave is None else lambda: leave(kind, error, trace))

    def __del__(self) -> None:
        # The event loop closes the source itself (sys.set_asyncgen_hooks); that may be much later or never.
        meter = getattr(self, "_meter", None)
        if meter is not None and not meter.ended:
            meter.finish(semconv.OUTCOME_ABANDONED)


class TracedAsyncGenerator(TracedAsyncIterator, AsyncGenerator[Any, Any]):
    """An async generator whose span starts with the call and ends with the stream."""

    __slots__ = ()

    def asend(self, value: Any, /) -> Coroutine[Any, Any, Any]:
        """Resume the generator with a value."""
        return self._astep(self._source.asend, value)

    def athrow(self, *args: Any) -> Coroutine[Any, Any, Any]:
        """Raise an exception inside the generator."""
        return self._astep(self._source.athrow, *args)
