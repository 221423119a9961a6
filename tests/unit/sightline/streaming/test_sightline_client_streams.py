"""Streams of client libraries, in each way in which they are iterated, entered and closed."""

from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

import sightline
from sightline import semconv
from sightline.testing import Spans

pytestmark = pytest.mark.usefixtures("no_context_errors")


class Words:
    """A stream for the sync loop."""

    words: Iterator[str]

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        return next(self.words)


class AsyncWords:
    """A stream for the async loop."""

    words: Iterator[str]

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        try:
            return next(self.words)
        except StopIteration:
            raise StopAsyncIteration from None


class EitherStream(Words, AsyncWords):
    """Looks like LiteLLM's CustomStreamWrapper: for both loops, closed in either way."""

    def __init__(self) -> None:
        self.words = iter(["a", "b"])
        self.closed: list[str] = []

    def close(self) -> None:
        """Close."""
        self.closed.append("close")

    async def aclose(self) -> None:
        """Close."""
        self.closed.append("aclose")


class MistralStream:
    """Looks like Mistral's EventStream and EventStreamAsync: its own exit is all that closes it."""

    def __init__(self, words: list[str]) -> None:
        self.words = iter(words)
        self.exits: list[Any] = []

    def __enter__(self) -> Any:
        return self

    def __exit__(self, kind: Any, *_: object) -> bool:
        self.exits.append(kind)
        return kind is KeyError


class EventStream(MistralStream, Words):
    """For the sync loop."""


class EventStreamAsync(MistralStream, AsyncWords):
    """For the async loop."""

    async def __aenter__(self) -> Any:
        return self.__enter__()

    async def __aexit__(self, *error: Any) -> bool:
        return self.__exit__(*error)


def botocore_stream(items: list[Any]) -> Any:
    """Return a stream that looks like botocore's: it has an iterator and is none."""

    class EventStream:
        closed = False

        def __iter__(self) -> Iterator[Any]:
            yield from items

        def close(self) -> None:
            self.closed = True

    return EventStream()


def aiobotocore_stream(items: list[Any]) -> Any:
    """Return a stream that looks like aiobotocore's: its ``__anext__`` is an async generator."""

    class AioEventStream:
        closed = False

        def __iter__(self) -> Iterator[Any]:
            raise NotImplementedError

        def __aiter__(self) -> Any:
            return self.__anext__()

        async def __anext__(self) -> AsyncIterator[Any]:
            for item in items:
                yield item

        def close(self) -> None:
            self.closed = True

    return AioEventStream()


def outcomes(spans: Spans) -> list[tuple[Any, Any]]:
    """Return outcome and output of each span."""
    attributes = [span.attributes or {} for span in spans]
    return [(found.get(semconv.STREAM_OUTCOME), found.get(semconv.OUTPUT)) for found in attributes]


async def test_a_stream_for_both_loops_works_in_both(spans: Spans) -> None:
    """LiteLLM gives the same object for a sync and an async call."""
    call = sightline.llm("m")(partial(EitherStream))
    assert list(call()) == ["a", "b"]
    assert [item async for item in call()] == ["a", "b"]
    stream = call()
    assert next(stream) == "a"
    stream.close()
    assert stream.closed == ["close"]
    async with call() as stream:
        assert await anext(stream) == "a"
    assert stream.closed == ["aclose"]
    assert outcomes(spans) == [("completed", "ab"), ("completed", "ab"), ("closed", "a"), ("closed", "a")]


async def test_a_stream_is_left_by_its_own_exit(spans: Spans) -> None:
    """What the block raised reaches it, what it suppresses is suppressed, and the response is closed."""
    made: list[MistralStream] = []

    def keep(kind: Callable[[list[str]], MistralStream]) -> Any:
        made.append(kind(["a", "b"]))
        return made[-1]

    call = sightline.llm("m")(keep)
    with call(EventStream) as stream:
        assert next(stream) == "a"
    with call(EventStream) as stream:
        assert list(stream) == ["a", "b"]
        raise KeyError
    async with call(EventStreamAsync) as stream:
        assert await anext(stream) == "a"
    with pytest.raises(ValueError, match="x"):
        async with call(EventStreamAsync):
            raise ValueError("x")
    assert [stream.exits for stream in made] == [[None], [KeyError], [None], [ValueError]]
    assert outcomes(spans) == [("closed", "a"), ("completed", "ab"), ("closed", "a"), ("closed", None)]


BEDROCK = [
    {"contentBlockDelta": {"delta": {"text": "Hel"}}},
    {"contentBlockDelta": {"delta": {"text": "lo"}}},
    {"metadata": {"usage": {"inputTokens": 1000, "outputTokens": 100, "totalTokens": 1100}}},
]


async def test_a_stream_that_has_an_iterator_and_is_none_is_followed(spans: Spans) -> None:
    """Bedrock's stream, from botocore and from aiobotocore: text and tokens are read, and it closes."""
    stream = sightline.llm("m")(botocore_stream)(BEDROCK)
    assert list(stream) == BEDROCK
    stream.close()
    assert stream.closed
    stream = sightline.llm("m")(aiobotocore_stream)(BEDROCK)
    assert [item async for item in stream] == BEDROCK
    stream.close()
    assert stream.closed
    assert outcomes(spans) == [("completed", "Hello"), ("completed", "Hello")]
    for span in spans:
        assert (span.attributes or {})[semconv.GEN_AI_USAGE_INPUT_TOKENS] == 1000
        assert (span.attributes or {})[semconv.GEN_AI_REQUEST_STREAM] is True


@pytest.mark.parametrize("result", [{"stream": 1}, [1], SimpleNamespace(text="x"), range(3)])
def test_what_is_no_stream_is_returned_as_it_is(result: Any, spans: Spans) -> None:
    """Containers and answers are not wrapped, and their span has ended."""
    assert sightline.llm("m")(lambda: result)() is result
    assert outcomes(spans)[0][0] is None
