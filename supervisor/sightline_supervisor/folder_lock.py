"""One supervisor per data folder, by an advisory lock that the kernel frees when its holder dies.

The file `supervisor.lock` holds the pid of the last holder. It is emptied at a clean end, so a pid in a file that
nobody locks says that the last run was cut off.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from sightline_supervisor.errors import FolderLocked, SettingInvalid


class FolderLock:
    """Context manager that owns a data folder.

    Raises:
        FolderLocked: on entry, when another live process holds the lock.
        SettingInvalid: on entry, when the folder cannot be made or written.
    """

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._fd: int | None = None
        self.last_run_was_cut_off = False
        """True when the holder before this one did not end cleanly (kill -9, power loss)."""

    def __enter__(self) -> FolderLock:
        try:
            self._data_dir.mkdir(parents=True, exist_ok=True)
            fd = os.open(self._data_dir / "supervisor.lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as exc:
            raise SettingInvalid("--data (or SIGHTLINE_DATA_DIR)", str(self._data_dir), "a writable folder") from exc
        holder = os.pread(fd, 32, 0).decode(errors="replace").strip()
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            os.close(fd)
            raise FolderLocked(self._data_dir, f"pid {holder}" if holder else "pid unknown") from exc
        self.last_run_was_cut_off = bool(holder)
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._fd is not None:
            os.ftruncate(self._fd, 0)
            os.close(self._fd)
            self._fd = None
