"""Which process of this machine listens on a port, by what Linux tells in ``/proc``."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

_PROC: Final = Path("/proc")
_LISTENS: Final = "0A"


@dataclass(frozen=True)
class Process:
    """One process; its start tells it from a later one with the same number."""

    pid: int
    start: int
    """Clock ticks since the machine's start."""

    @classmethod
    def listening(cls, port: int, names: Collection[str]) -> Self | None:
        """Return who listens on a TCP port; None where it is nobody of these names, or somebody else's.

        Args:
            port: of this machine.
            names: with which the program's name may begin.
        """
        sockets = {f"socket:[{inode}]" for inode in _inodes(port)}
        for folder in _PROC.glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if not (folder / "comm").read_text().startswith(tuple(names)):
                    continue
                if any(str(each.readlink()) in sockets for each in (folder / "fd").iterdir()):
                    pid = int(folder.name)
                    return cls(pid, _start(pid))
        return None

    def send(self, number: signal.Signals) -> bool:
        """Send a signal; False where the process is gone."""
        try:
            if _start(self.pid) != self.start:
                return False
            os.kill(self.pid, number)
        except OSError:
            return False
        return True


def _inodes(port: int) -> Iterator[str]:
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in (_PROC / "net" / name).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                    yield fields[9]


def _start(pid: int) -> int:
    # The name in parentheses may hold spaces; field 22 counts from 1.
    return int((_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[19])
