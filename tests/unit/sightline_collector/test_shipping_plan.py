"""The choice of what is shipped next: pure, so every rule of it is checked on any set of segments."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sightline_collector.shipping.plan import Idle, NoteTraces, ShipAlone, ShipBatch, State, Waiting, plan
from sightline_collector.spool import batch
from sightline_collector.spool.batch import Batch
from sightline_collector.spool.segment import ClosedSegment
from sightline_store.ingest import Signal

_NOW_S = 10.0
_STATE = State(_NOW_S, max_batch_bytes=100, max_batch_segments=3)


def _segment(number: int, signal: Signal = Signal.TRACES, size_bytes: int = 10, *, is_sampled: bool = False) -> Waiting:
    name = f"20261123T165400.{number:06}-{number:08x}{'-s' if is_sampled else ''}"
    return Waiting(0.0, number, ClosedSegment(name, signal, 1, Path(f"/spool/{signal}/{name}.1.seg"), size_bytes))


@st.composite
def _spools(draw: st.DrawFn) -> tuple[list[Waiting], dict[str, Batch], State]:
    waiting = []
    for number in range(draw(st.integers(0, 12))):
        is_sampled = draw(st.booleans())
        signal = Signal.TRACES if is_sampled else draw(st.sampled_from([Signal.TRACES, Signal.LOGS]))
        segment = _segment(number, signal, draw(st.integers(1, 120)), is_sampled=is_sampled).segment
        due_s = draw(st.sampled_from([0.0, 5.0, _NOW_S, 11.0]))
        waiting.append(Waiting(due_s, number, segment, needs_note=is_sampled and draw(st.booleans())))
    plain = [each.segment for each in waiting if not each.segment.is_sampled]
    batches: dict[str, Batch] = {}
    for signal in Signal:
        members = [segment for segment in plain if segment.signal is signal and draw(st.booleans())]
        if members:
            batches.update(dict.fromkeys((segment.name for segment in members), batch.form(members)))
    unreadable = frozenset(segment.name for segment in plain if segment.name not in batches and draw(st.booleans()))
    state = State(_NOW_S, draw(st.integers(1, 200)), draw(st.integers(1, 5)), unreadable)
    return sorted(waiting), batches, state


@given(_spools())
def test_first_that_is_due_is_worked_on_in_the_only_way_it_may_go(
    spool: tuple[list[Waiting], dict[str, Batch], State],
) -> None:
    """Idle exactly where nothing is due; else the first segment: noted, with its batch, alone, or in a new batch."""
    waiting, batches, state = spool
    work = plan(waiting, batches, state)
    due = [each for each in waiting if each.due_s <= state.now_s]
    if not due:
        assert work == Idle(waiting[0].due_s - state.now_s if waiting else None)
        return
    first = due[0].segment
    if due[0].needs_note:
        assert work == NoteTraces(first)
    elif first.name in batches:
        assert work == ShipBatch(batches[first.name])
    elif first.is_sampled or first.name in state.unreadable:
        assert work == ShipAlone(first)
    else:
        assert isinstance(work, ShipBatch)
        _check_new_batch(work.batch, due, batches, state)


def _check_new_batch(new: Batch, due: list[Waiting], batches: dict[str, Batch], state: State) -> None:
    first = due[0].segment
    candidates = [
        each.segment
        for each in due
        if each.segment.signal is first.signal
        and not each.segment.is_sampled
        and each.segment.name not in batches
        and each.segment.name not in state.unreadable
    ]
    count = len(new.segments)
    assert list(new.segments) == candidates[:count]  # the oldest, in their order, and no other
    assert new.segments[0] == first
    assert new.token == f"{first.name}-batch"
    sizes = [segment.size_bytes for segment in candidates]
    assert count <= state.max_batch_segments
    assert count == 1 or sum(sizes[:count]) <= state.max_batch_bytes
    if count < min(len(candidates), state.max_batch_segments):  # no more would have fitted
        assert sum(sizes[: count + 1]) > state.max_batch_bytes


def test_segment_larger_than_a_batch_goes_by_itself() -> None:
    """The limit is for what is added to the first."""
    large, small = _segment(1, size_bytes=500), _segment(2)
    assert plan([large, small], {}, _STATE) == ShipBatch(batch.form([large.segment]))


def test_segment_that_an_earlier_life_bound_joins_no_other_batch() -> None:
    """A segment that is older than a bound one, and was closed later, does not take it along under another token."""
    late, bound = _segment(1), _segment(2)
    batches = {bound.segment.name: batch.form([bound.segment])}
    assert plan([late, bound], batches, _STATE) == ShipBatch(batch.form([late.segment]))


def test_sampled_segment_is_noted_then_waits_then_goes_alone() -> None:
    """Two pieces of work, the window between them."""
    segment = _segment(1, is_sampled=True).segment
    assert plan([Waiting(_NOW_S, 1, segment, needs_note=True)], {}, _STATE) == NoteTraces(segment)
    assert plan([Waiting(_NOW_S + 5, 1, segment)], {}, _STATE) == Idle(5.0)
    assert plan([Waiting(_NOW_S, 1, segment)], {}, _STATE) == ShipAlone(segment)
