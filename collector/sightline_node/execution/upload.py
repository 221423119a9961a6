"""A body to insert, as a file that the engine can open by name: in memory up to 128 MiB, then on disk."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from sightline_node.http.body import too_large

_IN_MEMORY_BYTES = 128 * 1024**2


class Upload:
    """Collects a body. Use as a context manager: the file is deleted afterwards, also after a crash."""

    def __init__(self, folder: Path, limit: int = 0) -> None:
        """Start an empty file.

        Args:
            folder: where a large body goes.
            limit: the most bytes that it may have, 0 for any number.
        """
        self._folder = folder
        self._limit = limit
        self._fd = os.memfd_create("insert", os.MFD_CLOEXEC)
        self._size = 0
        self._taken = 0
        self._is_in_memory = True

    @property
    def path(self) -> str:
        """Name under which this process can open it."""
        return f"/proc/self/fd/{self._fd}"

    def write(self, data: bytes) -> None:
        """Append `data`.

        Raises:
            OSError: the disk is full.
            QueryRejected: 413, this is more than the limit.
        """
        self._size += len(data)
        if self._limit and self._size > self._limit:
            raise too_large(self._limit)
        if self._is_in_memory and self._size > _IN_MEMORY_BYTES:
            self._move_to_disk()
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]

    def take(self, limit: int) -> bytes:
        """The next bytes that were written under `path`, at most `limit`."""
        taken = os.pread(self._fd, limit, self._taken)
        self._taken += len(taken)
        return taken

    @property
    def is_taken(self) -> bool:
        """Whether `take` has returned everything."""
        return self._taken >= os.fstat(self._fd).st_size

    async def pieces(self, limit: int) -> AsyncIterator[bytes]:
        """The remaining bytes."""
        while piece := self.take(limit):
            yield piece

    def __enter__(self) -> Upload:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Delete the file."""
        os.close(self._fd)

    def _move_to_disk(self) -> None:
        with tempfile.TemporaryFile(dir=self._folder) as file:
            target = os.dup(file.fileno())
        os.lseek(self._fd, 0, os.SEEK_SET)
        while os.sendfile(target, self._fd, None, 16 * 1024**2):
            pass
        os.close(self._fd)
        self._fd, self._is_in_memory = target, False
