"""CRC-32 and the decompression of gzip and deflate: by ISA-L where it is installed, else by zlib.

Both read the same bytes and give the same results; ISA-L takes an eighth of the CPU for a checksum and less than half
for a body. It has wheels for x86-64 and arm64; elsewhere the role works without it.

Source: https://python-isal.readthedocs.io
"""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import Any, Protocol, cast

_zlib: Any = importlib.import_module("isal.isal_zlib" if find_spec("isal") else "zlib")


def crc32(data: bytes) -> int:
    """The CRC-32 of zlib."""
    return cast(int, _zlib.crc32(data))


DecompressionError: type[Exception] = _zlib.error
"""The bytes are not in the format."""


class Decompressor(Protocol):
    """Decompresses one member of a stream."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """At most `max_length` bytes of what `data` adds; what is left of `data` then is not read."""
        ...

    @property
    def eof(self) -> bool:
        """Whether the end of the member has come."""
        ...


def gzip_decompressor() -> Decompressor:
    """For the format of gzip (RFC 1952)."""
    return cast(Decompressor, _zlib.decompressobj(31))


def zlib_decompressor() -> Decompressor:
    """For the format of zlib (RFC 1950), which HTTP calls deflate."""
    return cast(Decompressor, _zlib.decompressobj(15))
