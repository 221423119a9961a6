"""Checksums and decompression are zlib's, whichever library computes them."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline_collector import inflate

_FORMATS: list[tuple[Callable[[bytes], bytes], int, Callable[[], inflate.Decompressor]]] = [
    (gzip.compress, 31, inflate.gzip_decompressor),
    (zlib.compress, 15, inflate.zlib_decompressor),
]
_EACH = pytest.mark.parametrize(("compress", "wbits", "decompressor"), _FORMATS, ids=["gzip", "deflate"])


@given(st.binary(max_size=5000))
def test_checksum_is_that_of_zlib(data: bytes) -> None:
    """So that a spool can be read by a version with the other library."""
    assert inflate.crc32(data) == zlib.crc32(data)


@_EACH
@given(st.binary(max_size=3000), st.integers(1, 4000), st.integers(1, 4000))
def test_body_comes_out_as_it_went_in(
    compress: Callable[[bytes], bytes],
    wbits: int,
    decompressor: Callable[[], inflate.Decompressor],
    data: bytes,
    part: int,
    most: int,
) -> None:
    """In parts of any size, and never more at once than was asked for; the end is known, and what follows is left."""
    packed, reader, out = compress(data) + b"rest", decompressor(), b""
    for start in range(0, len(packed), part):
        piece = reader.decompress(packed[start : start + part], most)
        assert len(piece) <= most
        out += piece
        if len(piece) == most:
            break
    assert data.startswith(out)
    if len(out) < most:
        assert (out, reader.eof) == (data, True)


@_EACH
@given(st.binary(min_size=20, max_size=600), st.data())
def test_damaged_body_is_taken_for_whole_only_where_zlib_takes_it(
    compress: Callable[[bytes], bytes],
    wbits: int,
    decompressor: Callable[[], inflate.Decompressor],
    data: bytes,
    draw: st.DataObject,
) -> None:
    """Cut or changed anywhere: an error or no end, unless zlib reads the same bytes to the same end."""
    packed = bytearray(compress(data))
    packed[draw.draw(st.integers(0, len(packed) - 1))] ^= 1 << draw.draw(st.integers(0, 7))
    damaged = bytes(packed[: draw.draw(st.integers(0, len(packed)))])
    assert _read(decompressor(), inflate.DecompressionError, damaged) == _read(
        zlib.decompressobj(wbits), zlib.error, damaged
    )


def _read(reader: inflate.Decompressor, error: type[Exception], packed: bytes) -> bytes | None:
    """What was packed; None where it is damaged or cut."""
    try:
        out = reader.decompress(packed, 10_000)
    except error:
        return None
    return out if reader.eof else None
