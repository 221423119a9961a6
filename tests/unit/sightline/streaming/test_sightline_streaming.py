"""The streaming matrix: however a stream ends, exactly one ended span with the right account."""

import asyncio
import contextvars
import gc
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from opentelemetry.trace import INVALID_SPAN, StatusCode, get_current_span
from traced_words import awords, outcome, words

import sightline
from sightline import semconv
from sightline.testing import Spans

pytestmark = pytest.mark.usefixtures("no_context_errors")


def test_generator_completes_with_first_content_and_waits(spans: Spans) -> None:
    """The span of a consumed stream has first content, chunks, waits and text."""
    assert list(words("", "a", "b", "c")) == ["", "a", "b", "c"]
    assert outcome(spans) == ("completed", 4)
    attributes = spans.attributes("chat m")
    assert attributes[semconv.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK] > 0
    assert attributes[semconv.STREAM_TIME_PER_CHUNK_P50] <= attributes[semconv.STREAM_TIME_PER_CHUNK_P95]
    assert attributes[semconv.STREAM_TIME_PER_CHUNK_P95] <= attributes[semconv.STREAM_LONGEST_STALL]
    assert attributes[semconv.OUTPUT] == "abc"
    assert attributes[semconv.GEN_AI_REQUEST_STREAM] is True
    assert attributes["last"] == "c"
    assert spans.single().status.status_code is StatusCode.UNSET


async def test_async_generator_completes(spans: Spans) -> None:
    """The span of an async stream has the same."""
    assert [item async for item in awords("a", "b")] == ["a", "b"]
    assert outcome(spans) == ("completed", 2)
    assert spans.attributes()["last"] == "b"


def test_no_context_is_held_across_a_yield(spans: Spans) -> None:
    """Between two items the consumer is not inside the stream's span."""
    stream = words("a", "b")
    next(stream)
    assert get_current_span() is INVALID_SPAN
    with sightline.trace("consumer"):
        next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert spans.single("consumer").parent is None


def test_generator_closed_early(spans: Spans) -> None:
    """Closing early is no error and counts what was taken."""
    stream = words("a", "b", "c")
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert outcome(spans) == ("closed", 1)
    assert spans.single().status.status_code is StatusCode.UNSET
    assert spans.attributes()[semconv.OUTPUT] == "a"


async def test_async_generator_closed_early(spans: Spans) -> None:
    """The same for aclose()."""
    stream = awords("a", "b", "c")
    await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]
    await stream.aclose()  # type: ignore[attr-defined]
    assert outcome(spans) == ("closed", 1)


def test_never_consumed_generator_ends_when_collected(spans: Spans) -> None:
    """A stream that nobody asks for anything ends its span when it is collected."""
    stream = words("a")
    assert len(spans) == 0
    del stream
    gc.collect()
    assert outcome(spans) == ("abandoned", 0)
    assert semconv.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK not in spans.attributes()


async def test_never_consumed_async_generator_ends_when_collected(spans: Spans) -> None:
    """The same for an async stream."""
    stream = awords("a")
    del stream
    gc.collect()
    assert outcome(spans) == ("abandoned", 0)


async def test_never_consumed_stream_that_is_closed_is_closed(spans: Spans) -> None:
    """Closing before the first item counts as closed."""
    words("a").close()  # type: ignore[attr-defined]
    await awords("a").aclose()  # type: ignore[attr-defined]
    assert [(s.attributes or {})[semconv.STREAM_OUTCOME] for s in spans] == ["closed", "closed"]


def test_partly_consumed_generator_ends_when_collected(spans: Spans) -> None:
    """A dropped stream runs its own clean-up inside the span, then ends it."""
    seen = []

    @sightline.workflow
    def stream() -> Iterator[int]:
        try:
            yield 1
            yield 2
        finally:
            seen.append(sightline.current_span_id())

    steps = stream()
    next(steps)
    del steps
    gc.collect()
    assert outcome(spans) == ("abandoned", 1)
    assert seen == [f"{1:016x}"]


async def test_partly_consumed_async_generator_ends_when_collected(spans: Spans) -> None:
    """A dropped async stream ends its span at once; the loop closes the body later."""
    closed = asyncio.Event()

    @sightline.workflow
    async def stream() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            closed.set()

    async for _ in stream():
        break
    gc.collect()
    assert outcome(spans) == ("abandoned", 1)
    await asyncio.wait_for(closed.wait(), 1)
    assert len(spans) == 1


def test_cycle_is_collected_once(spans: Spans) -> None:
    """A stream in a reference cycle is ended by the collector, once."""
    stream = words("a")
    holder: dict[str, Any] = {"stream": stream}
    holder["self"] = holder
    del stream, holder
    gc.collect()
    gc.collect()
    assert outcome(spans) == ("abandoned", 0)


def test_exception_in_mid_stream(spans: Spans) -> None:
    """The body's exception reaches the consumer and the span, with what had come before."""

    @sightline.llm("m")
    def broken() -> Iterator[str]:
        yield "a"
        raise RuntimeError("model gone")

    stream = broken()
    assert next(stream) == "a"
    with pytest.raises(RuntimeError, match="model gone"):
        next(stream)
    with pytest.raises(StopIteration):
        next(stream)
    assert outcome(spans) == ("error", 1)
    span = spans.single()
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})[semconv.ERROR_TYPE] == "RuntimeError"
    assert [event.name for event in span.events] == ["exception"]


async def test_exception_in_mid_async_stream(spans: Spans) -> None:
    """The same for an async stream."""

    @sightline.llm("m")
    async def broken() -> AsyncIterator[str]:
        yield "a"
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        [item async for item in broken()]
    assert outcome(spans) == ("error", 1)


