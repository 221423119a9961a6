"""The spool on a disk that loses power: what was acknowledged is stored once, at whichever operation the end comes."""

from __future__ import annotations

import contextlib
import errno
import random
from collections import Counter, deque
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from simulated_disk import EndOfLife, SimulatedDisk

from sightline_collector.errors import NotNow
from sightline_collector.settings import CollectorSettings
from sightline_collector.spool import batch, record
from sightline_collector.spool.segment import ClosedSegment, new_name
from sightline_collector.spool.writer import Spool
from sightline_store.ingest import Signal

_FOLDER = Path("/spool")
_SETTINGS = CollectorSettings(
    spool_dir=_FOLDER, segment_max_bytes=4096, segment_max_age_s=1e6, spool_max_bytes=64 * 1024
)
_NAME_CHARS = len(new_name())
Request = tuple[Signal, bytes]


class _Spool(Spool):
    """Turns when it is told to, not by a thread."""

    def _run(self) -> None:
        pass

    def turn(self) -> None:
        self._turn(0.0)

    def roll(self) -> None:
        for segment in list(self._open.values()):
            self._roll(segment)


_ENDS = st.none() | st.integers(1, 12)
_UP = precondition(lambda self: self.spool is not None)


class PowerCuts(RuleBasedStateMachine):
    """Clients, a collector that ends at any operation, and a store that knows tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.disk = SimulatedDisk()
        self.spool: _Spool | None = None
        self.closed: deque[ClosedSegment] = deque()
        self.waiting: list[tuple[Request, Future[None]]] = []
        self.acknowledged: set[Request] = set()
        self.unanswered: list[Request] = []
        self.stored: dict[str, list[Request]] = {}
        self.tokens: dict[str, str] = {}
        self.batches: dict[str, batch.Batch] = {}
        self.made = 0

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        """A first start on an empty disk."""
        self.disk.chance = random.Random(seed)
        self._act(None, True, self._start)

    @precondition(lambda self: self.spool is None)
    @rule(ends=_ENDS, power=st.booleans())
    def start(self, ends: int | None, power: bool) -> None:
        """The next life recovers; it may end meanwhile."""
        self._act(ends, power, self._start)

    @_UP
    @rule(signal=st.sampled_from([Signal.TRACES, Signal.LOGS]), size=st.integers(0, 3000), twice=st.booleans())
    def append(self, signal: Signal, size: int, twice: bool) -> None:
        """A client sends, perhaps the same bytes as another signal's too: they are other requests."""
        self.made += 1
        body = ExportTraceServiceRequest()
        scope = body.resource_spans.add().scope_spans.add()
        scope.scope.name = f"{self.made}{'x' * size}"
        scope.spans.add()
        payload = body.SerializeToString()
        self._send((signal, payload))
        if twice:
            self._send((Signal.LOGS if signal is Signal.TRACES else Signal.TRACES, payload))

    @_UP
    @rule(chance=st.randoms(use_true_random=False))
    def send_again(self, chance: random.Random) -> None:
        """A client that got no answer, or whose answer was lost, sends the same bytes again."""
        known = [*sorted(self.acknowledged), *self.unanswered]
        if known:
            self._send(chance.choice(known))

    @_UP
    @rule(ends=_ENDS, power=st.booleans(), fault=st.none() | st.tuples(st.integers(0, 3), st.integers(1, 3)))
    def commit(self, ends: int | None, power: bool, fault: tuple[int, int] | None) -> None:
        """What is queued is written and synced; the disk may refuse that, and refuse to cut what it left too."""
        assert self.spool is not None
        if fault:
            self.break_disk(*fault, errno.EIO)
        self._act(ends, power, self.spool.turn)

    @_UP
    @rule(ends=_ENDS, power=st.booleans())
    def roll(self, ends: int | None, power: bool) -> None:
        """The open segments come of age."""
        assert self.spool is not None
        self._act(ends, power, self.spool.roll)

    @_UP
    @rule(ends=_ENDS, power=st.booleans())
    def ship(self, ends: int | None, power: bool) -> None:
        """The oldest segment goes to the store; the end may come before the spool knows."""
        if self.closed:
            self._act(ends, power, self._ship)

    @_UP
    @rule(count=st.integers(2, 5), ends=st.none() | st.integers(1, 20), power=st.booleans())
    def ship_together(self, count: int, ends: int | None, power: bool) -> None:
        """The oldest segments of a signal go as a batch; the end may come at each operation of that."""
        if self.closed:
            self._act(ends, power, lambda: self._ship(count))

    @_UP
    @rule(power=st.booleans())
    def end(self, power: bool) -> None:
        """Kill -9 or a power cut between two operations."""
        self._end(power)

    @rule(after=st.integers(0, 8), count=st.integers(1, 5), number=st.sampled_from([errno.ENOSPC, errno.EIO]))
    def breaks(self, after: int, count: int, number: int) -> None:
        """The disk is about to refuse."""
        self.break_disk(after, count, number)

    def break_disk(self, after: int, count: int, number: int) -> None:
        """Some of the next writes, cuts, syncs, renames and removals fail."""
        self.disk.faults.extend([(after, number)] + [(0, number)] * (count - 1))

    @invariant()
    def every_acknowledged_request_is_there_once(self) -> None:
        """In the store, or in the files that lead there."""
        if self.spool is None:
            return
        found = Counter(request for requests in self.stored.values() for request in requests)
        for signal in Signal:
            for suffix in (".seg", ".open"):
                for path in self.disk.names(_FOLDER / signal, suffix):
                    if path.name[:_NAME_CHARS] not in self.stored:
                        found.update(self._requests(signal, path))
        assert [request for request in self.acknowledged if found[request] != 1] == []
        assert [request for request, count in found.items() if count > 1] == []

    def teardown(self) -> None:
        """At the end the disk is well again: all clients get their answer, all reaches the store, nothing stays."""
        self.disk.end_process()
        while self.spool is None:
            self._act(None, False, self._start)
        for _ in range(50):
            again, self.unanswered = self.unanswered, []
            for request in again:
                self._send(request)
            self._act(None, False, self.spool.turn)
            self._act(None, False, self.spool.roll)
            for together in dict.fromkeys(self.batches.values()):
                self._ship_batch(together)
            while self.closed:
                self._ship()
            if not self.unanswered and not self.waiting:
                break
        self._act(None, False, self.spool.turn)
        while self.closed:
            self._ship()
        found = Counter(request for requests in self.stored.values() for request in requests)
        assert self.unanswered == []
        assert found == Counter(self.acknowledged)
        assert self.spool.waiting_bytes == 0
        left = [path for signal in Signal for path in self.disk.names(_FOLDER / signal, "")]
        assert {path.suffix for path in left} <= {".seen"}

    def _start(self) -> None:
        self.closed.clear()
        self.spool = _Spool(_SETTINGS, self.closed.append, self.disk)
        self.batches.clear()
        for signal in Signal:
            for left in batch.waiting(self.spool.folder(signal), signal, self.disk):
                if any(segment in self.closed for segment in left.segments):
                    self.batches |= {segment.name: left for segment in left.segments}
                else:
                    with contextlib.suppress(OSError):
                        batch.dissolve(left, self.disk)

    def _send(self, request: Request) -> None:
        assert self.spool is not None
        promise, _ = self.spool.append(*request, 1)
        self.waiting.append((request, promise))
        self._answer()

    def _ship(self, count: int = 1) -> None:
        """Ship the oldest segment as it is bound, or else bound to as many of its signal as `count` says."""
        first = self.closed[0]
        together = self.batches.get(first.name)
        if together is None:
            alike = [each for each in self.closed if each.signal is first.signal and each.name not in self.batches]
            together = batch.form(alike[:count])
            self.batches |= {segment.name: together for segment in together.segments}
        self._ship_batch(together)

    def _ship_batch(self, together: batch.Batch) -> None:
        batch.ship(together, self._store_together, self._remove, self.disk)
        for segment in together.segments:
            del self.batches[segment.name]
            if segment in self.closed:
                self.closed.remove(segment)

    def _store_together(self, together: batch.Batch) -> None:
        for segment in together.segments:
            self._store(segment, together.token)

    def _store(self, segment: ClosedSegment, token: str) -> None:
        requests = self._requests(segment.signal, segment.path)
        assert segment.items == len(requests)
        assert self.tokens.setdefault(segment.name, token) == token
        assert self.stored.setdefault(segment.name, requests) == requests
        self.disk.step()

    def _remove(self, segment: ClosedSegment) -> None:
        assert self.spool is not None
        assert segment.name in self.stored
        self.spool.stored(segment)
        self.closed.remove(segment)

    def _requests(self, signal: Signal, path: Path) -> list[Request]:
        with self.disk.open(path) as file:
            entries = list(record.read_records(file))
        if path.suffix == ".seg":
            assert entries[-1].end == self.disk.size(path)
        return [(signal, entry.payload) for entry in entries]

    def _act(self, ends: int | None, power: bool, action: Any) -> None:
        self.disk.ends_after = ends
        try:
            action()
        except EndOfLife:
            self._end(power)
        except OSError:
            pass  # The shipper tries again; a start that fails is tried again by who started it.
        finally:
            self.disk.ends_after = None
        self._answer()

    def _end(self, power: bool) -> None:
        self._answer()
        self.unanswered += [request for request, _ in self.waiting if request not in self.acknowledged]
        self.waiting.clear()
        self.spool = None
        if power:
            self.disk.lose_power()
        else:
            self.disk.end_process()

    def _answer(self) -> None:
        """Tell the clients whose promises are kept or broken."""
        for request, promise in list(self.waiting):
            if not promise.done():
                continue
            self.waiting.remove((request, promise))
            error = promise.exception()
            if error is None:
                self.acknowledged.add(request)
            else:
                assert isinstance(error, NotNow)
                self.unanswered.append(request)
        self.unanswered = [request for request in dict.fromkeys(self.unanswered) if request not in self.acknowledged]


