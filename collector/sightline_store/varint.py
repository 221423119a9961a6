"""Numbers in as many bytes as they need, seven bits each, the lowest first: protobuf's varint and ClickHouse's VarUInt.

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


def decode(data: bytes | bytearray, start: int = 0) -> tuple[int, int]:
    """The number that begins at `start`, and where it ends; (0, start) where `data` ends before the number does."""
    number = shift = 0
    for at in range(start, len(data)):
        byte = data[at]
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at + 1
        shift += 7
    return 0, start
