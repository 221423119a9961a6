"""A real server and a real client library: uvicorn on both loops, clients that leave, openai's own objects."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from openai.types.chat import ChatCompletionChunk
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

import sightline
from sightline import semconv
from sightline.asgi import RequestMiddleware
from sightline.streaming import chunks
from sightline.testing import Spans


@pytest.fixture(params=["asyncio", "uvloop"])
def port(request: pytest.FixtureRequest, spans: Spans) -> Iterator[int]:
    """A streaming app on a free port."""
    app = FastAPI()
    app.add_middleware(RequestMiddleware, content_events={"token"})

    @sightline.llm("m")
    async def model(count: int) -> AsyncIterator[str]:
        for number in range(count):
            await asyncio.sleep(0.01)
            yield str(number)

    async def events(count: int) -> AsyncIterator[str]:
        async for word in model(count):
            yield f"event: token\ndata: {word}\n\n"

    @app.get("/stream/{count}")
    async def stream(count: int) -> StreamingResponse:
        return StreamingResponse(events(count), media_type="text/event-stream")

    FastAPIInstrumentor.instrument_app(app, exclude_spans=["send", "receive"], tracer_provider=spans.provider)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, loop=request.param, log_level="error", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield bound.getsockname()[1]
        server.should_exit = True
        thread.join()
    FastAPIInstrumentor.uninstrument_app(app)


def ask(port: int, count: int, stop_at: bytes) -> bytes:
    """Read a response until some bytes came, then close the socket."""
    data = b""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(f"GET /stream/{count} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
        while stop_at not in data:
            part = client.recv(4096)
            if not part:
                break
            data += part
    return data


def wait_for(spans: Spans, count: int) -> None:
    """Wait until that many spans have ended."""
    until = time.monotonic() + 5
    while len(spans) < count and time.monotonic() < until:
        time.sleep(0.01)
    assert len(spans) == count, spans.tree()


def test_complete_stream(port: int, spans: Spans) -> None:
    """A client that stays gets everything, and both spans are complete."""
    assert ask(port, 3, b"never").count(b"event: token") == 3
    wait_for(spans, 2)
    request = spans.attributes(stage="request")
    assert request[semconv.RESPONSE_OUTCOME] == "completed"
    assert request[semconv.RESPONSE_CONTENT_EVENTS] == 3
    assert request[semconv.RESPONSE_TIME_TO_FIRST_TOKEN] >= 0.01
    assert spans.attributes("chat m")[semconv.STREAM_OUTCOME] == "completed"


def test_client_that_leaves(port: int, spans: Spans) -> None:
    """A client that leaves ends both spans soon, once, with what it had got."""
    ask(port, 100_000, b"data: 2")
    wait_for(spans, 2)
    request = spans.attributes(stage="request")
    assert request[semconv.RESPONSE_OUTCOME] == "client_gone"
    assert 3 <= request[semconv.RESPONSE_CONTENT_EVENTS] < 1000
    model = spans.attributes("chat m")
    assert model[semconv.STREAM_OUTCOME] in {"closed", "cancelled", "abandoned"}
    assert model[semconv.STREAM_CHUNKS] >= 3
    assert all(span.status.is_unset for span in spans), spans.tree()


def test_openai_objects() -> None:
    """The client library's own chunk type is understood."""

    def chunk(delta: dict[str, Any], reason: str | None = None, **more: Any) -> ChatCompletionChunk:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        body = {"id": "i", "model": "m", "created": 0, "object": "chat.completion.chunk", "choices": [choice], **more}
        return ChatCompletionChunk.model_validate(body)

    usage = {
        "prompt_tokens": 5,
        "completion_tokens": 2,
        "total_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 4},
    }
    reader = chunks.ChunkReader()
    seen = [
        reader.is_content(each)
        for each in (
            chunk({"role": "assistant", "content": ""}),
            chunk({"content": "Hi"}),
            chunk({"tool_calls": [{"index": 0, "function": {"name": "f"}}]}),
            chunk({}, "stop"),
            chunk({}, choices=[], usage=usage),
        )
    ]
    assert seen == [False, True, True, False, False]
    assert reader.response_attributes() == {
        semconv.GEN_AI_RESPONSE_MODEL: "m",
        semconv.GEN_AI_RESPONSE_ID: "i",
        semconv.GEN_AI_RESPONSE_FINISH_REASONS: ["stop"],
        semconv.GEN_AI_USAGE_INPUT_TOKENS: 5,
        semconv.GEN_AI_USAGE_OUTPUT_TOKENS: 2,
        semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: 4,
    }
