"""All that the spool does to its folder, as one seam: tests put a disk behind it that loses, tears and refuses.

A power cut takes what was not synced: bytes of a file, whole or in part, and entries of a folder, of which those that
were made earlier stay rather than those made later. Each method says what it leaves to be lost.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import BinaryIO, Protocol

_PIECE_BYTES = 1024 * 1024
UNFINISHED = ".new"
"""How the name of a file ends that is not whole yet."""


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
        """Close the file without syncing it. It is closed even where this raises."""
        ...


class Filesystem(Protocol):
    """What the spool does to its folder. Every method may raise OSError."""

    def make_folder(self, path: Path) -> None:
        """Make a folder and those above it where they are absent; they survive a power cut."""
        ...

    def names(self, folder: Path, suffix: str) -> list[Path]:
        """The files of a folder whose names end in `suffix`, by name."""
        ...

    def size(self, path: Path) -> int:
        """Bytes of a file."""
        ...

    def open(self, path: Path) -> BinaryIO:
        """A file, for reading."""
        ...

    def create(self, path: Path) -> AppendFile:
        """A new, empty file whose folder entry survives a power cut. Where it raises, none is left open."""
        ...

    def write(self, path: Path, data: bytes) -> None:
        """Write a file that is whole from the moment it has its name, or absent; its entry survives `sync_folder`.

        The end may leave another beside it, whose name ends in `UNFINISHED`.
        """
        ...

    def cut(self, path: Path, size: int) -> None:
        """Cut a file to `size` bytes, which survive a power cut, also where an earlier sync of them had failed.

        The kernel takes bytes that it could not write for written: a later sync alone would not try them again.
        Source: https://www.usenix.org/conference/atc20/presentation/rebello
        """
        ...

    def rename(self, old: Path, new: Path) -> None:
        """Rename, surviving a power cut; where it raises it may have happened, and may be called again."""
        ...

    def remove(self, path: Path) -> None:
        """Remove a file if it is there; a power cut may bring it back."""
        ...

    def sync_folder(self, folder: Path) -> None:
        """Return when the entries of a folder survive a power cut."""
        ...


class DiskFile:
    """An AppendFile on a real disk."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def write(self, data: bytes) -> None:
        """See AppendFile."""
        _write_all(self._fd, data)

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

    def make_folder(self, path: Path) -> None:
        """See Filesystem."""
        if path.is_dir():
            return
        if path.parent != path:
            self.make_folder(path.parent)
        path.mkdir(exist_ok=True)
        self.sync_folder(path.parent)

    def names(self, folder: Path, suffix: str) -> list[Path]:
        """See Filesystem."""
        return sorted(folder.glob(f"*{suffix}"))

    def size(self, path: Path) -> int:
        """See Filesystem."""
        return path.stat().st_size

    def open(self, path: Path) -> BinaryIO:
        """See Filesystem."""
        return path.open("rb")

    def create(self, path: Path) -> DiskFile:
        """See Filesystem."""
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            self.sync_folder(path.parent)
        except OSError:
            os.close(fd)
            with contextlib.suppress(OSError):
                path.unlink()
            raise
        return DiskFile(fd)

    def write(self, path: Path, data: bytes) -> None:
        """See Filesystem."""
        new = path.with_name(path.name + UNFINISHED)
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            try:
                _write_all(fd, data)
                os.fsync(fd)
            finally:
                os.close(fd)
            new.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                new.unlink()
            raise

    def cut(self, path: Path, size: int) -> None:
        """See Filesystem."""
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.ftruncate(fd, size)
            for start in range(0, size, _PIECE_BYTES):
                piece, done = os.pread(fd, _PIECE_BYTES, start), 0
                while done < len(piece):
                    done += os.pwrite(fd, piece[done:], start + done)
            os.fsync(fd)
        finally:
            os.close(fd)

    def rename(self, old: Path, new: Path) -> None:
        """See Filesystem."""
        try:
            old.rename(new)
        except FileNotFoundError:
            if not new.exists():
                raise
        self.sync_folder(new.parent)

    def remove(self, path: Path) -> None:
        """See Filesystem."""
        path.unlink(missing_ok=True)

    def sync_folder(self, folder: Path) -> None:
        """See Filesystem."""
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
