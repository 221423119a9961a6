"""Names of segments, and the one that is being written."""

from __future__ import annotations

import contextlib
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sightline_collector.spool import record
from sightline_collector.spool.filesystem import Filesystem
from sightline_store.ingest import Signal

_CLOSED = re.compile(r"(?P<name>[0-9T.]+-[0-9a-f]{8}(?:-s)?)\.(?P<items>\d+)\.seg")


_TIME = "%Y%m%dT%H%M%S.%f"
_SAMPLED = "-s"


def new_name(*, is_sampled: bool = False) -> str:
    """A name that no segment had or will have: the time, for order, 32 random bits, and whether it is sampled.

    The name says so because a segment must take the same way into the store whenever it is sent, whatever the settings
    are by then.
    """
    return f"{datetime.now(UTC):{_TIME}}-{secrets.token_hex(4)}{_SAMPLED if is_sampled else ''}"


def name_before(name: str, seconds: float) -> str:
    """Segments that are so much older than the one of this name have lower names than this."""
    moment = datetime.strptime(name.partition("-")[0], _TIME).replace(tzinfo=UTC)
    return f"{moment - timedelta(seconds=seconds):{_TIME}}"


def write_seen(filesystem: Filesystem, path: Path, digests: bytes) -> None:
    """Keep a segment's digests beside it. A full disk has no room for them: a start then reads the segment."""
    with contextlib.suppress(OSError):
        filesystem.write(path, digests)


@dataclass(frozen=True, order=True)
class ClosedSegment:
    """A segment that waits for the store."""

    name: str
    signal: Signal
    items: int
    path: Path

    @property
    def is_sampled(self) -> bool:
        """Whether it waits for a verdict on its traces."""
        return self.name.endswith(_SAMPLED)

    @property
    def seen(self) -> Path:
        """The file of its requests' digests."""
        return self.path.with_name(f"{self.name}.seen")

    @classmethod
    def parse(cls, path: Path, signal: Signal) -> ClosedSegment | None:
        """The segment that a path names, None for any other file."""
        found = _CLOSED.fullmatch(path.name)
        return cls(found["name"], signal, int(found["items"]), path) if found else None


class OpenSegment:
    """The segment that takes records now. Used by the writer's thread alone."""

    def __init__(
        self, folder: Path, signal: Signal, filesystem: Filesystem, now_s: float, *, is_sampled: bool = False
    ) -> None:
        """Create it.

        Args:
            folder: of the signal.
            signal: what the records will hold.
            filesystem: where to.
            now_s: monotonic clock, for its age.
            is_sampled: whether its traces are sampled on the way to the store.
        """
        self.name = new_name(is_sampled=is_sampled)
        self.signal = signal
        self.opened_s = now_s
        self.size_bytes = 0
        self.items = 0
        self.digests: list[bytes] = []
        self._durable_bytes = 0
        self._is_torn = False
        self._is_closed = False
        self._folder = folder
        self._filesystem = filesystem
        self.path = folder / f"{self.name}.open"
        self._file = filesystem.create(self.path)

    def append(self, payload: bytes, items: int, digest: bytes) -> None:
        """Write one record; it is durable after the next `sync`."""
        data = record.encode(payload)
        self._file.write(data)
        self.size_bytes += len(data)
        self.items += items
        self.digests.append(digest)

    def sync(self) -> None:
        """Make everything written durable."""
        self._file.sync()
        self._durable_bytes = self.size_bytes

    @property
    def is_torn(self) -> bool:
        """Whether what was dropped may still be in the file, and would be found there after a crash."""
        return self._is_torn

    def drop(self, items: int, records: int) -> None:
        """Give up what is not durable, after a write or a sync failed: `items` and `records` are what stays.

        Nothing may be appended any more; `close` cuts the file.
        """
        self._is_torn = True
        self.size_bytes = self._durable_bytes
        self.items = items
        del self.digests[records:]

    def close(self) -> ClosedSegment | None:
        """Make it ready for the shipper; an empty one is removed and None comes back.

        May be called again after an OSError.
        """
        if self._is_torn:
            self._file.truncate(self._durable_bytes)
            self._file.sync()
            self._is_torn = False
        if not self._is_closed:
            self._is_closed = True
            self._file.close()
        if not self.digests:
            self._filesystem.remove(self.path)
            return None
        write_seen(self._filesystem, self._folder / f"{self.name}.seen", b"".join(self.digests))
        closed = self._folder / f"{self.name}.{self.items}.seg"
        self._filesystem.rename(self.path, closed)
        return ClosedSegment(self.name, self.signal, self.items, closed)
