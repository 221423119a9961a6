"""Carries out the work that `plan` chose: segments of the spool into the store, each request once.

Every step may end in the middle, by an error, a kill or a power cut, and is done again from its beginning: what goes to
the store has the same bytes and the same token each time, and what decides on them is on disk before they go.

A batch is one block, so a request that ClickHouse cannot read fails the INSERT before anything is written. The segment
that holds it then goes alone and is checked against a table without views; the requests that fail are checked anew as
if they came in now and go to dead-letter/ if they fail again, the others are stored under a token of their own.
"""

from __future__ import annotations

import contextlib
import io
import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from google.protobuf.message import DecodeError

from sightline_collector.request import otlp
from sightline_collector.settings import SamplingSettings
from sightline_collector.spool import batch, reader, record, verdict
from sightline_collector.spool.batch import Batch
from sightline_collector.spool.body import concatenated
from sightline_collector.spool.reader import Inspection
from sightline_collector.spool.segment import ClosedSegment, name_before
from sightline_collector.spool.writer import Spool
from sightline_collector.telemetry import Counts
from sightline_store import ingest, sampling
from sightline_store.client import Client
from sightline_store.errors import QueryFailed

_log = logging.getLogger("sightline.collector")
_LOOK_BACK_S = 600.0  # an error so long ago still keeps what comes late of its trace
UPGRADE_CODES = frozenset({60, 81, 218, 469})
"""What ClickHouse answers while an upgrade replaces tables: no such table, no such database, the table is dropped, or a
constraint closes it."""
_NO_FAULT_OF_THE_BYTES = UPGRADE_CODES | {164, 192, 193, 194, 291, 497, 516}
"""These and what it answers to a user or a password that has no right."""


@dataclass(frozen=True)
class Delivered:
    """What a batch came to."""

    is_stored: bool
    """Whether its segments are in the store and out of the spool; else the batch is dissolved."""
    unreadable: frozenset[str] = frozenset()
    """Names of its segments that hold a request which ClickHouse cannot read."""


