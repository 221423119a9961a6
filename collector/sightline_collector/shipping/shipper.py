"""Closed segments into the store, oldest first, in batches: as many as wait, one INSERT, one token.

Which segments a batch holds is on disk before it is sent, so each attempt, also of a later life, has the same token. It
is one block, so a request that ClickHouse cannot read fails the INSERT before anything is written. Such a segment then
goes alone and is checked against a table without views; the requests that fail are checked anew as if they came in now
and go to dead-letter/ if they fail again, the others become a segment of their own with a new name. Any other failure
is tried again, under the same token, until it succeeds.

A segment whose traces are sampled is noted when it comes and shipped when its window is over: all that came by then is
noted before it, since work is done in the order in which it is due. Its verdict is on disk before it is sent.
"""

from __future__ import annotations

import contextlib
import heapq
import io
import itertools
import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf.message import DecodeError

from sightline_collector.request import otlp
from sightline_collector.settings import SamplingSettings
from sightline_collector.shipping import backoff
from sightline_collector.spool import batch, reader, record, verdict
from sightline_collector.spool.segment import ClosedSegment, name_before
from sightline_collector.spool.writer import Spool
from sightline_collector.telemetry import Counts
from sightline_store import ingest, sampling
from sightline_store.client import Client
from sightline_store.errors import QueryFailed, StoreError
from sightline_store.schema import migrate

_log = logging.getLogger("sightline.collector")
_MAX_TOGETHER = 1000  # segments; their files are open one at a time
# What ClickHouse says of the one who asks, or of what is there, and not of the bytes: no table, no database, no right.
_NOT_OF_THE_BYTES = frozenset({60, 81, 164, 192, 193, 194, 291, 497, 516})
_LOOK_BACK_S = 600.0  # an error so long ago still keeps what comes late of its trace


@dataclass(frozen=True, order=True)
class _Task:
    """What is to be done with a segment, and when on the monotonic clock."""

    due_s: float
    number: int
    segment: ClosedSegment = field(compare=False)
    is_note: bool = field(compare=False, default=False)


