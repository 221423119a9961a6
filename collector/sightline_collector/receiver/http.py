"""OTLP/HTTP: Protobuf on /v1/traces and /v1/logs, as an ASGI application.

Success means that the request is on disk, fsynced. What cannot be promised is answered 503 with Retry-After, which
every OTLP client keeps and sends again; what can never be accepted is answered 4xx, with a google.rpc.Status.

Source: https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from google.rpc import code_pb2, status_pb2

from sightline_collector import otlp
from sightline_collector.errors import BadRequest, NotNow, RequestTooLarge
from sightline_collector.settings import CollectorSettings
from sightline_collector.spool.writer import Spool
from sightline_collector.telemetry import Counts
from sightline_store.ingest import Signal

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_PROTOBUF = "application/x-protobuf"
_PATHS = {"/v1/traces": Signal.TRACES, "/v1/logs": Signal.LOGS}
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_CODES = {
    400: code_pb2.INVALID_ARGUMENT,
    403: code_pb2.PERMISSION_DENIED,
    404: code_pb2.NOT_FOUND,
    405: code_pb2.UNIMPLEMENTED,
    413: code_pb2.RESOURCE_EXHAUSTED,
    415: code_pb2.INVALID_ARGUMENT,
    503: code_pb2.UNAVAILABLE,
}


class HttpReceiver:
    """The ASGI application."""

    def __init__(self, settings: CollectorSettings, spool: Spool, counts: Counts) -> None:
        self._settings = settings
        self._spool = spool
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        path, method = scope["path"], scope["method"]
        if path == "/healthz" and method in {"GET", "HEAD"}:
            await _answer(send, 200, b"ok\n", "text/plain; charset=utf-8")
            return
        if path == "/stats" and method in {"GET", "HEAD"}:
            stats = json.dumps(self._counts.as_dict(self._spool.waiting_bytes)).encode()
            await _answer(send, 200, stats, "application/json")
            return
        try:
            await self._export(scope, headers, receive)
        except BadRequest as exc:
            self._counts.rejected(str(exc.status))
            await _refuse(send, exc.status, str(exc))
        except NotNow as exc:
            self._counts.rejected("503")
            await _refuse(send, 503, str(exc), retry_after_s=exc.retry_after_s)
        else:
            # An empty Export*ServiceResponse: everything was accepted.
            await _answer(send, 200, b"", _PROTOBUF)

    async def _export(self, scope: Scope, headers: dict[str, str], receive: Receive) -> None:
        signal = _PATHS.get(scope["path"])
        if signal is None:
            raise BadRequest(404, f"no such path: {scope['path'][:200]}; OTLP paths here are {', '.join(_PATHS)}")
        if scope["method"] != "POST":
            raise BadRequest(405, "OTLP is sent by POST")
        _check_host(headers)
        content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type != _PROTOBUF:
            raise BadRequest(
                415,
                f"Content-Type is {content_type[:100]!r}; needs {_PROTOBUF} "
                "(set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf)",
            )
        body = await _body(receive, headers, self._settings.max_request_bytes)
        checked = otlp.check(signal, body)
        if not checked.items:
            return
        promise, is_new = self._spool.append(signal, checked.payload, checked.items)
        await asyncio.shield(asyncio.wrap_future(promise))
        self._counts.received(signal, checked.items, is_new=is_new)


def _check_host(headers: dict[str, str]) -> None:
    """Refuse a page of a foreign site that reaches loopback through a name of its own (DNS rebinding)."""
    for name in ("origin", "host"):
        value = headers.get(name, "")
        if value and urlsplit(value if "//" in value else f"//{value}").hostname not in _LOOPBACK:
            raise BadRequest(403, f"{name} {value[:200]!r} is not this collector")


async def _body(receive: Receive, headers: dict[str, str], limit: int) -> bytes:
    """The body, decompressed; never more than `limit` bytes of it in memory."""
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding in {"gzip", "x-gzip"}:
        decompressor = zlib.decompressobj(31)
    elif encoding == "deflate":
        decompressor = zlib.decompressobj()
    elif encoding in {"", "identity", "none"}:
        decompressor = None
    else:
        raise BadRequest(400, f"Content-Encoding {encoding[:100]!r} is not known; use gzip, deflate or none")
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadRequest(400, "the client went away")
        part, more = message.get("body", b""), message.get("more_body", False)
        if decompressor is not None and part:
            try:
                part = decompressor.decompress(part, limit - size + 1)
            except zlib.error as exc:
                raise BadRequest(400, f"body is not {encoding}: {exc}") from None
        size += len(part)
        if size > limit:
            raise RequestTooLarge(limit)
        parts.append(part)
    if decompressor is not None and size and not decompressor.eof:
        raise BadRequest(400, f"body ends in the middle of its {encoding}")
    return b"".join(parts)


async def _refuse(send: Send, status: int, message: str, *, retry_after_s: int | None = None) -> None:
    body = status_pb2.Status(code=_CODES[status], message=message).SerializeToString()
    await _answer(send, status, body, _PROTOBUF, retry_after_s=retry_after_s)


async def _answer(send: Send, status: int, body: bytes, content_type: str, *, retry_after_s: int | None = None) -> None:
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    if retry_after_s is not None:
        headers.append((b"retry-after", str(retry_after_s).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
