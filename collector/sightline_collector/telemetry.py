"""The collector's own counts: what came, what was refused and why, what waits, what is stored, and how long it took.

The same counts are told three ways: as JSON on /stats, as OpenTelemetry metrics on /metrics (Prometheus), and in the
store, where they arrive through the spool like everybody's metrics.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from opentelemetry.metrics import CallbackOptions, Meter, NoOpMeter, Observation

from sightline_store.ingest import Signal

_ITEMS = {Signal.TRACES: "spans", Signal.METRICS: "points", Signal.LOGS: "logs"}
_ALWAYS_TOLD = ("received", "repeated", "stored", "set_aside")
_FATES = (*_ALWAYS_TOLD, "sampled_out")


class Counts:
    """Counters since the start of the process. Safe to use from any thread."""

    def __init__(self, meter: Meter | None = None) -> None:
        """Start at zero; `meter` gets the same as OpenTelemetry metrics."""
        meter = meter or NoOpMeter("sightline.collector")
        self._lock = threading.Lock()
        self._counter: Counter[str] = Counter()
        self._oldest_waiting_s: float | None = None
        items = "{item}"
        self._items = {
            fate: meter.create_counter(f"sightline.collector.items.{fate}", items, f"Spans, points and logs {fate}")
            for fate in _FATES
        }
        self._bytes = meter.create_counter("sightline.collector.received.size", "By", "Bytes of requests accepted")
        self._rejected = meter.create_counter(
            "sightline.collector.requests.rejected", "{request}", "Requests refused, by reason"
        )
        self._insert_s = meter.create_histogram(
            "sightline.collector.insert.duration", "s", "Seconds from sending a segment to its rows being fsynced"
        )
        self._sync_s = meter.create_histogram(
            "sightline.collector.sync.duration", "s", "Seconds of one write and sync of the spool"
        )
        self._meter = meter

    def observe(self, spooled_bytes: Callable[[], int]) -> None:
        """Tell the meter what is read when asked: the spool's size and the lag."""

        def size(_: CallbackOptions) -> Iterable[Observation]:
            yield Observation(spooled_bytes())

        def lag(_: CallbackOptions) -> Iterable[Observation]:
            yield Observation(self._lag_s())

        self._meter.create_observable_gauge("sightline.collector.spool.size", [size], "By", "Bytes that wait")
        self._meter.create_observable_gauge(
            "sightline.collector.lag", [lag], "s", "Since when the first in line is due"
        )

    def received(self, signal: Signal, items: int, size_bytes: int, *, is_new: bool) -> None:
        """A request was answered with success; a repeated one is counted apart."""
        self._add("received" if is_new else "repeated", signal, items)
        self._bytes.add(size_bytes, {"signal": signal.value})

    def rejected(self, reason: str) -> None:
        """A request was refused."""
        with self._lock:
            self._counter["rejected_requests"] += 1
            self._counter[f"rejected_{reason}"] += 1
        self._rejected.add(1, {"reason": reason})

    def stored(self, signal: Signal, items: int, seconds: float) -> None:
        """The store has fsynced the rows of a segment, which took `seconds`."""
        self._add("stored", signal, items)
        self._insert_s.record(seconds, {"signal": signal.value})

    def sampled_out(self, items: int) -> None:
        """Spans of a stored segment whose rows were not kept; the typed tables have them."""
        self._add("sampled_out", Signal.TRACES, items)

    def set_aside(self, signal: Signal, items: int) -> None:
        """A segment went to quarantine or dead-letter."""
        self._add("set_aside", signal, items)

    def synced(self, seconds: float) -> None:
        """The spool wrote and synced a group of requests, which took `seconds`."""
        self._sync_s.record(seconds)

    def oldest_waiting(self, since_monotonic_s: float | None) -> None:
        """Since when the segment at the head of the line could have been shipped; None where none waits."""
        self._oldest_waiting_s = since_monotonic_s

    def as_dict(self, spooled_bytes: int) -> dict[str, Any]:
        """Everything, for /stats."""
        with self._lock:
            counts = {
                f"{fate}_{item}": self._counter[f"{fate}_{item}"] for fate in _ALWAYS_TOLD for item in _ITEMS.values()
            }
            counts |= {"sampled_out_spans": 0, "rejected_requests": 0}
            counts |= self._counter
        return {**counts, "spooled_bytes": spooled_bytes, "lag_s": round(self._lag_s(), 3)}

    def _lag_s(self) -> float:
        since = self._oldest_waiting_s
        return max(0.0, time.monotonic() - since) if since is not None else 0.0

    def _add(self, fate: str, signal: Signal, items: int) -> None:
        with self._lock:
            self._counter[f"{fate}_{_ITEMS[signal]}"] += items
        self._items[fate].add(items, {"signal": signal.value})
