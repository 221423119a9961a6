"""Segments that go to the store together, in one INSERT: which ones and under which token is on disk before they go.

An INSERT has a price of its own, whatever it holds, so a backlog of small segments would come slowly. Those that wait
are sent as one body under a token of their own; one behind which nothing waits is a batch of one.
`20261123T165400.123456-9f2c01ab.batch` holds one record: the names of its segments, in the order in which they are
sent. It is named after the first, and so is the token. That of a batch of one is empty: it takes no room, so that a
full disk can be shipped from, which makes room.

Invariants

1. The file is durable before the first attempt and stays until all its segments are durably gone. Until then none of
   them is sent in another way, so each attempt has the same token.
2. A segment of a batch is removed only after the store said that all rows of the batch are fsynced. Where one is
   absent, the others are in the store too: they are removed, not sent.
3. A batch that ClickHouse cannot read has written nothing, since it is one block. It is dissolved, durably, before its
   segments go other ways.
"""

from __future__ import annotations

import bisect
import io
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from sightline_collector.spool import record
from sightline_collector.spool.filesystem import Disk, Filesystem
from sightline_collector.spool.segment import ClosedSegment
from sightline_store.ingest import Signal

_SUFFIX = ".batch"


@dataclass(frozen=True)
class Batch:
    """Segments of one signal, in the order in which they are sent."""

    token: str
    signal: Signal
    path: Path
    segments: tuple[ClosedSegment, ...]


def form(segments: Sequence[ClosedSegment]) -> Batch:
    """Bind segments of one signal, none of them sampled: from now on they go by `ship` only."""
    first = segments[0]
    return Batch(f"{first.name}-batch", first.signal, first.path.with_name(f"{first.name}{_SUFFIX}"), tuple(segments))


def waiting(folder: Path, signal: Signal, filesystem: Filesystem | None = None) -> list[Batch]:
    """The batches that earlier lives left. One whose checksum does not hold has no segments: they go other ways."""
    disk = filesystem or Disk()
    found = []
    for path in disk.names(folder, _SUFFIX):
        with disk.open(path) as file:
            names = [name for entry in record.read_records(file) for name in entry.payload.decode().split("\n")]
        if disk.size(path) == 0:
            names = [each.name for each in disk.names(folder, ".seg") if each.name.startswith(f"{path.stem}.")]
        segments = [ClosedSegment.parse(folder / name, signal) for name in names]
        found.append(Batch(f"{path.stem}-batch", signal, path, tuple(segment for segment in segments if segment)))
    return found


def ship(
    batch: Batch,
    send: Callable[[Batch], None],
    remove: Callable[[ClosedSegment], None],
    filesystem: Filesystem | None = None,
) -> None:
    """Take a batch from wherever an earlier attempt left it to its end. May be called again after any error.

    Args:
        batch: from `form` or `waiting`.
        send: returns when the store has fsynced its rows; the same token each time.
        remove: takes a segment out of the spool.
        filesystem: where it is.
    """
    disk = filesystem or Disk()
    if not is_stored(batch, disk):
        names = "\n".join(segment.path.name for segment in batch.segments)
        disk.write(batch.path, record.encode(names.encode()) if len(batch.segments) > 1 else b"")
        disk.sync_folder(batch.path.parent)
        send(batch)
    present = set(disk.names(batch.path.parent, ".seg"))
    for segment in batch.segments:
        if segment.path in present:
            remove(segment)
    dissolve(batch, disk)


def is_bound(batch: Batch, filesystem: Filesystem | None = None) -> bool:
    """Whether the bond is on disk, so that its segments can go in no other way."""
    disk = filesystem or Disk()
    return batch.path in disk.names(batch.path.parent, _SUFFIX)


def is_stored(batch: Batch, filesystem: Filesystem | None = None) -> bool:
    """Whether the store has it already, seen from a segment that is absent."""
    disk = filesystem or Disk()
    present = set(disk.names(batch.path.parent, ".seg"))
    return any(segment.path not in present for segment in batch.segments)


def dissolve(batch: Batch, filesystem: Filesystem | None = None) -> None:
    """Remove the bond, surviving a power cut, when its segments are gone or are to go other ways."""
    disk = filesystem or Disk()
    disk.sync_folder(batch.path.parent)
    disk.remove(batch.path)
    disk.sync_folder(batch.path.parent)


def joined(parts: Sequence[tuple[Path, int]]) -> BinaryIO:
    """The first bytes of each path, as many as the number beside it says, one after another; nothing is copied."""
    return cast(BinaryIO, _Joined(parts))


class _Joined(io.RawIOBase):
    """Beginnings of files, one after another. Seekable, since a request that is sent again begins anew."""

    def __init__(self, parts: Sequence[tuple[Path, int]]) -> None:
        self._parts = [(path, size) for path, size in parts if size]
        self._ends = list(itertools.accumulate(size for _, size in self._parts))
        self._at = 0
        self._open: tuple[int, BinaryIO] | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        wanted = self._size - self._at if size is None or size < 0 else size
        out = []
        while wanted > 0 and self._at < self._size:
            index = bisect.bisect_right(self._ends, self._at)
            file, rest = self._file(index), self._ends[index] - self._at
            file.seek(self._parts[index][1] - rest)
            data = file.read(min(wanted, rest))
            if not data:
                raise OSError(f"{self._parts[index][0]} became shorter")
            self._at += len(data)
            wanted -= len(data)
            out.append(data)
        return b"".join(out)

    def close(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None
        super().close()

    @property
    def _size(self) -> int:
        return self._ends[-1] if self._ends else 0

    def _file(self, index: int) -> BinaryIO:
        if self._open is None or self._open[0] != index:
            if self._open is not None:
                self._open[1].close()
            self._open = (index, self._parts[index][0].open("rb"))
        return self._open[1]
