"""Closed segments into the store, oldest first: a thread that asks `plan` what comes next and has `Delivery` do it.

What fails is tried again, in the same way and with growing pauses, until it succeeds: the store may be away for hours,
or be upgraded. Only a store whose schema does not fit this version ends the shipper, and with it the role.
"""

from __future__ import annotations

import bisect
import contextlib
import dataclasses
import itertools
import logging
import random
import threading
import time
from collections.abc import Callable

from sightline_collector.settings import SamplingSettings
from sightline_collector.shipping import backoff
from sightline_collector.shipping.delivery import UPGRADE_CODES, Delivery
from sightline_collector.shipping.plan import Idle, NoteTraces, ShipAlone, ShipBatch, State, Waiting, Work, plan
from sightline_collector.spool import batch, verdict
from sightline_collector.spool.batch import Batch
from sightline_collector.spool.segment import ClosedSegment
from sightline_collector.spool.writer import Spool
from sightline_collector.telemetry import Counts
from sightline_store import ingest
from sightline_store.client import Client
from sightline_store.errors import QueryFailed, SchemaError, StoreBusy, StoreError
from sightline_store.schema import migrate

_log = logging.getLogger("sightline.collector")
_MAX_BATCH_SEGMENTS = 1000  # their files are open one at a time


class Shipper:
    """Ships what the spool closes. One thread of its own, started by `start`."""

    def __init__(
        self,
        client: Client,
        counts: Counts,
        sampling_settings: SamplingSettings | None = None,
        prepare: Callable[[Client], object] = migrate.prepare,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is shipped before `start`.

        Args:
            client: where to.
            counts: of what was shipped and what waits.
            sampling_settings: which traces keep their rows; all by default.
            prepare: called before the first segment, so that there are tables, and pages read empty ones rather than
                none; by default with the schema of this version.
            clock: seconds that never go back.
        """
        self._client = client
        self._counts = counts
        self._sampling = sampling_settings or SamplingSettings()
        self._prepare = prepare
        self._clock = clock
        self._waiting: list[Waiting] = []  # in ascending order
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._stopping = False
        self._chance = random.Random()  # noqa: S311  (spreads retries)
        self._thread: threading.Thread | None = None
        self._delivery: Delivery | None = None
        self._is_prepared = False
        self._attempts = 0
        self._unexpected_errors = 0
        self._failure: SchemaError | None = None
        self._on_failure: Callable[[], None] = lambda: None
        self._max_batch_bytes = 0
        self._max_batch_segments = _MAX_BATCH_SEGMENTS
        self._longest_open_s = 0.0
        self._batches: dict[str, Batch] = {}
        self._unreadable: set[str] = set()

    @property
    def waiting(self) -> int:
        """How many segments are not shipped yet."""
        return len(self._waiting)

    @property
    def failure(self) -> SchemaError | None:
        """Why nothing will ever be shipped to this store; None while it may."""
        return self._failure

    def call_on_failure(self, call: Callable[[], None]) -> None:
        """Have `call` called once when there is a `failure`, at once where there is one already."""
        with self._changed:
            self._on_failure = call
            has_failed = self._failure is not None
        if has_failed:
            call()

    def take(self, segment: ClosedSegment) -> None:
        """Put a segment behind those that wait. Any thread."""
        with self._changed:
            needs_note = segment.is_sampled and self._sampling.is_on
            bisect.insort(self._waiting, Waiting(self._clock(), next(self._numbers), segment, needs_note))
            self._counts.oldest_waiting(self._waiting[0].due_s)
            self._changed.notify_all()

    def resume(self, spool: Spool) -> None:
        """Take over the spool, the batches of earlier lives as they were bound."""
        self._max_batch_bytes, self._longest_open_s = spool.segment_max_bytes, spool.segment_max_age_s
        self._delivery = Delivery(self._client, self._counts, spool, self._sampling)
        with contextlib.suppress(OSError):  # Those of segments that are gone are in nobody's way.
            verdict.sweep(spool.folder(ingest.Signal.TRACES), spool.filesystem)
        for signal in ingest.Signal:
            present = {path.name for path in spool.filesystem.names(spool.folder(signal), ".seg")}
            for bound in batch.bound_batches(spool.folder(signal), signal, spool.filesystem):
                if any(segment.path.name in present for segment in bound.segments):
                    self._batches.update((segment.name, bound) for segment in bound.segments)
                else:
                    with contextlib.suppress(OSError):  # It is in nobody's way; the next start tries again.
                        batch.dissolve(bound, spool.filesystem)

    def start(self, spool: Spool) -> None:
        """Begin to ship."""
        self.resume(spool)
        self._thread = threading.Thread(target=self._run, name="shipper", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Stop when nothing that waits is due before `timeout_s` is over; the rest stays for the next start."""
        deadline_s = self._clock() + timeout_s
        with self._changed:
            self._changed.wait_for(
                lambda: self._failure is not None or not self._waiting or self._waiting[0].due_s > deadline_s,
                timeout=timeout_s,
            )
            self._stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(max(0.1, deadline_s - self._clock()))

    def turn(self) -> float:
        """Do the next piece of work, if any is due; seconds to pause before the next turn, 0 unless it failed."""
        with self._changed:
            state = State(self._clock(), self._max_batch_bytes, self._max_batch_segments, frozenset(self._unreadable))
            work = plan(self._waiting, self._batches, state)
        try:
            if not self._is_prepared:
                self._prepare(self._client)
                self._is_prepared = True
            self._do(work)
        except SchemaError as exc:
            with self._changed:
                self._failure = exc
                self._changed.notify_all()
            self._on_failure()
            return 0.0
        except (StoreError, OSError) as exc:
            return self._pause_s(_reason(exc))
        except Exception as exc:  # A thread that ended would leave all that waits where it is.
            return self._unexpected(exc)
        if self._attempts:
            _log.info("the store takes segments again")
        self._attempts = self._unexpected_errors = 0
        return 0.0

    def _run(self) -> None:
        """The shipper's thread."""
        while True:
            pause_s = self.turn()
            with self._changed:
                if pause_s:
                    self._changed.wait_for(lambda: self._stopping, timeout=pause_s)
                while not (self._stopping or self._failure or self._is_due()):
                    self._changed.wait(self._waiting[0].due_s - self._clock() if self._waiting else None)
                if self._stopping or self._failure:
                    return

    def _is_due(self) -> bool:
        return not self._is_prepared or (bool(self._waiting) and self._waiting[0].due_s <= self._clock())

    def _pause_s(self, reason: str) -> float:
        self._attempts += 1
        if _is_logged(self._attempts):
            _log.warning("nothing is shipped (attempt %d): %s", self._attempts, reason)
        return backoff.delay_s(self._attempts, self._chance)

    def _unexpected(self, exc: Exception) -> float:
        self._unexpected_errors += 1
        if _is_logged(self._unexpected_errors):
            _log.error("shipping failed in an unexpected way (%d times)", self._unexpected_errors, exc_info=exc)
        return self._pause_s(f"{type(exc).__name__}: {exc}")

    def _do(self, work: Work) -> None:
        delivery = self._delivery
        if delivery is None:
            raise RuntimeError("the shipper has no spool: call start")
        if isinstance(work, NoteTraces):
            delivery.note_traces(work.segment)
            self._is_noted(work.segment)
        elif isinstance(work, ShipBatch):
            self._ship_batch(delivery, work.batch)
        elif isinstance(work, ShipAlone):
            delivery.ship_alone(work.segment, self._longest_open_s)
            self._unreadable.discard(work.segment.name)
            self._is_done({work.segment.name})
        else:
            assert isinstance(work, Idle)

    def _ship_batch(self, delivery: Delivery, together: Batch) -> None:
        names = {segment.name for segment in together.segments}
        self._batches.update(dict.fromkeys(names, together))
        try:
            delivered = delivery.ship_batch(together)
        except OSError:
            if len(names) > 1 and not delivery.is_bound(together):
                # No room to write down which segments they are: one alone needs none, and makes some.
                self._max_batch_segments = 1
                self._unbind(names)
            raise
        self._unbind(names)
        if delivered.is_stored:
            self._max_batch_segments = _MAX_BATCH_SEGMENTS
            self._is_done(names)
        else:
            self._unreadable |= delivered.unreadable

    def _unbind(self, names: set[str]) -> None:
        for name in names:
            self._batches.pop(name, None)

    def _is_noted(self, segment: ClosedSegment) -> None:
        """The first that waits is noted: it waits for the end of its window."""
        with self._changed:
            index = next(index for index, waiting in enumerate(self._waiting) if waiting.segment is segment)
            noted = self._waiting.pop(index)
            due_s = noted.due_s + self._sampling.window_s
            bisect.insort(self._waiting, dataclasses.replace(noted, due_s=due_s, needs_note=False))
            self._tell_change()

    def _is_done(self, names: set[str]) -> None:
        with self._changed:
            self._waiting = [waiting for waiting in self._waiting if waiting.segment.name not in names]
            self._tell_change()

    def _tell_change(self) -> None:
        """The lock is held."""
        self._counts.oldest_waiting(self._waiting[0].due_s if self._waiting else None)
        self._changed.notify_all()


def _is_logged(repetition: int) -> bool:
    """Whether what fails again and again is logged this time, the first being 1."""
    return repetition in {1, 10} or repetition % 100 == 0


def _reason(exc: Exception) -> str:
    if isinstance(exc, QueryFailed | StoreBusy) and exc.code in UPGRADE_CODES:
        return f"the store is being upgraded, or tables are missing: {exc}"
    return str(exc)
