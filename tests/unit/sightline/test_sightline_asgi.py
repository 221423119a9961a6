"""The edge: request span, first content delivered, clients that leave; pure ASGI and FastAPI."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from fastapi import FastAPI, WebSocket
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import INVALID_SPAN, SpanKind, StatusCode, get_current_span

import sightline
from sightline import faults, semconv
from sightline.asgi import RequestMiddleware
from sightline.testing import Spans, captured, span_id

TTFT = semconv.RESPONSE_TIME_TO_FIRST_TOKEN


@pytest.fixture(autouse=True)
def _no_otel_complaints(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """OpenTelemetry must not complain about ended spans or contexts."""
    with caplog.at_level(logging.WARNING):
        yield
    assert [record.message for record in caplog.records if record.name.startswith("opentelemetry")] == []


class Client:
    """Plays the server's side of ASGI; ``leave_after`` sends make it raise as uvicorn does."""

    def __init__(self, leave_after: int | None = None, *messages: dict[str, Any]) -> None:
        self.sent: list[Any] = []
        self.leave_after = leave_after
        self.messages = list(messages) or [{"type": "http.request", "body": b"", "more_body": False}]
        self.ttft_seen: list[bool] = []

    async def receive(self) -> Any:
        """Return the next message, then wait for ever."""
        if self.messages:
            return self.messages.pop(0)
        await asyncio.sleep(60)
        raise AssertionError

    async def send(self, message: Any) -> None:
        """Keep a message and whether the first token was marked before it was out."""
        if self.leave_after is not None and len(self.sent) >= self.leave_after:
            raise OSError("client gone")
        span = get_current_span()
        self.ttft_seen.append(TTFT in (getattr(span, "attributes", None) or {}))
        self.sent.append(message)


def start(content_type: bytes = b"text/event-stream", status: int = 200, *more: tuple[bytes, bytes]) -> dict[str, Any]:
    """Return a response start."""
    return {"type": "http.response.start", "status": status, "headers": [(b"content-type", content_type), *more]}


def body(data: bytes, more: bool = True) -> dict[str, Any]:
    """Return a response body message."""
    return {"type": "http.response.body", "body": data, "more_body": more}


def app_sending(*messages: dict[str, Any]) -> Any:
    """Return an ASGI app that sends the messages."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        scope["route"] = type("Route", (), {"path": "/v1/chat"})()
        for message in messages:
            await send(message)

    return app


async def call(app: Any, client: Client, headers: dict[str, str] | None = None, **options: Any) -> None:
    """Serve one HTTP request."""
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/chat",
        "scheme": "http",
        "headers": [(key.encode(), value.encode()) for key, value in (headers or {}).items()],
    }
    await RequestMiddleware(app, **options)(scope, client.receive, client.send)


async def test_first_content_event_is_recognised_across_chunks(spans: Spans) -> None:
    """Events before the content and half events do not count; the mark comes after the send that completes it."""
    messages = [
        start(),
        body(b"event: meta\ndata: {}\n\nevent: to"),
        body(b"ken\ndata: {}\n"),
        body(b"\n"),
        body(b"", False),
    ]
    client = Client()
    await call(app_sending(*messages), client, content_events={"token"})
    attributes = spans.attributes("POST /v1/chat")
    assert client.ttft_seen == [False, False, False, False, True]
    assert attributes[TTFT] > 0
    assert attributes[semconv.STAGE] == "request"
    assert attributes[semconv.HTTP_ROUTE] == "/v1/chat"
    assert attributes[semconv.HTTP_RESPONSE_STATUS_CODE] == 200
    assert attributes[semconv.RESPONSE_CONTENT_EVENTS] == 1
    assert attributes[semconv.RESPONSE_OUTCOME] == "completed"
    assert spans.single().kind is SpanKind.SERVER


async def test_stream_without_content_has_no_first_token(spans: Spans) -> None:
    """No content event, no time to first token: absent, not zero."""
    await call(
        app_sending(start(), body(b"event: meta\ndata: {}\n\n"), body(b"", False)), Client(), content_events={"token"}
    )
    assert TTFT not in spans.attributes()
    assert spans.attributes()[semconv.RESPONSE_CONTENT_EVENTS] == 0


async def test_json_body_counts_at_its_first_byte(spans: Spans) -> None:
    """An answer in one piece has its first content when it is handed over."""
    await call(app_sending(start(b"application/json"), body(b'{"a":1}', False)), Client())
    assert spans.attributes()[TTFT] > 0


async def test_compressed_event_stream_counts_at_its_first_byte(spans: Spans) -> None:
    """Bytes that cannot be read as events count as they come."""
    response = start(b"text/event-stream", 200, (b"content-encoding", b"gzip"))
    await call(app_sending(response, body(b"\x1f\x8b"), body(b"", False)), Client(), content_events={"token"})
    assert TTFT in spans.attributes()


async def test_remote_parent_and_baggage_are_taken(spans: Spans) -> None:
    """The caller's trace goes on and its identity is on the spans."""
    headers = {"traceparent": f"00-{7:032x}-{9:016x}-01", "baggage": "session.id=s1"}
    await call(app_sending(start(), body(b"", False)), Client(), headers)
    span = spans.single()
    assert span.parent is not None
    assert (span.context.trace_id, span.parent.span_id) == (7, 9)  # type: ignore[union-attr]
    assert spans.attributes()[semconv.SESSION_ID] == "s1"
    assert get_current_span() is INVALID_SPAN


