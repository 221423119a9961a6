"""Carries out the work that `plan` chose: segments of the spool into the store, each request once.

Every step may end in the middle, by an error, a kill or a power cut, and is done again from its beginning: what goes to
the store has the same bytes and the same token each time, and what decides on them is on disk before they go.

A batch is one block, so a request that ClickHouse cannot read fails the INSERT before anything is written. The segment
that holds it then goes alone, as a batch of one that stays bound until the segment is gone, and is checked against a
table without views. The requests that fail are checked anew as if they came in now and go to dead-letter/ if they fail
again; the others are stored under the token of the batch. So a segment whose rows may be in the store has one token for
them, also where its file is damaged, or the collector restarted, before the next attempt.

A refusal may also be about the store: a setting that it forbids, a key that was revoked, a table that is absent. Such a
store refuses a request that is known to be good too, and the segments wait.
"""

from __future__ import annotations

import contextlib
import io
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

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
from sightline_store.ingest import Signal

_log = logging.getLogger("sightline.collector")
_LOOK_BACK_S = 600.0  # an error so long ago still keeps what comes late of its trace
UPGRADE_CODES = frozenset({60, 81, 218, 469})
"""What ClickHouse answers while an upgrade replaces tables: no such table, no such database, the table is dropped, or a
constraint closes it."""


def _known_good() -> dict[Signal, bytes]:
    """By signal, the record of a small request that each ClickHouse can read."""
    traces, logs, metrics = ExportTraceServiceRequest(), ExportLogsServiceRequest(), ExportMetricsServiceRequest()
    traces.resource_spans.add().scope_spans.add().spans.add(name="check")
    logs.resource_logs.add().scope_logs.add().log_records.add(severity_text="check")
    metrics.resource_metrics.add().scope_metrics.add().metrics.add(name="check").gauge.data_points.add(as_int=1)
    requests = {Signal.TRACES: traces, Signal.LOGS: logs, Signal.METRICS: metrics}
    return {signal: record.encode(request.SerializeToString()) for signal, request in requests.items()}


_KNOWN_GOOD = _known_good()


@dataclass(frozen=True)
class Delivered:
    """What a batch came to."""

    is_stored: bool
    """Whether its segments are in the store and out of the spool; else the batch is dissolved."""
    unreadable: frozenset[str] = frozenset()
    """Names of its segments that hold a request which ClickHouse cannot read."""


@dataclass(frozen=True)
class _Sent:
    """What of a batch is in the store. It is counted when the segments are out of the spool."""

    items: int
    services: Mapping[str, int]
    seconds: float
    dead_letters: int
    """Items that are not stored: behind damage, or in requests that ClickHouse cannot read."""


