"""Questions of concurrent requests are computed together, and each caller gets what belongs to it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence

import pytest

from sightline_app.embeddings.batching import Batcher, Start


class Doubling:
    """Doubles numbers and remembers its batches; a negative number is refused."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.at_once = 0
        self.most_at_once = 0
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, batch: Sequence[int]) -> list[int]:
        """Compute a batch, once that is allowed."""
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.batches.append(list(batch))
        assert self.go_on.wait(5)
        self.at_once -= 1
        if min(batch) < 0:
            raise ValueError(f"{min(batch)} is negative")
        return [2 * each for each in batch]


async def ask(batcher: Batcher[int, int], item: int) -> tuple[int, Start]:
    """Submit as a caller does."""
    request = batcher.submit(item)
    try:
        start = await request.started
        return await request.result, start
    except asyncio.CancelledError:
        request.cancel()
        raise


async def test_requests_that_come_together_are_one_batch() -> None:
    """Ten requests within the wait are computed once, and each gets its own result and the batch's size."""
    doubling = Doubling()
    batcher = Batcher(doubling, wait_s=0.02, max_size=32)
    answers = await asyncio.gather(*(ask(batcher, each) for each in range(10)))
    assert [result for result, _ in answers] == [2 * each for each in range(10)]
    assert doubling.batches == [list(range(10))]
    assert all(start.size == 10 and 0.015 < start.waited_s < 1 for _, start in answers)
    batcher.close()


async def test_batch_that_is_full_does_not_wait() -> None:
    """A batch of the largest size starts at once; the rest is the next one."""
    doubling = Doubling()
    batcher = Batcher(doubling, wait_s=30.0, max_size=4)
    answers = await asyncio.wait_for(asyncio.gather(*(ask(batcher, each) for each in range(8))), 5)
    assert [len(batch) for batch in doubling.batches] == [4, 4]
    assert all(start.waited_s < 5 for _, start in answers)
    batcher.close()


async def test_requests_during_a_computation_are_the_next_batch() -> None:
    """One batch is computed at a time, and what comes meanwhile goes together."""
    doubling = Doubling()
    doubling.go_on.clear()
    batcher = Batcher(doubling, wait_s=0.0, max_size=32)
    first = asyncio.create_task(ask(batcher, 1))
    while not doubling.batches:
        await asyncio.sleep(0.001)
    others = [asyncio.create_task(ask(batcher, each)) for each in (2, 3, 4)]
    await asyncio.sleep(0.01)
    doubling.go_on.set()
    assert (await first)[0] == 2
    assert [(await each)[0] for each in others] == [4, 6, 8]
    assert doubling.batches == [[1], [2, 3, 4]]
    assert doubling.most_at_once == 1
    batcher.close()


async def test_error_reaches_the_caller_that_caused_it() -> None:
    """The others of a failed batch get their results."""
    doubling = Doubling()
    batcher = Batcher(doubling, wait_s=0.01, max_size=32)
    good, bad, also_good = await asyncio.gather(
        ask(batcher, 1), ask(batcher, -2), ask(batcher, 3), return_exceptions=True
    )
    assert isinstance(good, tuple)
    assert isinstance(also_good, tuple)
    assert (good[0], also_good[0]) == (2, 6)
    assert isinstance(bad, ValueError)
    assert str(bad) == "-2 is negative"
    batcher.close()


@pytest.mark.parametrize("while_computing", [False, True])
async def test_cancelled_request_disturbs_nobody(while_computing: bool) -> None:
    """A request cancelled in the queue is not computed; one cancelled during the computation loses its result only."""
    doubling = Doubling()
    doubling.go_on.clear()
    batcher = Batcher(doubling, wait_s=0.02, max_size=32)
    gone, staying = (asyncio.create_task(ask(batcher, each)) for each in (1, 2))
    while while_computing and not doubling.batches:
        await asyncio.sleep(0.001)
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    doubling.go_on.set()
    assert (await staying)[0] == 4
    assert doubling.batches == [[1, 2] if while_computing else [2]]
    batcher.close()


def test_another_event_loop_can_follow() -> None:
    """A loop that ended with requests in the queue leaves nothing to the next one."""
    doubling = Doubling()
    batcher = Batcher(doubling, wait_s=0.01, max_size=32)

    async def leave() -> None:
        batcher.submit(1)

    asyncio.run(leave())
    started = time.monotonic()
    assert asyncio.run(ask(batcher, 2))[0] == 4
    assert time.monotonic() - started < 5
    batcher.close()
