"""The Native format for clients that name a protocol version, as clickhouse-go does over HTTP. Pure.

Such a client expects a head before each block and a flag in each column, which the engine only writes on ClickHouse's
own TCP protocol. Both are put in here: the columns are walked by their types to find where each ends.

Clients of older versions than the flag (clickhouse-connect names 54405) notice by themselves that there is no head.

Source: https://clickhouse.com/docs/interfaces/formats/Native and
https://github.com/ClickHouse/ClickHouse/blob/master/src/Core/ProtocolDefines.h
"""

from __future__ import annotations

import re
import struct
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import lru_cache
from typing import TypeAlias

from sightline_store.errors import QueryFailed

_WITH_FLAG = 54454  # DBMS_MIN_REVISION_WITH_CUSTOM_SERIALIZATION
_BLOCK_INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"  # no overflows, no bucket
_SIZES = {
    1: "UInt8 Int8 Bool Enum8 Nothing",
    2: "UInt16 Int16 Enum16 Date BFloat16",
    4: "UInt32 Int32 Float32 Date32 DateTime IPv4 Decimal32 Time",
    8: "UInt64 Int64 Float64 DateTime64 Decimal64 Time64",
    16: "UInt128 Int128 UUID IPv6 Decimal128 Point",
    32: "UInt256 Int256 Decimal256",
}
_FIXED = {name: size for size, names in _SIZES.items() for name in names.split()}
_GEOMETRY = {
    "Ring": "Array(Point)",
    "LineString": "Array(Point)",
    "MultiLineString": "Array(LineString)",
    "Polygon": "Array(Ring)",
    "MultiPolygon": "Array(Polygon)",
}
_BARE_TIME = b"\x08DateTime"
_U64 = struct.Struct("<Q")
_WIDTHS = {1: "B", 2: "H", 4: "I"}
# Versions of JSON's and Dynamic's serialization, which stand before a column's rows.
_JSON_V1, _JSON_AS_TEXT, _DYNAMIC_V1, _V2, _FLATTENED = 0, 1, 1, 2, 3
_TYPED_PATH = re.compile(
    r"(?!SKIP |max_dynamic_(?:paths|types)\s*=)(`(?:[^`\\]|\\.)*`(?:\.`(?:[^`\\]|\\.)*`)*|\S+)\s+(.+)", re.DOTALL
)
_Walk: TypeAlias = Callable[[bytes, int, int], int]
"""Goes past so many rows from a place in some bytes."""


class _Short(Exception):
    """The block is not whole yet."""


def is_asked_for(protocol_version: float, fmt: str) -> bool:
    """Whether an answer in this format is for such a client."""
    return protocol_version >= _WITH_FLAG and fmt == "Native"


async def with_block_info(
    source: AsyncIterator[bytes], kinds: Callable[[], Awaitable[list[str]]] | None = None
) -> AsyncIterator[bytes]:
    """The engine's blocks as such a client expects them.

    Args:
        source: the engine's bytes, cut anywhere.
        kinds: the columns' types in full: the engine leaves the time zone of a DateTime out of its blocks. Asked once,
            and only where there may be such a column.

    Raises:
        QueryFailed: a column's type cannot be walked: states of aggregate functions.
    """
    held, wanted = b"", 0
    full: list[str] | None = None
    async for piece in source:
        held += piece
        if len(held) < wanted:
            continue
        if kinds is not None and full is None and _BARE_TIME in held:
            full = await kinds()
        done, at = [], 0
        try:
            while at < len(held):
                block, at = _block(held, at, full)
                done.append(block)
            wanted = 0
        except _Short:
            wanted = 2 * (
                len(held) - at
            )  # walking the same bytes again and again would take the square of their number
        held = held[at:]
        if done:
            yield b"".join(done)
    yield whole_with_block_info(held, full)


def whole_with_block_info(data: bytes, kinds: list[str] | None = None) -> bytes:
    """The same for blocks that are all there; half a block at the end, where the engine failed, is left out."""
    done, at = [], 0
    try:
        while at < len(data):
            block, at = _block(data, at, kinds)
            done.append(block)
    except _Short:
        pass
    return b"".join(done)


def _block(data: bytes, at: int, kinds: list[str] | None) -> tuple[bytes, int]:
    """A block with its head, its flags and its time zones, and where it ends."""
    start = at
    columns, at = _varint(data, at)
    rows, at = _varint(data, at)
    parts = [_BLOCK_INFO, data[start:at]]
    for column in range(columns):
        start = at
        size, at = _varint(data, at)
        kind_at = at + size
        size, at = _varint(data, kind_at)
        kind = data[at : at + size].decode("utf-8", "replace")
        at += size
        if at > len(data):
            raise _Short
        if kind == "DateTime" and kinds and column < len(kinds) and kinds[column].startswith("DateTime("):
            full = kinds[column].encode()
            parts += [data[start:kind_at], bytes([len(full)]), full, b"\x00"]
        else:
            parts += [data[start:at], b"\x00"]
        if rows:
            start = at
            at, walk = _walker(data, at, kind)
            at = walk(data, at, rows)
            if at > len(data):
                raise _Short
            parts.append(data[start:at])
    return b"".join(parts), at


