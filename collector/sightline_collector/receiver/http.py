"""OTLP/HTTP: Protobuf and JSON on one port, by Content-Type, as an ASGI application.

Success means that the request is on disk, fsynced. What cannot be promised is answered 503 with Retry-After, which
every OTLP client keeps and sends again; what can never be accepted is answered 4xx, with a google.rpc.Status in the
encoding of the request.

Source: https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from google.protobuf import json_format
from google.rpc import code_pb2, status_pb2

from sightline_collector import otlp_json
from sightline_collector.errors import BadRequest, NotNow
from sightline_collector.receiver.encoding import Body
from sightline_collector.receiver.intake import Intake
from sightline_collector.settings import CollectorSettings
from sightline_store.ingest import Signal

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_PROTOBUF = "application/x-protobuf"
_JSON = "application/json"
_PATHS = {f"/v1/{signal}": signal for signal in Signal}
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
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

    def __init__(self, settings: CollectorSettings, intake: Intake, stats: Callable[[], dict[str, Any]]) -> None:
        self._settings = settings
        self._intake = intake
        self._stats = stats

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        path, method = scope["path"], scope["method"]
        if path == "/healthz" and method in {"GET", "HEAD"}:
            await _answer(send, 200, b"ok\n", "text/plain; charset=utf-8")
        elif path == "/stats" and method in {"GET", "HEAD"}:
            await _answer(send, 200, json.dumps(self._stats()).encode(), _JSON)
        else:
            await self._export(path, method, headers, receive, send)

    async def _export(self, path: str, method: str, headers: dict[str, str], receive: Receive, send: Send) -> None:
        content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        spoken = _JSON if content_type == _JSON else _PROTOBUF
        try:
            signal = _signal(path, method, content_type)
            _check_host(headers)
            body = await self._body(headers, receive)
            if spoken == _JSON:
                body = otlp_json.to_protobuf(signal, body)
            await self._intake.accept(signal, body)
        except BadRequest as exc:
            self._intake.refused(exc)
            await _refuse(send, exc.status, str(exc), spoken)
        except NotNow as exc:
            self._intake.refused(exc)
            await _refuse(send, 503, str(exc), spoken, retry_after_s=exc.retry_after_s)
        else:
            # An empty Export*ServiceResponse: everything was accepted.
            await _answer(send, 200, b"{}" if spoken == _JSON else b"", spoken)

    async def _body(self, headers: dict[str, str], receive: Receive) -> bytes:
        body, more = Body(headers.get("content-encoding", ""), self._settings.max_request_bytes), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise BadRequest(400, "the client went away")
            body.feed(message.get("body", b""))
            more = message.get("more_body", False)
        return body.whole()


def _signal(path: str, method: str, content_type: str) -> Signal:
    signal = _PATHS.get(path)
    if signal is None:
        raise BadRequest(404, f"no such path: {path[:200]}; OTLP is taken on {', '.join(_PATHS)}")
    if method != "POST":
        raise BadRequest(405, "OTLP is sent by POST")
    if content_type not in {_PROTOBUF, _JSON}:
        raise BadRequest(415, f"Content-Type is {content_type[:100]!r}; needs {_PROTOBUF} or {_JSON}")
    return signal


def _check_host(headers: dict[str, str]) -> None:
    """Refuse a page of a foreign site that reaches loopback through a name of its own (DNS rebinding)."""
    for name in ("origin", "host"):
        value = headers.get(name, "")
        if value and urlsplit(value if "//" in value else f"//{value}").hostname not in _LOOPBACK:
            raise BadRequest(403, f"{name} {value[:200]!r} is not this collector")


async def _refuse(send: Send, status: int, message: str, spoken: str, *, retry_after_s: int | None = None) -> None:
    answer = status_pb2.Status(code=_CODES[status], message=message[:_MAX_MESSAGE_CHARS])
    body = json_format.MessageToJson(answer, indent=None).encode() if spoken == _JSON else answer.SerializeToString()
    await _answer(send, status, body, spoken, retry_after_s=retry_after_s)


async def _answer(send: Send, status: int, body: bytes, content_type: str, *, retry_after_s: int | None = None) -> None:
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    if retry_after_s is not None:
        headers.append((b"retry-after", str(retry_after_s).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
