"""Varints: written, read at any place, and not read where they are incomplete."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sightline_store import varint


def test_numbers_have_the_bytes_of_the_specification() -> None:
    """The examples of protobuf's documentation, and the largest of 64 bits."""
    assert varint.encode(0) == b"\0"
    assert varint.encode(1) == b"\x01"
    assert varint.encode(150) == b"\x96\x01"
    assert varint.encode(2**64 - 1) == b"\xff" * 9 + b"\x01"


@given(st.integers(0, 2**70), st.binary(max_size=4), st.binary(max_size=4))
def test_a_number_is_read_where_it_begins(number: int, before: bytes, after: bytes) -> None:
    """What stands around it is not touched; without its last byte it is incomplete."""
    data = varint.encode(number)
    end = len(before) + len(data)
    assert varint.decode(before + data + after, len(before)) == (number, end)
    assert varint.decode((before + data)[:-1], len(before)) == (0, len(before))