async def test_client_gone_while_sending(spans: Spans) -> None:
    """A client that leaves in mid-stream is an outcome, not an error."""
    app = app_sending(start(), body(b"data: a\n\n"), body(b"data: b\n\n"), body(b"", False))
    with pytest.raises(OSError, match="client gone"):
        await call(app, Client(2))
    span = spans.single()
    assert spans.attributes()[semconv.RESPONSE_OUTCOME] == "client_gone"
    assert TTFT in spans.attributes()
    assert span.status.status_code is StatusCode.UNSET
    assert span.events == ()


async def test_client_gone_at_the_last_message(spans: Spans) -> None:
    """A client that leaves at the very end did not get it all."""
    with pytest.raises(OSError, match="client gone"):
        await call(app_sending(start(), body(b"data: a\n\n"), body(b"", False)), Client(2))
    assert spans.attributes()[semconv.RESPONSE_OUTCOME] == "client_gone"


async def test_client_disconnect_read_from_receive(spans: Spans) -> None:
    """A disconnect before the last body is a client that left."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        assert (await receive())["type"] == "http.disconnect"

    await call(app, Client(None, {"type": "http.disconnect"}))
    assert spans.attributes()[semconv.RESPONSE_OUTCOME] == "client_gone"


async def test_disconnect_after_the_end_is_normal(spans: Spans) -> None:
    """Servers tell a disconnect after each response; that is no early leave."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        await send(body(b"data: a\n\n", False))
        await receive()

    await call(app, Client(None, {"type": "http.disconnect"}))
    assert spans.attributes()[semconv.RESPONSE_OUTCOME] == "completed"


