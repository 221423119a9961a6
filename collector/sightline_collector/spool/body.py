"""The body of an INSERT out of the spool: beginnings of files and bytes, one after another; nothing is copied."""

from __future__ import annotations

import bisect
import io
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, cast

from sightline_collector.spool.filesystem import Filesystem

Part = tuple[Path, int] | bytes
"""A file's first bytes, as many as the number says, or bytes as they are."""


def concatenated(parts: Sequence[Part], filesystem: Filesystem) -> BinaryIO:
    """The parts as one file for reading. One file is open at a time.

    Reading raises OSError where a file has become shorter than its part.
    """
    return cast(BinaryIO, _Concatenation(parts, filesystem))


class _Concatenation(io.RawIOBase):
    """Seekable, since a request that is sent again begins anew."""

    def __init__(self, parts: Sequence[Part], filesystem: Filesystem) -> None:
        self._parts = [part for part in parts if _size(part)]
        self._ends = list(itertools.accumulate(map(_size, self._parts)))
        self._filesystem = filesystem
        self._position = 0
        self._open: tuple[int, BinaryIO] | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._total}[whence]
        self._position = max(0, start + offset)
        return self._position

    def read(self, size: int = -1) -> bytes:
        wanted = self._total - self._position if size is None or size < 0 else size
        pieces = []
        while wanted > 0 and self._position < self._total:
            index = bisect.bisect_right(self._ends, self._position)
            piece = self._piece(index, wanted)
            self._position += len(piece)
            wanted -= len(piece)
            pieces.append(piece)
        return b"".join(pieces)

    def close(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None
        super().close()

    @property
    def _total(self) -> int:
        return self._ends[-1] if self._ends else 0

    def _piece(self, index: int, wanted: int) -> bytes:
        """Bytes from the position on, none of them behind the end of the part."""
        part, rest = self._parts[index], self._ends[index] - self._position
        start, size = _size(part) - rest, min(wanted, rest)
        if isinstance(part, bytes):
            return part[start : start + size]
        file = self._file(index, part[0])
        file.seek(start)
        piece = file.read(size)
        if not piece:
            raise OSError(f"{part[0]} became shorter")
        return piece

    def _file(self, index: int, path: Path) -> BinaryIO:
        if self._open is None or self._open[0] != index:
            if self._open is not None:
                self._open[1].close()
            self._open = (index, self._filesystem.open(path))
        return self._open[1]


def _size(part: Part) -> int:
    return len(part) if isinstance(part, bytes) else part[1]
