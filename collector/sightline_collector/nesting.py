"""Whether a serialized trace request may hold nested attribute values, seen from its bytes. Pure: no I/O.

Walking a parsed request for this costs four times what parsing costs, so the bytes are searched for what stands where a
value nests: the tag of KeyValue.value (12), a length, and the tag of an AnyValue's array (2A) or map (32). Text and ids
can look like that by chance, so each find is held against the lengths around it. A find that cannot be explained away
counts: a request taken for nested is only checked more slowly, while a nested one that was missed would lose values.

Source: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import re

# Possessive, so that the byte after the length's continued ones is its last.
_FIND = re.compile(rb"\x12[\x80-\xff]*+.[\x2a\x32]", re.DOTALL)
_ARRAY = 0x2A
_ELEMENT = 0x0A
# Tags of the scalar kinds of an AnyValue: bool and int, double, text and bytes.
_VARINTS = frozenset({0x10, 0x18})
_DOUBLE = 0x21
_SPAN_ID_BYTES = 8
_TRACE_ID_HEAD = b"\x0a\x10"
_LENGTH_DELIMITED = frozenset({0x0A, 0x3A})


def may_nest(body: bytes) -> bool:
    """Whether an attribute of the request may be a map, or an array that holds more than scalars.

    Args:
        body: a serialized ExportTraceServiceRequest that parses.
    """
    at = 0
    while (found := _FIND.search(body, at)) is not None:
        if _nests(body, found.start(), found.end() - 1):
            return True
        # The next find may begin inside this one.
        at = found.start() + 1
    return False


def _nests(body: bytes, tag: int, kind: int) -> bool:
    """Judge one find: `tag` is where 12 stands, `kind` where 2A or 32 stands."""
    value_size, value_start = _varint(body, tag + 1)
    inner_size, inner_start = _varint(body, kind + 1)
    end = inner_start + inner_size
    if value_start != kind or end != value_start + value_size or end > len(body):
        # Not a value that is this array or map alone: chance, unless a key stands right before it. A span's id after
        # its trace's looks like that, one in 128: 16 bytes under the tag of a key, 8 under that of a value.
        is_span_id = value_size == _SPAN_ID_BYTES and body[tag - 18 : tag - 16] == _TRACE_ID_HEAD
        return not is_span_id and _follows_key(body, tag)
    return body[kind] != _ARRAY or not _holds_scalars(body, inner_start, end)


def _holds_scalars(body: bytes, at: int, end: int) -> bool:
    """Whether the bytes from `at` to `end` are array elements that each are one scalar, or empty."""
    while at < end:
        if body[at] != _ELEMENT:
            return False
        size, start = _varint(body, at + 1)
        at = start + size
        if at > end or (size and _scalar_end(body, start) != at):
            return False
    return at == end


def _scalar_end(body: bytes, at: int) -> int:
    """Where the scalar that starts at `at` ends; -1 where none does."""
    tag = body[at]
    if tag in _LENGTH_DELIMITED:
        size, start = _varint(body, at + 1)
        return start + size
    if tag in _VARINTS:
        return _varint(body, at + 1)[1]
    return at + 9 if tag == _DOUBLE else -1


def _follows_key(body: bytes, tag: int) -> bool:
    """Whether `0A length key` ends right before `tag`, for a key shorter than 128 bytes."""
    window = body[max(0, tag - 129) : tag]
    at = window.find(b"\x0a")
    while at >= 0:
        if at + 1 < len(window) and window[at + 1] == len(window) - at - 2:
            return True
        at = window.find(b"\x0a", at + 1)
    return False


def _varint(body: bytes, at: int) -> tuple[int, int]:
    """The number at `at` and where it ends; (0, at) past the end."""
    number = shift = 0
    while at < len(body):
        byte = body[at]
        number |= (byte & 127) << shift
        at += 1
        if byte < 128:
            return number, at
        shift += 7
    return 0, at