async def test_exception_in_the_app(spans: Spans) -> None:
    """An application's exception goes on and is on the span."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        await call(app, Client())
    span = spans.single()
    assert spans.attributes()[semconv.RESPONSE_OUTCOME] == "error"
    assert span.status.status_code is StatusCode.ERROR


async def test_server_error_status(spans: Spans) -> None:
    """A 5xx is an error of the request."""
    await call(app_sending(start(b"text/plain", 503), body(b"no", False)), Client())
    assert spans.single().status.status_code is StatusCode.ERROR
    assert spans.attributes()[semconv.ERROR_TYPE] == "503"


async def test_request_inside_a_marked_request_is_a_workflow(spans: Spans) -> None:
    """Never two requests for one; ids of the request are known below it."""
    ids: list[tuple[str, str]] = []

    @sightline.request("inner")
    def inner() -> None:
        ids.append(sightline.request_ids())
        sightline.identify(user="u1")
        sightline.annotate_request(far="up")
        sightline.score("s", 1.0)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        inner()
        await send(start())
        await send(body(b"", False))

    await call(app, Client())
    assert spans.attributes("inner")[semconv.STAGE] == "workflow"
    request = spans.single(stage="request")
    assert ids == [(f"{1:032x}", span_id(request))]
    assert (request.attributes or {})["far"] == "up"
    assert (request.attributes or {})[semconv.USER_ID] == "u1"
    assert spans.scores[0]["span_id"] == request.context.span_id  # type: ignore[union-attr]


async def test_unconfigured_middleware_passes_everything_through() -> None:
    """Without configure() the middleware only forwards."""
    client = Client()
    await call(app_sending(start(), body(b"data: a\n\n"), body(b"", False)), client)
    assert len(client.sent) == 3


async def test_lifespan_passes_through(spans: Spans) -> None:
    """Other scopes are none of its business."""
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    await RequestMiddleware(app)({"type": "lifespan"}, Client().receive, Client().send)
    assert seen == ["lifespan"]
    assert len(spans) == 0


async def test_websocket_first_content_counts_from_the_first_question(spans: Spans) -> None:
    """A WebSocket's clock starts with the client's first message, and framing messages do not count."""
    client = Client(None, {"type": "websocket.connect"}, {"type": "websocket.receive", "text": "why"})

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await asyncio.sleep(0.3)
        await receive()
        await send({"type": "websocket.send", "text": json.dumps({"event": "meta"})})
        await send({"type": "websocket.send", "text": json.dumps({"event": "token", "text": "a"})})
        await send({"type": "websocket.close"})

    scope = {"type": "websocket", "path": "/ws", "headers": []}
    await RequestMiddleware(app, {"token"})(scope, client.receive, client.send)
    attributes = spans.attributes()
    assert 0 < attributes[TTFT] < 0.3
    assert attributes[semconv.RESPONSE_CONTENT_EVENTS] == 1
    assert client.ttft_seen[-1]


def build_fastapi(spans: Spans) -> FastAPI:
    """Return an app as the README shows it."""
    app = FastAPI()
    app.add_middleware(RequestMiddleware, content_events={"token"})

    @sightline.llm("m", provider="test")
    async def model() -> AsyncIterator[str]:
        for word in ("", "a", "b"):
            await asyncio.sleep(0.01)
            yield word

    @sightline.workflow("answer")
    async def answer() -> AsyncIterator[str]:
        sightline.identify(session="s1", tenant="t1")
        yield "event: meta\ndata: {}\n\n"
        async for word in model():
            if word:
                yield f"event: token\ndata: {word}\n\n"

    @app.post("/v1/chat/{room}")
    async def chat(room: str) -> StreamingResponse:
        return StreamingResponse(answer(), media_type="text/event-stream")

    @app.get("/sync")
    def plain() -> dict[str, str]:
        sightline.identify(user="u1")
        return {"trace_id": sightline.current_trace_id(), "request": sightline.request_ids()[1]}

    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("broken")

    @app.websocket("/ws")
    async def ws(socket: WebSocket) -> None:
        await socket.accept()
        await socket.receive_text()
        await socket.send_text('{"type": "token"}')
        await socket.close()

    FastAPIInstrumentor.instrument_app(app, exclude_spans=["send", "receive"], tracer_provider=spans.provider)
    return app


@pytest.fixture
def fastapi(spans: Spans) -> Iterator[TestClient]:
    """A client of the instrumented app."""
    app = build_fastapi(spans)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client
    FastAPIInstrumentor.uninstrument_app(app)


def test_fastapi_streaming_is_one_request(fastapi: TestClient, spans: Spans) -> None:
    """FastAPI's server span is the request; model and edge each have their first token, the edge's later."""
    response = fastapi.post("/v1/chat/r1")
    assert response.text.count("event: token") == 2
    assert spans.tree() == "POST /v1/chat/{room}\n  invoke_workflow answer\n    chat m"
    request = spans.attributes(stage="request")
    model = spans.attributes("chat m")
    assert request[semconv.HTTP_ROUTE] == "/v1/chat/{room}"
    assert request[semconv.RESPONSE_OUTCOME] == "completed"
    assert request[semconv.RESPONSE_CONTENT_EVENTS] == 2
    assert model[semconv.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK] >= 0.02
    assert request[TTFT] > model[semconv.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK]
    span = spans.single(stage="request")
    assert request[TTFT] <= (span.end_time - span.start_time) / 1e9  # type: ignore[operator]
    for found in (request, model, spans.attributes("invoke_workflow answer")):
        assert found[semconv.TENANT_ID] == "t1"
    assert [(s.attributes or {})[semconv.SPAN_SEQUENCE] for s in spans] == [3, 2, 1]


def test_fastapi_json(fastapi: TestClient, spans: Spans) -> None:
    """A body in one piece is timed although FastAPI's instrumentation ends the span in the same call."""
    answer = fastapi.get("/sync").json()
    span = spans.single(stage="request")
    assert answer["request"] == span_id(span)
    attributes = spans.attributes(stage="request")
    assert attributes[TTFT] > 0
    assert attributes[semconv.USER_ID] == "u1"
    assert attributes[semconv.RESPONSE_OUTCOME] == "completed"


def test_fastapi_exception(fastapi: TestClient, spans: Spans) -> None:
    """An endpoint's exception is an error of the request."""
    assert fastapi.get("/broken").status_code == 500
    span = spans.single(stage="request")
    assert span.status.status_code is StatusCode.ERROR
    assert spans.attributes()[semconv.RESPONSE_OUTCOME] == "error"


def test_fastapi_websocket(fastapi: TestClient, spans: Spans) -> None:
    """A WebSocket connection is one request too."""
    with fastapi.websocket_connect("/ws") as socket:
        socket.send_text("q")
        socket.receive_text()
    attributes = spans.attributes(stage="request")
    assert attributes[semconv.RESPONSE_CONTENT_EVENTS] == 1
    assert attributes[semconv.RESPONSE_OUTCOME] == "completed"


def test_sampled_out_requests_stay_out() -> None:
    """A request that the sampler left out starts no second trace."""
    faults.reset()
    with captured(sampler=ParentBased(ALWAYS_OFF)) as spans:
        app = build_fastapi(spans)
        with TestClient(app) as client:
            assert client.post("/v1/chat/r1").text.count("event: token") == 2
        FastAPIInstrumentor.uninstrument_app(app)
        assert len(spans) == 0
    assert faults.counts() == {}
