"""Anthropic's streams and stream helpers: the real client on a server that speaks its documented events.

Source: https://docs.anthropic.com/en/docs/build-with-claude/streaming
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from client_peers import Quiet, serving
from opentelemetry.trace import StatusCode

import sightline
from sightline import semconv
from sightline.testing import Spans

anthropic = pytest.importorskip("anthropic", reason="!!! SKIPPED: anthropic is not installed")

PAUSE_S = 0.2
"""How long the server waits after the framing, before the first content."""


def _event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, **fields}


def _delta(index: int, kind: str, **fields: Any) -> dict[str, Any]:
    return _event("content_block_delta", index=index, delta={"type": kind, **fields})


def _block(index: int, block: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    start = _event("content_block_start", index=index, content_block=block)
    return [start, *deltas, _event("content_block_stop", index=index)]


START = _event(
    "message_start",
    message={
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-1",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 25, "cache_read_input_tokens": 10, "output_tokens": 1},
    },
)
PAUSE = _event("pause")
"""None of the provider's events: the server waits."""
HANG_UP = _event("hang up")
"""None either: the server closes the connection."""


def _end(reason: str) -> list[dict[str, Any]]:
    delta = {"stop_reason": reason, "stop_sequence": None}
    return [_event("message_delta", delta=delta, usage={"output_tokens": 15}), _event("message_stop")]


TEXT = _block(
    0, {"type": "text", "text": ""}, PAUSE, _delta(0, "text_delta", text="Hel"), _delta(0, "text_delta", text="lo")
)
SCRIPTS: dict[str, list[dict[str, Any]]] = {
    "text": [START, _event("ping"), *TEXT, *_end("end_turn")],
    "thinking": [
        START,
        *_block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            _delta(0, "thinking_delta", thinking="hm"),
            _delta(0, "signature_delta", signature="s"),
        ),
        PAUSE,
        *_block(1, {"type": "text", "text": ""}, _delta(1, "text_delta", text="Hello")),
        *_end("end_turn"),
    ],
    "tool": [
        START,
        *_block(
            0,
            {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}},
            _delta(0, "input_json_delta", partial_json=""),
            PAUSE,
            _delta(0, "input_json_delta", partial_json='{"city": "Pa'),
            _delta(0, "input_json_delta", partial_json='ris"}'),
        ),
        *_end("tool_use"),
    ],
    "overloaded": [
        START,
        *TEXT[:3],
        _event("error", error={"type": "overloaded_error", "message": "Overloaded"}),
    ],
    "hung up": [START, *TEXT[:3], HANG_UP],
}
"""What the server says, by the name of the model that is asked."""


