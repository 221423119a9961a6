"""Questions over a WebSocket, one after the other, with the events of server-sent streams.

A client sends `{"type": "question", "question": ...}`, with the fields of `POST /v1/chat`, and may send
`{"type": "cancel"}` while the answer comes. The app sends `{"event": ..., "id": ..., "data": ...}`. A question that is
refused is an `error` event with the HTTP status that it would have had; the socket stays open for the next one.

====== ===============================================================================
1003   a message was binary
1009   a message was larger than SIGHTLINE_APP_MAX_BODY_BYTES
4400   a header of the handshake cannot be used
4401   no API key, none that is valid, or one that was revoked meanwhile
4403   the API key belongs to another tenant
====== ===============================================================================

`serving.run` refuses pages of foreign origins before the socket opens: 403. Pings come from uvicorn, each 20 s.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Mapping
from typing import Any

from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from sightline.asgi import RequestMiddleware
from sightline_app.api.chat import Chat
from sightline_app.api.chat_request import check_size, parse_object
from sightline_app.api.live_stream import CANCELLED, Cancelled, LiveStream, Reading
from sightline_app.api.request_spans import mark_failed
from sightline_app.errors import RequestRefused, Unavailable
from sightline_app.limits.access import Access
from sightline_app.settings import AppSettings
from sightline_roles.host_check import headers_by_name

_log = logging.getLogger("sightline.app")
_UNSUPPORTED, _TOO_LARGE, _LOST = 1003, 1009, 1006
_REFUSED = 4000
"""Added to an HTTP status: the close code of a caller that may not ask at all."""


class ChatSockets:
    """Serves sockets.

    Args:
        settings: size of messages.
        access: who may ask.
        chat: answers.
    """

    def __init__(self, settings: AppSettings, access: Access, chat: Chat) -> None:
        self._max_bytes = settings.max_body_bytes
        self._access = access
        self._chat = chat

    async def serve(self, socket: WebSocket) -> None:
        """Answer the questions of one socket until it closes."""
        headers = headers_by_name(socket.scope["headers"])
        await socket.accept()
        running: _Asked | None = None
        closing: _Closed | None = None
        try:
            self._access.caller(headers)
            while (message := await socket.receive())["type"] != "websocket.disconnect":
                running = await self._take(socket, headers, self._text(message), running)
        except _Closed as exc:
            closing = exc
        except RequestRefused as exc:
            closing = _Closed(_REFUSED + exc.status, exc.kind)
        except WebSocketDisconnect:
            pass
        finally:
            if running is not None:
                running.leave()
        if closing is not None and socket.application_state is WebSocketState.CONNECTED:
            with contextlib.suppress(WebSocketDisconnect):
                await socket.close(closing.code, closing.reason)
        if running is not None:
            await running.finish()

    def _text(self, message: Message) -> str:
        text = message.get("text")
        if text is None:
            raise _Closed(_UNSUPPORTED, "messages are texts")
        try:
            check_size(len(text.encode()), self._max_bytes)
        except RequestRefused as exc:
            raise _Closed(_TOO_LARGE, exc.kind) from exc
        return str(text)

    async def _take(
        self, socket: WebSocket, headers: Mapping[str, str], text: str, running: _Asked | None
    ) -> _Asked | None:
        """Do what a message asks for; returns the question that runs now.

        Raises:
            RequestRefused: the caller may no longer ask.
        """
        if running is not None and running.is_over:
            running = None
        try:
            body = _read(text, is_running=running is not None)
        except RequestRefused as exc:
            await socket.send_text(_text("error", _refused(exc)))
            return running
        if body is None:
            if running is not None:
                running.cancel()
            return running
        self._access.caller(headers)
        return _Asked(socket, self._chat, headers, body)


def _read(text: str, *, is_running: bool) -> dict[str, Any] | None:
    """Return the question of a message; None for one that cancels.

    Raises:
        RequestRefused: it is neither, or a question comes too early.
    """
    body = parse_object(text)
    kind = body.pop("type", None)
    if kind not in ("question", "cancel"):
        raise RequestRefused("'type' must be question or cancel", kind="invalid_request")
    if kind == "cancel":
        return None
    if is_running:
        raise RequestRefused("the question before is still answered", kind="question_running", status=409)
    return body


class _Closed(Exception):
    """The socket is closed by the app."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class _Asked:
    """A question of a socket, which is a request of its own for the library: one trace a question."""

    def __init__(self, socket: WebSocket, chat: Chat, headers: Mapping[str, str], body: dict[str, Any]) -> None:
        self._socket = socket
        self._chat = chat
        self._headers = headers
        self._body = body
        self._stream: LiveStream | None = None
        self._pump: asyncio.Task[None] | None = None
        self._is_lost = self._is_cancelled = self._is_told = self._is_delivered = False
        # Without the handshake's headers: they would put all questions into the trace that opened the socket.
        scope = {**socket.scope, "headers": []}
        self._task = asyncio.create_task(RequestMiddleware(self._serve, {"token"})(scope, self._receive, self._send))

    @property
    def is_over(self) -> bool:
        """Whether the next question may come."""
        return self._is_told or self._task.done() or (self._pump is not None and self._pump.done())

    def cancel(self) -> None:
        """Cancel the answer because the client asks for it."""
        self._is_cancelled = True
        # Not at once: a task that is cancelled before its first step never runs, and the client would hear of nothing.
        asyncio.get_running_loop().call_soon(self._cancel)

    def _cancel(self) -> None:
        if self._stream is not None:
            self._stream.cancel(Cancelled.ASKED)
        elif not self._is_told:
            self._task.cancel()

    def leave(self) -> None:
        """Send nothing more; what comes before the model is cancelled, an answer waits for its client to come back."""
        self._is_lost = True
        if self._pump is None:
            self._task.cancel()
        else:
            self._pump.cancel()

    async def finish(self) -> None:
        """Wait for the end."""
        try:
            await asyncio.wait({self._task})
        except asyncio.CancelledError:
            self._task.cancel()  # the server stops
            await asyncio.wait({self._task})
            raise

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; called by the library's middleware, which reads the messages as those of a socket of its own."""
        del scope
        await receive()
        await send({"type": "websocket.accept"})
        try:
            await self._answer(send)
        except asyncio.CancelledError:
            if not self._is_cancelled or self._is_lost:
                raise
            await self._tell(send, "error", CANCELLED)
        except RequestRefused as exc:
            await self._tell(send, "error", _refused(exc))
        except Unavailable as exc:
            mark_failed(exc, exc.kind)
            told = {"message": str(exc), "type": exc.kind, "status": 503, "retry_after": 5}
            await self._tell(send, "error", told)
        except Exception as exc:
            _log.exception("a question over a WebSocket failed")
            mark_failed(exc, type(exc).__name__)
            await self._tell(send, "error", {"message": "internal error", "type": "internal_error", "status": 500})
        # A client that leaves when it has the last event is not gone in the middle of an answer.
        is_gone = self._is_lost and not self._is_delivered
        await (receive() if is_gone else send({"type": "websocket.close"}))

    async def _answer(self, send: Send) -> None:
        caller = self._chat.caller(self._headers)
        answer, owner = await self._chat.begin(caller, self._headers, self._body)
        self._stream = self._chat.stream(answer, owner)
        reading = self._stream.read()
        self._pump = asyncio.create_task(self._send_events(reading, send))
        try:
            await asyncio.wait({self._pump})
        except asyncio.CancelledError:
            self._pump.cancel()
            self._stream.cancel(Cancelled.STOPPED)
            raise
        finally:
            reading.close()
            await self._stream.finish()

    async def _receive(self) -> Message:
        if self._is_lost:
            return {"type": "websocket.disconnect", "code": _LOST}
        return {"type": "websocket.receive", "text": ""}

    async def _send(self, message: Message) -> None:
        """Pass on the events only: the socket itself stays open."""
        if message["type"] == "websocket.send" and not self._is_lost:
            await self._socket.send(message)
            self._is_delivered = self._is_told

    async def _send_events(self, reading: Reading, send: Send) -> None:
        async for event in reading:
            if event is not None:
                await self._tell(send, event.name, json.loads(event.data), event.number)
            if self._is_lost:
                break

    async def _tell(self, send: Send, name: str, data: Any, number: int | None = None) -> None:
        # Before it is sent: the client may ask the next question as soon as it has the last event.
        self._is_told = name in ("done", "error")
        try:
            await send({"type": "websocket.send", "text": _text(name, data, number)})
        except WebSocketDisconnect:  # whoever receives from the socket hears of it, too
            self._is_lost = True


def _text(name: str, data: Any, number: int | None = None) -> str:
    told = {"event": name, "data": data} if number is None else {"event": name, "id": number, "data": data}
    return json.dumps(told, ensure_ascii=False)


def _refused(exc: RequestRefused) -> dict[str, Any]:
    """Data of the event that refuses a question."""
    data: dict[str, Any] = {"message": str(exc), "type": exc.kind, "status": exc.status}
    if "retry-after" in exc.headers:
        data["retry_after"] = int(exc.headers["retry-after"])
    return data