def _walker(data: bytes, at: int, kind: str) -> tuple[int, _Walk]:
    """Past what stands before a column's rows, and what goes past the rows: of some types only the former tells how."""
    if "Dynamic" not in kind and "JSON" not in kind:
        return _prefix(data, at, kind), lambda data, at, rows: _rows(data, at, kind, rows)
    name, inner = _parsed(kind)
    if name in {"Dynamic", "JSON"}:
        return _dynamic(data, at) if name == "Dynamic" else _json(data, at, inner)
    if name not in {"Array", "Tuple", "Nullable", "Variant"}:
        raise _unwalkable(kind)
    walks = []
    at += 8 * (name == "Variant")
    for one in inner:
        at, walk = _walker(data, at, one)
        walks.append(walk)
    if name == "Tuple":
        return at, lambda data, at, rows: _one_after_another(walks, data, at, rows)
    if name == "Nullable":
        return at, lambda data, at, rows: walks[0](data, at + rows, rows)
    if name == "Variant":
        in_order = [walk for _, walk in sorted(zip(inner, walks, strict=True), key=lambda pair: pair[0])]
        return at, lambda data, at, rows: _chosen(in_order, data, at, rows)
    return at, lambda data, at, rows: walks[0](data, at + 8 * rows, _u64(data, at + 8 * (rows - 1)) if rows else 0)


def _dynamic(data: bytes, at: int) -> tuple[int, _Walk]:
    """A column whose types are named before its rows."""
    version, at = _u64(data, at), at + 8
    if version not in {_DYNAMIC_V1, _V2, _FLATTENED}:
        raise _unwalkable(f"Dynamic of version {version}")
    if version == _DYNAMIC_V1:
        _, at = _varint(data, at)
    kinds, at = _texts(data, at)
    if version == _FLATTENED:
        at, walks = _walkers(data, at, kinds)
        return at, lambda data, at, rows: _chosen(walks, data, at, rows, width=_index_width(len(walks)))
    kinds = sorted([*kinds, "SharedVariant"])
    at, walks = _walkers(data, at + 8, ["String" if one == "SharedVariant" else one for one in kinds])
    return at, lambda data, at, rows: _chosen(walks, data, at, rows)


def _json(data: bytes, at: int, arguments: tuple[str, ...]) -> tuple[int, _Walk]:
    """A column of documents: paths with types of their own, paths that are Dynamic, and the rest as text."""
    version, at = _u64(data, at), at + 8
    if version == _JSON_AS_TEXT:
        return at, _strings
    if version not in {_JSON_V1, _V2, _FLATTENED}:
        raise _unwalkable(f"JSON of version {version}")
    if version == _JSON_V1:
        _, at = _varint(data, at)
    paths, at = _texts(data, at)
    typed = [found.groups("") for one in arguments if (found := _TYPED_PATH.match(one))]
    at, walks = _walkers(data, at, [kind for _, kind in sorted(typed, key=lambda pair: pair[0].strip("`"))])
    for _ in paths:
        at, walk = _dynamic(data, at)
        walks.append(walk)
    if version != _FLATTENED:
        walks.append(lambda data, at, rows: _rows(data, at, "Array(Tuple(String, String))", rows))
    return at, lambda data, at, rows: _one_after_another(walks, data, at, rows)


def _walkers(data: bytes, at: int, kinds: list[str]) -> tuple[int, list[_Walk]]:
    walks = []
    for kind in kinds:
        at, walk = _walker(data, at, kind)
        walks.append(walk)
    return at, walks


def _one_after_another(walks: list[_Walk], data: bytes, at: int, rows: int) -> int:
    for walk in walks:
        at = walk(data, at, rows)
    return at


def _chosen(walks: list[_Walk], data: bytes, at: int, rows: int, width: int = 1) -> int:
    """Past rows that each are of one type, which a number of `width` bytes names, and then the types' own rows."""
    found = data[at : at + rows * width]
    if len(found) < rows * width:
        raise _Short
    at += rows * width
    numbers = Counter(
        found if width == 1 else [number for (number,) in struct.iter_unpack(f"<{_WIDTHS[width]}", found)]
    )
    for number, walk in enumerate(walks):
        at = walk(data, at, numbers[number])
    return at


def _index_width(types: int) -> int:
    """Bytes of a number that names one of the types, or none."""
    return next(width for width in _WIDTHS if types < 1 << (8 * width))


