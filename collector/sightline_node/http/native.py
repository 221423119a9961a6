"""The Native format as its readers need it: block heads, serialization flags and time zones. Pure.

The engine writes Native for protocol version 0: without block heads, without serialization flags, and a column of the
type DateTime('Zone') under the bare name DateTime. Both gaps are closed here, by walking the columns by their types to
find where each of them ends:

- A client that names protocol version 54454 or later (clickhouse-go over HTTP) gets heads, flags and full types.
- Every other client gets full types. clickhouse-connect asks for version 54405 once, gets no head, and continues with
  version 0. Only answers that contain a DateTime with a time zone are walked; all others pass unchanged.

Source: https://clickhouse.com/docs/interfaces/formats/Native and
https://github.com/ClickHouse/ClickHouse/blob/master/src/Core/ProtocolDefines.h
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from sightline_node.http.native_columns import Data, IncompleteBlock, read_varint, walker
from sightline_store.errors import QueryFailed

_WITH_FLAG = 54454  # DBMS_MIN_REVISION_WITH_CUSTOM_SERIALIZATION
_BLOCK_INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"  # no overflows, no bucket
_OWN_THREAD_BYTES = 64 * 1024
_MAX_BLOCK_BYTES = 64 * 1024**2


def needs_block_info(protocol_version: float) -> bool:
    """Whether a client of this protocol version expects block heads and serialization flags."""
    return protocol_version >= _WITH_FLAG


def has_time_zones(types: Sequence[str]) -> bool:
    """Whether the engine shortens one of these types: a DateTime with a time zone that is not inside another type."""
    return any(kind.startswith("DateTime(") for kind in types)


async def rewritten(source: AsyncIterator[bytes], types: Sequence[str], *, has_head: bool) -> AsyncIterator[bytes]:
    """The blocks of an answer with full types, and with heads and flags where `has_head`.

    An incomplete block at the end, where the engine failed, is dropped. A block of more than 64 MiB is not walked.

    Args:
        source: the engine's bytes, cut anywhere.
        types: the full types of the columns.
        has_head: for a client that names protocol version 54454 or later.

    Raises:
        QueryFailed: with heads, a column's type cannot be walked (states of aggregate functions), or a block is too
            large. Without, the rest of the answer passes as it is.
    """
    held, wanted, is_walked = bytearray(), 0, True
    async for piece in source:
        if not is_walked:
            yield piece
            continue
        held += piece
        if len(held) < wanted:
            continue
        blocks = b""
        try:
            blocks = await _taken(held, types, has_head=has_head)
            if len(held) > _MAX_BLOCK_BYTES:
                raise _too_large()
        except QueryFailed:
            if has_head:
                raise
            blocks, is_walked = blocks + held, False
            held.clear()
        # Walking the same bytes at every piece would take quadratic time.
        wanted = min(2 * len(held), _MAX_BLOCK_BYTES + 1)
        if blocks:
            yield blocks
    if held:
        try:
            blocks = await _taken(held, types, has_head=has_head)
        except QueryFailed:
            if has_head:
                raise
            blocks = bytes(held)
        yield blocks


def whole_with_block_info(data: bytes, types: Sequence[str] = ()) -> bytes:
    """The same for a complete answer, with heads."""
    return _whole_blocks(data, types, has_head=True)[0]


async def _taken(held: bytearray, types: Sequence[str], *, has_head: bool) -> bytes:
    """Take the complete blocks out of the held bytes, and return them rewritten."""
    if len(held) < _OWN_THREAD_BYTES:
        blocks, end = _whole_blocks(held, types, has_head=has_head)
    else:  # milliseconds, in which the event loop serves others
        blocks, end = await asyncio.to_thread(_whole_blocks, held, types, has_head=has_head)
    del held[:end]
    return blocks


def _too_large() -> QueryFailed:
    return QueryFailed(
        48,
        f"Code: 48. DB::Exception: the embedded node cannot send a block of more than {_MAX_BLOCK_BYTES >> 20} MiB to "
        "a client that names a protocol version: set a smaller max_block_size. (NOT_IMPLEMENTED)",
    )


def _whole_blocks(data: Data, types: Sequence[str], *, has_head: bool) -> tuple[bytes, int]:
    """The complete blocks of some bytes, rewritten, and where the last of them ends."""
    blocks, at = [], 0
    try:
        while at < len(data):
            block, at = _block(data, at, types, has_head=has_head)
            blocks.append(block)
    except IncompleteBlock:
        pass
    return b"".join(blocks), at


def _block(data: Data, at: int, types: Sequence[str], *, has_head: bool) -> tuple[bytes, int]:
    """One block with full types, and with its head and flags if wanted; and where it ends."""
    start = at
    columns, at = read_varint(data, at)
    rows, at = read_varint(data, at)
    flag = b"\x00" if has_head else b""
    parts = [_BLOCK_INFO if has_head else b"", data[start:at]]
    for column in range(columns):
        start = at
        size, at = read_varint(data, at)
        kind_at = at + size
        size, at = read_varint(data, kind_at)
        kind = data[at : at + size].decode("utf-8", "replace")
        at += size
        if at > len(data):
            raise IncompleteBlock
        if kind == "DateTime" and column < len(types) and types[column].startswith("DateTime("):
            full = types[column].encode()
            parts += [data[start:kind_at], bytes([len(full)]), full, flag]
        else:
            parts += [data[start:at], flag]
        if rows:
            start = at
            at, walk = walker(data, at, kind)
            at = walk(data, at, rows)
            if at > len(data):
                raise IncompleteBlock
            parts.append(data[start:at])
    return b"".join(parts), at
