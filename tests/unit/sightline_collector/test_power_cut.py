"""The collector on a disk that loses power: what was acknowledged is stored once, at whichever operation the end comes.

The real spool, the real plan and the real steps of shipping run, over a disk and a store in memory: the end comes
before or after any write, sync, rename or removal, any INSERT and any question to the store.
"""

from __future__ import annotations

import errno
import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from simulated_disk import EndOfLife, SimulatedDisk
from simulated_store import POISON, Outage, SimulatedStore

from sightline_collector.errors import NotNow
from sightline_collector.settings import CollectorSettings, SamplingSettings
from sightline_collector.shipping.shipper import Shipper
from sightline_collector.spool import record
from sightline_collector.spool.segment import ClosedSegment
from sightline_collector.spool.writer import Spool
from sightline_collector.telemetry import Counts
from sightline_store.ingest import Signal

_FOLDER = Path("/spool")
_WINDOW_S = 5.0
Request = tuple[Signal, bytes]


def _settings(*, is_sampled: bool) -> CollectorSettings:
    return CollectorSettings(
        spool_dir=_FOLDER,
        segment_max_bytes=4096,
        segment_max_age_s=1e6,
        spool_max_bytes=64 * 1024,
        sampling=SamplingSettings(share=0.5 if is_sampled else 1.0, window_s=_WINDOW_S),
    )


class _Spool(Spool):
    """Turns when the model says so, not by a thread."""

    def _run(self) -> None:
        pass

    def turn(self) -> None:
        self._turn(0.0)

    def roll(self) -> None:
        for segment in list(self._open.values()):
            self._roll(segment)


class _Shipper(Shipper):
    """Turns when the model says so, and hides no mistake of the model."""

    def _unexpected(self, exc: Exception) -> float:
        raise exc


_ENDS = st.none() | st.integers(1, 12)
_UP = precondition(lambda self: self.spool is not None)


