"""ClickHouse's HTTP interface over the engine, as an ASGI application.

Statements run in threads, at most `max_concurrent_queries` at once; as many as `max_queued_queries` wait, more are
answered 503. A SELECT's rows go from the engine through a pipe to the client, so a result of any size takes a flat
amount of memory; the first MiB is held until more follows or the end comes, so that an error has its own status and a
short answer its full summary. Bodies to insert are collected before the engine sees them: half a body inserts nothing.

A client that goes away ends its SELECT; what writes is never cut, since the client could not know how much of it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import uuid
from collections.abc import AsyncIterator, Coroutine, MutableMapping
from dataclasses import replace
from typing import Any

from sightline_node.execution import running
from sightline_node.execution.engine import Engine
from sightline_node.execution.upload import Upload
from sightline_node.execution.worker import Order, Worker
from sightline_node.http import multipart, play, request
from sightline_node.http.body import BY_ENGINE, Body, ClientGone, Receive
from sightline_node.http.progress import EXTENSION
from sightline_node.http.reply import Reply, Send, chosen_encoding
from sightline_node.readers import access
from sightline_node.settings import NodeSettings
from sightline_roles import host_check
from sightline_store.errors import QueryFailed, QueryRejected

Scope = MutableMapping[str, Any]

_HEAD_BYTES = 1024 * 1024
_PIECE_BYTES = 1024 * 1024
_FORM_BYTES = 256 * 1024**2
_PROGRESS_INTERVAL_MS = 100
_HEALTH_PATHS = frozenset({"/ping", "/healthz", "/replicas_status"})
_log = logging.getLogger("sightline.store")


class Node:
    """The ASGI application. One for one engine."""

    def __init__(self, engine: Engine, settings: NodeSettings) -> None:
        self._engine = engine
        self._settings = settings
        self._worker = Worker(engine, settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})  # Unanswered, the server would say 500 on our behalf.
        if scope["type"] != "http":
            return
        headers = host_check.by_name(scope["headers"])
        reply = Reply(send, self._engine.version, self._engine.timezone)
        try:
            access.check(headers, self._settings.host, self._settings.allowed_hosts)
            reply.allowed_origin = headers.get("origin", "")
            await self._route(scope, headers, receive, reply)
        except ClientGone:
            pass
        except QueryRejected as exc:
            await reply.fail(exc, exc.status)
        except QueryFailed as exc:
            await reply.fail(exc)
        except Exception as exc:
            await reply.fail(_unforeseen(exc))
        finally:
            reply.progress.end()

    async def _route(self, scope: Scope, headers: dict[str, str], receive: Receive, reply: Reply) -> None:
        path, method = scope["path"], scope["method"]
        if path in _HEALTH_PATHS or (path == "/" and method in {"GET", "HEAD"} and not scope["query_string"]):
            await reply.plain(200, b"Ok.\n")
        elif path == "/play":
            await reply.plain(200, play.page(), "text/html; charset=UTF-8")
        elif path not in {"/", "/query"}:
            await reply.plain(404, f"There is no handle {path}\n".encode())
        elif method == "OPTIONS":
            await reply.plain(204, b"")
        elif method not in {"GET", "POST", "HEAD"}:
            await reply.plain(501, b"Use GET or POST\n")
        else:
            await self._read(scope, headers, receive, reply)

    async def _read(self, scope: Scope, headers: dict[str, str], receive: Receive, reply: Reply) -> None:
        """Read what is asked for, wherever it stands, and answer it."""
        given = request.parameters(scope["query_string"].decode("latin-1"), headers)
        role = access.authenticate(headers, given, self._settings)
        encoding = headers.get("content-encoding", "").strip().lower()
        body = Body(receive, encoding, self._settings.max_body_bytes, is_in_blocks=given.get("decompress") == "1")
        head, is_whole = await body.head(_HEAD_BYTES)
        is_readonly = scope["method"] != "POST"

        async def answer(asked: request.Query, rest: AsyncIterator[bytes]) -> None:
            reply.query_id = asked.query_id or str(uuid.uuid4())
            if asked.flag("replace_running_query"):
                access.check_replacing(role)
            query_id = running.own_id(role, reply.query_id)
            asked = replace(asked, query_id=query_id, statement=replace(asked.statement, query_id=query_id))
            _shape(reply, asked, headers)
            if asked.flag("send_progress_in_http_headers"):
                every_ms = asked.number("http_headers_progress_interval_ms", _PROGRESS_INTERVAL_MS)
                reply.show_progress(every_ms / 1000, scope.get("extensions", {}).get(EXTENSION))
            await self._answer(Order(asked, role, scope["method"], reply.progress), rest, receive, reply)

        if multipart.is_form(headers.get("content-type", "")):
            rest, _ = await body.head(_FORM_BYTES)
            if not body.is_read:
                raise request.rejected(413, 131, f"a form may take {_FORM_BYTES} bytes", "TOO_LARGE_STRING_SIZE")
            parts = multipart.read(headers["content-type"], head + rest)
            await answer(request.read(given, b"", True, readonly=is_readonly, parts=parts), body.rest(_PIECE_BYTES))
        elif body.encoding in BY_ENGINE and (head or not is_whole):
            with Upload(self._settings.data_dir) as packed:
                packed.write(head)
                async for piece in body.rest(_PIECE_BYTES):
                    packed.write(piece)
                plain = await self._worker.decoded(packed, body.encoding)
            with plain:
                head, is_whole = plain.take(_HEAD_BYTES), plain.is_taken
                await answer(request.read(given, head, is_whole, readonly=is_readonly), plain.pieces(_PIECE_BYTES))
        else:
            await answer(request.read(given, head, is_whole, readonly=is_readonly), body.rest(_PIECE_BYTES))

    async def _answer(self, order: Order, rest: AsyncIterator[bytes], receive: Receive, reply: Reply) -> None:
        """Run what was asked and answer it."""
        async with self._worker.named(order.query):
            if order.query.insert_format:
                await reply.whole(b"", await self._worker.insert(order, rest))
            elif order.query.is_select:
                await _unless_gone(self._worker.select(order, reply), receive)
            else:
                outcome = await self._worker.execute(order)
                await reply.whole(outcome.output, outcome.counts)


def _shape(reply: Reply, asked: request.Query, headers: dict[str, str]) -> None:
    reply.format = asked.answer_format
    reply.is_in_blocks = asked.flag("compress")
    reply.block_method = asked.options.get("network_compression_method", "LZ4")
    reply.writes_exceptions = asked.flag("http_write_exception_in_output_format")
    if asked.flag("enable_http_compression") and not reply.is_in_blocks:
        reply.encoding = chosen_encoding(headers.get("accept-encoding", ""))


def _unforeseen(exc: Exception) -> QueryFailed:
    if isinstance(exc, OSError) and exc.errno in {errno.ENOSPC, errno.EDQUOT}:
        text = f"Code: 243. DB::Exception: the data folder's disk is full: {exc}. (NOT_ENOUGH_SPACE)"
        return QueryFailed(243, text)
    _log.exception("a request failed in the node")
    return QueryFailed(1002, f"Code: 1002. DB::Exception: {type(exc).__name__} in the node. (UNKNOWN_EXCEPTION)")


async def _unless_gone(answer: Coroutine[Any, Any, None], receive: Receive) -> None:
    """Answer while the client is there; its body has been read, so the next that it sends is its end."""
    answering = asyncio.ensure_future(answer)
    gone = asyncio.ensure_future(_gone(receive))
    waited: set[asyncio.Future[None]] = {answering, gone}
    try:
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            answering.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await answering
    finally:
        gone.cancel()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
