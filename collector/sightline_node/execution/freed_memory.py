"""Memory that statements have freed and the engine's allocator keeps: given back to the system before it adds up.

The allocator keeps what is freed for some seconds and the engine does not count it, so that the statements of a moment
may take as much again: without this, the process can pass SIGHTLINE_STORE_MAX_MEMORY_BYTES.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

_STATM: Final = Path("/proc/self/statm")
_NOT_AGAIN_S: Final = 0.5
"""Giving back a GiB takes a tenth of a second, and nothing is to give back where statements use all of it."""


def resident_bytes() -> int:
    """What the process holds; 0 where the system does not say it (other systems than Linux)."""
    try:
        return int(_STATM.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


class FreedMemory:
    """Gives freed memory back when the process holds more than it should need.

    Args:
        give_back: lets the allocator return what it keeps.
        over_bytes: what the process may hold before that.
        resident: what the process holds.
    """

    def __init__(
        self, give_back: Callable[[], object], over_bytes: int, resident: Callable[[], int] = resident_bytes
    ) -> None:
        self._give_back = give_back
        self._over_bytes = over_bytes
        self._resident = resident
        self._lock = threading.Lock()
        self._not_before = 0.0

    def after_statement(self) -> None:
        """Look whether there is something to give back; one thread at a time does, and the others go on."""
        if self._resident() <= self._over_bytes or not self._lock.acquire(blocking=False):
            return
        try:
            if time.monotonic() >= self._not_before:
                self._give_back()
                self._not_before = time.monotonic() + _NOT_AGAIN_S
        finally:
            self._lock.release()
