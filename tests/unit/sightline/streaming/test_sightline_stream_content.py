"""What is read off a stream's chunks: first content, tokens, model, waits; clients' streams, and bounded memory."""

from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from traced_words import outcome, words

import sightline
from sightline import semconv
from sightline.streaming import chunks, stream_meter, traced_streams
from sightline.testing import Spans, captured

pytestmark = pytest.mark.usefixtures("no_context_errors")


class FakeOpenAIStream:
    """Looks like openai.Stream: an iterator with close() and other attributes."""

    def __init__(self, items: list[Any]) -> None:
        self.items = iter(items)
        self.response = "raw"
        self.closed = False

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return next(self.items)

    def close(self) -> None:
        """Close."""
        self.closed = True


class FakeOpenAIAsyncStream:
    """Looks like openai.AsyncStream."""

    def __init__(self, items: list[Any]) -> None:
        self.items = iter(items)
        self.closed = False

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        try:
            return next(self.items)
        except StopIteration:
            raise StopAsyncIteration from None

    async def close(self) -> None:
        """Close."""
        self.closed = True


def chunk(content: str | None = None, reason: str | None = None, usage: Any = None, **delta: Any) -> Any:
    """Return an object in the shape of openai's ChatCompletionChunk."""
    choice = SimpleNamespace(delta=SimpleNamespace(content=content, **delta), finish_reason=reason)
    choices = [] if usage is not None else [choice]
    return SimpleNamespace(id="c1", model="m-1", choices=choices, usage=usage)


USAGE = SimpleNamespace(
    prompt_tokens=10,
    completion_tokens=4,
    prompt_tokens_details=SimpleNamespace(cached_tokens=3),
    completion_tokens_details=SimpleNamespace(reasoning_tokens=1),
)
OPENAI_CHUNKS = [chunk("", role="assistant"), chunk("Hel"), chunk("lo"), chunk(None, "stop"), chunk(usage=USAGE)]


def check_openai(found: Any) -> None:
    """Check the attributes of a stream in OpenAI's shape."""
    assert found[semconv.GEN_AI_RESPONSE_MODEL] == "m-1"
    assert found[semconv.GEN_AI_RESPONSE_FINISH_REASONS] == ("stop",)
    assert found[semconv.GEN_AI_USAGE_INPUT_TOKENS] == 10
    assert found[semconv.GEN_AI_USAGE_OUTPUT_TOKENS] == 4
    assert found[semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS] == 3
    assert found[semconv.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS] == 1
    assert found[semconv.OUTPUT] == "Hello"


def test_openai_stream_is_followed(spans: Spans) -> None:
    """A client library's stream is followed and keeps its attributes; its span has tokens and finish reasons."""

    @sightline.llm("m")
    def call() -> Any:
        return FakeOpenAIStream(OPENAI_CHUNKS)

    with call() as stream:
        assert stream.response == "raw"
        assert len(list(stream)) == 5
    assert stream.closed
    assert outcome(spans) == ("completed", 5)
    check_openai(spans.attributes())


async def test_openai_async_stream_is_followed(spans: Spans) -> None:
    """The same for the async client."""

    @sightline.llm("m")
    async def call() -> Any:
        return FakeOpenAIAsyncStream(OPENAI_CHUNKS)

    stream = await call()
    assert [item async for item in stream] == OPENAI_CHUNKS
    await stream.close()
    assert stream.closed
    assert outcome(spans) == ("completed", 5)
    check_openai(spans.attributes())


async def test_openai_async_stream_closed_early(spans: Spans) -> None:
    """A partial stream keeps its partial account."""

    @sightline.llm("m")
    async def call() -> Any:
        return FakeOpenAIAsyncStream(OPENAI_CHUNKS)

    async with await call() as stream:
        await anext(stream)
        await anext(stream)
    assert outcome(spans) == ("closed", 2)
    assert spans.attributes()[semconv.OUTPUT] == "Hel"


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ("", False),
        (" ", True),
        (None, False),
        (b"", False),
        (b"x", True),
        ({"any": 1}, False),
        (chunk(""), False),
        (chunk("x"), True),
        (chunk(None, tool_calls=[1]), True),
        (chunk(None, refusal="no"), True),
        (chunk(usage=USAGE), False),
        ({"choices": [{"delta": {"content": "x"}}]}, True),
        ({"choices": [{"delta": {"role": "assistant"}}]}, False),
        ({"choices": [{"text": "x"}]}, True),
        ({"type": "response.created", "response": {}}, False),
        ({"type": "response.output_text.delta", "delta": "x"}, True),
        ({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "x"}}, True),
        ({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, False),
        ({"type": "ping"}, False),
        (SimpleNamespace(content="", tool_call_chunks=[]), False),
        (SimpleNamespace(content="x"), True),
        (7, True),
    ],
)
def test_content_is_recognised_by_shape(item: Any, expected: bool) -> None:
    """Role, usage and framing chunks are not the first content."""
    assert chunks.ChunkReader().is_content(item) is expected


def test_first_content_is_not_the_first_chunk(spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time to first chunk counts from the call to the first chunk with content."""
    list(words("", "", "a"))
    first = spans.attributes()[semconv.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK]
    spans.clear()
    now = [0.0]

    def clock() -> float:
        now[0] += 1
        return now[0]

    monkeypatch.setattr(stream_meter, "_perf_counter", clock)
    monkeypatch.setattr(traced_streams, "_perf_counter", clock)
    monkeypatch.setattr("sightline.spans.time.perf_counter", clock)
    list(words("", "a", "b"))
    attributes = spans.attributes()
    # readings: 1 start, then request and arrival of each item: the second item arrives at 5
    assert attributes[semconv.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK] == 4
    assert attributes[semconv.STREAM_LONGEST_STALL] == 1
    assert first > 0


def test_long_streams_stay_bounded(spans: Spans) -> None:
    """A hundred thousand chunks are counted; the waits kept for quantiles are bounded."""

    @sightline.llm("m", capture="none")
    def many() -> Iterator[str]:
        for _ in range(100_000):
            yield "x"

    stream = many()
    for _ in stream:
        pass
    assert len(stream._meter._waits) <= stream_meter._MAX_WAITS  # type: ignore[attr-defined]
    assert outcome(spans) == ("completed", 100_000)


@pytest.mark.parametrize(("quantile", "expected"), [(0.5, 2.0), (0.95, 4.0), (0.0, 1.0), (1.0, 4.0)])
def test_nearest_rank(quantile: float, expected: float) -> None:
    """Quantiles are observed values, by nearest rank."""
    assert stream_meter.nearest_rank([1.0, 2.0, 3.0, 4.0], quantile) == expected


def test_request_stream_outside_of_asgi_has_its_own_first_token(spans: Spans) -> None:
    """A hand-made request that streams measures its own edge."""

    @sightline.request
    def ask() -> Iterator[str]:
        yield "a"

    list(ask())
    assert spans.attributes()[semconv.RESPONSE_TIME_TO_FIRST_TOKEN] > 0


def test_stream_without_configure_is_untouched_in_behaviour() -> None:
    """Without configure() streams work and leave no trace."""
    assert list(words("a", "b")) == ["a", "b"]
    stream = words("a")
    next(stream)
    stream.close()  # type: ignore[attr-defined]


def test_lengths_only(spans: Spans) -> None:
    """With capture=lengths no text of the stream is kept."""
    with captured(capture="lengths") as own:
        list(words("abc", "de"))
    attributes = own.attributes("chat m")
    assert attributes[semconv.OUTPUT_LENGTH] == 5
    assert semconv.OUTPUT not in attributes
    assert semconv.INPUT not in attributes
