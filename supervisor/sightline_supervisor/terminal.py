"""A terminal whose screen is a log file, so that programs show their progress bars to a reader of the log."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import struct
import termios
from pathlib import Path
from types import TracebackType

_COLUMNS = 100
_ROWS = 25


class LogTerminal:
    """Copies what is written to a pseudo-terminal into a file, while the event loop runs; a context manager.

    Many programs draw a progress bar only on a terminal. The program gets the one end, the other end is read here.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._near = -1
        self._far = -1

    def __enter__(self) -> LogTerminal:
        self._near, self._far = os.openpty()
        os.set_blocking(self._near, False)
        fcntl.ioctl(self._far, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
        asyncio.get_running_loop().add_reader(self._near, self._copy)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close_end()
        asyncio.get_running_loop().remove_reader(self._near)
        self._copy()
        os.close(self._near)

    def open_end(self) -> int:
        """Return the file descriptor for the program."""
        return self._far

    def close_end(self) -> None:
        """Close our copy of the program's end, once the program has its own."""
        if self._far >= 0:
            os.close(self._far)
            self._far = -1

    def _copy(self) -> None:
        text = b""
        with contextlib.suppress(BlockingIOError, OSError):  # EIO: the program has closed its end
            while part := os.read(self._near, 65536):
                text += part
        if text:
            with self._log.open("ab") as log:
                log.write(text.replace(b"\r\n", b"\n"))
        elif self._far < 0:
            asyncio.get_running_loop().remove_reader(self._near)  # else the loop would spin on the closed end
