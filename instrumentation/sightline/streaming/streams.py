"""Streams: first content, stalls, chunk counts, and exactly one ended span, however a stream ends.

A traced stream is a thin object around the real generator. Each step runs with the span current and
detaches before the item is handed out, so no context is ever held across a ``yield``; what the body did to
its context (``identify``, nested spans) is kept for its next step. A stream that nobody consumes, closes or
finishes ends its span when it is garbage-collected.

Times: the first content counts from the start of the call; the waits between chunks are those of the
consumer inside a step, so a slow consumer does not look like a slow producer.
"""

import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Generator, Iterator
from contextvars import Token
from types import TracebackType
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.trace import Status, StatusCode

from sightline import faults, semconv
from sightline.capture import MASK_MARGIN_CHARS
from sightline.runtime import CONTEXT, runtime
from sightline.settings import Capture
from sightline.spans import OpenSpan, is_cancellation
from sightline.streaming import chunks

_MAX_WAITS: Final = 4096
_perf_counter: Final = time.perf_counter


class StreamMeter:
    """Counts and times the items of one stream and writes them onto its span when it ends."""

    __slots__ = (
        "_chars",
        "_contents",
        "_count",
        "_first_s",
        "_limit",
        "_longest",
        "_opened",
        "_reader",
        "_stride",
        "_text",
        "_waits",
        "ended",
    )

    def __init__(self, opened: OpenSpan) -> None:
        self._opened = opened
        self._count = 0
        self._chars = 0
        self._contents = 0
        self._first_s: float | None = None
        self._longest = 0.0
        self._waits: list[float] = []
        self._stride = 1
        self._reader = chunks.ChunkReader()
        self._text: list[str] | None = [] if opened.policy.content else None
        self._limit = opened.policy.limit_chars + MASK_MARGIN_CHARS
        self.ended = False

    def item(self, item: object, asked_s: float) -> None:
        """Count an item that was asked for at ``asked_s`` (``perf_counter``) and has just come."""
        now = _perf_counter()
        count = self._count
        self._count = count + 1
        if count:
            wait = now - asked_s
            self._longest = max(self._longest, wait)
            if count % self._stride == 0:
                self._waits.append(wait)
                if len(self._waits) >= _MAX_WAITS:
                    # Long streams keep every 2nd, 4th, ... wait: quantiles stay, memory does not grow.
                    del self._waits[::2]
                    self._stride *= 2
        # Strings are by far the most frequent items: no call for them.
        if type(item) is str:
            if not item:
                return
            text: str | None = item
        else:
            try:
                if not self._reader.is_content(item):
                    return
                text = self._reader.text
            except Exception as fault:
                faults.report("read chunk", fault)
                return
        self._contents += 1
        if self._first_s is None:
            self._first_s = now - self._opened.started_s
        if text is not None:
            if self._text is not None and self._chars < self._limit:
                self._text.append(text)
            self._chars += len(text)

    def finish(self, outcome: str, error: BaseException | None = None) -> None:
        """Write the account onto the span and end it. Only the first call counts; never raises."""
        if self.ended:
            return
        self.ended = True
        try:
            self._write(outcome, error)
        except Exception as fault:
            faults.report("finish stream", fault)
        finally:
            try:
                self._opened.end()
            except Exception as fault:
                faults.report("end span", fault)

    def _write(self, outcome: str, error: BaseException | None) -> None:
        opened = self._opened
        if not opened.span.is_recording():
            return
        found: dict[str, Any] = {
            semconv.STREAM_CHUNKS: self._count,
            semconv.STREAM_CONTENT_CHUNKS: self._contents,
            semconv.STREAM_OUTCOME: outcome,
        }
        if self._first_s is not None:
            if opened.stage == semconv.STAGE_MODEL:
                found[semconv.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK] = self._first_s
            elif opened.mark is not None and opened.mark.first_token_s is None:
                found[semconv.RESPONSE_TIME_TO_FIRST_TOKEN] = self._first_s
        if self._waits:
            waits = sorted(self._waits)
            found[semconv.STREAM_LONGEST_STALL] = self._longest
            found[semconv.STREAM_TIME_PER_CHUNK_P50] = nearest_rank(waits, 0.50)
            found[semconv.STREAM_TIME_PER_CHUNK_P95] = nearest_rank(waits, 0.95)
            take_waits = runtime.take_waits
            if take_waits is not None and opened.stage == semconv.STAGE_MODEL:
                # The attributes are read later, by the exporting thread, when all of them are there.
                take_waits(getattr(opened.span, "attributes", None) or {}, waits, self._stride)
        if opened.stage == semconv.STAGE_MODEL:
            found.update(self._reader.response_attributes())
        opened.frame.annotate(found)
        if self._text and opened.policy.content:
            opened.capture_result("".join(self._text))
        elif self._chars and opened.policy.mode is Capture.LENGTHS:
            opened.span.set_attribute(semconv.OUTPUT_LENGTH, self._chars)
        if error is not None:
            opened.fail(error)
        elif outcome == semconv.OUTCOME_ERROR:
            opened.span.set_status(Status(StatusCode.ERROR))
        elif self._reader.failure is not None:
            # The call went well, the answer did not: the stream itself says so.
            opened.span.set_status(Status(StatusCode.ERROR, self._reader.failure))


def nearest_rank(ordered: list[float], quantile: float) -> float:
    """Return the nearest-rank quantile of a sorted, non-empty list."""
    return ordered[max(math.ceil(quantile * len(ordered)) - 1, 0)]


