"""The requests seen lately, so that one sent again is answered and not stored again.

A client that got no answer sends the same bytes again: the answer was lost, or the collector was killed between the
sync and the answer. The digests live as long as their segment's `.seen` file: until the segment is shipped, and
`keep_s` longer.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from pathlib import Path

from sightline_collector.spool.filesystem import Filesystem
from sightline_collector.spool.record import DIGEST_BYTES


class Ledger:
    """Digest of a request to the promise of its durability. Shared by the receiver's and the writer's thread."""

    def __init__(self, keep_s: float, filesystem: Filesystem) -> None:
        self._keep_s = keep_s
        self._filesystem = filesystem
        self._lock = threading.Lock()
        self._promises: dict[bytes, Future[None]] = {}
        self._shipped: dict[Path, float] = {}

    def enter(self, digest: bytes) -> tuple[Future[None], bool]:
        """The promise for a request and whether it is new: a known one waits for the first."""
        with self._lock:
            known = self._promises.get(digest)
            if known is not None:
                return known, False
            promise: Future[None] = Future()
            self._promises[digest] = promise
            return promise, True

    def forget(self, digest: bytes) -> None:
        """The request was refused: when it comes again it is new."""
        with self._lock:
            self._promises.pop(digest, None)

    def load(self, seen: bytes) -> None:
        """Take up the digests of a segment of an earlier life."""
        done: Future[None] = Future()
        done.set_result(None)
        with self._lock:
            for start in range(0, len(seen) - DIGEST_BYTES + 1, DIGEST_BYTES):
                self._promises[seen[start : start + DIGEST_BYTES]] = done

    def shipped(self, seen_file: Path) -> None:
        """The segment of this `.seen` file is in the store: its digests may go after `keep_s`."""
        with self._lock:
            self._shipped[seen_file] = time.monotonic()

    def sweep(self) -> None:
        """Let go of what was shipped long enough ago."""
        oldest = time.monotonic() - self._keep_s
        with self._lock:
            stale = [path for path, shipped_s in self._shipped.items() if shipped_s < oldest]
            for path in stale:
                del self._shipped[path]
        for path in stale:
            try:
                with self._filesystem.open(path) as file:
                    seen = file.read()
                self._filesystem.remove(path)
            except OSError:
                continue  # What stays is let go by a later life.
            with self._lock:
                for start in range(0, len(seen) - DIGEST_BYTES + 1, DIGEST_BYTES):
                    self._promises.pop(seen[start : start + DIGEST_BYTES], None)
