"""Writes one answer with ClickHouse's headers, and exceptions as ClickHouse words them.

Source: https://clickhouse.com/docs/interfaces/http
"""

from __future__ import annotations

import json
import secrets
import string
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from sightline_node.execution.engine import Counts
from sightline_node.http import blocks, encodings
from sightline_node.http.progress import Progress, Wire
from sightline_store.errors import QueryFailed

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

# HTTP status by ClickHouse's code; all else is 500.
# Source: https://github.com/ClickHouse/ClickHouse/blob/master/src/Server/HTTP/exceptionCodeToHTTPStatus.cpp
_STATUS = {
    47: 404, 60: 404, 81: 404, 46: 404, 36: 400, 53: 400, 62: 400, 27: 400, 26: 400, 6: 400, 41: 400, 72: 400,
    117: 400, 455: 400, 456: 400, 457: 400, 386: 400, 43: 400, 42: 400, 70: 400, 131: 413, 159: 408, 202: 503,
    241: 500, 497: 403, 516: 403, 164: 403, 115: 404, 48: 501, 372: 404,
}  # fmt: skip
_TEXT = "text/plain; charset=UTF-8"
_CONTENT_TYPES = {
    "JSON": "application/json; charset=UTF-8",
    "CSV": "text/csv; charset=UTF-8; header=absent",
    "CSVWithNames": "text/csv; charset=UTF-8; header=present",
    "CSVWithNamesAndTypes": "text/csv; charset=UTF-8; header=present",
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
    "TSV": "text/tab-separated-values; charset=UTF-8",
    "Pretty": _TEXT,
    "Vertical": _TEXT,
    "Values": _TEXT,
    "Markdown": "text/markdown; charset=UTF-8",
    "XML": "application/xml; charset=UTF-8",
}
_LINE_FORMATS = {"JSONEachRow", "JSONLines", "NDJSON", "JSONCompactEachRow", "JSONStringsEachRow"}
_PROGRESS = b"x-clickhouse-progress"