class Delivery:
    """Ships from one spool to one store. Used by the shipper's thread alone."""

    def __init__(self, client: Client, counts: Counts, spool: Spool, settings: SamplingSettings) -> None:
        self._client = client
        self._counts = counts
        self._spool = spool
        self._filesystem = spool.filesystem
        self._settings = settings
        self._sent: dict[str, _Sent] = {}  # by token
        self._rule = sampling.Rule(share=settings.share, slow_s=settings.slow_s, salt=settings.salt)

    def note_traces(self, segment: ClosedSegment) -> None:
        """Note which traces a segment holds. One that cannot be read is dealt with when it is shipped.

        Raises:
            StoreError, OSError: try again.
        """
        message = sampling.note_message(segment.name, self._rule)
        try:
            with self._followed(segment, self._filesystem.size(segment.path), message) as body:
                ingest.note_traces(self._client, body)
        except QueryFailed as exc:
            if exc.code in UPGRADE_CODES:
                raise
            inspection = reader.inspect(segment, self._filesystem)
            if self._is_readable(segment.signal, self._read(segment, inspection)) and not inspection.damage:
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
            if any(size_bytes for _, size_bytes in parts):
                with concatenated(parts, self._filesystem) as body:
                    ingest.insert_segment(self._client, together.signal, body, together.token)
            for inspection in inspected.values():
                services.update(inspection.services)
            items = sum(_stored_items(segment, inspection) for segment, inspection in inspected.items())
            lost = sum(_lost_items(segment, inspection) for segment, inspection in inspected.items())
            seconds = time.monotonic() - began_s
            self._spool.insert_took(seconds)
            self._sent[together.token] = _Sent(items, services, seconds, lost)

        try:
            batch.ship(together, send, lambda segment: self._remove(segment, inspected.get(segment)), self._filesystem)
        except QueryFailed as exc:
            if exc.code in UPGRADE_CODES:
                raise
            # What was sent of each: a damaged one stays with its batch, whatever stands behind its damage.
            unreadable = frozenset(
                segment.name
                for segment, inspection in inspected.items()
                if not self._is_readable(segment.signal, self._read(segment, inspection))
            )
            if not unreadable:
                raise
            if len(together.segments) > 1:
                # Nothing of it was written: each of its segments may go another way.
                batch.dissolve(together, self._filesystem)
            return Delivered(False, unreadable)
        self._is_shipped(together)
        return Delivered(True)

    def _release(self, together: Batch) -> None:
        """Nothing is left to do for the segments: their place in the spool and their verdicts go."""
        for segment in together.segments:  # Also those that an earlier attempt has removed, and failed after that.
            self._spool.release(segment)
            if segment.is_sampled:
                verdict.sweep(segment.path.parent, self._filesystem)

    def _is_shipped(self, together: Batch) -> None:
        self._release(together)
        if (sent := self._sent.pop(together.token, None)) is not None:  # None where an earlier life has sent it.
            self._counts.stored(together.signal, sent.items, sent.services, sent.seconds)
            if sent.dead_letters:
                self._counts.dead_letter(together.signal, sent.dead_letters)

    def is_bound(self, together: Batch) -> bool:
        """Whether a batch is on disk, so that its segments can go in no other way."""
        return batch.is_bound(together, self._filesystem)

    def ship_alone(self, segment: ClosedSegment, longest_open_s: float) -> None:
        """Send one segment in no INSERT with others, and remove it.

        Args:
            segment: sampled, or one that ClickHouse cannot read as it stands.
            longest_open_s: seconds for which a segment takes records, which says which spans came late.

        Raises:
            StoreError, OSError: try again.
        """
        alone = batch.form([segment])
        if segment.is_sampled and not self.is_bound(alone) and self._ship_by_verdict(segment, longest_open_s):
            self._release(alone)
        else:
            self._ship_readable_requests(alone)

    def _ship_by_verdict(self, segment: ClosedSegment, longest_open_s: float) -> bool:
        """Send a sampled segment and remove it; whether it is gone. Else nothing of it was written."""
        if segment.path not in self._filesystem.names(segment.path.parent, ".seg"):
            return True  # An earlier attempt has removed it, and failed after that.
        inspection = reader.inspect(segment, self._filesystem)
        if inspection.damage and verdict.read(segment, self._filesystem) is None:
            return False
        began_s = time.monotonic()
        try:
            sampled_out = self._insert_sampled(segment, inspection, longest_open_s)
        except QueryFailed as exc:
            if exc.code in UPGRADE_CODES or self._is_readable(segment.signal, self._read(segment, inspection)):
                raise
            return False
        seconds = time.monotonic() - began_s
        self._remove(segment, inspection)
        items = max(0, _stored_items(segment, inspection) - sampled_out)
        self._counts.stored(segment.signal, items, inspection.services, seconds)
        self._counts.sampled_out(sampled_out)
        if lost := _lost_items(segment, inspection):
            self._counts.dead_letter(segment.signal, lost)
        return True

    def _insert_sampled(self, segment: ClosedSegment, inspection: Inspection, longest_open_s: float) -> int:
        """Insert by the verdict on disk, after putting it there; how many spans it samples out."""
        decided = verdict.read(segment, self._filesystem)
        if decided is None:
            decided = self._decide(segment, longest_open_s)
            verdict.write(segment, decided, self._filesystem)
            self._counts.late(decided.late)
        with self._followed(segment, inspection.good_bytes, decided.message) as body:
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

    def _remove(self, segment: ClosedSegment, inspection: Inspection | None) -> None:
        """Take a segment out of the spool; a damaged one is moved to quarantine/ whole."""
        damage = (inspection or reader.inspect(segment, self._filesystem)).damage
        if not damage:
            self._spool.stored(segment)
            return
        target = self._spool.quarantine(segment, damage)
        _log.error("segment %s is damaged: %s; moved to %s", segment.name, damage, target)

    def _ship_readable_requests(self, alone: Batch) -> None:
        """Store what can be read of one segment; requests that ClickHouse cannot read go to dead-letter/."""
        (segment,) = alone.segments
        inspected: list[Inspection] = []

        def send(_: Batch) -> None:
            inspection = reader.inspect(segment, self._filesystem)
            inspected.append(inspection)
            began_s, data = time.monotonic(), self._read(segment, inspection)
            items, services = _stored_items(segment, inspection), inspection.services
            lost = _lost_items(segment, inspection)
            try:
                if data:
                    ingest.insert_segment(self._client, segment.signal, data, alone.token)
            except QueryFailed as exc:
                if exc.code in UPGRADE_CODES or self._is_readable(segment.signal, data):
                    raise
                services, unreadable = self._store_readable(segment.signal, data, alone.token)
                items = sum(services.values())
                lost = max(len(unreadable), segment.items - items)
                if unreadable:
                    target = self._spool.write_dead_letter(segment, _records(unreadable), exc.message)
                    _log.error(
                        "%d requests of segment %s cannot be read by ClickHouse: %s",
                        len(unreadable),
                        segment.name,
                        target,
                    )
            self._sent[alone.token] = _Sent(items, services, time.monotonic() - began_s, lost)

        batch.ship(alone, send, lambda _: self._remove(segment, next(iter(inspected), None)), self._filesystem)
        self._is_shipped(alone)

    def _store_readable(self, signal: Signal, data: bytes, token: str) -> tuple[Counter[str], list[bytes]]:
        """Store what ClickHouse can read of a segment's records.

        Returns:
            The items that were stored by service.name, and the requests that cannot be read.
        """

        def is_readable(payloads: list[bytes]) -> bool:
            return self._is_readable(signal, _records(payloads))

        good, bad = _split([entry.payload for entry in record.read_records(io.BytesIO(data))], is_readable)
        rewritten: list[bytes] = []
        unreadable: list[bytes] = []
        for payload in bad:
            # Spooled by an earlier version, which let in what this one writes anew.
            better = otlp.rewritten(signal, payload)
            if better != payload and is_readable([better]):
                rewritten.append(better)
            else:
                unreadable.append(payload)
        services = Counter[str]()
        # The same records on the next attempt, or fewer, should the store go away between the two.
        for part_token, payloads in ((token, good), (f"{token}-rewritten", rewritten)):
            if payloads:
                ingest.insert_segment(self._client, signal, _records(payloads), part_token)
            for payload in payloads:
                with contextlib.suppress(DecodeError):
                    services.update(otlp.services(signal, payload))
        return services, unreadable

    def _is_readable(self, signal: Signal, data: bytes) -> bool:
        """Whether ClickHouse can read it: it reads all of it, or refuses it twice and reads a good request between.

        Raises:
            QueryFailed: it refuses the good request too, or answers as during an upgrade. That says nothing about the
                bytes: nothing goes to dead-letter for it.
        """
        if not data or self._reads(signal, data):
            return True
        ingest.check_segment(self._client, signal, _KNOWN_GOOD[signal])
        # Once more: the store may have recovered since the first refusal.
        return self._reads(signal, data)

    def _reads(self, signal: Signal, data: bytes) -> bool:
        try:
            ingest.check_segment(self._client, signal, data)
        except QueryFailed as exc:
            if exc.code in UPGRADE_CODES:
                raise
            return False
        return True

    def _read(self, segment: ClosedSegment, inspection: Inspection) -> bytes:
        """The records of a segment before any damage."""
        with self._filesystem.open(segment.path) as file:
            return file.read(inspection.good_bytes)

    def _followed(self, segment: ClosedSegment, size_bytes: int, message: bytes) -> BinaryIO:
        """The first bytes of a segment and behind them one record more."""
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


def _lost_items(segment: ClosedSegment, inspection: Inspection) -> int:
    """How many items of a segment are behind its damage."""
    return max(0, segment.items - inspection.items) if inspection.damage else 0
