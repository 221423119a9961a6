"""Content-Encoding of answers: which one a client accepts, and how the node compresses what the engine did not."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from typing import Protocol

# ClickHouse's order of preference.
_OWN = frozenset({"", "zstd", "lz4", "gzip", "deflate"})
_PREFERRED = ("zstd", "br", "lz4", "snappy", "gzip", "deflate", "xz")
_OWN_THREAD_BYTES = 64 * 1024  # less data are compressed faster than threads change


class Encoder(Protocol):
    """Compresses one answer, piece by piece."""

    def compress(self, data: bytes, /) -> bytes:
        """What is ready after this piece; may be empty."""
        ...

    def flush(self) -> bytes:
        """The end of the compressed answer."""
        ...


def accepted_encoding(accept: str) -> str:
    """The encoding of an answer by a client's Accept-Encoding, '' for none; ClickHouse's order of preference."""
    offered = {part.partition(";")[0].strip().lower() for part in accept.split(",") if not _is_refused(part)}
    return next((name for name in _PREFERRED if name in offered), "")


def is_own(encoding: str) -> bool:
    """Whether `encoder` knows the encoding, or there is none."""
    return encoding in _OWN


def encoder(encoding: str) -> Encoder | None:
    """An encoder; None for an encoding that only the engine knows (br, snappy, xz)."""
    if encoding == "gzip":
        return zlib.compressobj(3, zlib.DEFLATED, 31)
    if encoding == "deflate":
        return zlib.compressobj(3)
    if encoding == "zstd":
        import zstandard  # noqa: PLC0415  (only where a client accepts it)

        return zstandard.ZstdCompressor(level=1).compressobj()
    if encoding == "lz4":
        return _Lz4Encoder()
    return None


async def encoded(source: AsyncIterator[bytes], encoding: str) -> AsyncIterator[bytes]:
    """Compress an answer as it comes; large pieces in a thread of their own."""
    stream = encoder(encoding)
    if stream is None:
        raise ValueError(f"no encoder for {encoding!r}")
    async for piece in source:
        if len(piece) < _OWN_THREAD_BYTES:
            packed = stream.compress(piece)
        else:
            packed = await asyncio.to_thread(stream.compress, piece)
        if packed:
            yield packed
    yield stream.flush()


class _Lz4Encoder:
    """lz4 in its frame format, which the library begins with a call of its own."""

    def __init__(self) -> None:
        import lz4.frame  # noqa: PLC0415  (only where a client accepts it)

        self._frame = lz4.frame.LZ4FrameCompressor()
        self._header = bytes(self._frame.begin())

    def compress(self, data: bytes) -> bytes:
        packed, self._header = self._header + bytes(self._frame.compress(data)), b""
        return packed

    def flush(self) -> bytes:
        return self._header + bytes(self._frame.flush())


def _is_refused(part: str) -> bool:
    _, _, weight = part.partition(";")
    return weight.replace(" ", "").lower() in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