class Reply:
    """One answer."""

    def __init__(self, send: Send, version: str, timezone: str) -> None:
        self._send = send
        self._version = version
        self._timezone = timezone
        self._started_at = time.monotonic_ns()
        self._tag = ""
        self.is_started = False
        self.query_id = ""
        self.format = "TabSeparated"
        self.encoding = ""
        self.is_in_blocks = False
        self.block_method = "LZ4"
        self.writes_exceptions = False
        self.allowed_origin = ""
        self.progress = Progress()
        self._shows_progress = False

    @property
    def content_type(self) -> str:
        """The media type of the answer's format."""
        if not self.format:
            return _TEXT
        if self.format.endswith("EachRow") and self.format.startswith("JSON"):
            return "application/x-ndjson; charset=UTF-8"
        for prefix in (self.format, "TabSeparated", "Pretty", "JSON"):
            if prefix in _CONTENT_TYPES and self.format.startswith(prefix):
                return _CONTENT_TYPES[prefix]
        return "application/octet-stream"

    def show_progress(self, interval_s: float, wire: Wire | None) -> None:
        """Send progress headers: with the answer, and before it every `interval_s`.

        Args:
            interval_s: seconds; the longer it runs, the longer they become.
            wire: where headers can be sent early; None where they cannot.
        """
        self._shows_progress = True
        if wire is not None:
            self.progress.send_every(interval_s, lambda now: wire.send_header(_PROGRESS, self._summary(_counts(now))))

    async def whole(self, body: bytes, counts: Counts, *, is_encoded: bool = False) -> None:
        """Send a complete answer with a complete summary.

        Args:
            body: formatted.
            counts: what the statement did.
            is_encoded: whether it is compressed as `encoding` says already.
        """
        if self.encoding and not is_encoded:
            body = self._encoded(body)
        body = self._blocked(body)
        await self._head(200, self.content_type, counts, [(b"content-length", str(len(body)).encode())])
        await self._send({"type": "http.response.body", "body": body})

    async def plain(self, status: int, text: bytes) -> None:
        """Send an answer that belongs to no query."""
        await self._head(status, _TEXT, None, [(b"content-length", str(len(text)).encode())])
        await self._send({"type": "http.response.body", "body": text})

    async def start(self, *, length: int | None = None, counts: Counts | None = None) -> None:
        """Begin an answer whose pieces follow; `length` in bytes if known."""
        if counts is None:
            counts = _counts(self.progress.last)
        extra = []
        if length is None or self.is_in_blocks:
            self._tag = "".join(secrets.choice(string.ascii_lowercase) for _ in range(16))
            extra.append((b"x-clickhouse-exception-tag", self._tag.encode()))
        else:
            extra.append((b"content-length", str(length).encode()))
        await self._head(200, self.content_type, counts, extra)

    async def piece(self, body: bytes) -> None:
        """Send a piece."""
        await self._send({"type": "http.response.body", "body": self._blocked(body), "more_body": True})

    async def end(self) -> None:
        """End the answer."""
        await self._send({"type": "http.response.body", "body": b""})

    async def fail(self, exc: QueryFailed, status: int = 0) -> None:
        """Send an exception as ClickHouse does.

        In mid-stream its text follows the rows and the answer is not terminated, so that no client takes it
        for complete.
        """
        text = exc.message.rstrip()
        if not text.endswith(f"(version {self._version})"):
            text += f" (version {self._version})"
        if not self.is_started:
            status = status or _STATUS.get(exc.code, 500)
            extra = [(b"x-clickhouse-exception-code", str(exc.code).encode())]
            if status == 503:
                extra.append((b"retry-after", b"1"))
            body = text.encode() + b"\n"
            await self._head(status, _TEXT, None, [*extra, (b"content-length", str(len(body)).encode())])
            await self._send({"type": "http.response.body", "body": body})
        elif not self.encoding:
            if self.writes_exceptions and self.format in _LINE_FORMATS:
                body = json.dumps({"exception": text}, ensure_ascii=False).encode() + b"\n"
            else:
                message = text.encode()
                body = b"\r\n__exception__\r\n%s\r\n%s\n%d %s\r\n__exception__\r\n" % (
                    self._tag.encode(),
                    message,
                    len(message) + 1,
                    self._tag.encode(),
                )
            await self.piece(body)

    def _blocked(self, body: bytes) -> bytes:
        return blocks.compress(body, self.block_method) if self.is_in_blocks else body

    def _encoded(self, body: bytes) -> bytes:
        encoder = encodings.encoder(self.encoding)
        if encoder is None:
            self.encoding = ""
            return body
        return encoder.compress(body) + encoder.flush()

    async def _head(
        self, status: int, content_type: str, counts: Counts | None, extra: list[tuple[bytes, bytes]]
    ) -> None:
        self.is_started = True
        self.progress.end()
        headers = [
            (b"content-type", content_type.encode()),
            (b"x-clickhouse-server-display-name", b"sightline"),
            (b"x-clickhouse-timezone", self._timezone.encode()),
        ]
        if self.query_id:
            headers.append((b"x-clickhouse-query-id", _header(self.query_id)))
        if self.allowed_origin:
            headers.append((b"access-control-allow-origin", _header(self.allowed_origin)))
        if status == 200 and counts is not None:
            if self.format:  # by which clients know whether there is a result
                headers.append((b"x-clickhouse-format", _header(self.format)))
            if self.encoding:
                headers.append((b"content-encoding", self.encoding.encode()))
            if self._shows_progress:
                headers.append((_PROGRESS, self._summary(counts)))
            headers.append((b"x-clickhouse-summary", self._summary(counts)))
        await self._send({"type": "http.response.start", "status": status, "headers": [*headers, *extra]})

    def _summary(self, counts: Counts) -> bytes:
        return json.dumps(
            {
                "read_rows": str(counts.read_rows),
                "read_bytes": str(counts.read_bytes),
                "written_rows": str(counts.written_rows),
                "written_bytes": str(counts.written_bytes),
                "total_rows_to_read": str(counts.total_rows),
                "result_rows": str(counts.result_rows),
                "result_bytes": str(counts.result_bytes),
                "elapsed_ns": str(time.monotonic_ns() - self._started_at),
            },
            separators=(",", ":"),
        ).encode()


def _header(text: str) -> bytes:
    """A client's text as a header's value: a line end in it must not end the header."""
    return "".join(letter if letter.isprintable() else "?" for letter in text).encode("latin-1", "replace")


def _counts(progress: Mapping[str, int]) -> Counts:
    return Counts(
        read_rows=progress.get("read_rows", 0),
        read_bytes=progress.get("read_bytes", 0),
        written_rows=progress.get("written_rows", 0),
        written_bytes=progress.get("written_bytes", 0),
        result_rows=progress.get("result_rows", 0),
        result_bytes=progress.get("result_bytes", 0),
        total_rows=progress.get("total_rows_to_read", progress.get("total_rows", 0)),
    )
