"""Work of concurrent requests, computed together: one batch at a time, in one worker thread.

A request that finds the worker idle waits ``wait_s`` for others to come; those that come during a computation form the
next batch. A request that is cancelled leaves the queue or, once its batch is computed, gives up its result; the others
of the batch keep theirs. When a batch fails, its requests are computed one by one, so an error reaches the caller whose
request caused it and nobody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Start:
    """When a request's batch began to be computed."""

    size: int
    """Requests in the batch."""
    waited_s: float
    """Seconds between the request and the start of its batch."""


class Request(Generic[Item, Result]):
    """One item in the queue of a :class:`Batcher`."""

    def __init__(self, item: Item, loop: asyncio.AbstractEventLoop) -> None:
        self.item = item
        self.started: asyncio.Future[Start] = loop.create_future()
        self.result: asyncio.Future[Result] = loop.create_future()
        self.since = time.monotonic()

    def cancel(self) -> None:
        """Give the request up."""
        self.started.cancel()
        self.result.cancel()


class Batcher(Generic[Item, Result]):
    """Collects requests of one event loop and computes them in batches.

    Args:
        compute: makes the results of a batch, in order; runs in the worker thread.
        wait_s: how long the first request of a batch waits for others.
        max_size: most requests of a batch.
    """

    def __init__(self, compute: Callable[[list[Item]], Sequence[Result]], wait_s: float, max_size: int) -> None:
        self._compute = compute
        self._wait_s = wait_s
        self._max_size = max_size
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="embedding")
        self._waiting: deque[Request[Item, Result]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running: asyncio.Task[None] | None = None
        self._full = asyncio.Event()

    def submit(self, item: Item) -> Request[Item, Result]:
        """Queue an item; await ``started``, then ``result``, and ``cancel`` the request when it is given up."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # another event loop in this process, after the one before ended
            self._loop, self._running, self._waiting, self._full = loop, None, deque(), asyncio.Event()
        request: Request[Item, Result] = Request(item, loop)
        self._waiting.append(request)
        if len(self._waiting) >= self._max_size:
            self._full.set()
        if self._running is None or self._running.done():
            # Not in the context of the request that happens to be first: its span would own everybody's batch.
            self._running = loop.create_task(self._run(loop), context=contextvars.Context())
        return request

    async def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._waiting:
            await self._wait_for_others()
            batch = self._take()
            if not batch:
                continue
            now = time.monotonic()
            for request in batch:
                request.started.set_result(Start(len(batch), now - request.since))
            try:
                results = await loop.run_in_executor(self._worker, self._compute, [each.item for each in batch])
            except Exception as exc:
                await self._one_by_one(loop, batch, exc)
                continue
            for request, result in zip(batch, results, strict=True):
                if not request.result.done():
                    request.result.set_result(result)

    async def _wait_for_others(self) -> None:
        left_s = self._waiting[0].since + self._wait_s - time.monotonic()
        if left_s > 0 and len(self._waiting) < self._max_size:
            self._full.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._full.wait()

    def _take(self) -> list[Request[Item, Result]]:
        batch: list[Request[Item, Result]] = []
        while self._waiting and len(batch) < self._max_size:
            request = self._waiting.popleft()
            if not request.started.done():  # not cancelled
                batch.append(request)
        return batch

    async def _one_by_one(
        self, loop: asyncio.AbstractEventLoop, batch: list[Request[Item, Result]], failure: Exception
    ) -> None:
        for request in batch:
            if request.result.done():
                continue
            error, results = failure, None
            if len(batch) > 1:
                try:
                    results = await loop.run_in_executor(self._worker, self._compute, [request.item])
                except Exception as exc:
                    error = exc
            if request.result.done():  # cancelled meanwhile
                continue
            if results is None:
                request.result.set_exception(error)
            else:
                request.result.set_result(results[0])

    def close(self) -> None:
        """End the worker thread after what it computes now."""
        self._worker.shutdown(wait=False, cancel_futures=True)
