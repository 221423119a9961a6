"""Who may write to the index, on all machines that share the data folder: one ingest, or any number of documents.

An ingest builds a new index and holds the lock alone. Documents that are stored or deleted hold it beside each other:
each one has a lock of its own (`ingestion.folder`). An ingest that waits goes first: it has the turn, without which no
further document begins. The locks are files in the data folder; the system lets go of them when their process ends,
however that happens.

Source: flock(2)
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

_INTERVAL_S = 0.1
_log = logging.getLogger("sightline.app")


@contextlib.contextmanager
def shared(data_dir: Path) -> Iterator[bool]:
    """Take the lock beside other documents, unless an ingest has it or waits for it; yields whether it was taken."""
    with _opened(data_dir) as (turn, index):
        is_held = try_lock(turn, fcntl.LOCK_SH) and try_lock(index, fcntl.LOCK_SH)
        fcntl.flock(turn, fcntl.LOCK_UN)
        yield is_held  # closing the files lets go of it


@contextlib.contextmanager
def held(data_dir: Path) -> Iterator[None]:
    """Take the lock alone, however long another ingest or the documents that are being stored take."""
    with _opened(data_dir) as files:
        has_waited = False
        for file in files:
            while not try_lock(file, fcntl.LOCK_EX):
                if not has_waited:
                    _log.info("waiting: an ingest, or a document that is stored, writes to the index of %s", data_dir)
                    has_waited = True
                time.sleep(_INTERVAL_S)
        yield


@contextlib.contextmanager
def _opened(data_dir: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "index.turn").open("ab") as turn, (data_dir / "index.lock").open("ab") as index:
        yield turn, index


def try_lock(file: IO[bytes], kind: int) -> bool:
    """Take a lock of a file now, or not at all.

    Args:
        file: an open file; closing it lets go of the lock.
        kind: `fcntl.LOCK_SH` or `fcntl.LOCK_EX`.
    """
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
