"""A request's body, decompressed as it comes: Content-Encoding first, ClickHouse's own blocks inside."""

from __future__ import annotations

import lzma
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from sightline_store.errors import QueryRejected
from sightline_store.node.blocks import Decompressor

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
# Spoken by the engine, not here.
BY_ENGINE = frozenset({"br", "snappy"})


class ClientGone(Exception):
    """The client has closed the connection: nobody is there to be answered."""


class _Decoder(Protocol):
    def decompress(self, data: bytes, /) -> bytes: ...


class Body:
    """Reads one body, once."""

    def __init__(self, receive: Receive, encoding: str, *, is_in_blocks: bool) -> None:
        """Read from `receive`.

        Args:
            receive: of ASGI.
            encoding: Content-Encoding, lower case.
            is_in_blocks: whether decompress=1 was asked for.

        Raises:
            QueryRejected: 501, the encoding is not known.
        """
        self._receive = receive
        self._more = True
        self.encoding = encoding if encoding != "identity" else ""
        self._decode = _decoder("" if self.encoding in BY_ENGINE else self.encoding)
        self._blocks = Decompressor() if is_in_blocks else None

    @property
    def is_read(self) -> bool:
        """Whether all of it has come."""
        return not self._more

    async def head(self, limit: int) -> tuple[bytes, bool]:
        """The first `limit` bytes or more, and whether that was all.

        Raises:
            QueryRejected: it cannot be decompressed.
            ClientGone: half of it has come.
        """
        parts, size = [], 0
        while self._more and size < limit:
            part = await self._next()
            parts.append(part)
            size += len(part)
        return b"".join(parts), not self._more

    async def rest(self, piece_bytes: int) -> AsyncIterator[bytes]:
        """What follows, in pieces of about `piece_bytes`; raises as `head` does."""
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
            raise ClientGone
        self._more = message.get("more_body", False)
        try:
            data = self._decode(message.get("body", b""), not self._more)
        except QueryRejected:
            raise
        except Exception as exc:
            raise _bad(400, 354, f"cannot decompress the body: {exc}", "ZLIB_INFLATE_FAILED") from exc
        if self._blocks is not None:
            data = self._blocks.feed(data)
            if not self._more:
                self._blocks.finish()
        return data


def _decoder(encoding: str) -> Callable[[bytes, bool], bytes]:
    """Takes a piece and whether it is the last one."""
    if not encoding:
        return lambda part, _: part
    if encoding in {"gzip", "x-gzip"}:
        return _chained(lambda: zlib.decompressobj(31))
    if encoding == "deflate":
        return _chained(zlib.decompressobj)
    if encoding == "xz":
        return _chained(lzma.LZMADecompressor)
    if encoding == "zstd":
        import zstandard  # noqa: PLC0415  (only where a client uses it)

        return _chained(lambda: zstandard.ZstdDecompressor().decompressobj())
    if encoding == "lz4":
        import lz4.frame  # noqa: PLC0415

        return _chained(lz4.frame.LZ4FrameDecompressor)
    raise _bad(501, 48, f"Content-Encoding {encoding!r} is not spoken", "NOT_IMPLEMENTED")


def _chained(make: Callable[[], _Decoder]) -> Callable[[bytes, bool], bytes]:
    """A decoder of any number of members, frames or streams behind each other."""
    decoder: Any = None

    def decode(part: bytes, is_last: bool) -> bytes:
        nonlocal decoder
        found = []
        while part:
            if decoder is None:
                decoder = make()
            found.append(decoder.decompress(part))
            part = b""
            if decoder.eof:
                part, decoder = decoder.unused_data or b"", None
        if is_last and decoder is not None:
            raise EOFError("the body ends too early")
        return b"".join(found)

    return decode


def _bad(status: int, code: int, text: str, name: str) -> QueryRejected:
    return QueryRejected(status, code, f"Code: {code}. DB::Exception: {text}. ({name})")
