"""The collector's own counts: what came, what was refused and why, what waits, what is stored."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

from sightline_store.ingest import Signal

_ITEMS = {Signal.TRACES: "spans", Signal.METRICS: "points", Signal.LOGS: "logs"}


class Counts:
    """Counters since the start of the process. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counter: Counter[str] = Counter()
        self._oldest_waiting_s: float | None = None

    def received(self, signal: Signal, items: int, *, is_new: bool) -> None:
        """A request was answered with success; a repeated one is counted apart."""
        with self._lock:
            self._counter[f"{'received' if is_new else 'repeated'}_{_ITEMS[signal]}"] += items

    def rejected(self, reason: str) -> None:
        """A request was refused."""
        with self._lock:
            self._counter["rejected_requests"] += 1
            self._counter[f"rejected_{reason}"] += 1

    def stored(self, signal: Signal, items: int) -> None:
        """The store has fsynced the rows of a segment."""
        with self._lock:
            self._counter[f"stored_{_ITEMS[signal]}"] += items

    def set_aside(self, signal: Signal, items: int) -> None:
        """A segment went to quarantine or dead-letter."""
        with self._lock:
            self._counter[f"set_aside_{_ITEMS[signal]}"] += items

    def oldest_waiting(self, since_monotonic_s: float | None) -> None:
        """Since when the segment at the head of the line has waited; None where none waits."""
        self._oldest_waiting_s = since_monotonic_s

    def as_dict(self, spooled_bytes: int) -> dict[str, Any]:
        """Everything, for /stats."""
        since = self._oldest_waiting_s
        states = ("received", "repeated", "stored", "set_aside")
        names = [f"{state}_{items}" for state in states for items in _ITEMS.values()]
        with self._lock:
            counts = {name: self._counter[name] for name in (*names, "rejected_requests")}
            counts |= {name: count for name, count in self._counter.items() if name.startswith("rejected_")}
        return {
            **counts,
            "spooled_bytes": spooled_bytes,
            "lag_s": round(time.monotonic() - since, 3) if since is not None else 0.0,
        }