TestPowerCuts = PowerCuts.TestCase
TestPowerCuts.settings = settings(
    max_examples=400, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize("power", [False, True])
@pytest.mark.parametrize("ends", range(1, 25))
def test_what_a_refused_request_left_is_not_found_beside_its_second_attempt(ends: int, power: bool) -> None:
    """A sync fails, the cut after it too, the client sends again: the end may come at each operation of that."""
    life = PowerCuts()
    life.begin(seed=ends)
    life.append(Signal.TRACES, 10, twice=False)
    life.commit(None, power, None)
    life.append(Signal.TRACES, 20, twice=False)
    life.commit(None, power, (1, 3))
    (refused,) = life.unanswered
    life._send(refused)
    life.commit(ends, power, None)
    if life.spool is not None:
        life.end(power)
    life.start(None, power)
    life.every_acknowledged_request_is_there_once()
    life._send(refused)
    life.commit(None, power, None)
    life.every_acknowledged_request_is_there_once()
    life.teardown()


@pytest.mark.parametrize("power", [False, True])
@pytest.mark.parametrize("ends", range(1, 25))
def test_digests_without_room_are_not_forgotten_with_their_segment(ends: int, power: bool) -> None:
    """The `.seen` file is refused, the segment is shipped, and a client whose answer was lost sends again."""
    life = PowerCuts()
    life.begin(seed=ends)
    life.append(Signal.TRACES, 10, twice=False)
    life.commit(None, power, None)
    life.break_disk(1, 1, errno.ENOSPC)
    life.roll(None, power)
    life.ship(ends, power)
    if life.spool is not None:
        life.end(power)
    life.start(None, power)
    for request in life.acknowledged:
        life._send(request)
    life.commit(None, power, None)
    life.every_acknowledged_request_is_there_once()
    life.teardown()
