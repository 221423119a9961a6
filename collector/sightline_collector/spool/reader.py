"""What earlier lives of the collector left in the spool, and what waits for the store now."""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError

from sightline_collector.request import otlp
from sightline_collector.spool import record
from sightline_collector.spool.filesystem import UNFINISHED, Filesystem
from sightline_collector.spool.segment import ClosedSegment, write_seen
from sightline_store.ingest import Signal

_log = logging.getLogger("sightline.collector")


def recover(folder: Path, signal: Signal, filesystem: Filesystem) -> None:
    """Turn the `.open` segments of a life that ended into closed ones; cut torn tails.

    The digests of the kept records are written to `.seen`, so that a client's second attempt is recognised.
    """
    for path in filesystem.names(folder, UNFINISHED):
        filesystem.remove(path)
    for path in filesystem.names(folder, ".open"):
        digests, items, end = [], 0, 0
        with filesystem.open(path) as file:
            for entry in record.read_records(file):
                digests.append(record.digest(signal, entry.payload))
                items += _items(signal, entry.payload)
                end = entry.end
        size = filesystem.size(path)
        if end < size:
            _log.warning("%s: cut a torn tail of %d bytes", path.name, size - end)
        if not digests:
            filesystem.remove(path)
            continue
        filesystem.cut(path, end)
        write_seen(filesystem, path.with_suffix(".seen"), b"".join(digests))
        filesystem.rename(path, path.with_suffix(f".{items}.seg"))


def waiting(folder: Path, signal: Signal, filesystem: Filesystem) -> list[ClosedSegment]:
    """The closed segments of a signal, oldest first."""
    found = (ClosedSegment.parse(path, signal) for path in filesystem.names(folder, ".seg"))
    return sorted(segment for segment in found if segment)


def digests(segment: ClosedSegment, filesystem: Filesystem) -> bytes:
    """The digests of a segment's requests, from its `.seen` file or, where there is none, from the segment."""
    try:
        with filesystem.open(segment.seen) as file:
            return file.read()
    except FileNotFoundError:
        with filesystem.open(segment.path) as file:
            return b"".join(record.digest(segment.signal, entry.payload) for entry in record.read_records(file))


@dataclass(frozen=True)
class Survey:
    """What reading a closed segment to its end showed."""

    good_bytes: int
    """The bytes from its beginning in which every record holds."""
    damage: str
    """What is wrong behind them, '' where nothing is."""
    services: Counter[str]
    """Items by service.name in what holds; a request that cannot be read is left out."""


def survey(segment: ClosedSegment) -> Survey:
    """Read a closed segment: whether its records hold, and whose items they are. One record is in memory at a time."""
    end, services = 0, Counter[str]()
    with segment.path.open("rb") as file:
        for entry in record.read_records(file):
            end = entry.end
            with contextlib.suppress(DecodeError):
                services.update(otlp.services(segment.signal, entry.payload))
    size = segment.path.stat().st_size
    damage = "" if end == size else f"record at byte {end} of {size} does not hold its checksum or length"
    return Survey(end, damage, services)


def _items(signal: Signal, payload: bytes) -> int:
    try:
        return sum(otlp.services(signal, payload).values())
    except DecodeError:
        return 0
