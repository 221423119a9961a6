"""What earlier lives of the collector left in the spool, and what a closed segment holds."""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError

from sightline_collector.request import otlp
from sightline_collector.spool import record, summary
from sightline_collector.spool.filesystem import UNFINISHED, Filesystem
from sightline_collector.spool.segment import ClosedSegment
from sightline_collector.spool.summary import Summary
from sightline_store.ingest import Signal

_log = logging.getLogger("sightline.collector")


def recover(folder: Path, signal: Signal, filesystem: Filesystem) -> None:
    """Turn the `.open` segments of a life that ended into closed ones; cut torn tails.

    The summary of the kept records is written anew, so that a client's second attempt is recognised.
    """
    for path in filesystem.names(folder, UNFINISHED):
        filesystem.remove(path)
    for path in filesystem.names(folder, ".open"):
        digests, services, end = [], Counter[str](), 0
        with filesystem.open(path) as file:
            for entry in record.read_records(file):
                digests.append(record.digest(signal, entry.payload))
                services.update(_services(signal, entry.payload))
                end = entry.end
        size = filesystem.size(path)
        if end < size:
            _log.warning("%s: cut a torn tail of %d bytes", path.name, size - end)
        if not digests:
            for suffix in (summary.SUFFIX, summary.EARLIER_SUFFIX, ".open"):
                filesystem.remove(folder / f"{path.stem}{suffix}")
            continue
        filesystem.cut(path, end)
        summary.write(folder, path.stem, Summary(b"".join(digests), services), filesystem)
        # One of an earlier version also names the requests whose records were cut.
        filesystem.remove(folder / f"{path.stem}{summary.EARLIER_SUFFIX}")
        filesystem.rename(path, folder / f"{path.stem}.{services.total()}.seg")


def closed_segments(folder: Path, signal: Signal, filesystem: Filesystem) -> list[ClosedSegment]:
    """The closed segments of a signal, oldest first."""
    paths = filesystem.names(folder, ".seg")
    segments = (ClosedSegment.parse(path, signal, filesystem.size(path)) for path in paths)
    return sorted(segment for segment in segments if segment)


@dataclass(frozen=True)
class Inspection:
    """What reading a closed segment to its end showed."""

    good_bytes: int
    """The bytes from its beginning in which every record holds."""
    damage: str
    """What is wrong behind them, '' where nothing is."""
    services: Mapping[str, int]
    """Items by service.name in the good bytes; a request that cannot be read is left out."""

    @property
    def items(self) -> int:
        """Items in the good bytes."""
        return sum(self.services.values())


def inspect(segment: ClosedSegment, filesystem: Filesystem) -> Inspection:
    """Check the records of a closed segment; one is in memory at a time.

    Its items by service come from its summary. Only where they are not known, or where the segment is damaged, are
    its requests parsed again.

    Raises:
        OSError: the segment cannot be read.
    """
    end = 0
    with filesystem.open(segment.path) as file:
        for entry in record.read_records(file):
            end = entry.end
    size = filesystem.size(segment.path)
    damage = "" if end == size else f"record at byte {end} of {size} does not hold its checksum or length"
    services = None if damage else _known_services(segment, filesystem)
    return Inspection(end, damage, _counted_services(segment, filesystem) if services is None else services)


def _known_services(segment: ClosedSegment, filesystem: Filesystem) -> Mapping[str, int] | None:
    with contextlib.suppress(OSError):
        path = summary.file_of(segment, filesystem)
        known = summary.read(path, filesystem) if path is not None else None
        return known.services if known is not None else None
    return None


def _counted_services(segment: ClosedSegment, filesystem: Filesystem) -> Mapping[str, int]:
    services = Counter[str]()
    with filesystem.open(segment.path) as file:
        for entry in record.read_records(file):
            services.update(_services(segment.signal, entry.payload))
    return services


def _services(signal: Signal, payload: bytes) -> Mapping[str, int]:
    try:
        return otlp.services(signal, payload)
    except DecodeError:
        return {}
