"""A pipe that the engine opens by name and writes an answer into, and that the event loop reads.

The engine formats an answer as a whole only where it writes it by itself; what it hands over in pieces is a complete
document a piece, two JSON objects for 70,000 rows. It does not notice that the reader has gone: end the statement too.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os

_SIZE = 1024 * 1024


class Pipe:
    """The pipe of one answer. Use as a context manager."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._reader, False)
        with contextlib.suppress(OSError):  # pipe memory is limited by user: a small pipe works too
            fcntl.fcntl(self._writer, fcntl.F_SETPIPE_SZ, _SIZE)

    @property
    def path(self) -> str:
        """Name under which this process can open it for writing."""
        return f"/proc/self/fd/{self._writer}"

    async def read(self) -> bytes:
        """The next bytes, at most 1 MiB; none at the end, once every writer has closed."""
        while True:
            try:
                return os.read(self._reader, _SIZE)
            except BlockingIOError:
                await self._readable()

    def close_writer(self) -> None:
        """Call when the engine is done, so that the reader sees the end."""
        if self._writer >= 0:
            os.close(self._writer)
            self._writer = -1

    def __enter__(self) -> Pipe:
        return self

    def __exit__(self, *_: object) -> None:
        self.close_writer()
        os.close(self._reader)

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        ready = loop.create_future()
        loop.add_reader(self._reader, _settle, ready)
        try:
            await ready
        finally:
            loop.remove_reader(self._reader)


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
