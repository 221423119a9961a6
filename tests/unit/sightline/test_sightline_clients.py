"""The streams of real client libraries: OpenAI's objects over a made-up transport, followed to whatever end."""

import asyncio
import gc
import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import httpx2
import openai
import pytest
from opentelemetry.trace import StatusCode

import sightline
from sightline import semconv
from sightline.streaming import chunks
from sightline.testing import Spans

USAGE = {
    "prompt_tokens": 10,
    "completion_tokens": 4,
    "total_tokens": 14,
    "prompt_tokens_details": {"cached_tokens": 3},
    "completion_tokens_details": {"reasoning_tokens": 1},
}


def completion(delta: dict[str, Any] | None, reason: str | None = None, usage: Any = None) -> dict[str, Any]:
    """Return one chunk of a chat completion."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": reason}]
    base = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m-1"}
    return {**base, "choices": choices, "usage": usage}


COMPLETIONS = [
    completion({"role": "assistant", "content": ""}),
    completion({"content": "Hel"}),
    completion({"content": "lo"}),
    completion({}, "stop"),
    completion(None, usage=USAGE),
]
RESPONSE = {
    "id": "r1",
    "object": "response",
    "created_at": 1,
    "model": "m-1",
    "output": [],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "status": "in_progress",
}
ITEM = {"id": "i1", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
PART = {"type": "output_text", "text": "", "annotations": []}
WHOLE_PART = {**PART, "text": "Hello"}
WHOLE_ITEM = {**ITEM, "status": "completed", "content": [WHOLE_PART]}
DONE = {
    **RESPONSE,
    "status": "completed",
    "output": [WHOLE_ITEM],
    "usage": {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 0},
        "output_tokens": 4,
        "output_tokens_details": {"reasoning_tokens": 1},
        "total_tokens": 14,
    },
}
PLACE = {"item_id": "i1", "output_index": 0, "content_index": 0, "logprobs": []}
EVENTS = [
    {"type": "response.created", "response": RESPONSE, "sequence_number": 0},
    {"type": "response.output_item.added", "item": ITEM, "output_index": 0, "sequence_number": 0},
    {"type": "response.content_part.added", "part": PART, "sequence_number": 0, **PLACE},
    {"type": "response.reasoning_text.delta", "delta": "hm", "sequence_number": 1, **PLACE},
    {"type": "response.output_text.delta", "delta": "Hel", "sequence_number": 2, **PLACE},
    {"type": "response.output_text.delta", "delta": "lo", "sequence_number": 3, **PLACE},
    {"type": "response.output_text.done", "text": "Hello", "sequence_number": 4, **PLACE},
    {"type": "response.content_part.done", "part": WHOLE_PART, "sequence_number": 5, **PLACE},
    {"type": "response.output_item.done", "item": WHOLE_ITEM, "output_index": 0, "sequence_number": 6},
    {"type": "response.completed", "response": DONE, "sequence_number": 7},
]


def sse(items: list[dict[str, Any]]) -> bytes:
    """Return server-sent events."""
    lines = [(f"event: {item['type']}\n" if "type" in item else "") + f"data: {json.dumps(item)}\n\n" for item in items]
    return "".join([*lines, "" if "type" in items[0] else "data: [DONE]\n\n"]).encode()


def answer(request: httpx2.Request) -> httpx2.Response:
    """Play the provider."""
    items = EVENTS if request.url.path.endswith("/responses") else COMPLETIONS
    return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=sse(items))


@pytest.fixture
def client() -> Iterator[openai.OpenAI]:
    """A sync client."""
    transport = httpx2.MockTransport(answer)
    with openai.OpenAI(api_key="x", base_url="http://p/v1", http_client=httpx2.Client(transport=transport)) as made:
        yield made


def aclient() -> openai.AsyncOpenAI:
    """Return an async client."""
    transport = httpx2.MockTransport(answer)
    return openai.AsyncOpenAI(api_key="x", base_url="http://p/v1", http_client=httpx2.AsyncClient(transport=transport))


MESSAGES: Any = [{"role": "user", "content": "hi"}]


@sightline.llm("m", provider="openai")
def chat(client: openai.OpenAI) -> Any:
    """Ask for a streamed chat completion."""
    return client.chat.completions.create(
        model="m", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )


@sightline.llm("m", provider="openai")
async def achat(client: openai.AsyncOpenAI) -> Any:
    """The same, async."""
    return await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)


def check(spans: Spans, outcome: str = "completed", count: int = 5, content: int = 2) -> dict[str, Any]:
    """Check the only span and return its attributes."""
    (span,) = spans
    attributes = dict(span.attributes or {})
    assert span.end_time is not None
    assert attributes[semconv.STREAM_OUTCOME] == outcome
    assert attributes[semconv.STREAM_CHUNKS] == count
    assert attributes[semconv.STREAM_CONTENT_CHUNKS] == content
    assert attributes[semconv.GEN_AI_REQUEST_STREAM] is True
    return attributes


def check_usage(found: dict[str, Any]) -> None:
    """Check the attributes of a stream that was consumed whole."""
    assert found[semconv.GEN_AI_RESPONSE_MODEL] == "m-1"
    assert found[semconv.GEN_AI_RESPONSE_FINISH_REASONS] == ("stop",)
    assert found[semconv.GEN_AI_USAGE_INPUT_TOKENS] == 10
    assert found[semconv.GEN_AI_USAGE_OUTPUT_TOKENS] == 4
    assert found[semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS] == 3
    assert found[semconv.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS] == 1
    assert found[semconv.OUTPUT] == "Hello"
    assert found[semconv.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK] > 0


def test_chat_completions(spans: Spans, client: openai.OpenAI) -> None:
    """A real Stream stays one for isinstance, keeps .response, and its span has tokens, model and finish reason."""
    stream = chat(client)
    assert isinstance(stream, openai.Stream)
    assert stream.response.status_code == 200
    assert len(list(stream)) == 5
    found = check(spans)
    check_usage(found)
    assert found[semconv.GEN_AI_RESPONSE_ID] == "c1"


def test_chat_completions_in_a_block_closed_early(spans: Spans, client: openai.OpenAI) -> None:
    """Leaving the block early keeps what came."""
    with chat(client) as stream:
        next(stream)
        next(stream)
    found = check(spans, "closed", 2, 1)
    assert found[semconv.OUTPUT] == "Hel"
    assert semconv.GEN_AI_USAGE_OUTPUT_TOKENS not in found


def test_chat_completions_dropped(spans: Spans, client: openai.OpenAI) -> None:
    """A stream that nobody finishes ends when it is collected."""
    stream = chat(client)
    next(stream)
    del stream
    gc.collect()
    check(spans, "abandoned", 1, 0)


async def test_chat_completions_async(spans: Spans) -> None:
    """A real AsyncStream is followed; taken by another task than asked for it."""
    async with aclient() as client:
        stream = await asyncio.create_task(achat(client))
        assert isinstance(stream, openai.AsyncStream)

        async def consume() -> int:
            return len([item async for item in stream])

        assert await asyncio.create_task(consume()) == 5
    check_usage(check(spans))


async def test_chat_completions_async_cancelled(spans: Spans) -> None:
    """A consumer that is cancelled in mid-stream leaves a cancelled span with the partial text."""
    async with aclient() as client:
        stream = await achat(client)
        started = asyncio.Event()

        async def consume() -> None:
            async with stream:
                async for item in stream:
                    if item.choices and item.choices[0].delta.content:
                        started.set()
                        await asyncio.sleep(60)

        task = asyncio.create_task(consume())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    found = check(spans, "closed", 2, 1)
    assert found[semconv.OUTPUT] == "Hel"


def test_responses(spans: Spans, client: openai.OpenAI) -> None:
    """The Responses API: created and reasoning events are not content; the last event has the usage."""

    @sightline.llm("m", provider="openai")
    def respond() -> Any:
        return client.responses.create(model="m", input="hi", stream=True)

    assert len(list(respond())) == len(EVENTS)
    found = check(spans, count=len(EVENTS))
    check_usage(found)
    assert found[semconv.GEN_AI_RESPONSE_ID] == "r1"


def test_stream_helper_of_chat_completions(spans: Spans, client: openai.OpenAI) -> None:
    """``client.chat.completions.stream``: the stream comes out of a block and ends with it."""

    @sightline.llm("m", provider="openai")
    def helper() -> Any:
        return client.chat.completions.stream(model="m", messages=MESSAGES)

    with helper() as stream:
        assert stream.get_final_completion().choices[0].message.content == "Hello"
    attributes = dict(spans.single().attributes or {})
    assert attributes[semconv.STREAM_OUTCOME] == "completed"
    assert attributes[semconv.STREAM_CONTENT_CHUNKS] == 2
    check_usage(attributes)


def test_stream_helper_left_early_and_never_entered(spans: Spans, client: openai.OpenAI) -> None:
    """A block that is left early is closed; a manager that nobody enters ends its span."""

    @sightline.llm("m", provider="openai")
    def helper() -> Any:
        return client.responses.stream(model="m", input="hi")

    with helper() as stream:
        next(iter(stream))
    assert (spans.single().attributes or {})[semconv.STREAM_OUTCOME] == "closed"
    spans.clear()
    helper()
    gc.collect()
    assert len(spans) == 1


async def test_async_stream_helper(spans: Spans) -> None:
    """The async helper of the Responses API, consumed whole."""

    @sightline.llm("m", provider="openai")
    def helper(client: openai.AsyncOpenAI) -> Any:
        return client.responses.stream(model="m", input="hi")

    async with aclient() as client, helper(client) as stream:
        kinds = [event.type async for event in stream]
    assert "response.output_text.delta" in kinds
    attributes = dict(spans.single().attributes or {})
    assert attributes[semconv.STREAM_OUTCOME] == "completed"
    assert attributes[semconv.OUTPUT] == "Hello"
    assert attributes[semconv.GEN_AI_USAGE_OUTPUT_TOKENS] == 4


def read(items: list[Any]) -> tuple[list[bool], dict[str, Any]]:
    """Return which chunks are content, and what they tell together."""
    reader = chunks.ChunkReader()
    return [reader.is_content(item) for item in items], reader.response_attributes()


def test_anthropic_usage_comes_in_two_parts() -> None:
    """Input and cache come first, output last; the later event does not wipe the earlier."""
    content, found = read(
        [
            {
                "type": "message_start",
                "message": {
                    "id": "a1",
                    "model": "claude",
                    "usage": {"input_tokens": 5, "cache_read_input_tokens": 10, "output_tokens": 1},
                },
            },
            {"type": "content_block_start", "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "hm"}},
            {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "x"}},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}},
            {"type": "message_stop"},
        ]
    )
    assert content == [False, False, False, True, False, False]
    assert found == {
        semconv.GEN_AI_RESPONSE_MODEL: "claude",
        semconv.GEN_AI_RESPONSE_ID: "a1",
        semconv.GEN_AI_RESPONSE_FINISH_REASONS: ["end_turn"],
        semconv.GEN_AI_USAGE_INPUT_TOKENS: 15,
        semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: 10,
        semconv.GEN_AI_USAGE_OUTPUT_TOKENS: 7,
    }


@pytest.mark.parametrize(
    ("event", "content", "text"),
    [
        ({"type": "response.refusal.delta", "delta": "no"}, True, "no"),
        ({"type": "response.function_call_arguments.delta", "delta": "{"}, True, None),
        ({"type": "response.audio.transcript.delta", "delta": "x"}, True, "x"),
        ({"type": "response.audio.delta", "delta": "AAAA"}, True, None),
        ({"type": "response.reasoning_summary_text.delta", "delta": "x"}, False, None),
        ({"type": "response.output_item.added", "item": {}}, False, None),
        ({"type": "response.image_generation_call.partial_image"}, True, None),
        ({"type": "content.delta", "delta": "x"}, False, None),
        ({"type": "chunk", "chunk": {"choices": [{"delta": {"content": "x"}}]}}, True, "x"),
        ({"choices": [{"delta": {"reasoning_content": "hm"}}]}, False, None),
        ({"type": "anything", "text": "x"}, True, "x"),
    ],
)
def test_event_types(event: dict[str, Any], content: bool, text: str | None) -> None:
    """Each kind of event is content or framing, as a user sees it."""
    reader = chunks.ChunkReader()
    assert reader.is_content(event) is content
    assert reader.text == text


@pytest.mark.parametrize(
    ("items", "attributes"),
    [
        (
            [{"type": "response.incomplete", "response": {"incomplete_details": {"reason": "max_output_tokens"}}}],
            {semconv.GEN_AI_RESPONSE_FINISH_REASONS: ["max_output_tokens"]},
        ),
        (
            [{"type": "response.failed", "response": {"error": {"code": "server_error", "message": "x"}}}],
            {semconv.ERROR_TYPE: "server_error"},
        ),
        ([{"type": "error", "code": "rate_limit_exceeded"}], {semconv.ERROR_TYPE: "rate_limit_exceeded"}),
        ([{"choices": [], "error": {"type": "overloaded"}}], {semconv.ERROR_TYPE: "overloaded"}),
    ],
)
def test_streams_that_say_how_they_ended(items: list[Any], attributes: dict[str, Any]) -> None:
    """Cut short, failed and refused answers say so in the stream itself."""
    assert read(items)[1] == attributes


def test_a_failure_reported_in_the_stream_is_an_error_of_the_span(spans: Spans) -> None:
    """The call returned, the answer failed: status and error.type say so."""

    @sightline.llm("m")
    def failing() -> Iterator[Any]:
        yield {"type": "response.output_text.delta", "delta": "x"}
        yield {"type": "response.failed", "response": {"error": {"code": "server_error"}}}

    list(failing())
    span = spans.single()
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})[semconv.ERROR_TYPE] == "server_error"
    assert (span.attributes or {})[semconv.STREAM_OUTCOME] == "completed"


def test_events_of_anthropics_stream_helper_repeat_what_was_counted() -> None:
    """Each delta comes a second time, with the whole so far beside it: no content of its own, thinking least of all."""
    make: Callable[..., Any] = SimpleNamespace
    items = [
        make(type="thinking", thinking="hm", snapshot="hm"),
        make(type="signature", signature="s"),
        make(type="text", text="x", snapshot="x"),
        make(type="input_json", partial_json="{", snapshot={}),
        make(type="text", text="x"),
    ]
    assert read(items)[0] == [False, False, False, False, True]


def test_langchain_chunks() -> None:
    """Message chunks: text is content, an empty one is not, a tool call is."""
    make: Callable[..., Any] = SimpleNamespace
    items = [make(content="", tool_call_chunks=[]), make(content="x"), make(content="", tool_call_chunks=[1])]
    assert read(items)[0] == [False, True, True]
