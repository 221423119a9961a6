"""The time to first token as the library measures it and the store keeps it, against the clock of the model server."""

from __future__ import annotations

import asyncio
import http.server
import json
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from openai import AsyncOpenAI
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

import sightline
from sightline.asgi import RequestMiddleware
from sightline.testing import captured
from sightline_collector.request import otlp
from sightline_collector.spool import record
from sightline_store import ingest
from sightline_store.client import Client
from sightline_store.ingest import Signal
from sightline_store.questions import queries

_TOLERANCE_NS = 1_000_000  # 1 ms


class FakeModel:
    """Streams answers like an OpenAI server: framing at once, words after a delay, and notes when each was written."""

    def __init__(self, delay_s: float) -> None:
        self.first_word_ns = 0
        """The clock just before the first word was written; the chunk before it has a role and no word."""
        self.last_word_ns = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.end_headers()
                self._send({"role": "assistant", "content": ""})
                time.sleep(delay_s)
                outer.first_word_ns = time.time_ns()
                self._send({"content": "Hello"})
                time.sleep(delay_s / 2)
                outer.last_word_ns = time.time_ns()
                self._send({"content": " you"})
                self.wfile.write(b"data: [DONE]\n\n")

            def _send(self, delta: dict[str, str]) -> None:
                choice = {"index": 0, "delta": delta, "finish_reason": None}
                chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
                self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
                self.wfile.flush()

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Backend:
    """A small application: a search, then the model, streamed to the user; it notes when things reached it."""

    def __init__(self, model_url: str, hold_back_s: float) -> None:
        self._model_url = model_url
        self._hold_back_s = hold_back_s
        self.first_chunk_ns = 0
        """When the model's first word had reached the application."""
        self.delivering_ns = 0
        """Just before the first word was given to the server that sends it."""

    @sightline.retrieval("Documents")
    async def search(self) -> None:
        """Take a while."""
        await asyncio.sleep(0.02)

    @sightline.llm("m", provider="openai")
    async def model(self) -> AsyncIterator[Any]:
        """Stream the model's chunks."""
        async with AsyncOpenAI(base_url=self._model_url, api_key="none", max_retries=0) as client:
            stream = await client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "Hi"}], stream=True
            )
            async with stream:
                async for chunk in stream:
                    yield chunk

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request with server-sent events."""
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await send({"type": "http.response.body", "body": b"event: meta\ndata: {}\n\n", "more_body": True})
        await self.search()
        async for chunk in self.model():
            word = chunk.choices[0].delta.content
            if not word:
                continue
            if not self.first_chunk_ns:
                self.first_chunk_ns = time.time_ns()
                await asyncio.sleep(self._hold_back_s)
                self.delivering_ns = time.time_ns()
            body = f"event: token\ndata: {word}\n\n".encode()
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


@pytest.fixture
def client(emptied: Callable[..., Client]) -> Client:
    """A client of tables without rows."""
    return emptied()


@pytest.mark.parametrize(("delay_s", "hold_back_s"), [(0.0, 0.0), (0.08, 0.03)])
def test_stored_times_are_those_of_the_model_servers_clock(client: Client, delay_s: float, hold_back_s: float) -> None:
    """First chunk and first token delivered lie between the clock readings around them, within 1 ms; so do parts."""
    fake = FakeModel(delay_s)
    backend = Backend(fake.url, hold_back_s)
    delivered_ns: list[int] = []

    async def request() -> None:
        messages = iter([{"type": "http.request", "body": b"", "more_body": False}])

        async def receive() -> Any:
            return next(messages)

        async def send(message: Any) -> None:
            if b"event: token" in message.get("body", b""):
                delivered_ns.append(time.time_ns())

        scope = {"type": "http", "method": "POST", "path": "/v1/chat", "headers": [], "query_string": b""}
        await RequestMiddleware(backend, content_events={"token"})(scope, receive, send)

    try:
        with captured() as spans:
            asyncio.run(request())
            body = encode_spans(list(spans)).SerializeToString()
    finally:
        fake.close()
    ingest.insert_segment(client, Signal.TRACES, record.encode(otlp.check(Signal.TRACES, body).payload), "one")
    (asked,) = client.query_rows(
        "SELECT TraceId, toUnixTimestamp64Nano(Timestamp) AS start_ns, TtftMs, TtftDefinition FROM requests"
    )
    (call,) = client.query_rows("SELECT toUnixTimestamp64Nano(Timestamp) AS start_ns, TtftMs FROM llm_calls")
    chunk_ns = call["start_ns"] + call["TtftMs"] * 1e6
    token_ns = asked["start_ns"] + asked["TtftMs"] * 1e6
    # The word cannot have come before it was written, nor later than the application had it.
    assert fake.first_word_ns - _TOLERANCE_NS <= chunk_ns <= backend.first_chunk_ns + _TOLERANCE_NS
    assert backend.delivering_ns - _TOLERANCE_NS <= token_ns <= delivered_ns[0] + _TOLERANCE_NS
    assert len(delivered_ns) == 2
    rows = queries.ttft_trace(client, asked["TraceId"])
    assert {row["until"] for row in rows} == {"delivered"}
    assert sum(row["end_ms"] - row["start_ms"] for row in rows) == pytest.approx(asked["TtftMs"], abs=1e-6)
    sums: dict[str, float] = {}
    for row in rows:
        sums[row["stage"]] = sums.get(row["stage"], 0.0) + row["end_ms"] - row["start_ms"]
    assert sums["model"] == pytest.approx(call["TtftMs"], abs=1)
    assert sums["delivery"] == pytest.approx((token_ns - chunk_ns) / 1e6, abs=1)
    assert sums["delivery"] >= hold_back_s * 1e3 - 1
    assert sums["model"] >= delay_s * 1e3 - 1
    assert sums["search"] >= 19
