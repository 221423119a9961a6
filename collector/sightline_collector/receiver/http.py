"""OTLP/HTTP: Protobuf and JSON on one port, by Content-Type, as an ASGI application.

Success means that the request is on disk, fsynced. What cannot be promised is answered 503 with Retry-After, which
every OTLP client keeps and sends again; what can never be accepted is answered 4xx, with a google.rpc.Status in the
encoding of the request.

Source: https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any

from google.protobuf import json_format
from google.rpc import code_pb2, status_pb2

from sightline_collector.errors import BadRequest, NotNow, Unauthenticated
from sightline_collector.receiver.encoding import Body
from sightline_collector.receiver.intake import Intake
from sightline_collector.request import otlp_json
from sightline_collector.settings import CollectorSettings
from sightline_roles import host_check
from sightline_store.ingest import Signal

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_PLAIN = "text/plain; charset=utf-8"
_PROTOBUF = "application/x-protobuf"
_JSON = "application/json"
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
_PAGES = frozenset({"/healthz", "/stats", "/metrics"})
_PATHS = {f"/v1/{signal}": signal for signal in Signal}
_CODES = {
    400: code_pb2.INVALID_ARGUMENT,
    401: code_pb2.UNAUTHENTICATED,
    403: code_pb2.PERMISSION_DENIED,
    404: code_pb2.NOT_FOUND,
    405: code_pb2.UNIMPLEMENTED,
    413: code_pb2.RESOURCE_EXHAUSTED,
    415: code_pb2.INVALID_ARGUMENT,
    429: code_pb2.RESOURCE_EXHAUSTED,
    503: code_pb2.UNAVAILABLE,
}
_MAX_MESSAGE_CHARS = 2000


class HttpReceiver:
    """The ASGI application."""

    def __init__(
        self,
        settings: CollectorSettings,
        intake: Intake,
        stats: Callable[[], dict[str, Any]],
        metrics: Callable[[], bytes],
    ) -> None:
        """Serve `intake`; `stats` and `metrics` fill the pages of those names."""
        self._settings = settings
        self._intake = intake
        self._stats = stats
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})  # Unanswered, the server would say 500 on our behalf.
        if scope["type"] != "http":
            return
        headers = host_check.headers_by_name(scope["headers"])
        path, method = scope["path"], scope["method"]
        is_page = method in {"GET", "HEAD"} and path in _PAGES
        try:
            self._intake.check_site(headers, takes_pages=not is_page)
        except BadRequest as exc:
            self._intake.refused(exc)
            if path in _PATHS:
                await _Answer(send).refuse(exc.status, str(exc), _media_type(headers), ())
            else:
                await _Answer(send).send(exc.status, f"{exc}\n".encode(), _PLAIN)
            return
        if path == "/healthz" and method in {"GET", "HEAD"}:
            await _Answer(send).send(200, b"ok\n", _PLAIN)
        elif path == "/stats" and method in {"GET", "HEAD"}:
            await _Answer(send).send(200, json.dumps(self._stats()).encode(), _JSON)
        elif path == "/metrics" and method in {"GET", "HEAD"}:
            await _Answer(send).send(200, self._metrics(), _PROMETHEUS)
        elif method == "OPTIONS" and "access-control-request-method" in headers:
            await _Answer(send, self._intake.cors(headers)).send(204, b"", _PLAIN)
        else:
            await self._export(path, method, headers, receive, _Answer(send, self._intake.cors(headers)))

    async def _export(self, path: str, method: str, headers: dict[str, str], receive: Receive, answer: _Answer) -> None:
        media_type = _media_type(headers)
        try:
            signal = _signal(path, method, _content_type(headers))
            sender = self._intake.admit(headers)
            body = await self._body(headers, receive)
            if media_type == _JSON:
                body = otlp_json.to_protobuf(signal, body)
            await self._intake.accept(signal, body, sender)
        except BadRequest as exc:
            self._intake.refused(exc)
            challenge = [("www-authenticate", exc.challenge)] if isinstance(exc, Unauthenticated) else []
            await answer.refuse(exc.status, str(exc), media_type, challenge)
        except NotNow as exc:
            self._intake.refused(exc)
            await answer.refuse(exc.status, str(exc), media_type, [("retry-after", str(exc.retry_after_s))])
        else:
            # An empty Export*ServiceResponse: everything was accepted.
            await answer.send(200, b"{}" if media_type == _JSON else b"", media_type)

    async def _body(self, headers: dict[str, str], receive: Receive) -> bytes:
        body, more = Body(headers.get("content-encoding", ""), self._settings.max_request_bytes), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise BadRequest(400, "the client went away")
            body.feed(message.get("body", b""))
            more = message.get("more_body", False)
        return body.whole()


def _content_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _media_type(headers: Mapping[str, str]) -> str:
    """The encoding of an answer: the request's."""
    return _JSON if _content_type(headers) == _JSON else _PROTOBUF


def _signal(path: str, method: str, content_type: str) -> Signal:
    signal = _PATHS.get(path)
    if signal is None:
        raise BadRequest(404, f"no such path: {path[:200]}; OTLP is taken on {', '.join(_PATHS)}")
    if method != "POST":
        raise BadRequest(405, "OTLP is sent by POST")
    if content_type not in {_PROTOBUF, _JSON}:
        raise BadRequest(415, f"Content-Type is {content_type[:100]!r}; needs {_PROTOBUF} or {_JSON}")
    return signal


class _Answer:
    """Writes one answer; `headers` are on every one."""

    def __init__(self, send: Send, headers: Sequence[tuple[str, str]] = ()) -> None:
        self._send = send
        self._headers = headers

    async def send(self, status: int, body: bytes, content_type: str, extra: Sequence[tuple[str, str]] = ()) -> None:
        sent = [("content-type", content_type), ("content-length", str(len(body))), *self._headers, *extra]
        headers = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in sent]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    async def refuse(self, status: int, message: str, media_type: str, extra: Sequence[tuple[str, str]]) -> None:
        """A google.rpc.Status in the encoding of the request."""
        details = status_pb2.Status(code=_CODES[status], message=message[:_MAX_MESSAGE_CHARS])
        body = (
            json_format.MessageToJson(details, indent=None).encode()
            if media_type == _JSON
            else details.SerializeToString()
        )
        await self.send(status, body, media_type, extra)
