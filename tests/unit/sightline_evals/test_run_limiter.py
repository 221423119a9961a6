"""The limiter against endpoints of known limits, in simulated time."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable

import pytest

from sightline_evals.judges import deadlines
from sightline_evals.judges.limiter import Limiter


class Time:
    """A clock that jumps to the next sleeper when all tasks wait."""

    def __init__(self) -> None:
        self.now = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Event]] = []
        self._order = itertools.count()

    def clock(self) -> float:
        """Seconds."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Wait in simulated time."""
        event = asyncio.Event()
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._order), event))
        await event.wait()

    async def run(self, tasks: list[asyncio.Task[None]]) -> None:
        """Let time pass until all tasks are done."""
        while not all(task.done() for task in tasks):
            for _ in range(20):  # everybody who can go on does
                await asyncio.sleep(0)
            if self._sleepers and not all(task.done() for task in tasks):
                self.now, _, event = heapq.heappop(self._sleepers)
                event.set()
        await asyncio.gather(*tasks)


Answer = Callable[[float], float | None]
"""Of the moment of a call: None for an answer, else the seconds that the refusal asks to wait."""


async def drive(limiter: Limiter, time: Time, calls: int, answer: Answer, *, workers: int, took_s: float) -> int:
    """Make so many calls with so many workers; the number of refusals."""
    refusals, left = 0, iter(range(calls))

    async def work() -> None:
        nonlocal refusals
        for _ in left:
            while True:
                began = await limiter.begin()
                wait_s = answer(time.now)
                await time.sleep(took_s)
                limiter.end()
                if wait_s is None:
                    limiter.succeeded()
                    break
                refusals += 1
                limiter.refused(began, wait_s or None)

    await time.run([asyncio.create_task(work()) for _ in range(workers)])
    return refusals


def per_second(limit: int, *, says_when: bool = True) -> Answer:
    """A window of one second each."""
    counts: dict[int, int] = {}

    def answer(now: float) -> float | None:
        second = int(now)
        counts[second] = counts.get(second, 0) + 1
        if counts[second] <= limit:
            return None
        return second + 1 - now if says_when else 0.0

    return answer


@pytest.mark.parametrize("workers", [4, 16])
@pytest.mark.parametrize("limit", [2, 8, 50])
@pytest.mark.parametrize("says_when", [True, False])
async def test_the_rate_of_an_endpoint_is_found(workers: int, limit: int, *, says_when: bool) -> None:
    """Few calls are refused, and the endpoint is not left idle."""
    time = Time()
    limiter = Limiter(workers, clock=time.clock, sleep=time.sleep)
    refusals = await drive(limiter, time, 400, per_second(limit, says_when=says_when), workers=workers, took_s=0.01)
    assert refusals < 120
    assert 400 / time.now > 0.5 * limit


async def test_an_endpoint_without_limits_is_not_slowed_down() -> None:
    """As many calls at once as there are workers."""
    time = Time()
    limiter = Limiter(8, clock=time.clock, sleep=time.sleep)
    assert await drive(limiter, time, 80, lambda _: None, workers=8, took_s=1.0) == 0
    assert time.now == pytest.approx(10)
    assert limiter.rate is None


async def test_nobody_calls_before_the_time_that_was_named() -> None:
    """Those that wait already wait as long."""
    time, begun = Time(), []
    limiter = Limiter(4, clock=time.clock, sleep=time.sleep)

    def refuse_once(now: float) -> float | None:
        begun.append(now)
        return 30.0 if len(begun) == 1 else None

    await drive(limiter, time, 3, refuse_once, workers=1, took_s=0.01)
    assert begun[0] == 0
    assert min(begun[1:]) >= 30


async def test_what_was_under_way_slows_down_once() -> None:
    """Sixteen refusals of one moment are one sign of overload."""
    time = Time()
    limiter = Limiter(16, clock=time.clock, sleep=time.sleep)
    moments = [await limiter.begin() for _ in range(16)]
    time.now = 1.0
    for moment in moments:
        limiter.end()
        limiter.refused(moment, 1.0)
    assert limiter.window == 8


async def test_waiting_without_a_success_has_an_end() -> None:
    """So does a wait that is longer than anybody would."""
    time = Time()
    limiter = Limiter(1, patience_s=60, clock=time.clock, sleep=time.sleep)
    began = await limiter.begin()
    limiter.refused(began, 1.0)
    assert not limiter.is_hopeless(59)
    assert limiter.is_hopeless(61)
    time.now = 60.0
    assert limiter.is_hopeless()
    limiter.succeeded()
    assert not limiter.is_hopeless()


async def test_waiting_for_a_turn_does_not_use_up_a_scores_time() -> None:
    """The limit of a score stands still while an endpoint asks to wait, and goes on afterwards."""
    limiter = Limiter(1)
    await limiter.begin()

    async def wait_for_a_turn() -> None:
        async with deadlines.within(0.05):
            await limiter.begin()

    waiting = asyncio.create_task(wait_for_a_turn())
    await asyncio.sleep(0.2)
    assert not waiting.done()
    limiter.end()
    await waiting
    with pytest.raises(TimeoutError):
        async with deadlines.within(0.01):
            await asyncio.sleep(60)