class Shipper:
    """Ships what the spool closes. One thread of its own, started by `start`."""

    def __init__(self, client: Client, counts: Counts, sampling_settings: SamplingSettings | None = None) -> None:
        self._client = client
        self._counts = counts
        self._sampling = sampling_settings or SamplingSettings()
        self._rule = sampling.Rule(share=self._sampling.share, slow_s=self._sampling.slow_s, salt=self._sampling.salt)
        self._line: list[_Task] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._stopping = False
        self._chance = random.Random()  # noqa: S311  (spreads retries)
        self._thread: threading.Thread | None = None
        self._has_schema = False
        self._batch_bytes = 0
        self._longest_open_s = 0.0
        self._batches: dict[str, batch.Batch] = {}
        self._alone: set[str] = set()
        self._most_together = _MAX_TOGETHER

    def take(self, segment: ClosedSegment) -> None:
        """Put a segment at the end of the line. Any thread."""
        with self._changed:
            now_s = time.monotonic()
            if segment.is_sampled and self._sampling.is_on:
                heapq.heappush(self._line, _Task(now_s, next(self._numbers), segment, is_note=True))
                now_s += self._sampling.window_s
            heapq.heappush(self._line, _Task(now_s, next(self._numbers), segment))
            self._counts.oldest_waiting(self._line[0].due_s)
            self._changed.notify_all()

    def start(self, spool: Spool) -> None:
        """Begin to ship, the batches that earlier lives left as they were bound."""
        self._batch_bytes, self._longest_open_s = spool.segment_max_bytes, spool.segment_max_age_s
        for signal in ingest.Signal:
            for left in batch.waiting(spool.folder(signal), signal):
                if any(segment.path.exists() for segment in left.segments):
                    self._batches.update((segment.name, left) for segment in left.segments)
                else:
                    with contextlib.suppress(OSError):  # It is in nobody's way; the next start tries again.
                        batch.dissolve(left)
        self._thread = threading.Thread(target=self._run, args=(spool,), name="shipper", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Stop when nothing in the line is due before `timeout_s` is over; the rest stays for the next start."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            self._changed.wait_for(lambda: not self._line or self._line[0].due_s > deadline, timeout=timeout_s)
            self._stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(max(0.1, deadline - time.monotonic()))

    def _run(self, spool: Spool) -> None:
        attempt = 0
        while True:
            with self._changed:
                while not (self._stopping or self._is_due() or not self._has_schema):
                    self._changed.wait(self._line[0].due_s - time.monotonic() if self._line else None)
                if self._stopping:
                    return
                task = self._line[0] if self._is_due() else None
            try:
                self._prepare()
                done = self._do(spool, task) if task is not None else frozenset()
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
                if task is not None and task.is_note:
                    # A task that came meanwhile is due later, so this one is still the first.
                    heapq.heappop(self._line)
                elif done:
                    self._line = [each for each in self._line if each.segment.name not in done]
                    heapq.heapify(self._line)
                self._counts.oldest_waiting(self._line[0].due_s if self._line else None)
                self._changed.notify_all()

    def _is_due(self) -> bool:
        return bool(self._line) and self._line[0].due_s <= time.monotonic()

    def _do(self, spool: Spool, task: _Task) -> frozenset[str]:
        """Do the first task; the names of the segments that are done with."""
        if task.is_note:
            self._note(task.segment)
            return frozenset()
        together = self._batches.get(task.segment.name) or self._gather(task)
        if together is not None:
            return self._ship_together(spool, together)
        self._ship(spool, task.segment)
        return frozenset({task.segment.name})

    def _gather(self, first: _Task) -> batch.Batch | None:
        """Bind the first task's segment and what waits behind it, as much as one segment may hold.

        Also where nothing waits: a segment that was tried under its own name, and whose answer was lost, must not be
        bound to others later, under another token. None where it goes alone: sampled, or not readable as it is.
        """
        with self._changed:
            now_s = time.monotonic()
            due = [task.segment for task in sorted(self._line) if task.due_s <= now_s and not task.is_note]
        members: list[ClosedSegment] = []
        size = 0
        for segment in due:
            if segment.signal is not first.segment.signal or segment.is_sampled or segment.name in self._alone:
                continue
            size += segment.path.stat().st_size
            if members and (size > self._batch_bytes or len(members) == self._most_together):
                break
            members.append(segment)
        if first.segment not in members:
            return None
        together = batch.form(members)
        self._batches.update((segment.name, together) for segment in members)
        return together

    def _ship_together(self, spool: Spool, together: batch.Batch) -> frozenset[str]:
        names = frozenset(segment.name for segment in together.segments)
        surveys: dict[ClosedSegment, reader.Survey] = {}

        def send(_: batch.Batch) -> None:
            surveys.update((segment, reader.survey(segment)) for segment in together.segments)
            began_s = time.monotonic()
            with batch.joined([(segment.path, found.good_bytes) for segment, found in surveys.items()]) as body:
                ingest.insert_segment(self._client, together.signal, body, together.token)
            seconds, services = time.monotonic() - began_s, Counter[str]()
            for found in surveys.values():
                services.update(found.services)
            items = sum(_stored_items(segment, found) for segment, found in surveys.items())
            self._counts.stored(together.signal, items, services, seconds)

        def remove(segment: ClosedSegment) -> None:
            found = surveys.get(segment) or reader.survey(segment)
            if found.damage:
                self._set_damaged_aside(spool, segment, found)
            else:
                spool.stored(segment)

        try:
            batch.ship(together, send, remove)
        except OSError:
            if len(together.segments) > 1 and not batch.is_bound(together):
                # No room to write down which they are: one alone needs none, and makes some.
                self._most_together = 1
                for segment in together.segments:
                    self._batches.pop(segment.name, None)
            raise
        except QueryFailed:
            parts = [(segment, self._is_readable(segment, segment.path.read_bytes())) for segment in together.segments]
            if all(is_readable for _, is_readable in parts):
                raise
            # Nothing of it was written: each of its segments may go another way.
            batch.dissolve(together)
            self._alone.update(segment.name for segment, is_readable in parts if not is_readable)
            names = frozenset()
        else:
            self._most_together = _MAX_TOGETHER
        for segment in together.segments:
            self._batches.pop(segment.name, None)
        return names

    def _prepare(self) -> None:
        """Make the tables before the first segment, so that pages find them empty rather than absent."""
        if not self._has_schema:
            for migration in migrate.apply(self._client):
                _log.info("applied schema %03d %s", migration.version, migration.name)
            self._has_schema = True

    def _ship(self, spool: Spool, segment: ClosedSegment) -> None:
        found = reader.survey(segment)
        if found.damage:
            self._quarantine(spool, segment, found)
            return
        began_s, sampled_out = time.monotonic(), 0
        try:
            if segment.is_sampled:
                sampled_out = self._insert_sampled(segment)
            else:
                with segment.path.open("rb") as file:
                    ingest.insert_segment(self._client, segment.signal, file, segment.name)
        except QueryFailed as exc:
            if self._is_readable(segment, segment.path.read_bytes()):
                raise
            self._set_poison_aside(spool, segment, exc)
            return
        seconds = time.monotonic() - began_s
        self._counts.stored(segment.signal, segment.items - sampled_out, found.services, seconds)
        spool.stored(segment)
        if segment.is_sampled:
            self._counts.sampled_out(sampled_out)
            verdict.sweep(segment.path.parent)

    def _note(self, segment: ClosedSegment) -> None:
        """Note which traces a segment holds. One that cannot be read is left to be found when it is shipped."""
        message = sampling.note_message(segment.name, self._rule)
        try:
            with verdict.followed(segment, message) as body:
                ingest.note_traces(self._client, body)
        except QueryFailed:
            if not reader.survey(segment).damage and self._is_readable(segment, segment.path.read_bytes()):
                raise

    def _insert_sampled(self, segment: ClosedSegment) -> int:
        """Insert by the verdict on disk, after putting it there; how many spans it samples out."""
        decided = verdict.read(segment)
        if decided is None:
            decided = self._decide(segment)
            verdict.write(segment, decided)
            self._counts.late(decided.late)
        with verdict.followed(segment, decided.message) as body:
            ingest.insert_sampled_traces(self._client, body, segment.name)
        return decided.sampled_out

    def _decide(self, segment: ClosedSegment) -> sampling.Verdict:
        if not self._sampling.is_on:  # It was when the segment was opened.
            return sampling.keep_all()
        since = name_before(segment.name, _LOOK_BACK_S + self._sampling.window_s)
        over = name_before(segment.name, self._longest_open_s + self._sampling.window_s)
        decided = sampling.decide(self._client, segment.name, since, over, self._rule)
        if decided is None:  # It was noted so long ago that the notes are gone.
            with verdict.followed(segment, sampling.note_message(segment.name, self._rule)) as body:
                ingest.note_traces(self._client, body)
            decided = sampling.decide(self._client, segment.name, since, over, self._rule)
        return decided or sampling.keep_all()

    def _quarantine(self, spool: Spool, segment: ClosedSegment, found: reader.Survey) -> None:
        """Save the records before the damage, then set the file aside whole."""
        with segment.path.open("rb") as file:
            whole = file.read(found.good_bytes)
        began_s, services, seconds = time.monotonic(), found.services, 0.0
        if whole:
            try:
                ingest.insert_segment(self._client, segment.signal, whole, f"{segment.name}-head")
            except QueryFailed:
                if self._is_readable(segment, whole):
                    raise
                services, _ = self._rescue(segment, whole)
            seconds = time.monotonic() - began_s
        stored = services.total()
        target = spool.set_aside(segment, "quarantine", found.damage)
        if stored:
            self._counts.stored(segment.signal, stored, services, seconds)
        self._tell_damaged(segment, segment.items - stored, found.damage, target)

    def _set_damaged_aside(self, spool: Spool, segment: ClosedSegment, found: reader.Survey) -> None:
        """The same where the records before the damage went with others."""
        target = spool.set_aside(segment, "quarantine", found.damage)
        self._tell_damaged(segment, segment.items - _stored_items(segment, found), found.damage, target)

    def _tell_damaged(self, segment: ClosedSegment, lost_items: int, damage: str, target: Path) -> None:
        self._counts.set_aside(segment.signal, max(0, lost_items))
        _log.error("segment %s is damaged: %s; moved to %s", segment.name, damage, target)

    def _is_readable(self, segment: ClosedSegment, data: bytes) -> bool:
        """Whether ClickHouse can read it.

        Raises:
            QueryFailed: it did not come to that, for example because the key was revoked: nothing is set aside for it.
        """
        try:
            ingest.check_segment(self._client, segment.signal, data)
        except QueryFailed as exc:
            if exc.code in _NOT_OF_THE_BYTES:
                raise
            return False
        return True

    def _set_poison_aside(self, spool: Spool, segment: ClosedSegment, exc: QueryFailed) -> None:
        """Keep what can be read; what cannot be goes to dead-letter/."""
        began_s = time.monotonic()
        services, bad = self._rescue(segment, segment.path.read_bytes())
        seconds = time.monotonic() - began_s
        target = spool.bury(segment, _records(bad), exc.message) if bad else None
        spool.stored(segment)
        stored = services.total()
        if stored:
            self._counts.stored(segment.signal, stored, services, seconds)
        if target is not None:
            self._counts.set_aside(segment.signal, max(len(bad), segment.items - stored))
            _log.error("%d requests of segment %s cannot be read by ClickHouse: %s", len(bad), segment.name, target)

    def _rescue(self, segment: ClosedSegment, data: bytes) -> tuple[Counter[str], list[bytes]]:
        """Store what ClickHouse can read of a segment's records.

        Returns:
            The items that were stored by service.name, and the requests that cannot be read.
        """

        def is_readable(payloads: list[bytes]) -> bool:
            return self._is_readable(segment, _records(payloads))

        good, bad = _split([entry.payload for entry in record.read_records(io.BytesIO(data))], is_readable)
        rewritten: list[bytes] = []
        left: list[bytes] = []
        for payload in bad:
            # Spooled by an earlier version, which let in what this one writes anew.
            better = otlp.rewritten(segment.signal, payload)
            if better != payload and is_readable([better]):
                rewritten.append(better)
            else:
                left.append(payload)
        services = Counter[str]()
        # The name tells which records: the same ones on the next attempt, should the store go away between the two.
        for name, payloads in (("good", good), ("rewritten", rewritten)):
            if payloads:
                ingest.insert_segment(self._client, segment.signal, _records(payloads), f"{segment.name}-{name}")
            for payload in payloads:
                with contextlib.suppress(DecodeError):
                    services.update(otlp.services(segment.signal, payload))
        return services, left


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


def _stored_items(segment: ClosedSegment, found: reader.Survey) -> int:
    """How many items of a segment are stored with its whole records."""
    return found.services.total() if found.damage else segment.items
