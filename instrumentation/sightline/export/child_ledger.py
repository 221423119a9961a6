"""How many items a forked child still had when it ended: numbers in memory that it shares with its parent.

A child that is killed (``Pool.terminate``, a signal, the kernel for want of memory) can neither send nor count. Its
parent reads the last numbers and counts what was waiting as lost; a request whose answer had not come yet is among it.
The memory is made at the first fork; a process that never forks has none.
"""

import contextlib
import os
import threading
import weakref
from collections.abc import Callable
from typing import Final

_CHILDREN: Final = 1024
"""Children at a time that are followed; further ones are not."""
_NUMBERS: Final = 3
"""Of each child: its process id, items accepted, items sent or dropped."""


class ChildLedger:
    """Both sides of the account: of this process's children, and of this process where it is a child itself."""

    def __init__(self) -> None:
        self._own: memoryview | None = None
        self._start()
        if hasattr(os, "register_at_fork") and hasattr(os, "waitid"):
            os.register_at_fork(
                before=_while_it_lives(self._before_fork),
                after_in_parent=_while_it_lives(self._after_in_parent),
                after_in_child=_while_it_lives(self._after_in_child),
            )

    def _start(self) -> None:
        self._memory: memoryview | None = None
        self._free: list[int] = []
        self._children: set[int] = set()
        self._lost: list[int] = []  # of children whose place was needed, not taken yet
        self._forking: dict[int, int] = {}  # by thread: two threads may fork at once

    def _before_fork(self) -> None:
        with contextlib.suppress(Exception):
            if self._memory is None:
                import mmap  # noqa: PLC0415

                self._memory = memoryview(mmap.mmap(-1, _CHILDREN * _NUMBERS * 8)).cast("Q")
                self._free = list(range(_CHILDREN))
            if not self._free and (lost := self._count_lost()):
                self._lost.append(lost)
            if self._free:
                self._forking[threading.get_ident()] = self._free.pop()

    def _after_in_parent(self) -> None:
        place = self._forking.pop(threading.get_ident(), None)
        if place is not None:
            self._children.add(place)

    def _after_in_child(self) -> None:
        place, memory = self._forking.get(threading.get_ident()), self._memory
        self._own = None if place is None or memory is None else memory[place * _NUMBERS : (place + 1) * _NUMBERS]
        if self._own is not None:
            self._own[:] = memoryview(bytes(_NUMBERS * 8)).cast("Q")
            self._own[0] = os.getpid()
        self._start()

    @property
    def has_children(self) -> bool:
        """Whether there are children to look after."""
        return bool(self._children or self._lost)

    def accepted(self, count: int) -> None:
        """Note, in a child, how many items it has accepted up to now."""
        if self._own is not None:
            self._own[1] = count

    def settled(self, count: int) -> None:
        """Note, in a child, how many of them it has sent or counted as dropped."""
        if self._own is not None:
            self._own[2] = count

    def take_lost(self) -> int:
        """Return how many items were waiting in children that have ended since the last call. On one thread at a time.

        Asks the system about each child that lives.
        """
        lost = self._count_lost()
        while self._lost:
            lost += self._lost.pop()
        return lost

    def _count_lost(self) -> int:
        memory, lost = self._memory, 0
        if memory is None:
            return 0
        for place in list(self._children):
            pid, accepted, settled = memory[place * _NUMBERS : (place + 1) * _NUMBERS]
            if pid and _has_ended(pid):
                try:
                    self._children.remove(place)
                except KeyError:
                    continue  # counted by a thread that forks
                memory[place * _NUMBERS] = 0
                self._free.append(place)
                lost += max(accepted - settled, 0)
        return lost


def _while_it_lives(method: Callable[[], None]) -> Callable[[], None]:
    reference = weakref.WeakMethod(method)

    def call() -> None:
        bound = reference()
        if bound is not None:
            bound()

    return call


def _has_ended(pid: int) -> bool:
    try:
        # Leaves the exit status to the application.
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True  # the application has its exit status already
    except OSError:
        return False
