"""A disk in memory, a `Filesystem` that remembers what a power cut or a kill leaves of it."""

from __future__ import annotations

import io
import random
from collections import deque
from pathlib import Path
from typing import BinaryIO

from sightline_collector.spool.filesystem import UNFINISHED


class EndOfLife(BaseException):
    """The process is no more. Not an Exception: nothing may handle it."""


class _Inode:
    def __init__(self) -> None:
        self.durable = b""
        self.current = bytearray()
        self.lost_from: int | None = None
        """After a failed sync the kernel takes what it could not write for written: another sync does not help."""

    def sync(self) -> None:
        self.durable = bytes(self.current if self.lost_from is None else self.current[: self.lost_from])

    def lose_power(self, chance: random.Random) -> None:
        if self.current.startswith(self.durable):
            tail = bytes(self.current[len(self.durable) :])
            kept = self.durable + tail[: chance.randint(0, len(tail))]
            if tail and chance.random() < 0.5:
                size = chance.randint(1, 200)
                kept += chance.choice([bytes(size), chance.randbytes(size), b"\xff" * size])
        else:
            kept = chance.choice([self.durable, bytes(self.current)])
        self.durable, self.current = kept, bytearray(kept)


class SimulatedDisk:
    """A Filesystem in memory that remembers what a power cut leaves.

    Entries of a folder that are not synced survive in the order in which they were made, up to a random one.
    """

    def __init__(self) -> None:
        self.chance = random.Random(0)
        self.ends_after: int | None = None
        self.faults: deque[tuple[int, int]] = deque()
        self._files: dict[Path, _Inode] = {}
        self._durable: dict[Path, _Inode] = {}
        self._unsynced: dict[Path, list[tuple[Path | None, Path | None, _Inode]]] = {}
        self._folders: set[Path] = set()

    def step(self) -> None:
        """The end may come here."""
        if self.ends_after is not None:
            self.ends_after -= 1
            if self.ends_after <= 0:
                self.ends_after = None
                raise EndOfLife

    def refuse(self) -> None:
        """A fault may come here; the first in line says after how many operations."""
        if self.faults:
            after, number = self.faults[0]
            if after > 0:
                self.faults[0] = (after - 1, number)
            else:
                self.faults.popleft()
                raise OSError(number, "simulated")

    def lose_power(self) -> None:
        """Only what was synced is sure to be there."""
        for moves in self._unsynced.values():
            for old, new, inode in moves[: self.chance.randint(0, len(moves))]:
                _move(self._durable, old, new, inode)
        self._files = dict(self._durable)
        for inode in {id(inode): inode for inode in self._files.values()}.values():
            inode.lose_power(self.chance)
        self.end_process()
        self._unsynced.clear()

    def end_process(self) -> None:
        """Kill -9: the page cache is whole."""
        self.faults.clear()
        self.ends_after = None
        for inode in self._files.values():
            inode.lost_from = None

    def make_folder(self, path: Path) -> None:
        """See Filesystem."""
        self.step()
        self._folders.add(path)

    def names(self, folder: Path, suffix: str) -> list[Path]:
        """See Filesystem."""
        return sorted(path for path in self._files if path.parent == folder and path.name.endswith(suffix))

    def size(self, path: Path) -> int:
        """See Filesystem."""
        return len(self._inode(path).current)

    def open(self, path: Path) -> BinaryIO:
        """See Filesystem."""
        return io.BytesIO(bytes(self._inode(path).current))

    def create(self, path: Path) -> _File:
        """See Filesystem."""
        self.step()
        assert path.parent in self._folders
        assert path not in self._files
        self.refuse()
        inode = _Inode()
        self._enter(None, path, inode)
        try:
            self.sync_folder(path.parent)
        except OSError:
            self._enter(path, None, inode)
            raise
        return _File(self, inode)

    def write(self, path: Path, data: bytes) -> None:
        """See Filesystem."""
        self.step()
        self.refuse()
        new, inode = path.with_name(path.name + UNFINISHED), _Inode()
        self._enter(None, new, inode)
        file = _File(self, inode)
        try:
            file.write(data)
            file.sync()
        except OSError:
            self._enter(new, None, inode)
            raise
        self._enter(new, path, inode)
        self.step()

    def cut(self, path: Path, size: int) -> None:
        """See Filesystem."""
        inode = self._inode(path)
        file = _File(self, inode)
        file.truncate(size)
        self.step()
        self.refuse()
        inode.lost_from = None  # all of it is written again
        file.sync()

    def rename(self, old: Path, new: Path) -> None:
        """See Filesystem."""
        self.step()
        self.refuse()
        if old in self._files:
            self._enter(old, new, self._files[old])
        elif new not in self._files:
            raise FileNotFoundError(old)
        self.sync_folder(new.parent)

    def remove(self, path: Path) -> None:
        """See Filesystem."""
        self.step()
        self.refuse()
        if path in self._files:
            self._enter(path, None, self._files[path])

    def sync_folder(self, folder: Path) -> None:
        """See Filesystem."""
        self.step()
        self.refuse()
        for old, new, inode in self._unsynced.pop(folder, []):
            _move(self._durable, old, new, inode)
        self.step()

    def flip(self, path: Path, position: int) -> None:
        """The medium changes a bit of a file that nobody writes any more."""
        inode = self._inode(path)
        inode.current[position] ^= 1 << self.chance.randint(0, 7)
        inode.durable = bytes(inode.current)

    def _inode(self, path: Path) -> _Inode:
        if path not in self._files:
            raise FileNotFoundError(path)
        return self._files[path]

    def _enter(self, old: Path | None, new: Path | None, inode: _Inode) -> None:
        _move(self._files, old, new, inode)
        either = new or old
        assert either is not None
        self._unsynced.setdefault(either.parent, []).append((old, new, inode))


def _move(entries: dict[Path, _Inode], old: Path | None, new: Path | None, inode: _Inode) -> None:
    if old is not None:
        entries.pop(old, None)
    if new is not None:
        entries[new] = inode


class _File:
    def __init__(self, disk: SimulatedDisk, inode: _Inode) -> None:
        self._disk, self._inode, self._is_closed = disk, inode, False

    def write(self, data: bytes) -> None:
        self._disk.step()
        assert not self._is_closed
        first = self._disk.chance.randint(0, len(data))
        self._inode.current += data[:first]
        self._disk.step()
        self._disk.refuse()
        self._inode.current += data[first:]

    def sync(self) -> None:
        self._disk.step()
        assert not self._is_closed
        try:
            self._disk.refuse()
        except OSError:
            self._inode.lost_from = min(len(self._inode.durable), len(self._inode.current))
            raise
        self._inode.sync()
        self._disk.step()

    def truncate(self, size: int) -> None:
        self._disk.step()
        self._disk.refuse()
        del self._inode.current[size:]
        if self._inode.lost_from is not None and size <= self._inode.lost_from:
            self._inode.lost_from = None

    def close(self) -> None:
        assert not self._is_closed
        self._is_closed = True
        self._disk.refuse()
