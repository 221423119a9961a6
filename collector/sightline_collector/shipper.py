"""Closed segments into the store, oldest first: one segment, one INSERT, one token.

A segment is one block, so a request that ClickHouse cannot read fails the INSERT before anything is written. Such a
segment is checked against a table without views; the requests that fail alone go to dead-letter/, the others become a
segment of their own with a new name. Any other failure is tried again, with the same name, until it succeeds.
"""

from __future__ import annotations

import io
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable

from sightline_collector import backoff
from sightline_collector.spool import reader, record
from sightline_collector.spool.segment import ClosedSegment
from sightline_collector.spool.writer import Spool
from sightline_collector.telemetry import Counts
from sightline_store import ingest, schema
from sightline_store.client import Client
from sightline_store.errors import QueryFailed, StoreError

_log = logging.getLogger("sightline.collector")


class Shipper:
    """Ships what the spool closes. One thread of its own, started by `start`."""

    def __init__(self, client: Client, counts: Counts) -> None:
        self._client = client
        self._counts = counts
        self._line: deque[tuple[ClosedSegment, float]] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._chance = random.Random()  # noqa: S311  (spreads retries)
        self._thread: threading.Thread | None = None
        self._has_schema = False

    def take(self, segment: ClosedSegment) -> None:
        """Put a segment at the end of the line. Any thread."""
        with self._changed:
            self._line.append((segment, time.monotonic()))
            self._counts.oldest_waiting(self._line[0][1])
            self._changed.notify_all()

    def start(self, spool: Spool) -> None:
        """Begin to ship."""
        self._thread = threading.Thread(target=self._run, args=(spool,), name="shipper", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Stop after the line is empty, or after `timeout_s`; the rest stays in the spool for the next start."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            self._changed.wait_for(lambda: not self._line, timeout=timeout_s)
            self._stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(max(0.1, deadline - time.monotonic()))

    def _run(self, spool: Spool) -> None:
        attempt = 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._line or self._stopping or not self._has_schema)
                if self._stopping:
                    return
                segment = self._line[0][0] if self._line else None
            try:
                self._prepare()
                if segment is not None:
                    self._ship(spool, segment)
            except (StoreError, OSError) as exc:
                attempt += 1
                delay_s = backoff.delay_s(attempt, self._chance)
                if attempt in {1, 10} or attempt % 100 == 0:
                    _log.warning("the store takes nothing (attempt %d): %s", attempt, exc)
                with self._changed:
                    self._changed.wait_for(lambda: self._stopping, timeout=delay_s)
                continue
            if attempt:
                _log.info("the store takes segments again")
            attempt = 0
            with self._changed:
                if segment is not None:
                    self._line.popleft()
                self._counts.oldest_waiting(self._line[0][1] if self._line else None)
                self._changed.notify_all()

    def _prepare(self) -> None:
        """Make the tables before the first segment, so that pages find them empty rather than absent."""
        if not self._has_schema:
            for migration in schema.apply(self._client):
                _log.info("applied schema %03d %s", migration.version, migration.name)
            self._has_schema = True

    def _ship(self, spool: Spool, segment: ClosedSegment) -> None:
        damaged = reader.damage(segment)
        if damaged is not None:
            self._quarantine(spool, segment, damaged)
            return
        began_s = time.monotonic()
        with segment.path.open("rb") as file:
            try:
                ingest.insert_segment(self._client, segment.signal, file, segment.name)
            except QueryFailed as exc:
                if self._is_readable(segment, segment.path.read_bytes()):
                    raise
                self._set_poison_aside(spool, segment, exc)
                return
        self._counts.stored(segment.signal, segment.items, time.monotonic() - began_s)
        spool.stored(segment)

    def _quarantine(self, spool: Spool, segment: ClosedSegment, damaged: tuple[int, str]) -> None:
        """Save the records before the damage, then set the file aside whole."""
        end, reason = damaged
        with segment.path.open("rb") as file:
            whole = file.read(end)
        if whole:
            ingest.insert_segment(self._client, segment.signal, whole, f"{segment.name}-head")
        self._counts.set_aside(segment.signal, segment.items)
        _log.error(
            "segment %s is damaged: %s; moved to %s",
            segment.name,
            reason,
            spool.set_aside(segment, "quarantine", reason),
        )

    def _is_readable(self, segment: ClosedSegment, data: bytes) -> bool:
        try:
            ingest.check_segment(self._client, segment.signal, data)
        except QueryFailed:
            return False
        return True

    def _set_poison_aside(self, spool: Spool, segment: ClosedSegment, exc: QueryFailed) -> None:
        """Keep what can be read, by halves; what cannot be read alone goes to dead-letter/."""
        data = segment.path.read_bytes()
        entries = list(record.read_records(io.BytesIO(data)))
        good: list[bytes] = []
        bad: list[bytes] = []
        _split(entries, data, lambda part: self._is_readable(segment, part), good, bad)
        # The name tells which records: the same ones on the next attempt, should the store go away between the two.
        if good:
            ingest.insert_segment(self._client, segment.signal, b"".join(good), f"{segment.name}-good")
        target = spool.bury(segment, b"".join(bad), exc.message)
        self._counts.set_aside(segment.signal, len(bad))
        spool.stored(segment)
        _log.error("%d requests of segment %s cannot be read by ClickHouse: %s", len(bad), segment.name, target)


def _split(
    entries: list[record.Record], data: bytes, is_readable: Callable[[bytes], bool], good: list[bytes], bad: list[bytes]
) -> None:
    if not entries:
        return
    part = data[entries[0].start : entries[-1].end]
    if is_readable(part):
        good.append(part)
    elif len(entries) == 1:
        bad.append(part)
    else:
        middle = len(entries) // 2
        _split(entries[:middle], data, is_readable, good, bad)
        _split(entries[middle:], data, is_readable, good, bad)
