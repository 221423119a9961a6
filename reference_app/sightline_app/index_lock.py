"""One writer of the index at a time, on this machine: an ingest, or an upload that is stored or deleted.

The lock is a file in the app's data folder. The system lets go of it when its process ends, however that happens.

Source: flock(2)
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import time
from collections.abc import Iterator
from pathlib import Path

_INTERVAL_S = 0.1
_log = logging.getLogger("sightline.app")


@contextlib.contextmanager
def tried(data_dir: Path) -> Iterator[bool]:
    """Take the lock if nobody has it; yields whether it was taken."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "index.lock").open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True  # closing the file lets go of it


@contextlib.contextmanager
def held(data_dir: Path) -> Iterator[None]:
    """Take the lock, however long another writer takes."""
    has_waited = False
    while True:
        with tried(data_dir) as is_held:
            if is_held:
                yield
                return
        if not has_waited:
            _log.info("waiting: another ingest, or an app that stores an upload, writes to the index in %s", data_dir)
            has_waited = True
        time.sleep(_INTERVAL_S)
