"""ClickHouse's own block compression, as `compress=1` and `decompress=1` ask for it.

A block is a checksum of 16 bytes, a byte that names the method, the size of the rest with its head of 9 bytes, the size
of the data, and the data: LZ4 without a frame, ZSTD, or as they are.

Source: https://github.com/ClickHouse/ClickHouse/blob/master/src/Compression/CompressedReadBufferBase.cpp
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from clickhouse_cityhash.cityhash import CityHash128

from sightline_store.errors import QueryRejected

_HEAD = struct.Struct("<BII")
_LZ4, _ZSTD, _NONE = 0x82, 0x90, 0x02
_LOW_HALF = (1 << 64) - 1
_BLOCK_BYTES = 1024 * 1024
_MAX_BLOCK_BYTES = 1 << 27  # clients write 1 MiB; a block is held in memory


def compress(data: bytes, method: str = "LZ4") -> bytes:
    """Blocks of at most 1 MiB of data each; nothing for nothing."""
    return b"".join(_block(data[at : at + _BLOCK_BYTES], method) for at in range(0, len(data), _BLOCK_BYTES))


def _block(data: bytes, method: str) -> bytes:
    if method.upper() == "ZSTD":
        import zstandard  # noqa: PLC0415  (only where a client asks for it)

        code, packed = _ZSTD, zstandard.ZstdCompressor(level=1).compress(data)
    else:
        import lz4.block  # noqa: PLC0415

        code, packed = _LZ4, lz4.block.compress(data, store_size=False)
    block = _HEAD.pack(code, len(packed) + _HEAD.size, len(data)) + packed
    return checksum(block) + block


def checksum(block: bytes) -> bytes:
    """The 16 bytes before a block: CityHash128 of version 1.0.2 (later versions differ), the low half first."""
    value = CityHash128(block)  # an int whose upper half is the hash's low half
    return bytes((value >> 64).to_bytes(8, "little") + (value & _LOW_HALF).to_bytes(8, "little"))


class Decompressor:
    """Takes blocks in pieces of any size."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The data of each complete block; take all of them before the next call.

        Raises:
            QueryRejected: a checksum does not fit, or the method is not known.
        """
        rest = self._rest
        rest += data
        at = 0
        while len(rest) - at >= 16 + _HEAD.size:
            code, packed_size, size = _HEAD.unpack_from(rest, at + 16)
            if not _HEAD.size <= packed_size <= _MAX_BLOCK_BYTES or size > _MAX_BLOCK_BYTES:
                raise _bad(271, f"a block of {packed_size} bytes holds {size}", "CANNOT_DECOMPRESS")
            end = at + 16 + packed_size
            if len(rest) < end:
                break
            block = bytes(rest[at + 16 : end])
            if checksum(block) != bytes(rest[at : at + 16]):
                raise _bad(40, "Checksum doesn't match: corrupted data", "CHECKSUM_DOESNT_MATCH")
            yield _unpacked(code, block[_HEAD.size :], size)
            at = end
        del rest[:at]

    def finish(self) -> None:
        """Call at the end.

        Raises:
            QueryRejected: a block is incomplete.
        """
        if self._rest:
            raise _bad(33, "the last block is incomplete", "CANNOT_READ_ALL_DATA")


def _unpacked(code: int, packed: bytes, size: int) -> bytes:
    try:
        if code == _LZ4:
            import lz4.block  # noqa: PLC0415

            return bytes(lz4.block.decompress(packed, uncompressed_size=size))
        if code == _ZSTD:
            return _unpacked_zstd(packed, size)
    except QueryRejected:
        raise
    except Exception as exc:
        raise _bad(271, f"cannot decompress a block: {exc}", "CANNOT_DECOMPRESS") from exc
    if code == _NONE:
        return packed
    raise _bad(89, f"Unknown compression method: {code}", "UNKNOWN_COMPRESSION_METHOD")


def _unpacked_zstd(packed: bytes, size: int) -> bytes:
    import zstandard  # noqa: PLC0415

    # The size in the frame would take precedence over `max_output_size`; it is -1 if the frame has none.
    if zstandard.frame_content_size(packed) > size:
        raise _bad(271, f"a block says that it holds {size} bytes and holds more", "CANNOT_DECOMPRESS")
    return zstandard.ZstdDecompressor().decompress(packed, max_output_size=size)


def _bad(code: int, text: str, name: str) -> QueryRejected:
    return QueryRejected(400, code, f"Code: {code}. DB::Exception: {text}. ({name})")