class PowerCuts(RuleBasedStateMachine):
    """Clients, a collector that ends at any operation, and a store that knows tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.disk = SimulatedDisk()
        self.store = SimulatedStore(self.disk.step)
        self.spool: _Spool | None = None
        self.shipper: Shipper | None = None
        self.now_s = 0.0
        self.is_sampled = False
        self.waiting: list[tuple[Request, Future[None]]] = []
        self.acknowledged: set[Request] = set()
        self.unanswered: list[Request] = []
        self.damaged: set[Request] = set()
        self.made = 0

    @initialize(seed=st.integers(0, 2**32), is_sampled=st.booleans())
    def begin(self, seed: int, is_sampled: bool = False) -> None:
        """A first start on an empty disk."""
        self.disk.chance = random.Random(seed)
        self.is_sampled = is_sampled
        self._act(None, True, self._start)

    @precondition(lambda self: self.spool is None)
    @rule(ends=_ENDS, power=st.booleans(), is_sampled=st.booleans())
    def start(self, ends: int | None, power: bool, is_sampled: bool = False) -> None:
        """The next life recovers, perhaps with other settings; it may end meanwhile."""
        self.is_sampled = is_sampled
        self._act(ends, power, self._start)

    @_UP
    @rule(
        signal=st.sampled_from([Signal.TRACES, Signal.LOGS]),
        size=st.integers(0, 3000),
        twice=st.booleans(),
        is_poisoned=st.integers(0, 9).map(lambda number: number == 0),
    )
    def append(self, signal: Signal, size: int, twice: bool, is_poisoned: bool = False) -> None:
        """A client sends, perhaps the same bytes as another signal's too: they are other requests."""
        self.made += 1
        body = ExportTraceServiceRequest()
        scope = body.resource_spans.add().scope_spans.add()
        scope.scope.name = f"{self.made}{POISON.decode() if is_poisoned else ''}{'x' * size}"
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
    @rule(
        turns=st.integers(1, 6),
        ends=st.none() | st.integers(1, 60),
        power=st.booleans(),
        outages=st.lists(st.sampled_from(Outage), max_size=2),
        gap=st.integers(0, 3),
    )
    def ship(self, turns: int, ends: int | None, power: bool, outages: list[Outage], gap: int) -> None:
        """Some work is done: notes, batches, segments alone; the store fails, and the end comes at any operation."""
        shipper = self.shipper
        assert shipper is not None

        def work() -> None:
            for _ in range(turns):
                shipper.turn()
                self.now_s += _WINDOW_S / 2

        self.store.outages = [None] * gap + outages
        self._act(ends, power, work)

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

    @precondition(lambda self: len(self.damaged) < 4)
    @rule(chance=st.randoms(use_true_random=False))
    def flip(self, chance: random.Random) -> None:
        """The disk changes a bit of a closed segment: what stands from there on is lost, or in the store already."""
        paths = [path for signal in Signal for path in self.disk.names(_FOLDER / signal, ".seg")]
        if paths:
            path = chance.choice(paths)
            self.flip_in(path, chance.randrange(self.disk.size(path)))

    def flip_in(self, path: Path, position: int) -> None:
        """Change one bit there. Who sent what is lost by that does not send it again."""
        signal = Signal(path.parent.name)
        with self.disk.open(path) as file:
            lost = {(signal, entry.payload) for entry in record.read_records(file) if entry.end > position}
        self.disk.flip(path, position)
        self.damaged |= lost
        self.acknowledged -= lost
        self.unanswered = [request for request in self.unanswered if request not in lost]

    @invariant()
    def every_acknowledged_request_is_there_once(self) -> None:
        """In the store or in dead-letter/, or in the files that lead there."""
        if self.spool is None:
            return
        in_store, spooled, dead = Counter(self.store.rows), Counter[Request](), self._dead_letters()
        for signal in Signal:
            for suffix in (".seg", ".open"):
                for path in self.disk.names(_FOLDER / signal, suffix):
                    spooled.update(self._requests(signal, path))
        assert [request for request, count in in_store.items() if count > 1] == []
        assert [request for request, count in spooled.items() if count > 1] == []
        assert self.acknowledged - in_store.keys() - spooled.keys() - dead == set()
        assert [request for request in in_store if POISON in request[1]] == []

    def teardown(self) -> None:
        """At the end disk and store are well again: all clients get their answer, all is stored, nothing stays."""
        self.disk.end_process()
        self.store.outages.clear()
        while self.spool is None:
            self._act(None, False, self._start)
        assert self.shipper is not None
        for _ in range(50):
            again, self.unanswered = self.unanswered, []
            for request in again:
                self._send(request)
            self._act(None, False, self.spool.turn)
            self._act(None, False, self.spool.roll)
            self._act(None, False, self._ship_all)
            if not self.unanswered and not self.waiting:
                break
        self._act(None, False, self.spool.turn)
        self._ship_all()
        assert self.unanswered == []
        readable = {request for request in self.acknowledged if POISON not in request[1]}
        assert {request for request in self.store.rows if request not in self.damaged} == readable
        assert set(self.store.rows.values()) <= {1}
        assert self._dead_letters() - self.damaged == self.acknowledged - readable
        assert self.spool.waiting_bytes == 0
        left = [path for signal in Signal for path in self.disk.names(_FOLDER / signal, "")]
        assert {path.suffix for path in left} <= {".summary"}

    def _start(self) -> None:
        settings = _settings(is_sampled=self.is_sampled)
        shipper = _Shipper(self.store, Counts(), settings.sampling, prepare=lambda _: None, clock=lambda: self.now_s)
        spool = _Spool(settings, shipper.take, self.disk)
        shipper.resume(spool)
        self.spool, self.shipper = spool, shipper

    def _ship_all(self) -> None:
        assert self.shipper is not None
        for _ in range(500):
            self.now_s += _WINDOW_S
            self.shipper.turn()
            if not self.shipper.waiting:
                return
        raise AssertionError("segments wait that nothing is done with")

    def _send(self, request: Request) -> None:
        assert self.spool is not None
        promise, _ = self.spool.append(*request, {"": 1})
        self.waiting.append((request, promise))
        self._answer()

    def _requests(self, signal: Signal, path: Path) -> list[Request]:
        with self.disk.open(path) as file:
            entries = list(record.read_records(file))
        if path.suffix == ".seg":
            closed = ClosedSegment.parse(path, signal)
            assert closed is not None
            if closed.items != len(entries):  # Each request has one item.
                assert self.damaged
        return [(signal, entry.payload) for entry in entries]

    def _dead_letters(self) -> set[Request]:
        dead = set[Request]()
        for path in self.disk.names(_FOLDER / "dead-letter", ".records"):
            dead.update(self._requests(Signal(path.name.partition("-")[0]), path))
        return dead

    def _act(self, ends: int | None, power: bool, action: Callable[[], object]) -> None:
        self.disk.ends_after = ends
        try:
            action()
        except EndOfLife:
            self._end(power)
        except OSError:
            pass  # A start that fails is tried again by who started it.
        finally:
            self.disk.ends_after = None
        self._answer()

    def _end(self, power: bool) -> None:
        self._answer()
        self.unanswered += [request for request, _ in self.waiting if request not in self.acknowledged]
        self.waiting.clear()
        self.spool = self.shipper = None
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


