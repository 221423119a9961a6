"""The summary of a segment, in a file beside it: what is known of its requests without reading them.

`20261123T165400.123456-9f2c01ab.summary` holds two records: the digests of the requests, 16 bytes each, by which one
sent again is recognised, and the number of items by service.name as a JSON object, so that nobody parses the requests
again to count them. It stays when its segment is shipped, until the digests are forgotten.

Earlier versions wrote `20261123T165400.123456-9f2c01ab.seen`: the digests alone, without a checksum. Such a file is
read as a summary that does not know the services.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sightline_collector.spool import record
from sightline_collector.spool.filesystem import Filesystem
from sightline_collector.spool.segment import ClosedSegment

_log = logging.getLogger("sightline.collector")
SUFFIX = ".summary"
EARLIER_SUFFIX = ".seen"


@dataclass(frozen=True)
class Summary:
    """What is known of a segment's requests."""

    digests: bytes
    """`record.DIGEST_BYTES` for each request."""
    services: Mapping[str, int] | None
    """Items by service.name, '' where a resource has none; None where they have not been counted."""

    def each_digest(self) -> list[bytes]:
        """The digests one by one."""
        size = record.DIGEST_BYTES
        return [self.digests[start : start + size] for start in range(0, len(self.digests) - size + 1, size)]


def write(folder: Path, name: str, summary: Summary, filesystem: Filesystem) -> None:
    """Write the summary of the segment of this name. A full disk has no room for it: the segment is read instead."""
    counts = None if summary.services is None else dict(summary.services)
    data = record.encode(summary.digests) + record.encode(json.dumps(counts).encode())
    with contextlib.suppress(OSError):
        filesystem.write(folder / f"{name}{SUFFIX}", data)


def replace(segment: ClosedSegment, summary: Summary, filesystem: Filesystem) -> None:
    """Write the summary of a segment in place of the one that is there, which may be of an earlier version."""
    write(segment.path.parent, segment.name, summary, filesystem)
    filesystem.remove(segment.path.with_name(f"{segment.name}{EARLIER_SUFFIX}"))


def read(path: Path, filesystem: Filesystem) -> Summary | None:
    """The summary in a file; None where it is damaged.

    Raises:
        OSError: it is absent or cannot be read.
    """
    with filesystem.open(path) as file:
        if path.suffix == EARLIER_SUFFIX:
            return Summary(file.read(), None)
        entries = [entry.payload for entry in record.read_records(file)]
    if len(entries) < 2:  # the two records that `write` makes
        return None
    return Summary(entries[0], json.loads(entries[1]))


def read_or_log(path: Path, filesystem: Filesystem) -> Summary | None:
    """The summary in a file; None where it is damaged, absent, or cannot be read."""
    try:
        return read(path, filesystem)
    except OSError as exc:
        _log.warning("%s cannot be read: %s", path, exc)
        return None


def files(folder: Path, filesystem: Filesystem) -> list[Path]:
    """Every summary in a folder, also those whose segments are gone."""
    return [*filesystem.names(folder, SUFFIX), *filesystem.names(folder, EARLIER_SUFFIX)]


def file_of(segment: ClosedSegment, filesystem: Filesystem) -> Path | None:
    """The file with the summary of a segment; None where there is none."""
    for suffix in (SUFFIX, EARLIER_SUFFIX):
        path = segment.path.with_name(f"{segment.name}{suffix}")
        with contextlib.suppress(OSError):
            filesystem.size(path)
            return path
    return None


def of_segment(segment: ClosedSegment, filesystem: Filesystem) -> Summary:
    """The summary of a segment: from its file or, where that gives none, from the segment's records."""
    path = file_of(segment, filesystem)
    known = read_or_log(path, filesystem) if path is not None else None
    if known is not None:
        return known
    return of_records(segment, filesystem)


def of_records(segment: ClosedSegment, filesystem: Filesystem) -> Summary:
    """The summary of a segment's records up to the first that is damaged; its services are not counted."""
    with filesystem.open(segment.path) as file:
        digests = (record.digest(segment.signal, entry.payload) for entry in record.read_records(file))
        return Summary(b"".join(digests), None)
