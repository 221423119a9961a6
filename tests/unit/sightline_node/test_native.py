"""The Native format's time zones and heads: rewritten wherever the bytes are cut, and never half."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from sightline_node.execution.column_types import ColumnTypes
from sightline_node.http import encodings, native
from sightline_store.errors import QueryFailed

_TYPES = ["DateTime('America/Chicago')", "String", "DateTime"]
_HEAD = b"\x01\x00\x02\xff\xff\xff\xff\x00"


def _text(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


def _block(rows: int, zone: str = "", head: bytes = b"", flag: bytes = b"") -> bytes:
    """A block of three columns; the first type with or without its time zone."""
    strings = b"".join(_text("x" * (row % 90)) for row in range(rows))
    columns = (
        _text("at") + _text(f"DateTime{zone}") + flag + b"\x01\x02\x03\x04" * rows,
        _text("s") + _text("String") + flag + strings,
        _text("local") + _text("DateTime") + flag + b"\x05\x06\x07\x08" * rows,
    )
    return head + bytes([3, rows]) + b"".join(columns)


def _rewritten(data: bytes, step: int, types: list[str] = _TYPES, *, has_head: bool = False) -> bytes:
    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(data), step):
            yield data[at : at + step]

    async def join() -> bytes:
        return b"".join([piece async for piece in native.rewritten(pieces(), types, has_head=has_head)])

    return asyncio.run(join())


@pytest.mark.parametrize("step", [1, 7, 100, 1 << 20])
def test_types_are_completed_wherever_the_bytes_are_cut(step: int) -> None:
    """Block by block, with heads and flags where the client expects them, and an empty block too."""
    plain = b"".join(_block(rows) for rows in (0, 3, 120))
    zone = "('America/Chicago')"
    assert _rewritten(plain, step) == b"".join(_block(rows, zone) for rows in (0, 3, 120))
    with_heads = b"".join(_block(rows, zone, _HEAD, b"\x00") for rows in (0, 3, 120))
    assert _rewritten(plain, step, has_head=True) == with_heads


def test_an_incomplete_block_is_dropped() -> None:
    """What the engine wrote before it failed: the complete blocks, and none of the next."""
    data = _block(3) + _block(120)
    complete = _block(3, "('America/Chicago')")
    for missing in (1, 50, len(_block(120)) - 1):
        assert _rewritten(data[:-missing], 64) == complete


@pytest.mark.parametrize("step", [5, 1 << 20])
def test_a_column_that_cannot_be_walked_leaves_the_answer_as_it_is(step: int) -> None:
    """Without heads; with them the client would misread it, so it is refused."""
    kind = "AggregateFunction(uniq, UInt8)"
    data = bytes([2, 1]) + _text("at") + _text("DateTime") + bytes(4) + _text("u") + _text(kind) + bytes(40)
    assert _rewritten(data, step, [_TYPES[0], kind]) == data
    with pytest.raises(QueryFailed, match="cast the column to String"):
        _rewritten(data, step, [_TYPES[0], kind], has_head=True)


def test_names_of_types_in_the_label_of_an_enum_mean_nothing() -> None:
    """A value called JSON or Dynamic is a byte like every other one."""
    kind = "Enum8('JSON' = 1, 'Dynamic(' = 2)"
    data = bytes([1, 2]) + _text("e") + _text(kind) + b"\x01\x02"
    assert _rewritten(data, 1 << 20, [kind], has_head=True) == (
        _HEAD + bytes([1, 2]) + _text("e") + _text(kind) + b"\x00\x01\x02"
    )


@pytest.mark.parametrize("has_head", [False, True])
def test_a_block_larger_than_the_cap_is_not_held(monkeypatch: pytest.MonkeyPatch, has_head: bool) -> None:
    """Without heads the answer goes on as it is; with them the client would misread it, so it is refused."""
    monkeypatch.setattr(native, "_MAX_BLOCK_BYTES", 4096)
    held: list[int] = []
    walk = native._whole_blocks

    def measured(data: bytes, types: list[str], *, has_head: bool) -> tuple[bytes, int]:
        held.append(len(data))
        return walk(data, types, has_head=has_head)

    monkeypatch.setattr(native, "_whole_blocks", measured)
    values = b"".join(_text("x" * 100) for _ in range(1000))
    data = _block(3) + bytes([1, 0xE8, 0x07]) + _text("s") + _text("String") + values
    if has_head:
        with pytest.raises(QueryFailed, match="smaller max_block_size"):
            _rewritten(data, 512, has_head=True)
    else:
        assert _rewritten(data, 512) == _block(3, "('America/Chicago')") + data[len(_block(3)) :]
    assert max(held) <= 4096 + 512
    assert len(held) < 20


@pytest.mark.parametrize("types", [[], ["String"], ["DateTime", "Nullable(DateTime('UTC'))", "DateTime64(3, 'UTC')"]])
def test_only_a_datetime_of_its_own_with_a_time_zone_is_shortened(types: list[str]) -> None:
    """Inside another type, and in DateTime64, the engine writes the time zone."""
    assert not native.has_time_zones(types)
    assert native.has_time_zones([*types, "DateTime('UTC')"])


def test_types_described_before_a_change_are_not_kept() -> None:
    """A DESCRIBE that began before an ALTER must not be used after it; the oldest entries make room."""
    cache = ColumnTypes()
    version = cache.version
    cache.forget()
    cache.put(("a",), ["UInt8"], version)
    assert cache.get(("a",)) is None
    for number in range(600):
        cache.put((number,), ["UInt8"], cache.version)
    assert cache.get((0,)) is None
    assert cache.get((599,)) == ["UInt8"]
    cache.forget()
    assert cache.get((599,)) is None


@pytest.mark.parametrize("encoding", ["br", "snappy", "xz"])
def test_encodings_of_the_engine_alone_are_known_as_such(encoding: str) -> None:
    """An answer that the node rewrites cannot be sent in them."""
    assert not encodings.is_own(encoding)
    assert encodings.encoder(encoding) is None
    assert encodings.is_own("")
