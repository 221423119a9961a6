"""A record of a segment: length, request, checksum. The format stands in the package's docstring."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from sightline_collector.inflate import crc32
from sightline_store import varint
from sightline_store.ingest import Signal

_TAG = b"\xfd\x7f"  # field 2047, fixed32
_TRAILER_BYTES = len(_TAG) + 4
_LONGEST_VARINT = 5
DIGEST_BYTES = 16


@dataclass(frozen=True)
class Record:
    """One record as read back: `start` and `end` are its byte range in the segment."""

    start: int
    end: int
    payload: bytes


def encode(payload: bytes) -> bytes:
    """The bytes of a record."""
    head = varint.encode(len(payload) + _TRAILER_BYTES)
    return b"".join((head, payload, _TAG, crc32(payload).to_bytes(4, "little")))


def digest(signal: Signal, payload: bytes) -> bytes:
    """What a request is recognised by when it comes again: 16 bytes of SHA-256.

    The same bytes can be requests of two signals.
    """
    hashed = hashlib.sha256(signal.encode())  # processors compute it themselves: half the time of BLAKE2b
    hashed.update(payload)
    return hashed.digest()[:DIGEST_BYTES]


def read_records(file: BinaryIO) -> Iterator[Record]:
    """The records of a segment up to its end or to the first one that is torn or damaged.

    Whether everything was read shows in the last record's `end` against the file's size. One record is in memory at a
    time.
    """
    offset, file_bytes = 0, file.seek(0, os.SEEK_END)
    while True:
        file.seek(offset)
        head = file.read(_LONGEST_VARINT)
        size, used = varint.decode(head)
        # A torn length may name any number of bytes: they are not asked for, since that alone takes memory.
        if used == 0 or not _TRAILER_BYTES <= size <= file_bytes - offset - used:
            return
        file.seek(offset + used)
        body = file.read(size)
        payload, trailer = body[:-_TRAILER_BYTES], body[-_TRAILER_BYTES:]
        if trailer != _TAG + crc32(payload).to_bytes(4, "little"):
            return
        end = offset + used + size
        yield Record(offset, end, payload)
        offset = end
