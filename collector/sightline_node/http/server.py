"""ClickHouse's HTTP interface over the engine, as an ASGI application.

Statements run in threads, at most `max_concurrent_queries` at once; as many as `max_queued_queries` wait, more are
answered 503. A SELECT's rows go from the engine through a pipe to the client, so a result of any size takes a flat
amount of memory; the first MiB is held until more follows or the end comes, so that an error has its own status and a
short answer its full summary. Bodies to insert are collected before the engine sees them: half a body inserts nothing.

When a client disconnects, its SELECT is ended; a write is never cut, since the client could not know how much of it
was done.
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
from sightline_node.execution.worker import Job, Worker
from sightline_node.http import encodings, multipart, request
from sightline_node.http.body import ENGINE_ENCODINGS, Body, ClientGone, Receive
from sightline_node.http.progress import EXTENSION
from sightline_node.http.reply import Reply, Send
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
    """The ASGI application of one engine."""

    def __init__(self, engine: Engine, settings: NodeSettings) -> None:
        self._engine = engine
        self._settings = settings
        self._worker = Worker(engine, settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})  # without an answer uvicorn would send 500
        if scope["type"] != "http":
            return
        headers = host_check.headers_by_name(scope["headers"])
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
            await reply.fail(_internal_error(exc))
        finally:
            reply.progress.end()

    async def _route(self, scope: Scope, headers: dict[str, str], receive: Receive, reply: Reply) -> None:
        path, method = scope["path"], scope["method"]
        if path in _HEALTH_PATHS or (path == "/" and method in {"GET", "HEAD"} and not scope["query_string"]):
            await reply.plain(200, b"Ok.\n")
        elif path not in {"/", "/query"}:
            await reply.plain(404, f"There is no handle {path}\n".encode())
        elif method == "OPTIONS":
            await reply.plain(204, b"")
        elif method not in {"GET", "POST", "HEAD"}:
            await reply.plain(501, b"Use GET or POST\n")
        else:
            await self._read(scope, headers, receive, reply)

    async def _read(self, scope: Scope, headers: dict[str, str], receive: Receive, reply: Reply) -> None:
        """Read a query from the URL, the body or a form, and answer it."""
        url_params = request.parameters(scope["query_string"].decode("latin-1"), headers)
        caller = access.authenticate(headers, url_params, self._settings)
        encoding = headers.get("content-encoding", "").strip().lower()
        body = Body(receive, encoding, self._settings.max_body_bytes, is_in_blocks=url_params.get("decompress") == "1")
        head, is_whole = await body.head(_HEAD_BYTES)
        is_readonly = scope["method"] != "POST"

        async def answer(query: request.Query, rest: AsyncIterator[bytes]) -> None:
            reply.query_id = query.query_id or str(uuid.uuid4())
            if query.flag("replace_running_query"):
                access.check_replacing(caller.role)
            query_id = running.internal_id(caller, reply.query_id)
            query = replace(query, query_id=query_id, statement=replace(query.statement, query_id=query_id))
            _shape(reply, query, headers)
            if query.flag("send_progress_in_http_headers"):
                every_ms = query.number("http_headers_progress_interval_ms", _PROGRESS_INTERVAL_MS)
                reply.show_progress(every_ms / 1000, scope.get("extensions", {}).get(EXTENSION))
            await self._answer(Job(query, caller, scope["method"], reply.progress), rest, receive, reply)

        if multipart.is_form(headers.get("content-type", "")):
            rest, _ = await body.head(_FORM_BYTES)
            if not body.is_read:
                raise request.rejected(413, 131, f"a form may take {_FORM_BYTES} bytes", "TOO_LARGE_STRING_SIZE")
            parts = multipart.read(headers["content-type"], head + rest)
            await answer(
                request.read(url_params, b"", True, readonly=is_readonly, parts=parts), body.rest(_PIECE_BYTES)
            )
        elif body.encoding in ENGINE_ENCODINGS and (head or not is_whole):
            with Upload(self._settings.data_dir) as packed:
                packed.write(head)
                async for piece in body.rest(_PIECE_BYTES):
                    packed.write(piece)
                plain = await self._worker.decoded(packed, body.encoding)
            with plain:
                head, is_whole = plain.take(_HEAD_BYTES), plain.is_taken
                await answer(request.read(url_params, head, is_whole, readonly=is_readonly), plain.pieces(_PIECE_BYTES))
        else:
            await answer(request.read(url_params, head, is_whole, readonly=is_readonly), body.rest(_PIECE_BYTES))

    async def _answer(self, job: Job, rest: AsyncIterator[bytes], receive: Receive, reply: Reply) -> None:
        """Run a query and answer it."""
        async with self._worker.reserved_id(job.query):
            if job.query.insert_format:
                await reply.whole(b"", await self._worker.insert(job, rest))
            elif job.query.is_select:
                await _while_connected(self._worker.select(job, reply), receive)
            else:
                outcome = await self._worker.execute(job)
                await reply.whole(outcome.output, outcome.counts)


def _shape(reply: Reply, query: request.Query, headers: dict[str, str]) -> None:
    reply.format = query.answer_format
    reply.is_in_blocks = query.flag("compress")
    reply.block_method = query.options.get("network_compression_method", "LZ4")
    reply.writes_exceptions = query.flag("http_write_exception_in_output_format")
    if query.flag("enable_http_compression") and not reply.is_in_blocks:
        reply.encoding = encodings.accepted_encoding(headers.get("accept-encoding", ""))


def _internal_error(exc: Exception) -> QueryFailed:
    if isinstance(exc, OSError) and exc.errno in {errno.ENOSPC, errno.EDQUOT}:
        text = f"Code: 243. DB::Exception: the data folder's disk is full: {exc}. (NOT_ENOUGH_SPACE)"
        return QueryFailed(243, text)
    _log.exception("a request failed in the node")
    return QueryFailed(1002, f"Code: 1002. DB::Exception: {type(exc).__name__} in the node. (UNKNOWN_EXCEPTION)")


async def _while_connected(answer: Coroutine[Any, Any, None], receive: Receive) -> None:
    """Answer while the client is connected; its body has been read, so its next message is the disconnection."""
    answering = asyncio.ensure_future(answer)
    gone = asyncio.ensure_future(_disconnected(receive))
    waited: set[asyncio.Future[None]] = {answering, gone}
    try:
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            answering.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await answering
    finally:
        gone.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
