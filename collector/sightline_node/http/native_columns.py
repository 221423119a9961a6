"""Where each column of a Native block ends: its serialization is walked by its type. Pure.

Source: https://clickhouse.com/docs/interfaces/formats/Native and
https://github.com/ClickHouse/ClickHouse/tree/master/src/DataTypes/Serializations
"""

from __future__ import annotations

import re
import struct
from collections import Counter
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TypeAlias

from sightline_store import varint
from sightline_store.errors import QueryFailed

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
_U64 = struct.Struct("<Q")
_WIDTHS = {1: "B", 2: "H", 4: "I"}
# Versions of JSON's and Dynamic's serialization, which stand before a column's rows.
_JSON_V1, _JSON_AS_TEXT, _DYNAMIC_V1, _V2, _FLATTENED = 0, 1, 1, 2, 3
_TYPED_PATH = re.compile(
    r"(?!SKIP |max_dynamic_(?:paths|types)\s*=)(`(?:[^`\\]|\\.)*`(?:\.`(?:[^`\\]|\\.)*`)*|\S+)\s+(.+)", re.DOTALL
)
Data: TypeAlias = bytes | bytearray
"""The bytes of an answer so far."""
Walk: TypeAlias = Callable[[Data, int, int], int]
"""Takes the bytes, a position and a number of rows; returns the position after these rows."""


class IncompleteBlock(Exception):
    """The bytes end before the block does."""


def walker(data: Data, at: int, kind: str) -> tuple[int, Walk]:  # noqa: PLR0911  (a line a kind)
    """The position after a column's prefix, and the walk over its rows, which may depend on the prefix."""
    name, inner = _parsed(kind)
    if name in _FIXED or name == "FixedString":
        size = _FIXED.get(name) or int(inner[0])
        return at, lambda data, at, rows: at + rows * size
    if name == "String":
        return at, _strings
    if name == "LowCardinality":
        key = inner[0]  # the dictionary holds NULL as its first key
        _, walk = walker(data, at, key.removeprefix("Nullable(").removesuffix(")") if _is_nullable(key) else key)
        return at + 8, lambda data, at, rows: _walk_dictionary(walk, data, at, rows)
    if name in {"Dynamic", "JSON"}:
        return _dynamic(data, at) if name == "Dynamic" else _json(data, at, inner)
    if name not in {"Array", "Tuple", "Nullable", "Variant"}:
        raise _unwalkable(kind)
    at, walks = _walkers(data, at + 8 * (name == "Variant"), inner)
    if name == "Tuple" and not inner:
        return at, lambda data, at, rows: at + rows
    if name == "Tuple":
        return at, lambda data, at, rows: _walk_in_sequence(walks, data, at, rows)
    if name == "Nullable":
        return at, lambda data, at, rows: walks[0](data, at + rows, rows)
    if name == "Variant":
        in_order = [walk for _, walk in sorted(zip(inner, walks, strict=True), key=lambda pair: pair[0])]
        return at, lambda data, at, rows: _walk_variants(in_order, data, at, rows)
    return at, lambda data, at, rows: walks[0](data, at + 8 * rows, _u64(data, at + 8 * (rows - 1)) if rows else 0)


def _dynamic(data: Data, at: int) -> tuple[int, Walk]:
    """A Dynamic column: its prefix lists the types of its values."""
    version, at = _u64(data, at), at + 8
    if version not in {_DYNAMIC_V1, _V2, _FLATTENED}:
        raise _unwalkable(f"Dynamic of version {version}")
    if version == _DYNAMIC_V1:
        _, at = read_varint(data, at)
    kinds, at = _texts(data, at)
    if version == _FLATTENED:
        at, walks = _walkers(data, at, kinds)
        return at, lambda data, at, rows: _walk_variants(walks, data, at, rows, width=_index_width(len(walks)))
    kinds = sorted([*kinds, "SharedVariant"])
    at, walks = _walkers(data, at + 8, ["String" if kind == "SharedVariant" else kind for kind in kinds])
    return at, lambda data, at, rows: _walk_variants(walks, data, at, rows)