class _Provider(Quiet):
    """Plays a script."""

    def reply(self, body: bytes) -> None:
        asked = json.loads(body)
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        try:
            for event in SCRIPTS[asked["model"]]:
                if event is PAUSE:
                    time.sleep(PAUSE_S)
                elif event is HANG_UP:
                    self.close_connection = True
                    return
                else:
                    self._send(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
            self._send(b"")
        except OSError:
            self.close_connection = True  # the client has left: that is the test

    def _send(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """The address of the provider."""
    with serving(_Provider) as url:
        yield url


@pytest.fixture
def client(provider: str) -> Iterator[Any]:
    """A sync client."""
    with anthropic.Anthropic(api_key="x", base_url=provider, max_retries=0) as made:
        yield made


def asked(script: str) -> dict[str, Any]:
    """Arguments of a question."""
    return {"model": script, "max_tokens": 99, "messages": [{"role": "user", "content": "hi"}]}


@sightline.llm("claude", provider="anthropic")
def helper(client: Any, script: str) -> Any:
    """The stream helper, of a sync or an async client."""
    return client.messages.stream(**asked(script))


@sightline.llm("claude", provider="anthropic")
def plain(client: Any, script: str) -> Any:
    """The stream of plain events."""
    return client.messages.create(**asked(script), stream=True)


@sightline.llm("claude", provider="anthropic")
async def aplain(client: Any, script: str) -> Any:
    """The stream of plain events, async."""
    return await client.messages.create(**asked(script), stream=True)


def told(spans: Spans, outcome: str, content: int) -> dict[str, Any]:
    """The attributes of the only span, which ended as it should."""
    (span,) = spans
    attributes = dict(span.attributes or {})
    assert attributes[semconv.STREAM_OUTCOME] == outcome
    assert attributes[semconv.STREAM_CONTENT_CHUNKS] == content
    assert attributes[semconv.GEN_AI_RESPONSE_MODEL] == "claude-1"
    assert attributes[semconv.GEN_AI_RESPONSE_ID] == "msg_1"
    assert attributes[semconv.GEN_AI_USAGE_INPUT_TOKENS] == 35
    assert attributes[semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS] == 10
    if content:
        assert attributes[semconv.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK] > PAUSE_S
    return attributes


def whole(spans: Spans, content: int, text: str | None = "Hello", reason: str = "end_turn") -> None:
    """A stream that was heard to its end."""
    found = told(spans, "completed", content)
    assert found[semconv.GEN_AI_USAGE_OUTPUT_TOKENS] == 15
    assert found[semconv.GEN_AI_RESPONSE_FINISH_REASONS] == (reason,)
    assert found.get(semconv.OUTPUT) == text
    assert spans.single().status.status_code is StatusCode.UNSET


CONSUMERS: dict[str, Callable[[Any], Any]] = {
    "events": lambda stream: [event.type for event in stream],
    "text_stream": lambda stream: list(stream.text_stream),
    "until_done": lambda stream: stream.until_done(),
    "get_final_text": lambda stream: stream.get_final_text(),
    "get_final_message": lambda stream: stream.get_final_message(),
}


@pytest.mark.parametrize("how", CONSUMERS)
def test_helper_is_heard_to_its_end(how: str, client: Any, spans: Spans) -> None:
    """However it is consumed: two pieces of text, tokens, reason; framing and ping are not the first content."""
    with helper(client, "text") as stream:
        CONSUMERS[how](stream)
        assert stream.current_message_snapshot.content[0].text == "Hello"
        assert stream.response.status_code == 200
    whole(spans, 2)


async def _alist(items: Any) -> list[Any]:
    return [item async for item in items]


ASYNC_CONSUMERS: dict[str, Callable[[Any], Any]] = {
    "events": _alist,
    "text_stream": lambda stream: _alist(stream.text_stream),
    "until_done": lambda stream: stream.until_done(),
    "get_final_text": lambda stream: stream.get_final_text(),
    "get_final_message": lambda stream: stream.get_final_message(),
}


@pytest.mark.parametrize("how", ASYNC_CONSUMERS)
async def test_async_helper_is_heard_to_its_end(how: str, provider: str, spans: Spans) -> None:
    """The same with the async client."""
    async with anthropic.AsyncAnthropic(api_key="x", base_url=provider) as client, helper(client, "text") as stream:
        await ASYNC_CONSUMERS[how](stream)
        assert stream.current_message_snapshot.content[0].text == "Hello"
    whole(spans, 2)


def test_helper_gives_what_it_gives_without_tracing(client: Any, spans: Spans) -> None:
    """Events and final message are those of the client."""
    with helper(client, "tool") as stream:
        traced = [event.type for event in stream]
        final = stream.get_final_message()
    with client.messages.stream(**asked("tool")) as stream:
        assert [event.type for event in stream] == traced
        assert stream.get_final_message() == final
    assert final.content[0].input == {"city": "Paris"}
    assert len(spans) == 1


def test_thinking_is_not_the_first_content(client: Any, spans: Spans) -> None:
    """What the model thinks is not what the user reads: neither first token nor text."""
    with helper(client, "thinking") as stream:
        stream.until_done()
    whole(spans, 1)
    spans.clear()
    list(plain(client, "thinking"))
    whole(spans, 1)


@pytest.mark.parametrize("ask", [helper, plain])
def test_arguments_of_a_tool_are_content_without_text(ask: Any, client: Any, spans: Spans) -> None:
    """Partial JSON is content where it is not empty; it is no text of the answer."""
    with ask(client, "tool") as stream:
        for _ in stream:
            pass
    whole(spans, 2, text=None, reason="tool_use")


def test_plain_events(client: Any, spans: Spans) -> None:
    """``create(stream=True)`` is followed without a helper, and stays the client's Stream for isinstance."""
    stream = plain(client, "text")
    assert isinstance(stream, anthropic.Stream)
    list(stream)
    whole(spans, 2)


async def test_plain_events_async(provider: str, spans: Spans) -> None:
    """The same with the async client."""
    async with anthropic.AsyncAnthropic(api_key="x", base_url=provider) as client:
        await _alist(await aplain(client, "text"))
    whole(spans, 2)


@pytest.mark.parametrize("how", ["events", "text_stream"])
def test_helper_left_early_keeps_what_came(how: str, client: Any, spans: Spans) -> None:
    """Closed, with the tokens of the first event: the input, and one of the output."""
    with helper(client, "text") as stream:
        if how == "text_stream":
            assert next(iter(stream.text_stream)) == "Hel"
        else:
            assert next(event for event in stream if event.type == "content_block_delta")
    found = told(spans, "closed", 1)
    assert found[semconv.GEN_AI_USAGE_OUTPUT_TOKENS] == 1
    assert found[semconv.OUTPUT] == "Hel"
    assert semconv.GEN_AI_RESPONSE_FINISH_REASONS not in found


async def test_async_helper_whose_task_is_cancelled(provider: str, spans: Spans) -> None:
    """A consumer that is cancelled in mid-stream leaves the partial text and no error."""
    async with anthropic.AsyncAnthropic(api_key="x", base_url=provider) as client:
        heard = asyncio.Event()

        async def consume() -> None:
            async with helper(client, "text") as stream:
                async for _ in stream.text_stream:
                    heard.set()
                    await asyncio.sleep(60)

        task = asyncio.create_task(consume())
        await heard.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert told(spans, "closed", 1)[semconv.OUTPUT] == "Hel"
    assert spans.single().status.status_code is StatusCode.UNSET


@pytest.mark.parametrize(("script", "kind"), [("overloaded", "APIStatusError"), ("hung up", "RemoteProtocolError")])
@pytest.mark.parametrize("ask", [helper, plain])
def test_stream_that_breaks_is_an_error_with_what_came(
    ask: Any, script: str, kind: str, client: Any, spans: Spans
) -> None:
    """An error event, or a connection that is lost: the client raises, the span has its type and the partial text."""
    with pytest.raises(Exception, match=r".") as caught, ask(client, script) as stream:
        for _ in stream:
            pass
    assert kind in {base.__name__ for base in type(caught.value).__mro__}
    found = told(spans, "error", 1)
    assert found[semconv.ERROR_TYPE].endswith(type(caught.value).__name__)
    assert found[semconv.OUTPUT] == "Hel"
    assert spans.single().status.status_code is StatusCode.ERROR


async def test_async_stream_that_breaks_is_an_error_with_what_came(provider: str, spans: Spans) -> None:
    """The same with the async client."""
    async with anthropic.AsyncAnthropic(api_key="x", base_url=provider, max_retries=0) as client:
        with pytest.raises(anthropic.APIStatusError):
            async with helper(client, "overloaded") as stream:
                await stream.get_final_message()
    assert told(spans, "error", 1)[semconv.OUTPUT] == "Hel"


def test_refused_question_ends_the_span_of_the_helper(spans: Spans) -> None:
    """The request fails on entry of the block: one span, with the error."""
    with (
        anthropic.Anthropic(api_key="x", base_url="http://127.0.0.1:9", max_retries=0) as client,
        pytest.raises(anthropic.APIConnectionError),
        helper(client, "text"),
    ):
        pass
    assert spans.single().status.status_code is StatusCode.ERROR
