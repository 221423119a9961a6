"""CityHash128 of version 1.0.2, the checksum of ClickHouse's compressed blocks. Pure.

Later versions of CityHash give other numbers. The C extension `clickhouse-cityhash` is used where it is installed.

Source: the algorithm, https://github.com/ClickHouse/ClickHouse/tree/master/contrib/cityhash102
"""

from __future__ import annotations

import importlib
import struct
from collections.abc import Callable

_M = (1 << 64) - 1
_K0, _K1, _K2, _K3 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F, 0xC949D7C7509E6557
_K_MUL = 0x9DDFEA08EB382D69
_WORDS4, _WORDS8 = struct.Struct("<4Q"), struct.Struct("<8Q")


def _at(data: bytes, start: int) -> int:
    return int.from_bytes(data[start : start + 8], "little")


def _rotate(value: int, shift: int) -> int:
    return value if shift == 0 else ((value >> shift) | (value << (64 - shift))) & _M


def _mix(low: int, high: int) -> int:
    a = ((low ^ high) * _K_MUL) & _M
    a ^= a >> 47
    b = ((high ^ a) * _K_MUL) & _M
    b ^= b >> 47
    return (b * _K_MUL) & _M


def _short(data: bytes) -> int:
    """The hash of at most 16 bytes."""
    size = len(data)
    if size > 8:
        a, b = _at(data, 0), _at(data, size - 8)
        return _mix(a, _rotate((b + size) & _M, size)) ^ b
    if size >= 4:
        a = int.from_bytes(data[:4], "little")
        return _mix((size + (a << 3)) & _M, int.from_bytes(data[-4:], "little"))
    if size > 0:
        y = data[0] + (data[size >> 1] << 8)
        z = size + (data[-1] << 2)
        mixed = ((y * _K2) & _M) ^ ((z * _K3) & _M)
        return ((mixed ^ (mixed >> 47)) * _K2) & _M
    return _K2


def _weak(words: tuple[int, ...], a: int, b: int) -> tuple[int, int]:
    w, x, y, z = words
    a = (a + w) & _M
    b = _rotate((b + a + z) & _M, 21)
    c = a
    a = (a + x + y) & _M
    b = (b + _rotate(a, 44)) & _M
    return (a + z) & _M, (b + c) & _M


def _weak_at(data: bytes, start: int, a: int, b: int) -> tuple[int, int]:
    return _weak(_WORDS4.unpack_from(data, start), a, b)


def _murmur(data: bytes, low: int, high: int) -> tuple[int, int]:
    size = len(data)
    a, b, c = low, high, 0
    left = size - 16
    if left <= 0:
        a = (a * _K1) & _M
        a = ((a ^ (a >> 47)) * _K1) & _M
        c = (b * _K1 + _short(data)) & _M
        d = (a + (_at(data, 0) if size >= 8 else c)) & _M
        d ^= d >> 47
    else:
        c = _mix((_at(data, size - 8) + _K1) & _M, a)
        d = _mix((b + size) & _M, (c + _at(data, size - 16)) & _M)
        a = (a + d) & _M
        at = 0
        while left > 0:
            x = (_at(data, at) * _K1) & _M
            a = ((a ^ (((x ^ (x >> 47)) * _K1) & _M)) * _K1) & _M
            b ^= a
            x = (_at(data, at + 8) * _K1) & _M
            c = ((c ^ (((x ^ (x >> 47)) * _K1) & _M)) * _K1) & _M
            d ^= c
            at += 16
            left -= 16
    a = _mix(a, c)
    b = _mix(d, b)
    return a ^ b, _mix(b, a)


def _seeded(data: bytes, low: int, high: int) -> tuple[int, int]:
    size = len(data)
    if size < 128:
        return _murmur(data, low, high)
    x, y, z = low, high, (size * _K1) & _M
    v0 = (_rotate(y ^ _K1, 49) * _K1 + _at(data, 0)) & _M
    v1 = (_rotate(v0, 42) * _K1 + _at(data, 8)) & _M
    w0 = (_rotate((y + z) & _M, 35) * _K1 + x) & _M
    w1 = (_rotate((x + _at(data, 88)) & _M, 53) * _K1) & _M
    left = size
    at = 0
    while left >= 128:
        for start in (at, at + 64):
            d0, d1, d2, d3, d4, d5, d6, d7 = _WORDS8.unpack_from(data, start)
            x = (_rotate((x + y + v0 + d2) & _M, 37) * _K1) & _M
            y = (_rotate((y + v1 + d6) & _M, 42) * _K1) & _M
            x ^= w1
            y ^= v0
            z = _rotate(z ^ w0, 33)
            v0, v1 = _weak((d0, d1, d2, d3), (v1 * _K1) & _M, (x + w0) & _M)
            w0, w1 = _weak((d4, d5, d6, d7), (z + w1) & _M, y)
            z, x = x, z
        at += 128
        left -= 128
    y = (y + _rotate(w0, 37) * _K0 + z) & _M
    x = (x + _rotate((v0 + z) & _M, 49) * _K0) & _M
    done = 0
    while done < left:
        done += 32
        y = (_rotate((y - x) & _M, 42) * _K0 + v1) & _M
        w0 = (w0 + _at(data, size - done + 16)) & _M
        x = (_rotate(x, 49) * _K0 + w0) & _M
        w0 = (w0 + v0) & _M
        v0, v1 = _weak_at(data, size - done, v0, v1)
    x = _mix(x, v0)
    y = _mix(y, w0)
    return (_mix((x + v1) & _M, w1) + y) & _M, _mix((x + w1) & _M, (y + v1) & _M)


def _digest(data: bytes) -> bytes:
    """The checksum as it stands before a block: 16 bytes, the low half first."""
    size = len(data)
    if size >= 16:
        low, high = _seeded(data[16:], _at(data, 0) ^ _K3, _at(data, 8))
    elif size >= 8:
        low, high = _seeded(b"", _at(data, 0) ^ ((size * _K0) & _M), _at(data, size - 8) ^ _K1)
    else:
        low, high = _seeded(data, _K0, _K1)
    return low.to_bytes(8, "little") + high.to_bytes(8, "little")


def _fastest() -> Callable[[bytes], bytes]:
    try:
        extension = importlib.import_module("clickhouse_cityhash.cityhash").CityHash128
    except ImportError:
        return _digest

    def extended(data: bytes) -> bytes:
        value = extension(data)  # an int with the low half on top
        return bytes((value >> 64).to_bytes(8, "little") + (value & _M).to_bytes(8, "little"))

    return extended


digest = _fastest()
"""The checksum as it stands before a block: 16 bytes, the low half first."""
