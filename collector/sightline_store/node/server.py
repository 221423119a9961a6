"""ClickHouse's HTTP interface over the engine, as an ASGI application.

Statements run in threads, at most `max_concurrent_queries` at once; as many as `max_queued_queries` wait, more are
answered 503. A query's rows are streamed; its first piece is read before the headers leave, so that an error has its
own status. Bodies to insert are collected before the engine sees them, so that half a body inserts nothing.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import time
import uuid
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from sightline_store.errors import QueryFailed, QueryRejected
from sightline_store.node import access, request
from sightline_store.node.engine import Engine, Session, Statement
from sightline_store.node.upload import Upload
from sightline_store.settings import NodeSettings

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_T = TypeVar("_T")
_HEAD_BYTES = 1024 * 1024
_PIECE_BYTES = 1024 * 1024
# HTTP status by ClickHouse's code; all else is 500.
# Source: https://github.com/ClickHouse/ClickHouse/blob/master/src/Server/HTTP/exceptionCodeToHTTPStatus.cpp
_STATUS = {
    47: 404, 60: 404, 81: 404, 36: 400, 53: 400, 62: 400, 27: 400, 26: 400, 117: 400, 455: 400, 456: 400, 457: 400,
    159: 408, 202: 503, 241: 500, 497: 403, 516: 403, 164: 403, 115: 400, 48: 501,
}  # fmt: skip
_CONTENT_TYPES = {
    "JSON": "application/json; charset=UTF-8",
    "JSONCompact": "application/json; charset=UTF-8",
    "JSONEachRow": "application/x-ndjson; charset=UTF-8",
    "JSONCompactEachRow": "application/x-ndjson; charset=UTF-8",
    "CSV": "text/csv; charset=UTF-8; header=absent",
    "CSVWithNames": "text/csv; charset=UTF-8; header=present",
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
    "TabSeparatedWithNames": "text/tab-separated-values; charset=UTF-8",
    "TSV": "text/tab-separated-values; charset=UTF-8",
    "Pretty": "text/plain; charset=UTF-8",
    "PrettyCompact": "text/plain; charset=UTF-8",
    "Vertical": "text/plain; charset=UTF-8",
    "Markdown": "text/markdown; charset=UTF-8",
    "XML": "application/xml; charset=UTF-8",
}


class Node:
    """The ASGI application. One for one engine."""

    def __init__(self, engine: Engine, settings: NodeSettings) -> None:
        self._engine = engine
        self._settings = settings
        self._threads = ThreadPoolExecutor(settings.max_concurrent_queries, thread_name_prefix="query")
        self._places = asyncio.Semaphore(settings.max_concurrent_queries)
        self._waiting = 0
        self._sessions: dict[str, tuple[Session, asyncio.Lock, float]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        reply = _Reply(send, self._engine)
        try:
            access.check(headers, self._settings.host)
            await self._route(scope, headers, receive, reply)
        except QueryRejected as exc:
            await reply.fail(exc.status, exc)
        except QueryFailed as exc:
            await reply.fail(_STATUS.get(exc.code, 500), exc)

    async def _route(self, scope: Scope, headers: dict[str, str], receive: Receive, reply: _Reply) -> None:
        path, method = scope["path"], scope["method"]
        if path in {"/ping", "/healthz", "/replicas_status"} or (
            path == "/" and method == "GET" and not scope["query_string"]
        ):
            await reply.send_whole(200, b"Ok.\n", "text/plain; charset=UTF-8")
        elif path not in {"/", "/query"}:
            await reply.send_whole(404, f"There is no handle {path}\n".encode(), "text/plain; charset=UTF-8")
        elif method not in {"GET", "POST", "HEAD", "OPTIONS"}:
            await reply.send_whole(405, b"Use GET or POST\n", "text/plain; charset=UTF-8")
        elif method == "OPTIONS":
            await reply.send_whole(204, b"", "text/plain; charset=UTF-8")
        else:
            await self._run(scope, headers, receive, reply)

    async def _run(self, scope: Scope, headers: dict[str, str], receive: Receive, reply: _Reply) -> None:
        body = _Body(receive, headers.get("content-encoding", ""))
        head, is_whole = await body.head(_HEAD_BYTES)
        asked = request.read(scope["query_string"].decode("latin-1"), headers, head, is_whole)
        reply.query_id = asked.query_id or str(uuid.uuid4())
        reply.format = asked.answer_format
        async with self._place(), self._session(asked.session_id) as session:
            if asked.insert_format:
                rows = await self._insert(session, asked, body)
                await reply.send_whole(200, b"", "text/plain; charset=UTF-8", written=rows)
            elif asked.is_select:
                await self._stream(session, asked.statement, reply)
            else:
                output, read_rows = await self._in_thread(lambda: session.execute(asked.statement))
                await reply.send_whole(200, output, reply.content_type, read=read_rows)

    async def _stream(self, session: Session, statement: Statement, reply: _Reply) -> None:
        pieces = session.select(statement)
        try:
            piece = await self._in_thread(lambda: next(pieces, None))
            await reply.start(200)
            while piece is not None:
                await reply.piece(piece)
                piece = await self._in_thread(lambda: next(pieces, None))
            await reply.end()
        finally:
            await self._in_thread(pieces.close)  # type: ignore[attr-defined]

    async def _insert(self, session: Session, asked: request.Query, body: _Body) -> int:
        with Upload(self._settings.data_dir) as upload:
            upload.write(asked.data)
            async for piece in body.rest(_PIECE_BYTES):
                upload.write(piece)
            return await self._in_thread(lambda: session.insert(asked.statement, asked.insert_format, upload.path))

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        if self._waiting >= self._settings.max_queued_queries and self._places.locked():
            raise QueryRejected(
                503,
                202,
                f"Code: 202. DB::Exception: Too many simultaneous queries: "
                f"{self._settings.max_concurrent_queries} run and {self._waiting} wait "
                "(SIGHTLINE_STORE_MAX_QUEUED_QUERIES) (TOO_MANY_SIMULTANEOUS_QUERIES)",
            )
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._places.release()

    @asynccontextmanager
    async def _session(self, session_id: str) -> AsyncIterator[Session]:
        if not session_id:
            with self._engine.session() as session:
                yield session
            return
        self._drop_stale_sessions()
        if session_id not in self._sessions:
            opened = await self._in_thread(self._engine.open_session)
            self._sessions.setdefault(session_id, (opened, asyncio.Lock(), time.monotonic()))
        session, lock, _ = self._sessions[session_id]
        if lock.locked():
            raise QueryRejected(
                500, 373, "Code: 373. DB::Exception: Session is locked by a concurrent client. (SESSION_IS_LOCKED)"
            )
        async with lock:
            yield session
            self._sessions[session_id] = (session, lock, time.monotonic())

    def _drop_stale_sessions(self) -> None:
        oldest = time.monotonic() - self._settings.session_timeout_s
        for session_id, (session, lock, used) in list(self._sessions.items()):
            if used < oldest and not lock.locked():
                del self._sessions[session_id]
                session.close()

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


class _Reply:
    """Writes one answer with ClickHouse's headers."""

    def __init__(self, send: Send, engine: Engine) -> None:
        self._send = send
        self._engine = engine
        self._started = False
        self.query_id = ""
        self.format = "TabSeparated"

    @property
    def content_type(self) -> str:
        return _CONTENT_TYPES.get(self.format, "application/octet-stream")

    async def send_whole(self, status: int, body: bytes, content_type: str, *, read: int = 0, written: int = 0) -> None:
        summary = {"read_rows": str(read), "written_rows": str(written), "result_rows": str(written), "elapsed_ns": "0"}
        await self._head(
            status,
            content_type,
            [(b"x-clickhouse-summary", json.dumps(summary).encode()), (b"content-length", str(len(body)).encode())],
        )
        await self._send({"type": "http.response.body", "body": body})

    async def start(self, status: int) -> None:
        await self._head(status, self.content_type, [])

    async def piece(self, body: bytes) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def end(self) -> None:
        await self._send({"type": "http.response.body", "body": b""})

    async def fail(self, status: int, exc: QueryFailed) -> None:
        """An exception as ClickHouse answers it; in mid-stream it closes the answer with its text."""
        text = (
            exc.message
            if exc.message.rstrip().endswith("(version " + self._engine.version + ")")
            else (f"{exc.message.rstrip()} (version {self._engine.version})\n")
        )
        if self._started:
            await self._send({"type": "http.response.body", "body": b"__exception__\r\n" + text.encode()})
            return
        extra = [(b"x-clickhouse-exception-code", str(exc.code).encode())]
        if status == 503:
            extra.append((b"retry-after", b"1"))
        await self._head(status, "text/plain; charset=UTF-8", extra)
        await self._send({"type": "http.response.body", "body": text.encode()})

    async def _head(self, status: int, content_type: str, extra: list[tuple[bytes, bytes]]) -> None:
        self._started = True
        headers = [
            (b"content-type", content_type.encode()),
            (b"x-clickhouse-server-display-name", b"sightline"),
            (b"x-clickhouse-timezone", self._engine.timezone.encode()),
            (b"x-clickhouse-format", self.format.encode()),
            *extra,
        ]
        if self.query_id:
            headers.append((b"x-clickhouse-query-id", self.query_id.encode("latin-1", "replace")))
        await self._send({"type": "http.response.start", "status": status, "headers": headers})