class Delivery:
    """Ships from one spool to one store. Used by the shipper's thread alone."""

    def __init__(self, client: Client, counts: Counts, spool: Spool, settings: SamplingSettings) -> None:
        self._client = client
        self._counts = counts
        self._spool = spool
        self._filesystem = spool.filesystem
        self._settings = settings
        self._rule = sampling.Rule(share=settings.share, slow_s=settings.slow_s, salt=settings.salt)

    def note_traces(self, segment: ClosedSegment) -> None:
        """Note which traces a segment holds. One that cannot be read is dealt with when it is shipped.

        Raises:
            StoreError, OSError: try again.
        """
        message = sampling.note_message(segment.name, self._rule)
        try:
            with self._followed(segment, message) as body:
                ingest.note_traces(self._client, body)
        except QueryFailed as exc:
            if self._is_fault_of_the_store(exc) or (
                not reader.inspect(segment, self._filesystem).damage and self._is_readable(segment, self._read(segment))
            ):
                raise

    def ship_batch(self, together: Batch) -> Delivered:
        """Send a batch and remove its segments.

        Raises:
            StoreError, OSError: try again, with the same batch where `batch.is_bound`.
        """
        inspected: dict[ClosedSegment, Inspection] = {}

        def send(_: Batch) -> None:
            inspected.update((segment, reader.inspect(segment, self._filesystem)) for segment in together.segments)
            began_s, services = time.monotonic(), Counter[str]()
            parts = [(segment.path, inspection.good_bytes) for segment, inspection in inspected.items()]
            with concatenated(parts, self._filesystem) as body:
                ingest.insert_segment(self._client, together.signal, body, together.token)
            for inspection in inspected.values():
                services.update(inspection.services)
            items = sum(_stored_items(segment, inspection) for segment, inspection in inspected.items())
            self._counts.stored(together.signal, items, services, time.monotonic() - began_s)

        def remove(segment: ClosedSegment) -> None:
            inspection = inspected.get(segment) or reader.inspect(segment, self._filesystem)
            if inspection.damage:
                self._quarantine(segment, _stored_items(segment, inspection), inspection.damage)
            else:
                self._spool.stored(segment)

        try:
            batch.ship(together, send, remove, self._filesystem)
        except QueryFailed as exc:
            if self._is_fault_of_the_store(exc):
                raise
            unreadable = frozenset(
                segment.name for segment in together.segments if not self._is_readable(segment, self._read(segment))
            )
            if not unreadable:
                raise
            # Nothing of it was written: each of its segments may go another way.
            batch.dissolve(together, self._filesystem)
            return Delivered(False, unreadable)
        for segment in together.segments:  # Also those that an earlier attempt has removed, and failed after that.
            self._spool.release(segment)
        return Delivered(True)

    def is_bound(self, together: Batch) -> bool:
        """Whether a batch is on disk, so that its segments can go in no other way."""
        return batch.is_bound(together, self._filesystem)

    def ship_alone(self, segment: ClosedSegment, longest_open_s: float) -> None:
        """Send one segment under its own name and remove it.

        Args:
            segment: sampled, or one that a batch could not hold.
            longest_open_s: seconds for which a segment takes records, which says which spans came late.

        Raises:
            StoreError, OSError: try again.
        """
        if segment.path in self._filesystem.names(segment.path.parent, ".seg"):
            self._ship_present(segment, longest_open_s)
        # Where it is absent, an earlier attempt has removed it, and failed after that.
        self._spool.release(segment)
        if segment.is_sampled:
            verdict.sweep(segment.path.parent, self._filesystem)

    def _ship_present(self, segment: ClosedSegment, longest_open_s: float) -> None:
        inspection = reader.inspect(segment, self._filesystem)
        if inspection.damage:
            self._ship_damaged(segment, inspection)
            return
        began_s, sampled_out = time.monotonic(), 0
        try:
            if segment.is_sampled:
                sampled_out = self._insert_sampled(segment, longest_open_s)
            else:
                with self._filesystem.open(segment.path) as file:
                    ingest.insert_segment(self._client, segment.signal, file, segment.name)
        except QueryFailed as exc:
            if self._is_fault_of_the_store(exc) or self._is_readable(segment, self._read(segment)):
                raise
            self._ship_readable_requests(segment, exc)
            return
        seconds = time.monotonic() - began_s
        self._counts.stored(segment.signal, segment.items - sampled_out, inspection.services, seconds)
        self._spool.stored(segment)
        if segment.is_sampled:
            self._counts.sampled_out(sampled_out)

    def _insert_sampled(self, segment: ClosedSegment, longest_open_s: float) -> int:
        """Insert by the verdict on disk, after putting it there; how many spans it samples out."""
        decided = verdict.read(segment, self._filesystem)
        if decided is None:
            decided = self._decide(segment, longest_open_s)
            verdict.write(segment, decided, self._filesystem)
            self._counts.late(decided.late)
        with self._followed(segment, decided.message) as body:
            ingest.insert_sampled_traces(self._client, body, segment.name)
        return decided.sampled_out

    def _decide(self, segment: ClosedSegment, longest_open_s: float) -> sampling.Verdict:
        if not self._settings.is_on:  # It was when the segment was opened.
            return sampling.keep_all()
        since = name_before(segment.name, _LOOK_BACK_S + self._settings.window_s)
        over = name_before(segment.name, longest_open_s + self._settings.window_s)
        decided = sampling.decide(self._client, segment.name, since, over, self._rule)
        if decided is None:  # It was noted so long ago that the notes are gone.
            self.note_traces(segment)
            decided = sampling.decide(self._client, segment.name, since, over, self._rule)
        return decided or sampling.keep_all()

    def _ship_damaged(self, segment: ClosedSegment, inspection: Inspection) -> None:
        """Store the records before the damage, then move the file to quarantine/ whole."""
        with self._filesystem.open(segment.path) as file:
            whole = file.read(inspection.good_bytes)
        began_s, services, seconds = time.monotonic(), inspection.services, 0.0
        if whole:
            try:
                ingest.insert_segment(self._client, segment.signal, whole, f"{segment.name}-head")
            except QueryFailed as exc:
                if self._is_fault_of_the_store(exc) or self._is_readable(segment, whole):
                    raise
                services, _ = self._store_readable(segment, whole)
            seconds = time.monotonic() - began_s
        stored = sum(services.values())
        self._quarantine(segment, stored, inspection.damage)
        if stored:
            self._counts.stored(segment.signal, stored, services, seconds)

    def _quarantine(self, segment: ClosedSegment, stored_items: int, damage: str) -> None:
        target = self._spool.quarantine(segment, damage)
        self._counts.dead_letter(segment.signal, max(0, segment.items - stored_items))
        _log.error("segment %s is damaged: %s; moved to %s", segment.name, damage, target)

    def _ship_readable_requests(self, segment: ClosedSegment, exc: QueryFailed) -> None:
        """Store what can be read; what cannot goes to dead-letter/."""
        began_s = time.monotonic()
        services, unreadable = self._store_readable(segment, self._read(segment))
        seconds, target = time.monotonic() - began_s, None
        if unreadable:
            target = self._spool.write_dead_letter(segment, _records(unreadable), exc.message)
        self._spool.stored(segment)
        stored = services.total()
        if stored:
            self._counts.stored(segment.signal, stored, services, seconds)
        if target is not None:
            self._counts.dead_letter(segment.signal, max(len(unreadable), segment.items - stored))
            _log.error(
                "%d requests of segment %s cannot be read by ClickHouse: %s", len(unreadable), segment.name, target
            )

    def _store_readable(self, segment: ClosedSegment, data: bytes) -> tuple[Counter[str], list[bytes]]:
        """Store what ClickHouse can read of a segment's records.

        Returns:
            The items that were stored by service.name, and the requests that cannot be read.
        """

        def is_readable(payloads: list[bytes]) -> bool:
            return self._is_readable(segment, _records(payloads))

        good, bad = _split([entry.payload for entry in record.read_records(io.BytesIO(data))], is_readable)
        rewritten: list[bytes] = []
        unreadable: list[bytes] = []
        for payload in bad:
            # Spooled by an earlier version, which let in what this one writes anew.
            better = otlp.rewritten(segment.signal, payload)
            if better != payload and is_readable([better]):
                rewritten.append(better)
            else:
                unreadable.append(payload)
        services = Counter[str]()
        # The name says which records: the same ones on the next attempt, should the store go away between the two.
        for name, payloads in (("good", good), ("rewritten", rewritten)):
            if payloads:
                ingest.insert_segment(self._client, segment.signal, _records(payloads), f"{segment.name}-{name}")
            for payload in payloads:
                with contextlib.suppress(DecodeError):
                    services.update(otlp.services(segment.signal, payload))
        return services, unreadable

    def _is_readable(self, segment: ClosedSegment, data: bytes) -> bool:
        """Whether ClickHouse can read it.

        Raises:
            QueryFailed: the refusal is not about the bytes, for example because the key was revoked: nothing goes to
                dead-letter for it.
        """
        try:
            ingest.check_segment(self._client, segment.signal, data)
        except QueryFailed as exc:
            if self._is_fault_of_the_store(exc):
                raise
            return False
        return True

    @staticmethod
    def _is_fault_of_the_store(exc: QueryFailed) -> bool:
        """Whether it says nothing about the bytes: they are as good as before, and wait."""
        return exc.code in _NO_FAULT_OF_THE_BYTES

    def _read(self, segment: ClosedSegment) -> bytes:
        with self._filesystem.open(segment.path) as file:
            return file.read()

    def _followed(self, segment: ClosedSegment, message: bytes) -> BinaryIO:
        """A segment and behind it one record more."""
        size_bytes = self._filesystem.size(segment.path)
        return concatenated([(segment.path, size_bytes), record.encode(message)], self._filesystem)


def _split(payloads: list[bytes], is_readable: Callable[[list[bytes]], bool]) -> tuple[list[bytes], list[bytes]]:
    """The requests that can be read and those that cannot, found by halves."""
    if not payloads or is_readable(payloads):
        return payloads, []
    if len(payloads) == 1:
        return [], payloads
    middle = len(payloads) // 2
    good, bad = _split(payloads[:middle], is_readable)
    more_good, more_bad = _split(payloads[middle:], is_readable)
    return good + more_good, bad + more_bad


def _records(payloads: list[bytes]) -> bytes:
    return b"".join(record.encode(payload) for payload in payloads)


def _stored_items(segment: ClosedSegment, inspection: Inspection) -> int:
    """How many items of a segment are stored with its whole records."""
    return inspection.items if inspection.damage else segment.items
