"""Appends requests to segments and keeps its promise when they are durable: one sync for all that came meanwhile."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from sightline_collector.errors import Draining, NotNow, SpoolBroken, SpoolFull
from sightline_collector.settings import CollectorSettings
from sightline_collector.spool import reader, record, summary
from sightline_collector.spool.filesystem import Disk, Filesystem
from sightline_collector.spool.ledger import Ledger
from sightline_collector.spool.open_segment import OpenSegment
from sightline_collector.spool.segment import ClosedSegment
from sightline_store.ingest import Signal

_log = logging.getLogger("sightline.collector")
_GROUP_BYTES = 32 * 1024**2
_USUAL_INSERT_S = 0.3  # on a machine that is not busy; 0.2 s of slack are left to two seconds
_RECOGNISED_S = 600.0  # after shipping, a request sent again is still recognised for so long


@dataclass(frozen=True)
class _Append:
    signal: Signal
    payload: bytes
    services: Mapping[str, int]
    digest: bytes
    promise: Future[None]


class Spool:
    """The spool's folder. One writer thread appends; any thread may call `append`."""

    def __init__(
        self,
        settings: CollectorSettings,
        on_closed: Callable[[ClosedSegment], None],
        filesystem: Filesystem | None = None,
        on_synced: Callable[[float], None] = lambda _: None,
    ) -> None:
        """Recover what an earlier life left and start the writer.

        Args:
            settings: sizes, ages and the folder.
            on_closed: called with each segment that is ready for the store, also with those of earlier lives.
            filesystem: where to; the real disk by default.
            on_synced: called after each write and sync with the seconds that it took.
        """
        self._settings = settings
        self._on_closed = on_closed
        self._on_synced = on_synced
        self._filesystem = filesystem or Disk()
        self._ledger = Ledger(_RECOGNISED_S, self._filesystem)
        self._queue: queue.SimpleQueue[_Append | None] = queue.SimpleQueue()
        self._open: dict[Signal, OpenSegment] = {}
        self._unclosed: list[OpenSegment] = []
        self._draining = False
        self._insert_s = 0.0
        self._lock = threading.Lock()
        self._waiting_bytes = 0
        self._closed_bytes: dict[str, int] = {}  # of them, by segment name
        for signal in Signal:
            folder = self.folder(signal)
            self._filesystem.make_folder(folder)
            reader.recover(folder, signal, self._filesystem)
            present = set[Path | None]()
            for segment in reader.closed_segments(folder, signal, self._filesystem):
                self._waiting_bytes += segment.size_bytes
                self._closed_bytes[segment.name] = segment.size_bytes
                self._ledger.load(summary.of_segment(segment, self._filesystem))
                present.add(summary.file_of(segment, self._filesystem))
                on_closed(segment)
            for path in summary.files(folder, self._filesystem):
                if path not in present:
                    known = summary.read_or_log(path, self._filesystem)
                    if known is not None:
                        self._ledger.load(known)
                    self._ledger.shipped(path)
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        self._thread.start()

    def folder(self, signal: Signal) -> Path:
        """Where the segments of a signal are."""
        return self._settings.spool_dir / signal

    @property
    def filesystem(self) -> Filesystem:
        """Through which all of the folder is read and written."""
        return self._filesystem

    @property
    def segment_max_bytes(self) -> int:
        """Bytes after which a segment is closed."""
        return self._settings.segment_max_bytes

    @property
    def segment_max_age_s(self) -> float:
        """Seconds after which a segment is closed at the latest."""
        return self._settings.segment_max_age_s

    @property
    def waiting_bytes(self) -> int:
        """Bytes in the spool that the store has not confirmed."""
        return self._waiting_bytes

    def append(self, signal: Signal, payload: bytes, services: Mapping[str, int]) -> tuple[Future[None], bool]:
        """Promise to store one OTLP request; the promise is kept when its record is durable.

        Args:
            signal: what the payload holds.
            payload: serialized request, as ClickHouse will read it.
            services: its spans, data points or log records by service.name.

        Returns:
            The promise, and whether the request is new. A request that came lately gets the promise of the first.
            The promise fails with SpoolFull or SpoolBroken: both map to HTTP 503.

        Raises:
            Draining: the collector is stopping.
        """
        if self._draining:
            raise Draining("the collector is stopping")
        digest = record.digest(signal, payload)
        promise, is_new = self._ledger.enter(digest)
        if is_new:
            self._queue.put(_Append(signal, payload, services, digest, promise))
        return promise, is_new

    def insert_took(self, seconds: float) -> None:
        """What the last INSERT took: by as much as that is above the usual, segments are closed sooner."""
        self._insert_s = seconds

    def stored(self, segment: ClosedSegment) -> None:
        """The store has fsynced the segment's rows: remove it. May be called again after an OSError."""
        path = summary.file_of(segment, self._filesystem)
        if path is None:
            # There was no room for the digests; they would be forgotten with the segment.
            folder = segment.path.parent
            summary.write(folder, segment.name, summary.of_segment(segment, self._filesystem), self._filesystem)
            self._filesystem.sync_folder(folder)
            path = summary.file_of(segment, self._filesystem)
        self._filesystem.remove(segment.path)
        self.release(segment)
        if path is not None:
            self._ledger.shipped(path)

    def release(self, segment: ClosedSegment) -> None:
        """The segment is out of the spool: its bytes wait no longer. May be called again."""
        with self._lock:
            self._waiting_bytes -= self._closed_bytes.pop(segment.name, 0)

    def quarantine(self, segment: ClosedSegment, reason: str) -> Path:
        """Move a damaged segment to quarantine/ with the reason; it no longer blocks.

        Its requests that cannot be read any more are forgotten: a client that sends one again has it stored.
        """
        kept = summary.of_records(segment, self._filesystem)
        known = summary.of_segment(segment, self._filesystem)
        self._ledger.forget_all(set(known.each_digest()) - set(kept.each_digest()))
        summary.replace(segment, kept, self._filesystem)
        self._filesystem.sync_folder(segment.path.parent)
        target = self._settings.spool_dir / "quarantine" / f"{segment.signal}-{segment.path.name}"
        self._filesystem.make_folder(target.parent)
        with contextlib.suppress(OSError):
            self._filesystem.write(target.with_suffix(".reason"), f"{reason}\n".encode())
        self._filesystem.rename(segment.path, target)
        self.release(segment)
        if (path := summary.file_of(segment, self._filesystem)) is not None:
            self._ledger.shipped(path)
        return target

    def write_dead_letter(self, segment: ClosedSegment, records: bytes, reason: str) -> Path:
        """Put records that ClickHouse cannot read into dead-letter/, with the reason beside them."""
        target = self._settings.spool_dir / "dead-letter" / f"{segment.signal}-{segment.name}.records"
        self._filesystem.make_folder(target.parent)
        self._filesystem.write(target, records)
        with contextlib.suppress(OSError):
            self._filesystem.write(target.with_suffix(".reason"), f"{reason}\n".encode())
        self._filesystem.sync_folder(target.parent)
        return target

    def close(self) -> None:
        """Write out what is queued, close the segments and stop. What comes later is refused with Draining."""
        self._draining = True
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        """The writer's thread."""
        while self._turn(self._patience_s()):
            pass

    def _turn(self, patience_s: float) -> bool:
        """Commit what is queued, close what is due; whether there is more to come."""
        group, is_last = self._next_group(patience_s)
        for signal in Signal:
            appends = [item for item in group if item.signal is signal]
            if appends:
                self._commit(signal, appends)
        for segment in list(self._open.values()):
            if is_last or self._is_due(segment):
                self._roll(segment)
        for segment in [self._unclosed.pop() for _ in range(len(self._unclosed))]:
            self._hand_on(segment)
        self._ledger.sweep()
        return not is_last

    def _next_group(self, patience_s: float) -> tuple[list[_Append], bool]:
        """All that is queued, after waiting for the first or for a segment to come of age."""
        group: list[_Append] = []
        size = 0
        try:
            item = self._queue.get(timeout=patience_s)
            while item is not None:
                group.append(item)
                size += len(item.payload)
                if size >= _GROUP_BYTES:
                    return group, False
                item = self._queue.get_nowait()
        except queue.Empty:
            return group, False
        return group, True

    def _patience_s(self) -> float:
        if not self._open:
            return 1.0 if self._unclosed else 5.0
        oldest = min(segment.opened_s for segment in self._open.values())
        return max(0.0, oldest + self._age_s() - time.monotonic())

    def _is_due(self, segment: OpenSegment) -> bool:
        return (
            segment.size_bytes >= self._settings.segment_max_bytes
            or time.monotonic() - segment.opened_s >= self._age_s()
        )

    def _age_s(self) -> float:
        """Seconds after which a segment is closed; at least half of those of the settings."""
        most_s = self._settings.segment_max_age_s
        return max(most_s / 2, most_s - max(0.0, self._insert_s - _USUAL_INSERT_S))

    def _commit(self, signal: Signal, group: list[_Append]) -> None:
        """Write a group, in parts that respect the segment's size, and keep or break its promises."""
        while group:
            part, size = [], 0
            while group and size < self._settings.segment_max_bytes:
                size += len(group[0].payload)
                part.append(group.pop(0))
            try:
                self._write(signal, part)
            except NotNow as exc:
                for item in part:
                    self._ledger.forget(item.digest)
                    item.promise.set_exception(exc)
            else:
                for item in part:
                    item.promise.set_result(None)

    def _write(self, signal: Signal, part: list[_Append]) -> None:
        limit = self._settings.spool_max_bytes
        with self._lock:
            if self._waiting_bytes >= limit:
                raise SpoolFull(self._waiting_bytes, limit)
        if any(segment.is_torn and segment.signal is signal for segment in self._unclosed):
            # A request that was refused may still be read there after a crash, beside its second attempt.
            raise SpoolBroken("spool cannot be written: what a failed write left could not be cut yet")
        segment = self._open.get(signal)
        try:
            if segment is None:
                is_sampled = signal is Signal.TRACES and self._settings.sampling.is_on
                segment = OpenSegment(
                    self.folder(signal), signal, self._filesystem, time.monotonic(), is_sampled=is_sampled
                )
                self._open[signal] = segment
            before, requests = segment.size_bytes, segment.requests
            began_s = time.monotonic()
            try:
                for item in part:
                    segment.append(item.payload, item.services, item.digest)
                segment.sync()
                self._on_synced(time.monotonic() - began_s)
            except OSError:
                # After a failed sync the page cache says nothing about the disk: keep what was durable, use a new file.
                del self._open[signal]
                segment.drop(requests)
                self._hand_on(segment)
                raise
        except OSError as exc:
            _log.error("spool cannot be written: %s", exc)
            raise SpoolBroken(f"spool cannot be written: {exc.strerror or exc}") from exc
        with self._lock:
            self._waiting_bytes += segment.size_bytes - before
        if self._is_due(segment):
            self._roll(segment)

    def _roll(self, segment: OpenSegment) -> None:
        del self._open[segment.signal]
        self._hand_on(segment)

    def _hand_on(self, segment: OpenSegment) -> None:
        """Close a segment for the shipper. Where the disk refuses, its records are durable: it is tried again."""
        try:
            closed = segment.close()
        except OSError as exc:
            _log.error("segment %s cannot be closed yet: %s", segment.name, exc)
            self._unclosed.append(segment)
            return
        if closed is not None:
            with self._lock:
                self._closed_bytes[closed.name] = closed.size_bytes
            self._on_closed(closed)