def _texts(data: bytes, at: int) -> tuple[list[str], int]:
    count, at = _varint(data, at)
    texts = []
    for _ in range(count):
        size, at = _varint(data, at)
        if at + size > len(data):
            raise _Short
        texts.append(data[at : at + size].decode("utf-8", "replace"))
        at += size
    return texts, at


def _prefix(data: bytes, at: int, kind: str) -> int:
    """Past what stands before a column's rows."""
    name, inner = _parsed(kind)
    if name in {"LowCardinality", "Variant"}:
        at += 8
    if name != "LowCardinality":
        for one in inner:
            at = _prefix(data, at, one)
    return at


def _rows(data: bytes, at: int, kind: str, rows: int) -> int:  # noqa: PLR0911  (a line a kind)
    """Past `rows` rows of a type."""
    name, inner = _parsed(kind)
    if name in _FIXED:
        return at + rows * _FIXED[name]
    if name == "FixedString":
        return at + rows * int(inner[0])
    if name == "String":
        return _strings(data, at, rows)
    if name == "Nullable":
        return _rows(data, at + rows, inner[0], rows)
    if name == "Array":
        return _rows(data, at + 8 * rows, inner[0], _u64(data, at + 8 * (rows - 1))) if rows else at
    if name == "Tuple":
        for one in inner:
            at = _rows(data, at, one, rows)
        return at if inner else at + rows
    if name == "LowCardinality":
        return _dictionary(data, at, inner[0], rows)
    if name == "Variant":
        found = data[at : at + rows]
        if len(found) < rows:
            raise _Short
        at += rows  # a byte each that tells which of the types, in the order of their names
        for number, one in enumerate(sorted(inner)):
            at = _rows(data, at, one, found.count(number))
        return at
    raise _unwalkable(kind)


def _unwalkable(kind: str) -> QueryFailed:
    return QueryFailed(
        48,
        f"Code: 48. DB::Exception: the embedded node cannot send {kind} to a client that names a protocol version: "
        "cast the column to String. (NOT_IMPLEMENTED)",
    )


def _dictionary(data: bytes, at: int, kind: str, rows: int) -> int:
    if not rows:
        return at
    flags, keys = _u64(data, at), _u64(data, at + 8)
    at = _rows(data, at + 16, kind.removeprefix("Nullable(").removesuffix(")") if _is_nullable(kind) else kind, keys)
    return at + 8 + _u64(data, at) * (1 << (flags & 0xFF))


def _strings(data: bytes, at: int, rows: int) -> int:
    try:
        for _ in range(rows):
            size = data[at]
            if size < 0x80:
                at += size + 1
            else:
                size, at = _varint(data, at)
                at += size
    except IndexError:
        raise _Short from None
    return at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data):
            raise _Short
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7


def _u64(data: bytes, at: int) -> int:
    if at + 8 > len(data):
        raise _Short
    return int(_U64.unpack_from(data, at)[0])


def _is_nullable(kind: str) -> bool:
    return kind.startswith("Nullable(")


@lru_cache(4096)
def _parsed(kind: str) -> tuple[str, tuple[str, ...]]:  # noqa: PLR0911  (a line a kind)
    """The outermost name of a type and the types within, in the shapes that `_rows` knows."""
    kind = _GEOMETRY.get(kind, kind)
    name, opened, rest = kind.partition("(")
    arguments = _cut(rest[:-1]) if opened else []
    if name.startswith("Interval"):
        return "Int64", ()
    if name == "Decimal":
        digits = int(arguments[0])
        return f"Decimal{32 if digits <= 9 else 64 if digits <= 18 else 128 if digits <= 38 else 256}", ()
    if name == "Map":
        return "Array", (f"Tuple({', '.join(arguments)})",)
    if name == "Nested":
        return "Array", (f"Tuple({', '.join(arguments)})",)
    if name == "SimpleAggregateFunction":
        return _parsed(arguments[1])
    if name == "Tuple":
        return name, tuple(_without_name(one) for one in arguments)
    if name in _FIXED:
        return name, ()
    return name, tuple(arguments)


_NAMED = re.compile(r"(?:`(?:[^`\\]|\\.)*`|[A-Za-z_]\w*)\s+(?=[A-Z])")


def _without_name(argument: str) -> str:
    """`name Type` of a named tuple without the name."""
    found = _NAMED.match(argument)
    return argument[found.end() :] if found else argument


def _cut(text: str) -> list[str]:
    """Arguments cut at the commas outside of parentheses and quotes."""
    found, depth, quote, start = [], 0, "", 0
    skip = False
    for number, letter in enumerate(text):
        if skip:
            skip = False
        elif quote:
            skip = letter == "\\"
            quote = "" if letter == quote else quote
        elif letter in "'`":
            quote = letter
        elif letter == "," and not depth:
            found.append(text[start:number].strip())
            start = number + 1
        else:
            depth += (letter == "(") - (letter == ")")
    return [*found, text[start:].strip()]
