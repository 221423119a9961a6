"""A TOML file that is read anew when it has changed, and that counts for nothing while it cannot be read."""

from __future__ import annotations

import os
import stat
import threading
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

from sightline_dashboards.access.errors import AccessInvalid

_T = TypeVar("_T")
_CHECK_INTERVAL_S = 1.0


class TomlFile(Generic[_T]):
    """What a file says, in the form that its reader gives it. Any thread may ask."""

    def __init__(
        self,
        setting: str,
        path: Path,
        read: Callable[[dict[str, Any]], _T],
        *,
        secret: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read the file.

        Args:
            setting: the variable that names the file.
            path: the file.
            read: makes what is kept of its tables; raises ValueError where they cannot be.
            secret: whether only its owner may read it.
            clock: monotonic seconds.

        Raises:
            AccessInvalid: the file cannot be read, others may write to it or, if it is secret, read it.
        """
        self._called = f"{setting}={path}"
        self._path = path
        self._read = read
        self._forbidden = stat.S_IRWXG | stat.S_IRWXO if secret else stat.S_IWGRP | stat.S_IWOTH
        self._clock = clock
        self._lock = threading.Lock()
        self._signature, self._content = self._load()
        self._checked_s = clock()

    def get(self) -> _T:
        """What the file says now; a change is seen within a second.

        Raises:
            AccessInvalid: it cannot be read any more.
        """
        with self._lock:
            if self._clock() - self._checked_s >= _CHECK_INTERVAL_S:
                if self._signature != self._seen():
                    self._signature, self._content = self._load()
                self._checked_s = self._clock()
            return self._content

    def _seen(self) -> tuple[int, int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_ctime_ns, status.st_size

    def _load(self) -> tuple[tuple[int, int, int] | None, _T]:
        try:
            with self._path.open("rb") as file:
                status = os.fstat(file.fileno())
                content = file.read()
        except OSError as exc:
            raise AccessInvalid(f"cannot read {self._called}: {exc.strerror}") from exc
        if status.st_mode & self._forbidden:
            raise AccessInvalid(
                f"others may open {self._called} (mode {stat.S_IMODE(status.st_mode):o}): `chmod 600 {self._path}`"
            )
        try:
            made = self._read(tomllib.loads(content.decode()))
        except (ValueError, TypeError) as exc:  # also what is no TOML, or no UTF-8
            raise AccessInvalid(f"{self._called}: {exc}") from exc
        return (status.st_ino, status.st_ctime_ns, status.st_size), made


def entries(document: dict[str, Any], table: str, allowed: frozenset[str]) -> list[dict[str, Any]]:
    """The tables `[[table]]` of a document that holds nothing else.

    Raises:
        ValueError: it holds something else, or an entry has a key that is not allowed.
    """
    found = document.get(table, [])
    if document.keys() - {table} or not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise ValueError(f"needs [[{table}]] entries and nothing else")
    for number, entry in enumerate(found, 1):
        if unknown := sorted(entry.keys() - allowed):
            raise ValueError(
                f"entry {number} of [[{table}]] has {unknown[0]!r}; it may have {', '.join(sorted(allowed))}"
            )
    return found


def typed(entry: dict[str, Any], name: str, default: _T) -> _T:
    """The value of an entry's key, of the type of its default.

    Raises:
        ValueError: it has another type, or is an empty text.
    """
    if name not in entry:
        return default
    value = entry[name]
    if type(value) is not type(default) or value == "":
        raise ValueError(f"{name} is {value!r}; needs {'true or false' if isinstance(default, bool) else 'a text'}")
    found: _T = value
    return found
