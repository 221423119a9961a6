"""Compressed bodies, read as they come and never further than the limit."""

from __future__ import annotations

from sightline_collector import inflate
from sightline_collector.errors import BadRequest, RequestTooLarge


class Body:
    """Collects a request's body: feed it the parts that the network brings."""

    def __init__(self, encoding: str, limit_bytes: int) -> None:
        """Start a body.

        Args:
            encoding: the Content-Encoding header.
            limit_bytes: largest size after decompression.

        Raises:
            BadRequest: 400, the encoding is not known.
        """
        self._encoding = encoding.strip().lower()
        self._limit = limit_bytes
        self._size = 0
        self._parts: list[bytes] = []
        self._is_empty = True
        self._decompressor = _decompressor(self._encoding)

    def feed(self, part: bytes) -> None:
        """Take a part.

        Raises:
            BadRequest: it is not what the encoding says.
            RequestTooLarge: together they are more than the limit.
        """
        if self._decompressor is not None and part:
            self._is_empty = False
            try:
                part = self._decompressor.decompress(part, self._limit - self._size + 1)
            except (inflate.DecompressionError, EOFError, RuntimeError, ValueError) as exc:
                raise BadRequest(400, f"body is not {self._encoding}: {exc}") from None
        self._size += len(part)
        if self._size > self._limit:
            raise RequestTooLarge(self._limit)
        self._parts.append(part)

    def whole(self) -> bytes:
        """All of it.

        Raises:
            BadRequest: it ends in the middle of its encoding.
        """
        if self._decompressor is not None and not self._is_empty and not self._decompressor.eof:
            raise BadRequest(400, f"body ends in the middle of its {self._encoding}")
        return b"".join(self._parts) if len(self._parts) != 1 else self._parts[0]


class _Zstd:
    """zstandard's decompressor with zlib's bounded interface."""

    def __init__(self) -> None:
        import zstandard  # noqa: PLC0415  (only where a client uses it)

        self._error = zstandard.ZstdError
        self._inner = zstandard.ZstdDecompressor(max_window_size=2**27).decompressobj(read_across_frames=False)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        out, size = [], 0
        # Fed in small parts, so that a bomb is noticed before it is unpacked: zstd expands a byte at most 32,000-fold.
        for start in range(0, len(data), 4096):
            if self.eof:
                break
            try:
                piece = self._inner.decompress(data[start : start + 4096])
            except self._error as exc:
                raise ValueError(str(exc)) from None
            out.append(piece)
            size += len(piece)
            if size >= max_length:
                break
        return b"".join(out)

    @property
    def eof(self) -> bool:
        return bool(self._inner.eof)


def _decompressor(encoding: str) -> inflate.Decompressor | None:
    if encoding in {"", "identity", "none"}:
        return None
    if encoding in {"gzip", "x-gzip"}:
        return inflate.gzip_decompressor()
    if encoding == "deflate":
        return inflate.zlib_decompressor()
    if encoding == "zstd":
        return _Zstd()
    raise BadRequest(400, f"Content-Encoding {encoding[:100]!r} is not known; use gzip, zstd, deflate or none")
