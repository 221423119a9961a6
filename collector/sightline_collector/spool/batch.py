"""Segments that go to the store together, in one INSERT: which ones and under which token is on disk before they go.

An INSERT has a price of its own, whatever it holds, so a backlog of small segments would come slowly. Those that wait
are sent as one body under a token of their own; one behind which nothing waits is a batch of one.
`20261123T165400.123456-9f2c01ab.batch` holds one record: the names of its segments, in the order in which they are
sent. It is named after the first, and so is the token. That of a batch of one is empty: it takes no room, so that a
full disk can be shipped from, which makes room.

Invariants

1. The file is durable before the first attempt and stays until all its segments are durably gone. Until then none of
   them is sent in another way, so each attempt has the same token.
2. A segment of a batch is removed only after the store said that all rows of the batch are fsynced. Where one is
   absent, the others are in the store too: they are removed, not sent.
3. A batch that ClickHouse cannot read has written nothing, since it is one block. If it holds several segments it is
   dissolved, durably, before they go other ways.
4. A segment of which a part alone can be read is a batch of one from before that part is sent until it is gone: the
   part has the token of that batch, and no later batch takes the segment up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sightline_collector.spool import reader, record
from sightline_collector.spool.filesystem import Filesystem
from sightline_collector.spool.segment import ClosedSegment
from sightline_store.ingest import Signal

_SUFFIX = ".batch"


@dataclass(frozen=True)
class Batch:
    """Segments of one signal, in the order in which they are sent."""

    token: str
    signal: Signal
    path: Path
    segments: tuple[ClosedSegment, ...]


def form(segments: Sequence[ClosedSegment]) -> Batch:
    """The batch of segments of one signal, none of them sampled. It binds them once `ship` has written its file."""
    first = segments[0]
    return Batch(f"{first.name}-batch", first.signal, first.path.with_name(f"{first.name}{_SUFFIX}"), tuple(segments))


def bound_batches(folder: Path, signal: Signal, filesystem: Filesystem) -> list[Batch]:
    """The batches that earlier lives left. One whose checksum does not hold has no segments: they go other ways."""
    present = {segment.path: segment for segment in reader.closed_segments(folder, signal, filesystem)}
    batches = []
    for path in filesystem.names(folder, _SUFFIX):
        with filesystem.open(path) as file:
            names = [name for entry in record.read_records(file) for name in entry.payload.decode().split("\n")]
        if filesystem.size(path) == 0:
            names = [other.name for other in present if other.name.startswith(f"{path.stem}.")]
        members = (present.get(folder / name) or ClosedSegment.parse(folder / name, signal) for name in names)
        batches.append(Batch(f"{path.stem}-batch", signal, path, tuple(segment for segment in members if segment)))
    return batches


def ship(
    batch: Batch, send: Callable[[Batch], None], remove: Callable[[ClosedSegment], None], filesystem: Filesystem
) -> None:
    """Take a batch from wherever an earlier attempt left it to its end. May be called again after any error.

    Args:
        batch: from `form` or `bound_batches`.
        send: returns when the store has fsynced its rows; the same token each time.
        remove: takes a segment out of the spool.
        filesystem: where it is.
    """
    if not is_stored(batch, filesystem):
        names = "\n".join(segment.path.name for segment in batch.segments)
        filesystem.write(batch.path, record.encode(names.encode()) if len(batch.segments) > 1 else b"")
        filesystem.sync_folder(batch.path.parent)
        send(batch)
    present = set(filesystem.names(batch.path.parent, ".seg"))
    for segment in batch.segments:
        if segment.path in present:
            remove(segment)
    dissolve(batch, filesystem)


def is_bound(batch: Batch, filesystem: Filesystem) -> bool:
    """Whether its file is there, so that its segments can go in no other way."""
    return batch.path in filesystem.names(batch.path.parent, _SUFFIX)


def is_stored(batch: Batch, filesystem: Filesystem) -> bool:
    """Whether the store has all of it already: one of its segments is absent."""
    present = set(filesystem.names(batch.path.parent, ".seg"))
    return any(segment.path not in present for segment in batch.segments)


def dissolve(batch: Batch, filesystem: Filesystem) -> None:
    """Remove its file, surviving a power cut, when its segments are gone or are to go other ways."""
    filesystem.sync_folder(batch.path.parent)
    filesystem.remove(batch.path)
    filesystem.sync_folder(batch.path.parent)