def _json(data: Data, at: int, arguments: tuple[str, ...]) -> tuple[int, Walk]:
    """A JSON column: typed paths, Dynamic paths, and the remaining paths as text."""
    version, at = _u64(data, at), at + 8
    if version == _JSON_AS_TEXT:
        return at, _strings
    if version not in {_JSON_V1, _V2, _FLATTENED}:
        raise _unwalkable(f"JSON of version {version}")
    if version == _JSON_V1:
        _, at = read_varint(data, at)
    paths, at = _texts(data, at)
    typed = [match.groups("") for argument in arguments if (match := _TYPED_PATH.match(argument))]
    at, walks = _walkers(data, at, [kind for _, kind in sorted(typed, key=lambda pair: pair[0].strip("`"))])
    for _ in paths:
        at, walk = _dynamic(data, at)
        walks.append(walk)
    if version != _FLATTENED:
        walks.append(walker(data, at, "Array(Tuple(String, String))")[1])
    return at, lambda data, at, rows: _walk_in_sequence(walks, data, at, rows)


def _walkers(data: Data, at: int, kinds: Iterable[str]) -> tuple[int, list[Walk]]:
    walks = []
    for kind in kinds:
        at, walk = walker(data, at, kind)
        walks.append(walk)
    return at, walks


def _walk_in_sequence(walks: list[Walk], data: Data, at: int, rows: int) -> int:
    for walk in walks:
        at = walk(data, at, rows)
    return at


def _walk_variants(walks: list[Walk], data: Data, at: int, rows: int, width: int = 1) -> int:
    """The position after rows of several types: each row's type as a number of `width` bytes, then the rows by type."""
    packed = data[at : at + rows * width]
    if len(packed) < rows * width:
        raise IncompleteBlock
    at += rows * width
    numbers = Counter(
        packed if width == 1 else [number for (number,) in struct.iter_unpack(f"<{_WIDTHS[width]}", packed)]
    )
    for number, walk in enumerate(walks):
        at = walk(data, at, numbers[number])
    return at


def _index_width(types: int) -> int:
    """Bytes of the number of a type, of which one more stands for NULL."""
    return next(width for width in _WIDTHS if types < 1 << (8 * width))


def _texts(data: Data, at: int) -> tuple[list[str], int]:
    count, at = read_varint(data, at)
    texts = []
    for _ in range(count):
        size, at = read_varint(data, at)
        if at + size > len(data):
            raise IncompleteBlock
        texts.append(data[at : at + size].decode("utf-8", "replace"))
        at += size
    return texts, at


def _unwalkable(kind: str) -> QueryFailed:
    return QueryFailed(
        48,
        f"Code: 48. DB::Exception: the embedded node cannot send {kind} to a client that names a protocol version: "
        "cast the column to String. (NOT_IMPLEMENTED)",
    )


def _walk_dictionary(walk: Walk, data: Data, at: int, rows: int) -> int:
    """The position after rows of LowCardinality: the dictionary, and each row's place in it."""
    if not rows:
        return at
    flags, keys = _u64(data, at), _u64(data, at + 8)
    at = walk(data, at + 16, keys)
    return at + 8 + _u64(data, at) * (1 << (flags & 0xFF))


def _strings(data: Data, at: int, rows: int) -> int:
    try:
        for _ in range(rows):
            size = data[at]
            if size < 0x80:
                at += size + 1
            else:
                size, at = read_varint(data, at)
                at += size
    except IndexError:
        raise IncompleteBlock from None
    return at


def read_varint(data: Data, at: int) -> tuple[int, int]:
    """A varint and the position after it."""
    value, end = varint.decode(data, at)
    if end == at:
        raise IncompleteBlock
    return value, end


def _u64(data: Data, at: int) -> int:
    if at + 8 > len(data):
        raise IncompleteBlock
    return int(_U64.unpack_from(data, at)[0])


def _is_nullable(kind: str) -> bool:
    return kind.startswith("Nullable(")


@lru_cache(4096)
def _parsed(kind: str) -> tuple[str, tuple[str, ...]]:  # noqa: PLR0911  (a line a kind)
    """The outermost name of a type and its inner types, reduced to the types that `walker` knows."""
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
        return name, tuple(_without_name(argument) for argument in arguments)
    if name in _FIXED:
        return name, ()
    return name, tuple(arguments)


_NAMED = re.compile(r"(?:`(?:[^`\\]|\\.)*`|[A-Za-z_]\w*)\s+(?=[A-Z])")


def _without_name(argument: str) -> str:
    """`name Type` of a named tuple without the name."""
    match = _NAMED.match(argument)
    return argument[match.end() :] if match else argument


def _cut(text: str) -> list[str]:
    """Arguments cut at the commas outside of parentheses and quotes."""
    parts, depth, quote, start = [], 0, "", 0
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
            parts.append(text[start:number].strip())
            start = number + 1
        else:
            depth += (letter == "(") - (letter == ")")
    return [*parts, text[start:].strip()]