async def test_cancelled_in_mid_stream(spans: Spans) -> None:
    """Cancelling the consuming task is an outcome of its own, not an error."""
    started = asyncio.Event()

    @sightline.llm("m")
    async def slow() -> AsyncIterator[str]:
        yield "a"
        started.set()
        await asyncio.sleep(60)
        yield "b"

    async def consume() -> None:
        async for _ in slow():
            pass

    task = asyncio.create_task(consume())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert outcome(spans) == ("cancelled", 1)
    span = spans.single()
    assert span.status.status_code is StatusCode.UNSET
    assert (span.attributes or {})[semconv.SPAN_CANCELLED] is True


def test_consumed_in_another_thread(spans: Spans) -> None:
    """The consumer may be another thread, or one after the other."""
    stream = words("a", "b", "c")
    next(stream)
    got: list[str] = []
    thread = threading.Thread(target=lambda: got.extend(stream))
    thread.start()
    thread.join()
    assert got == ["b", "c"]
    assert outcome(spans) == ("completed", 3)
    assert get_current_span() is INVALID_SPAN


async def test_consumed_in_other_tasks(spans: Spans) -> None:
    """Each item may be taken by a task of its own."""
    stream = awords("a", "b")
    assert await asyncio.create_task(anext(stream)) == "a"  # type: ignore[arg-type]
    assert await asyncio.create_task(anext(stream)) == "b"  # type: ignore[arg-type]
    with pytest.raises(StopAsyncIteration):
        await asyncio.create_task(anext(stream))  # type: ignore[arg-type]
    assert outcome(spans) == ("completed", 2)


async def test_closed_in_another_task_with_a_block_open_in_the_body(spans: Spans) -> None:
    """A block of ours that is open in the body, closed from another task, complains about no context."""

    @sightline.workflow
    async def stream() -> AsyncIterator[int]:
        with sightline.retrieval("Documents"):
            yield 1
            yield 2

    steps = stream()
    await asyncio.create_task(anext(steps))  # type: ignore[arg-type]
    await asyncio.create_task(steps.aclose())  # type: ignore[attr-defined]
    assert sorted(spans.names()) == [
        "invoke_workflow " + stream.__qualname__.rpartition("<locals>.")[2],
        "retrieval Documents",
    ]
    assert get_current_span() is INVALID_SPAN


def test_each_step_in_its_own_context_object(spans: Spans) -> None:
    """Steps in different contextvars contexts, as servers run sync streams, work."""
    stream = words("a", "b")
    for _ in range(2):
        contextvars.Context().run(next, stream)
    contextvars.Context().run(lambda: list(stream))
    assert outcome(spans) == ("completed", 2)


def test_consumed_twice(spans: Spans) -> None:
    """A second pass over a used stream is empty and changes nothing."""
    stream = words("a")
    assert list(stream) == ["a"]
    assert list(stream) == []
    assert outcome(spans) == ("completed", 1)


def test_send_throw_and_return_value(spans: Spans) -> None:
    """The generator protocol passes through whole."""

    @sightline.trace("talk")
    def talk() -> Any:
        got = yield "ready"
        try:
            yield got
        except KeyError:
            yield "caught"
        return "result"

    stream = talk()
    assert next(stream) == "ready"
    assert stream.send("x") == "x"
    assert stream.throw(KeyError("k")) == "caught"
    with pytest.raises(StopIteration) as stop:
        next(stream)
    assert stop.value.value == "result"
    assert outcome(spans) == ("completed", 3)


async def test_asend_and_athrow(spans: Spans) -> None:
    """The async generator protocol passes through whole."""

    @sightline.trace("talk")
    async def talk() -> Any:
        got = yield "ready"
        try:
            yield got
        except KeyError:
            yield "caught"

    stream = talk()
    assert await anext(stream) == "ready"
    assert await stream.asend("x") == "x"
    assert await stream.athrow(KeyError("k")) == "caught"
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    assert outcome(spans) == ("completed", 3)


def test_yield_from_and_nested_streams(spans: Spans) -> None:
    """A stream inside a stream is its child, wherever the outer one is consumed."""

    @sightline.workflow("outer")
    def outer() -> Iterator[str]:
        yield from words("a", "b")

    assert list(outer()) == ["a", "b"]
    assert spans.tree() == "invoke_workflow outer\n  chat m"


def test_identity_set_in_the_body_holds_for_later_steps(spans: Spans) -> None:
    """What the body does to its context is there in its next step, and not outside."""

    @sightline.workflow("w")
    def stream() -> Iterator[int]:
        sightline.identify(session="s1")
        yield 1
        with sightline.trace("later"):
            yield 2

    list(stream())
    with sightline.trace("outside"):
        pass
    assert spans.attributes("later")[semconv.SESSION_ID] == "s1"
    assert spans.attributes("invoke_workflow w")[semconv.SESSION_ID] == "s1"
    assert semconv.SESSION_ID not in spans.attributes("outside")


def test_reentrant_step_raises_as_python_does(spans: Spans) -> None:
    """A generator that asks itself for an item fails as usual; its span goes on."""
    holder: list[Any] = []

    @sightline.trace("self")
    def stream() -> Iterator[str]:
        with pytest.raises(ValueError, match="already executing"):
            next(holder[0])
        yield "a"

    holder.append(stream())
    assert list(holder[0]) == ["a"]
    holder.clear()
    assert outcome(spans) == ("completed", 1)


def test_function_that_returns_a_generator_is_followed(spans: Spans) -> None:
    """The span of a plain function lasts as long as the generator that it returns."""

    @sightline.llm("m")
    def call() -> Iterator[str]:
        return (item for item in ("a", "b"))

    stream = call()
    assert len(spans) == 0
    assert list(stream) == ["a", "b"]
    assert outcome(spans) == ("completed", 2)
