"""The requests accepted lately, so that one sent again is answered and not stored again.

A client that got no answer sends the same bytes again: the answer was lost, or the collector was killed between the
sync and the answer. The digests live as long as the summary of their segment: until the segment is shipped, and
`keep_s` longer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future
from pathlib import Path

from sightline_collector.spool import summary
from sightline_collector.spool.filesystem import Filesystem
from sightline_collector.spool.summary import Summary


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

    def forget_all(self, digests: Iterable[bytes]) -> None:
        """The requests are lost: when one comes again it is new."""
        with self._lock:
            for digest in digests:
                self._promises.pop(digest, None)

    def load(self, known: Summary) -> None:
        """Take up the requests of a segment of an earlier life."""
        done: Future[None] = Future()
        done.set_result(None)
        with self._lock:
            self._promises.update(dict.fromkeys(known.each_digest(), done))

    def shipped(self, summary_file: Path) -> None:
        """The segment of this summary is in the store: its digests may go after `keep_s`."""
        with self._lock:
            self._shipped[summary_file] = time.monotonic()

    def sweep(self) -> None:
        """Forget what was shipped long enough ago."""
        oldest = time.monotonic() - self._keep_s
        with self._lock:
            stale = [path for path, shipped_s in self._shipped.items() if shipped_s < oldest]
            for path in stale:
                del self._shipped[path]
        for path in stale:
            try:
                known = summary.read(path, self._filesystem)
                self._filesystem.remove(path)
            except OSError:
                continue  # What stays is forgotten by a later life.
            if known is not None:
                self.forget_all(known.each_digest())
