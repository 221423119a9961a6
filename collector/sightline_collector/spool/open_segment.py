"""The segment that takes records now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from sightline_collector.spool import record, summary
from sightline_collector.spool.filesystem import Filesystem
from sightline_collector.spool.segment import ClosedSegment, new_name
from sightline_store.ingest import Signal


class OpenSegment:
    """A file that records are appended to. Used by the writer's thread alone."""

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
        self._requests: list[tuple[bytes, Mapping[str, int]]] = []
        self._durable_bytes = 0
        self._is_torn = False
        self._is_closed = False
        self._folder = folder
        self._filesystem = filesystem
        self.path = folder / f"{self.name}.open"
        self._file = filesystem.create(self.path)

    def append(self, payload: bytes, services: Mapping[str, int], digest: bytes) -> None:
        """Write one record; it is durable after the next `sync`. `services` are its items by service.name."""
        data = record.encode(payload)
        self._file.write(data)
        self.size_bytes += len(data)
        self._requests.append((digest, services))

    def sync(self) -> None:
        """Make everything written durable."""
        self._file.sync()
        self._durable_bytes = self.size_bytes

    @property
    def requests(self) -> int:
        """How many records were appended."""
        return len(self._requests)

    @property
    def is_torn(self) -> bool:
        """Whether what was dropped may still be in the file, and would be read there after a crash."""
        return self._is_torn

    def drop(self, requests: int) -> None:
        """Give up what is not durable, after a write or a sync failed; the first `requests` records stay.

        Nothing may be appended any more; `close` cuts the file.
        """
        self._is_torn = True
        self.size_bytes = self._durable_bytes
        del self._requests[requests:]

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
        if not self._requests:
            self._filesystem.remove(self.path)
            return None
        services = Counter[str]()
        for _, counts in self._requests:
            services.update(counts)
        digests = b"".join(digest for digest, _ in self._requests)
        summary.write(self._folder, self.name, summary.Summary(digests, services), self._filesystem)
        closed = self._folder / f"{self.name}.{services.total()}.seg"
        self._filesystem.rename(self.path, closed)
        return ClosedSegment(self.name, self.signal, services.total(), closed, self.size_bytes)
