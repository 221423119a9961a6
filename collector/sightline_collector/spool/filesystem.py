"""The few file operations that durability rests on, as one seam: tests put a disk behind it that loses and tears."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol


class AppendFile(Protocol):
    """A file that is only appended to and cut."""

    def write(self, data: bytes) -> None:
        """Append all of `data`; raises OSError, after which the length is unknown."""
        ...

    def sync(self) -> None:
        """Return when what was written survives a power cut."""
        ...

    def truncate(self, size: int) -> None:
        """Cut to `size` bytes; later writes follow there."""
        ...

    def close(self) -> None:
        """Close the file without syncing it."""
        ...


class Filesystem(Protocol):
    """What the spool does to its folder."""

    def create(self, path: Path) -> AppendFile:
        """A new, empty file whose folder entry survives a power cut."""
        ...

    def rename(self, old: Path, new: Path) -> None:
        """Rename, surviving a power cut."""
        ...


class DiskFile:
    """An AppendFile on a real disk."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def write(self, data: bytes) -> None:
        """See AppendFile."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]

    def sync(self) -> None:
        """See AppendFile."""
        os.fdatasync(self._fd)

    def truncate(self, size: int) -> None:
        """See AppendFile."""
        os.ftruncate(self._fd, size)

    def close(self) -> None:
        """See AppendFile."""
        os.close(self._fd)


class Disk:
    """The real file system."""

    def create(self, path: Path) -> DiskFile:
        """See Filesystem."""
        file = DiskFile(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600))
        _sync_folder(path.parent)
        return file

    def rename(self, old: Path, new: Path) -> None:
        """See Filesystem."""
        old.rename(new)
        _sync_folder(new.parent)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
