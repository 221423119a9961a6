"""A request's body, decompressed as it comes: Content-Encoding first, ClickHouse's own blocks inside.

A small body can unpack into a huge one. It is unpacked in slices that yield tens of MiB at most, and only up to the
limit, so it can fill neither memory nor disk.
"""

from __future__ import annotations

import lzma
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from itertools import chain
from typing import Any, Protocol

from sightline_node.http.blocks import Decompressor
from sightline_store.errors import QueryRejected

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
# Decoded by the engine.
ENGINE_ENCODINGS = frozenset({"br", "snappy"})
# Packed bytes to unpack at once: 4 bytes of ZSTD can yield 128 KiB, one byte of LZMA 7 KiB, one of DEFLATE 1 KiB.
_SLICE_BYTES = {"zstd": 1024, "xz": 4096}
_USUAL_SLICE_BYTES = 16 * 1024


class ClientGone(Exception):
    """The client has closed the connection."""


class _Decoder(Protocol):
    def decompress(self, data: bytes, /) -> bytes: ...


class Body:
    """Reads one body, once."""

    def __init__(self, receive: Receive, encoding: str, limit: int, *, is_in_blocks: bool) -> None:
        """Read from `receive`.

        Args:
            receive: of ASGI.
            encoding: Content-Encoding, lower case.
            limit: the most bytes that it may have, unpacked.
            is_in_blocks: whether decompress=1 was asked for.

        Raises:
            QueryRejected: 501, the encoding is not known.
        """
        self._receive = receive
        self._more = True
        self._has_come = False
        self._limit = limit
        self._size = 0
        self._pieces: Iterator[bytes] = iter(())
        self.encoding = encoding if encoding != "identity" else ""
        self._decode = _decoder("" if self.encoding in ENGINE_ENCODINGS else self.encoding)
        self._blocks = Decompressor() if is_in_blocks else None

    @property
    def is_read(self) -> bool:
        """Whether the whole body has been received."""
        return not self._more

    async def head(self, limit: int) -> tuple[bytes, bool]:
        """The first `limit` bytes or more, and whether that was the whole body.

        Raises:
            QueryRejected: it cannot be decompressed, or is larger than the limit.
            ClientGone: the body is incomplete.
        """
        parts, size = [], 0
        while self._more and size < limit:
            part = await self._next()
            parts.append(part)
            size += len(part)
        if self._more and self._has_come and (ahead := await self._next()):
            self._pieces = chain([ahead], self._pieces)
            self._size -= len(ahead)
        return b"".join(parts), not self._more

    async def rest(self, piece_bytes: int) -> AsyncIterator[bytes]:
        """The rest, in pieces of about `piece_bytes`; raises as `head` does."""
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
        """The next piece; empty at the end only."""
        while True:
            try:
                piece = next((piece for piece in self._pieces if piece), b"")
            except QueryRejected:
                raise
            except Exception as exc:
                raise _bad(400, 354, f"cannot decompress the body: {exc}", "ZLIB_INFLATE_FAILED") from exc
            self._size += len(piece)
            if self._size > self._limit:
                raise too_large(self._limit)
            if piece:
                return piece
            if self._has_come:
                self._more = False
                return b""
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            self._has_come = not message.get("more_body", False)
            self._pieces = self._unpacked(message.get("body", b""))

    def _unpacked(self, packed: bytes) -> Iterator[bytes]:
        for piece in self._decode(packed, self._has_come):
            if self._blocks is None:
                yield piece
            else:
                yield from self._blocks.feed(piece)
        if self._blocks is not None and self._has_come:
            self._blocks.finish()


def too_large(limit: int) -> QueryRejected:
    """The error for a body of more than `limit` bytes."""
    return _bad(
        413,
        131,
        f"the body has more than {limit} bytes, unpacked: SIGHTLINE_STORE_MAX_BODY_BYTES",
        "TOO_LARGE_STRING_SIZE",
    )


def _decoder(encoding: str) -> Callable[[bytes, bool], Iterator[bytes]]:
    """A decoder; it takes a piece and whether it is the last one."""
    if not encoding:
        return lambda part, _: iter((part,))
    if encoding in {"gzip", "x-gzip"}:
        return _chained(encoding, lambda: zlib.decompressobj(31))
    if encoding == "deflate":
        return _chained(encoding, zlib.decompressobj)
    if encoding == "xz":
        return _chained(encoding, lzma.LZMADecompressor)
    if encoding == "zstd":
        import zstandard  # noqa: PLC0415  (only where a client uses it)

        return _chained(encoding, lambda: zstandard.ZstdDecompressor().decompressobj())
    if encoding == "lz4":
        import lz4.frame  # noqa: PLC0415

        return _chained(encoding, lz4.frame.LZ4FrameDecompressor)
    raise _bad(501, 48, f"Content-Encoding {encoding!r} is not spoken", "NOT_IMPLEMENTED")


def _chained(encoding: str, make: Callable[[], _Decoder]) -> Callable[[bytes, bool], Iterator[bytes]]:
    """A decoder of any number of concatenated members, frames or streams."""
    decoder: Any = None
    slice_bytes = _SLICE_BYTES.get(encoding, _USUAL_SLICE_BYTES)

    def decode(packed: bytes, is_last: bool) -> Iterator[bytes]:
        nonlocal decoder
        for at in range(0, len(packed), slice_bytes):
            part = packed[at : at + slice_bytes]
            while part:
                if decoder is None:
                    decoder = make()
                yield decoder.decompress(part)
                part = b""
                if decoder.eof:
                    part, decoder = decoder.unused_data or b"", None
        if is_last and decoder is not None:
            raise EOFError("the body ends too early")

    return decode


def _bad(status: int, code: int, text: str, name: str) -> QueryRejected:
    return QueryRejected(status, code, f"Code: {code}. DB::Exception: {text}. ({name})")
