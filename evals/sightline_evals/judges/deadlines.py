"""A limit on the time of one score that does not run while an endpoint asks to wait.

`stopped()` may be entered anywhere below `within()`, in the same task: waiting for one's turn at a busy endpoint is no
work, so it must not use up the time of the score that waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar

_running: ContextVar[asyncio.Timeout | None] = ContextVar("sightline_evals_deadline", default=None)


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """Limit what is done inside to so many seconds of its own.

    Raises:
        TimeoutError: it took longer.
    """
    async with asyncio.timeout(seconds) as limit:
        token = _running.set(limit)
        try:
            yield
        finally:
            _running.reset(token)


@contextmanager
def stopped() -> Iterator[None]:
    """Stop the limit that is running, if any, while the block inside waits."""
    limit = _running.get()
    when = None if limit is None or limit.expired() else limit.when()
    if limit is None or when is None:
        yield
        return
    loop = asyncio.get_running_loop()
    left_s = when - loop.time()
    limit.reschedule(None)
    try:
        yield
    finally:
        limit.reschedule(loop.time() + left_s)
