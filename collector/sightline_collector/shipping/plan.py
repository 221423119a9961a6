"""Which work comes next for the segments that wait: one pure function, which the shipper and its model both run.

Rules

1. Work is done in the order in which it is due. A sampled segment is due twice: at once, to note its traces, and when
   its window is over, to be shipped; so all that came by then is noted before a verdict is asked for.
2. A segment that a batch binds goes with that batch and in no other way.
3. A segment that is neither sampled nor known to be unreadable starts a batch: itself and those of its signal that are
   due behind it, unbound, as many as the limits allow. One behind which nothing waits is a batch of its own: once it
   was sent, and the answer was lost, it must not be bound to others later, under another token.
4. What is sampled, or unreadable to ClickHouse as it stands, goes alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import TypeAlias

from sightline_collector.spool import batch
from sightline_collector.spool.batch import Batch
from sightline_collector.spool.segment import ClosedSegment


@dataclass(frozen=True, order=True)
class Waiting:
    """A segment of the spool, ordered by when there is something to do with it."""

    due_s: float
    """On the monotonic clock."""
    number: int
    """Of those that are due at the same moment the lowest comes first."""
    segment: ClosedSegment = field(compare=False)
    needs_note: bool = field(default=False, compare=False)
    """Whether its traces have to be noted before it waits for its verdict."""


@dataclass(frozen=True)
class State:
    """What else decides."""

    now_s: float
    """On the monotonic clock."""
    max_batch_bytes: int
    """Of a batch of several segments; one alone may be larger."""
    max_batch_segments: int
    """At least 1."""
    unreadable: Set[str] = frozenset()
    """Names of segments that hold a request which ClickHouse cannot read."""


@dataclass(frozen=True)
class Idle:
    """Nothing is due for so many seconds; None where nothing waits."""

    seconds: float | None


@dataclass(frozen=True)
class NoteTraces:
    """Note which traces a sampled segment holds."""

    segment: ClosedSegment


@dataclass(frozen=True)
class ShipBatch:
    """Send the segments of a batch in one INSERT and remove them."""

    batch: Batch


@dataclass(frozen=True)
class ShipAlone:
    """Send one segment in no INSERT with others and remove it: by its verdict where it is sampled."""

    segment: ClosedSegment


Work: TypeAlias = Idle | NoteTraces | ShipBatch | ShipAlone


def plan(segments: Sequence[Waiting], batches: Mapping[str, Batch], state: State) -> Work:
    """The next piece of work.

    Args:
        segments: all that wait, in ascending order.
        batches: by segment name, the batch that binds it.
        state: see there.
    """
    if not segments:
        return Idle(None)
    first = segments[0]
    if first.due_s > state.now_s:
        return Idle(first.due_s - state.now_s)
    if first.needs_note:
        return NoteTraces(first.segment)
    bound = batches.get(first.segment.name)
    if bound is not None:
        return ShipBatch(bound)
    if not _may_be_bound(first, state):
        return ShipAlone(first.segment)
    return ShipBatch(batch.form(_members(segments, batches, state)))


def _members(segments: Sequence[Waiting], batches: Mapping[str, Batch], state: State) -> list[ClosedSegment]:
    """The first segment, and those behind it that a new batch may hold too."""
    signal, size_bytes = segments[0].segment.signal, 0
    members: list[ClosedSegment] = []
    for waiting in segments:
        if waiting.due_s > state.now_s or len(members) == state.max_batch_segments:
            break
        segment = waiting.segment
        if segment.signal is not signal or segment.name in batches or not _may_be_bound(waiting, state):
            continue
        size_bytes += segment.size_bytes
        if members and size_bytes > state.max_batch_bytes:
            break
        members.append(segment)
    return members


def _may_be_bound(waiting: Waiting, state: State) -> bool:
    return not waiting.segment.is_sampled and waiting.segment.name not in state.unreadable
