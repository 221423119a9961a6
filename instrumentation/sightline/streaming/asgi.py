"""The request span and the time to first token at the edge, for any ASGI application.

The middleware runs inside of OpenTelemetry's own server instrumentation (FastAPI's wraps everything that
``app.add_middleware`` adds) and marks the current server span as the request; without a server span it
starts one, with the caller's trace context and baggage.

The time to first token is taken after the server accepted the first content: the first SSE event of a
content-bearing name, or the first non-empty body, or the first WebSocket message with content. A response
whose first content is also its last message is timed just before it is handed over, because the
instrumentation outside ends the span in the same call.

```python
app.add_middleware(RequestMiddleware, content_events={"token"})
```
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any, Final

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.propagate import extract
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, get_current_span

from sightline import faults, semconv
from sightline.runtime import RequestState, StageSpan, context_with, detach, runtime
from sightline.spans import record_error
from sightline.streaming.sse import EventScanner

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_LARGEST_MESSAGE_CHARS: Final = 65_536


class RequestMiddleware:
    """Marks the request span and measures what the client gets.

    Args:
        app: the ASGI application.
        content_events: names of the SSE events (for WebSockets: of the ``event`` or ``type`` field of JSON
            messages) that carry content. None: every event that has data.
    """

    def __init__(self, app: App, content_events: Collection[str] | None = None) -> None:
        self._app = app
        if isinstance(content_events, str):
            content_events = (content_events,)
        self._content_events = None if content_events is None else frozenset(content_events)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        connection: _Connection | None = None
        if scope["type"] in ("http", "websocket"):
            try:
                connection = _Connection(scope, receive, send, self._content_events)
            except Exception as fault:
                faults.report("start request", fault)
        if connection is None:
            await self._app(scope, receive, _sending_the_rest(send) if scope["type"] == "lifespan" else send)
            return
        token = otel_context.attach(connection.context)
        try:
            await self._app(scope, connection.receive, connection.send)
        except BaseException as error:
            detach(token)
            connection.finish(error)
            raise
        detach(token)
        connection.finish(None)


def _sending_the_rest(send: Send) -> Send:
    """Return a `send` of a lifespan that first sends the spans that are queued, when the application has ended.

    A server that was stopped by a signal may end its process by that signal (uvicorn does): nothing runs at exit then.
    """

    async def send_after(message: Message) -> None:
        if message["type"].startswith("lifespan.shutdown.") and runtime.send_rest is not None:
            try:
                runtime.send_rest()  # holds the loop up, on which nothing runs any more
            except Exception as fault:
                faults.report("send at the end", fault)
        await send(message)

    return send_after


class _Connection:
    """One request or WebSocket connection."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, content_events: frozenset[str] | None) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._content_events = content_events
        self._websocket = scope["type"] == "websocket"
        self._scanner: EventScanner | None = None
        self._content_count = 0
        self._response_complete = False
        self._client_gone = False
        self._question_received = False
        self._failed_send: BaseException | None = None
        self._status = 0
        self._outcome_written = False
        started_s = time.perf_counter()
        span = get_current_span()
        self._owns_span = not _is_server_span(span)
        if self._owns_span:
            span = self._start_server_span()
        else:
            start_ns = getattr(span, "start_time", None)
            if isinstance(start_ns, int):
                started_s -= max(time.time_ns() - start_ns, 0) / 1e9
        self._span = span
        self._request = RequestState(StageSpan(span, semconv.STAGE_REQUEST), started_s)
        span.set_attribute(semconv.STAGE, semconv.STAGE_REQUEST)
        base = self._parent if self._owns_span else None
        self.context: Context = context_with(self._request.stage_span, self._request, base)

    def _start_server_span(self) -> Span:
        scope = self._scope
        carrier: dict[str, str] = {}
        for name, value in scope.get("headers", ()):
            key = name.decode("latin-1").lower()
            text = value.decode("latin-1")
            carrier[key] = f"{carrier[key]},{text}" if key in carrier else text
        self._parent = extract(carrier)
        method = "WEBSOCKET" if self._websocket else str(scope.get("method", "GET"))
        attributes: dict[str, Any] = {
            semconv.URL_PATH: str(scope.get("path", "")),
            semconv.URL_SCHEME: str(scope.get("scheme", "http")),
        }
        if not self._websocket:
            attributes[semconv.HTTP_REQUEST_METHOD] = method
        return runtime.tracer.start_span(method, self._parent, SpanKind.SERVER, attributes)

    async def receive(self) -> Message:
        message = await self._receive()
        message_type = message["type"]
        if message_type == "websocket.receive":
            if not self._question_received:
                # A conversation may start long after the connection: its first question starts the clock.
                self._question_received = True
                self._request.started_s = time.perf_counter()
        elif message_type in ("http.disconnect", "websocket.disconnect") and not self._response_complete:
            self._client_gone = message_type == "http.disconnect" or message.get("code") not in (1000, 1001, 1005)
            self._response_complete = not self._client_gone
        return message

    async def send(self, message: Message) -> None:
        content = last = False
        try:
            content, last = self._inspect(message)
            if content and last:
                self._request.first_token()
            if last:
                self._response_complete = True
                self._write_outcome(semconv.OUTCOME_COMPLETED)
        except Exception as fault:
            faults.report("read response", fault)
        try:
            await self._send(message)
        except BaseException as error:
            if isinstance(error, OSError) or type(error).__name__ in ("ClientDisconnect", "ClientDisconnected"):
                self._client_gone = True
            self._response_complete = False
            self._failed_send = error
            raise
        if content and not last:
            try:
                self._request.first_token()
            except Exception as fault:
                faults.report("record first token", fault)

    def _inspect(self, message: Message) -> tuple[bool, bool]:
        """Return whether a message carries content, and whether it is the last one."""
        message_type = message["type"]
        if message_type == "http.response.body":
            body = message.get("body", b"")
            count = (self._scanner.feed(body) if self._scanner is not None else int(bool(body))) if body else 0
            self._content_count += count
            return count > 0, not message.get("more_body", False)
        if message_type == "http.response.start":
            self._start_response(message)
        elif message_type == "websocket.send":
            count = int(self._is_content(message))
            self._content_count += count
            return count > 0, False
        elif message_type == "websocket.accept":
            self._route()
        elif message_type == "websocket.close":
            return False, True
        return False, False

    def _start_response(self, message: Message) -> None:
        self._status = int(message["status"])
        self._route()
        headers = {name.lower(): value.lower() for name, value in message.get("headers", ())}
        plain = headers.get(b"content-encoding", b"identity") == b"identity"
        if plain and headers.get(b"content-type", b"").startswith(b"text/event-stream"):
            self._scanner = EventScanner(self._content_events)
        if self._owns_span:
            self._span.set_attribute(semconv.HTTP_RESPONSE_STATUS_CODE, self._status)
            if self._status >= 500:
                self._span.set_attribute(semconv.ERROR_TYPE, str(self._status))
                self._span.set_status(Status(StatusCode.ERROR))

    def _route(self) -> None:
        route = getattr(self._scope.get("route"), "path", None)
        if isinstance(route, str) and self._span.is_recording():
            self._span.set_attribute(semconv.HTTP_ROUTE, route)
            if self._owns_span:
                method = "WEBSOCKET" if self._websocket else self._scope.get("method", "GET")
                self._span.update_name(f"{method} {route}")

    def _is_content(self, message: Message) -> bool:
        text = message.get("text")
        if text is None:
            return bool(message.get("bytes"))
        if self._content_events is None or not text.startswith("{") or len(text) > _LARGEST_MESSAGE_CHARS:
            return bool(text)
        try:
            parsed = json.loads(text)
        except ValueError:
            return True
        name = parsed.get("event", parsed.get("type"))
        return name is None or name in self._content_events

    def finish(self, error: BaseException | None) -> None:
        """Write how it ended. Never raises."""
        try:
            if self._client_gone and not self._response_complete:
                outcome = semconv.OUTCOME_CLIENT_GONE
            elif isinstance(error, asyncio.CancelledError):
                outcome = semconv.OUTCOME_CANCELLED
            elif error is not None or not self._response_complete:
                outcome = semconv.OUTCOME_ERROR
            else:
                outcome = semconv.OUTCOME_COMPLETED
            if not self._outcome_written or outcome != semconv.OUTCOME_COMPLETED:
                self._write_outcome(outcome)
            if error is not None and error is not self._failed_send and self._span.is_recording():
                record_error(self._span, error)
        except Exception as fault:
            faults.report("finish request", fault)
        finally:
            self._request.open = False
            if self._owns_span:
                self._span.end()

    def _write_outcome(self, outcome: str) -> None:
        self._outcome_written = True
        if self._span.is_recording():
            self._span.set_attributes(
                {semconv.RESPONSE_OUTCOME: outcome, semconv.RESPONSE_CONTENT_EVENTS: self._content_count}
            )


def _is_server_span(span: Span) -> bool:
    """Return whether the current span is a server span of this process (a sampled-out one counts too)."""
    context = span.get_span_context()
    if span.is_recording():
        return getattr(span, "kind", None) is SpanKind.SERVER
    return context.is_valid and not context.is_remote