class _Body:
    """A request's body, decompressed as it comes."""

    def __init__(self, receive: Receive, encoding: str) -> None:
        self._receive = receive
        self._more = True
        self._decoder = _decoder(encoding.strip().lower())

    async def head(self, limit: int) -> tuple[bytes, bool]:
        """The first `limit` bytes or more, and whether that was all."""
        parts, size = [], 0
        while self._more and size < limit:
            part = await self._next()
            parts.append(part)
            size += len(part)
        return b"".join(parts), not self._more

    async def rest(self, piece_bytes: int) -> AsyncIterator[bytes]:
        """What follows, in pieces of about `piece_bytes`."""
        parts, size = [], 0
        while self._more:
            part = await self._next()
            parts.append(part)
            size += len(part)
            if size >= piece_bytes:
                yield b"".join(parts)
                parts, size = [], 0
        if parts:
            yield b"".join(parts)

    async def _next(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise QueryRejected(400, 210, "Code: 210. DB::Exception: the client went away (NETWORK_ERROR)")
        self._more = message.get("more_body", False)
        try:
            return self._decoder(message.get("body", b""))
        except (zlib.error, gzip.BadGzipFile, OSError, ValueError, RuntimeError) as exc:
            raise QueryRejected(400, 354, f"Code: 354. DB::Exception: cannot decompress the body: {exc}") from exc


def _decoder(encoding: str) -> Callable[[bytes], bytes]:
    if encoding in {"", "identity"}:
        return lambda part: part
    if encoding in {"gzip", "x-gzip"}:
        return zlib.decompressobj(31).decompress
    if encoding == "deflate":
        return zlib.decompressobj().decompress
    if encoding == "zstd":
        import zstandard  # noqa: PLC0415  (only where a client uses it)

        return zstandard.ZstdDecompressor().decompressobj().decompress
    if encoding == "lz4":
        import lz4.frame  # noqa: PLC0415

        decompressor = lz4.frame.LZ4FrameDecompressor()
        return lambda part: decompressor.decompress(part) if part else b""
    raise QueryRejected(
        501, 48, f"Code: 48. DB::Exception: Content-Encoding {encoding!r} is not spoken (NOT_IMPLEMENTED)"
    )