@pytest.mark.parametrize("power", [False, True])
@pytest.mark.parametrize("is_sampled", [False, True])
@pytest.mark.parametrize("outage", [None, *Outage])
def test_end_at_each_operation_of_shipping_loses_and_doubles_nothing(
    outage: Outage | None, is_sampled: bool, power: bool
) -> None:
    """Segments of two signals, one with a request that cannot be read, and a store that fails at each INSERT in turn.

    Before the next life ships, it has one segment more and no sampling: what was begun goes on as it was begun.
    """
    ends, has_ended = 0, True
    while has_ended:
        ends += 1
        life = PowerCuts()
        life.begin(seed=ends, is_sampled=is_sampled)
        for number in range(5):
            life.append(Signal.TRACES, 10, twice=number == 1, is_poisoned=number == 2)
            life.commit(None, power, None)
            life.roll(None, power)
        life.ship(25, ends, power, [outage] if outage else [], ends % 7)
        has_ended = life.spool is None
        if not has_ended:
            life.end(power)
        life.start(None, power)
        life.append(Signal.TRACES, 10, twice=False)
        life.commit(None, power, None)
        life.roll(None, power)
        life.every_acknowledged_request_is_there_once()
        life.teardown()
    assert ends > 40  # there are about as many operations


@pytest.mark.parametrize("is_sampled", [False, True])
@pytest.mark.parametrize("record_number", [0, 1, 2, 3])
@pytest.mark.parametrize("is_damaged_first", [False, True])
def test_damage_beside_a_request_that_cannot_be_read_doubles_nothing(
    is_damaged_first: bool, record_number: int, is_sampled: bool
) -> None:
    """A bit changes before, in or behind such a request, before or after the end at each operation of shipping."""
    ends, has_ended = 0, True
    while has_ended:
        ends += 1
        life = PowerCuts()
        life.begin(seed=ends, is_sampled=is_sampled)
        for number in range(4):
            life.append(Signal.TRACES, 10, twice=False, is_poisoned=number == 2)
        life.commit(None, False, None)
        life.roll(None, False)
        (path,) = life.disk.names(_FOLDER / "traces", ".seg")
        position = life.disk.size(path) * record_number // 4 + 10
        life.append(Signal.TRACES, 10, twice=False)
        life.commit(None, False, None)
        life.roll(None, False)
        if is_damaged_first:
            life.flip_in(path, position)
        life.ship(25, ends, False, [], 0)
        has_ended = life.spool is None
        if not has_ended:
            life.end(False)
        if not is_damaged_first and path in life.disk.names(path.parent, ".seg"):
            life.flip_in(path, position)
        life.start(None, False)
        life.every_acknowledged_request_is_there_once()
        life.teardown()
    assert ends > 15  # there are about as many operations


def test_batch_whose_answer_was_lost_is_sent_again_as_it_was() -> None:
    """A segment that comes between the two attempts is no part of it."""
    life = PowerCuts()
    life.begin(seed=0)
    for outages in ([Outage.ANSWER_LOST], []):
        life.append(Signal.TRACES, 10, twice=False)
        life.commit(None, False, None)
        life.roll(None, False)
        life.ship(1, None, False, outages, 0)
    life.every_acknowledged_request_is_there_once()
    life.teardown()


TestPowerCuts = PowerCuts.TestCase
TestPowerCuts.settings = settings(
    max_examples=400, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize("power", [False, True])
@pytest.mark.parametrize("ends", range(1, 25))
def test_what_a_refused_request_left_is_not_read_beside_its_second_attempt(ends: int, power: bool) -> None:
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
    """The summary is refused, the segment is shipped, and a client whose answer was lost sends again."""
    life = PowerCuts()
    life.begin(seed=ends)
    life.append(Signal.TRACES, 10, twice=False)
    life.commit(None, power, None)
    life.break_disk(1, 1, errno.ENOSPC)
    life.roll(None, power)
    life.ship(1, ends, power, [], 0)
    if life.spool is not None:
        life.end(power)
    life.start(None, power)
    for request in life.acknowledged:
        life._send(request)
    life.commit(None, power, None)
    life.every_acknowledged_request_is_there_once()
    life.teardown()
