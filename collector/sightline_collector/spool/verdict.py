"""The verdict on a sampled segment, on disk beside it before anything is done by it.

`20261123T165400.123456-9f2c01ab-s.46080.verdict` belongs to the segment of that name and samples out 46080 spans. It
holds one record: what goes behind the segment on the way to the store. What is sent again is thus the same to the byte.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO, cast

from sightline_collector.spool import record
from sightline_collector.spool.filesystem import Disk, Filesystem
from sightline_collector.spool.segment import ClosedSegment
from sightline_store.sampling import Verdict

_SUFFIX = ".verdict"


def write(segment: ClosedSegment, verdict: Verdict, filesystem: Filesystem | None = None) -> None:
    """Write it down, surviving a power cut."""
    disk = filesystem or Disk()
    path = segment.path.with_name(f"{segment.name}.{verdict.sampled_out}{_SUFFIX}")
    draft = path.with_suffix(".draft")
    disk.write(draft, record.encode(verdict.message))
    disk.rename(draft, path)


def read(segment: ClosedSegment, filesystem: Filesystem | None = None) -> Verdict | None:
    """What was decided; None where nothing was, or where the file is damaged."""
    disk = filesystem or Disk()
    for path in disk.names(segment.path.parent, _SUFFIX):
        name, _, sampled_out = path.stem.rpartition(".")
        if name == segment.name:
            with disk.open(path) as file:
                for entry in record.read_records(file):
                    return Verdict(entry.payload, int(sampled_out))
    return None


def sweep(folder: Path, filesystem: Filesystem | None = None) -> None:
    """Remove the verdicts of segments that are gone, once their removal survives a power cut; and drafts."""
    disk = filesystem or Disk()
    waiting = {path.stem.rpartition(".")[0] for path in disk.names(folder, ".seg")}
    stale = [path for path in disk.names(folder, _SUFFIX) if path.stem.rpartition(".")[0] not in waiting]
    if stale:
        disk.sync_folder(folder)
    for path in (*stale, *disk.names(folder, ".draft")):
        disk.remove(path)


def followed(segment: ClosedSegment, message: bytes) -> BinaryIO:
    """A segment and behind it one record more, for reading; neither is copied."""
    return cast(BinaryIO, _Followed(segment.path, record.encode(message)))


class _Followed(io.RawIOBase):
    """A file with bytes behind it. Seekable, since a request that is sent again begins anew."""

    def __init__(self, path: Path, tail: bytes) -> None:
        self._file = path.open("rb")
        self._file_bytes = self._file.seek(0, io.SEEK_END)
        self._tail = tail
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._file_bytes + len(self._tail)}[whence]
        self._at = max(0, start + offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        if size is None or size < 0:
            size = max(0, self._file_bytes + len(self._tail) - self._at)
        self._file.seek(self._at)
        data = self._file.read(size) if self._at < self._file_bytes else b""
        if len(data) < size:
            start = self._at + len(data) - self._file_bytes
            data += self._tail[start : start + size - len(data)]
        self._at += len(data)
        return data

    def close(self) -> None:
        self._file.close()
        super().close()
