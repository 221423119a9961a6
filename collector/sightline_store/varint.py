"""Protobuf's varint: a number in as many bytes as it needs, seven bits each, the lowest first.

Source: https://protobuf.dev/programming-guides/encoding/#varints
"""

from __future__ import annotations


def encode(number: int) -> bytes:
    """The bytes of a number that is not negative."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def decode(data: bytes) -> tuple[int, int]:
    """The number that `data` begins with and how many bytes it took; (0, 0) where it is not complete."""
    number = 0
    for index, byte in enumerate(data):
        number |= (byte & 127) << (7 * index)
        if byte < 128:
            return number, index + 1
    return 0, 0
