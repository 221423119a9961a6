"""The collector's own counts: what came, what was refused and why, what waits, what is stored, and how long it took.

The same counts are published three ways: as JSON on /stats, as OpenTelemetry metrics on /metrics (Prometheus), and in
the store, where they arrive through the spool like all metrics. What was received and what was shipped is counted by
`service.name` too, for as many names as `_MAX_SERVICES`; further names are counted together. Counting is an addition;
the meter reads the sums when it is asked.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from opentelemetry.metrics import CallbackOptions, Meter, NoOpMeter, Observation

from sightline_store.ingest import Signal

_ITEMS = {Signal.TRACES: "spans", Signal.METRICS: "points", Signal.LOGS: "logs"}
_ALWAYS_SHOWN = ("received", "repeated", "stored", "dead_letter")
_FATES = {
    **{fate: f"Spans, points and logs {fate}" for fate in ("received", "repeated", "stored", "sampled_out")},
    "dead_letter": "Spans, points and logs that are kept in a file because the store cannot read them",
    "late": "Spans that came when their trace had been decided on, tail sampling's window being too short for them",
}
_MAX_SERVICES = 100
_OTHER_SERVICES = "_other"


class Counts:
    """Counters since the start of the process. Safe to use from any thread."""

    def __init__(self, meter: Meter | None = None) -> None:
        """Start at zero; `meter` gets the same as OpenTelemetry metrics."""
        meter = meter or NoOpMeter("sightline.collector")
        self._lock = threading.Lock()
        self._items: Counter[tuple[str, Signal]] = Counter()
        self._services: Counter[tuple[str, Signal, str]] = Counter()
        self._names: set[str] = set()
        self._bytes: Counter[Signal] = Counter()
        self._reasons: Counter[str] = Counter()
        self._oldest_waiting_s: float | None = None
        for fate, description in _FATES.items():
            meter.create_observable_counter(
                f"sightline.collector.items.{fate}",
                [self._observer(lambda fate=fate: self._by_signal(fate))],  # type: ignore[misc]
                "{item}",
                description,
            )
        for fate, words in (("received", "received"), ("shipped", "in the store's tables, those sampled out included")):
            meter.create_observable_counter(
                f"sightline.collector.service.{fate}",
                [self._observer(lambda fate=fate: self._by_service(fate))],  # type: ignore[misc]
                "{item}",
                f"Spans, points and logs {words}, by service.name",
            )
        meter.create_observable_counter(
            "sightline.collector.received.size",
            [self._observer(lambda: {(("signal", str(signal)),): n for signal, n in self._bytes.items()})],
            "By",
            "Bytes of requests accepted",
        )
        meter.create_observable_counter(
            "sightline.collector.requests.rejected",
            [self._observer(lambda: {(("reason", reason),): n for reason, n in self._reasons.items()})],
            "{request}",
            "Requests refused, by reason",
        )
        self._insert_s = meter.create_histogram(
            "sightline.collector.insert.duration", "s", "Seconds from sending a segment to its rows being fsynced"
        )
        self._sync_s = meter.create_histogram(
            "sightline.collector.sync.duration", "s", "Seconds of one write and sync of the spool"
        )
        self._meter = meter

    def observe(self, spooled_bytes: Callable[[], int]) -> None:
        """Add the gauges that are read on demand: the size of the spool and the lag."""

        def size(_: CallbackOptions) -> Iterable[Observation]:
            yield Observation(spooled_bytes())

        def lag(_: CallbackOptions) -> Iterable[Observation]:
            yield Observation(self._lag_s())

        self._meter.create_observable_gauge("sightline.collector.spool.size", [size], "By", "Bytes that wait")
        self._meter.create_observable_gauge(
            "sightline.collector.lag", [lag], "s", "Seconds since the first segment in line could have been shipped"
        )

    def received(self, signal: Signal, services: Mapping[str, int], size_bytes: int, *, is_new: bool) -> None:
        """A request was answered with success; a repeated request is counted apart.

        Args:
            signal: what it held.
            services: items by service.name, '' where a resource has none.
            size_bytes: of the request, decompressed.
            is_new: whether the same request did not come before.
        """
        with self._lock:
            self._items["received" if is_new else "repeated", signal] += sum(services.values())
            self._bytes[signal] += size_bytes
            if is_new:
                self._add_by_service("received", signal, services)

    def rejected(self, reason: str) -> None:
        """A request was refused."""
        with self._lock:
            self._reasons[reason] += 1

    def stored(self, signal: Signal, items: int, services: Mapping[str, int], seconds: float) -> None:
        """The store has fsynced a segment, which took `seconds`.

        Args:
            signal: what it held.
            items: those with rows: not those that were sampled out.
            services: all items by service.name.
            seconds: from sending it to the answer.
        """
        with self._lock:
            self._items["stored", signal] += items
            self._add_by_service("shipped", signal, services)
        self._insert_s.record(seconds, {"signal": signal.value})

    def sampled_out(self, items: int) -> None:
        """Spans of a stored segment whose rows were not kept; the typed tables have them."""
        with self._lock:
            self._items["sampled_out", Signal.TRACES] += items

    def late(self, items: int) -> None:
        """Spans of a sampled segment that came after their trace's decision: they could not change it."""
        with self._lock:
            self._items["late", Signal.TRACES] += items

    def dead_letter(self, signal: Signal, items: int) -> None:
        """Items went to the folder quarantine or dead-letter."""
        with self._lock:
            self._items["dead_letter", signal] += items

    def synced(self, seconds: float) -> None:
        """The spool wrote and synced a group of requests, which took `seconds`."""
        self._sync_s.record(seconds)

    def oldest_waiting(self, since_monotonic_s: float | None) -> None:
        """Since when the segment at the head of the line could have been shipped; None where none waits."""
        self._oldest_waiting_s = since_monotonic_s

    def as_dict(self, spooled_bytes: int) -> dict[str, Any]:
        """Everything, for /stats."""
        with self._lock:
            counts = {f"{fate}_{item}": 0 for fate in _ALWAYS_SHOWN for item in _ITEMS.values()}
            counts |= {"sampled_out_spans": 0, "late_spans": 0, "rejected_requests": sum(self._reasons.values())}
            counts |= {f"{fate}_{_ITEMS[signal]}": n for (fate, signal), n in self._items.items()}
            counts |= {f"rejected_{reason}": n for reason, n in self._reasons.items()}
            services: dict[str, dict[str, int]] = {}
            for (fate, signal, name), n in self._services.items():
                services.setdefault(name, {})[f"{fate}_{_ITEMS[signal]}"] = n
        return {**counts, "spooled_bytes": spooled_bytes, "lag_s": round(self._lag_s(), 3), "services": services}

    def _lag_s(self) -> float:
        since = self._oldest_waiting_s
        return max(0.0, time.monotonic() - since) if since is not None else 0.0

    def _add_by_service(self, fate: str, signal: Signal, services: Mapping[str, int]) -> None:
        """Count for each service, or for all others together. The lock is held."""
        for name, items in services.items():
            if name not in self._names:
                if len(self._names) >= _MAX_SERVICES:
                    self._services[fate, signal, _OTHER_SERVICES] += items
                    continue
                self._names.add(name)
            self._services[fate, signal, name] += items

    def _by_signal(self, fate: str) -> dict[tuple[tuple[str, str], ...], int]:
        """The counts of a fate, by attributes. The lock is held."""
        return {(("signal", str(signal)),): n for (counted, signal), n in self._items.items() if counted == fate}

    def _by_service(self, fate: str) -> dict[tuple[tuple[str, str], ...], int]:
        return {
            (("service", name), ("signal", str(signal))): n
            for (counted, signal, name), n in self._services.items()
            if counted == fate
        }

    def _observer(
        self, sums: Callable[[], Mapping[tuple[tuple[str, str], ...], int]]
    ) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(_: CallbackOptions) -> Iterable[Observation]:
            with self._lock:
                counts = sums()
            return [Observation(n, dict(attributes)) for attributes, n in counts.items()]

        return observe