def _outcome_of(error: BaseException) -> str:
    if isinstance(error, GeneratorExit):
        return semconv.OUTCOME_CLOSED
    if is_cancellation(error):
        return semconv.OUTCOME_CANCELLED
    return semconv.OUTCOME_ERROR


class _Traced:
    """What sync and async streams share: the meter, and the context that the body sees."""

    __slots__ = ("__weakref__", "_context", "_meter", "_running", "_source")

    def __init__(self, source: Any, opened: OpenSpan) -> None:
        self._source = source
        self._context: Context = opened.context
        self._meter = StreamMeter(opened)
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
            return  # collected in another thread or task: there is nothing of ours to undo
        self._context = context

    def _failed(self, error: BaseException) -> None:
        if isinstance(error, GeneratorExit):
            self._meter.finish(semconv.OUTCOME_CLOSED)
        else:
            self._meter.finish(_outcome_of(error), error)

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "_source"), name)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """What ``isinstance`` sees: the stream is still one of the client library's, or a generator."""
        return object.__getattribute__(self, "_source").__class__


class TracedIterator(_Traced, Iterator[Any]):
    """A sync iterator (an OpenAI ``Stream``, say) whose span ends with it; other attributes are the source's."""

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
        asked_s = _perf_counter()
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
        meter.item(item, asked_s)
        return item

    def close(self) -> None:
        """Close the source; the outcome is ``closed`` unless it had ended before."""
        self._close(semconv.OUTCOME_CLOSED)

    def _close(self, outcome: str) -> None:
        if self._meter.ended or self._running:
            self._source_close()
            return
        token = self._enter()
        error: BaseException | None = None
        try:
            self._source_close()
        except BaseException as caught:
            error = caught
            raise
        finally:
            self._leave(token)
            self._meter.finish(outcome if error is None else _outcome_of(error), error)

    def _source_close(self) -> None:
        close = getattr(self._source, "close", None)
        if close is not None:
            close()

    def __enter__(self) -> "TracedIterator":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        meter = getattr(self, "_meter", None)
        if meter is not None and not meter.ended:
            meter.finish(semconv.OUTCOME_ABANDONED)


class TracedGenerator(TracedIterator, Generator[Any, Any, Any]):
    """A generator whose span starts with the call and ends with the stream."""

    __slots__ = ()

    def __next__(self) -> Any:
        return self._step(self._source.__next__)

    def send(self, value: Any, /) -> Any:
        """Resume the generator with a value."""
        return self._step(self._source.send, value)

    def throw(self, *args: Any) -> Any:
        """Raise an exception inside the generator."""
        return self._step(self._source.throw, *args)

    def close(self) -> None:
        """Close the generator; the outcome is ``closed`` unless it had ended before."""
        self._close(semconv.OUTCOME_CLOSED)

    def __del__(self) -> None:
        meter = getattr(self, "_meter", None)
        if meter is not None and not meter.ended:
            # The body's own clean-up still runs inside the span.
            self._close(semconv.OUTCOME_ABANDONED)


class TracedAsyncIterator(_Traced, AsyncIterator[Any]):
    """An async iterator (an OpenAI ``AsyncStream``, say) whose span ends with it."""

    __slots__ = ()

    def __aiter__(self) -> "TracedAsyncIterator":
        return self

    def __anext__(self) -> Coroutine[Any, Any, Any]:
        return self._step(self._source.__anext__)

    async def _step(self, call: Any, *args: Any) -> Any:
        meter = self._meter
        if meter.ended or self._running:
            return await call(*args)
        self._running = True
        token = CONTEXT.set(self._context)
        asked_s = _perf_counter()
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
        meter.item(item, asked_s)
        return item

    async def aclose(self) -> None:
        """Close the source; the outcome is ``closed`` unless it had ended before."""
        if self._meter.ended or self._running:
            await self._source_close()
            return
        token = self._enter()
        error: BaseException | None = None
        try:
            await self._source_close()
        except BaseException as caught:
            error = caught
            raise
        finally:
            self._leave(token)
            self._meter.finish(semconv.OUTCOME_CLOSED if error is None else _outcome_of(error), error)

    async def close(self) -> None:
        """Close the source, under the name that OpenAI's ``AsyncStream`` uses."""
        await self.aclose()

    async def _source_close(self) -> None:
        close = getattr(self._source, "aclose", None) or getattr(self._source, "close", None)
        if close is not None:
            await close()

    async def __aenter__(self) -> "TracedAsyncIterator":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        # The event loop closes the source itself (sys.set_asyncgen_hooks); that may be much later or never.
        meter = getattr(self, "_meter", None)
        if meter is not None and not meter.ended:
            meter.finish(semconv.OUTCOME_ABANDONED)


class TracedAsyncGenerator(TracedAsyncIterator, AsyncGenerator[Any, Any]):
    """An async generator whose span starts with the call and ends with the stream."""

    __slots__ = ()

    def __anext__(self) -> Coroutine[Any, Any, Any]:
        return self._step(self._source.__anext__)

    def asend(self, value: Any, /) -> Coroutine[Any, Any, Any]:
        """Resume the generator with a value."""
        return self._step(self._source.asend, value)

    def athrow(self, *args: Any) -> Coroutine[Any, Any, Any]:
        """Raise an exception inside the generator."""
        return self._step(self._source.athrow, *args)

    async def aclose(self) -> None:
        """Close the generator; the outcome is ``closed`` unless it had ended before."""
        await TracedAsyncIterator.aclose(self)
