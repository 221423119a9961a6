"""How many calls an endpoint gets at once, and how fast: found out, not configured.

Additive increase, multiplicative decrease, of two quantities. `window` is the number of calls that run at once: each
call that succeeds adds 1 / window, each refusal halves it. `rate` is the number of calls that begin in a second:
unlimited until the first refusal; then what the endpoint took until the end of its pause, and from then on each success
adds a hundredth of the rate after the last refusal, and each refusal takes a quarter. Of calls that began before the
last refusal that counted, none counts again: they tell of the same overload. After a refusal nobody begins a call until
the time that the endpoint named has passed.

Source: D. Chiu, R. Jain, Analysis of the Increase and Decrease Algorithms for Congestion Avoidance in Computer
Networks, 1989; https://datatracker.ietf.org/doc/html/rfc9110#field.retry-after
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Final

from sightline_evals.judges import deadlines

_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 30.0
_LEAST_RATE: Final = 0.05


class Limiter:
    """Hands out turns at one endpoint, in the order of asking.

    Args:
        most: calls at once, at most and at the begin.
        patience_s: how long it is refused without a success before `is_hopeless`.
        clock: seconds, of any origin.
        sleep: waits for seconds.
    """

    def __init__(
        self,
        most: int,
        *,
        patience_s: float = 300.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._most = most
        self._patience_s = patience_s
        self._clock = clock
        self._sleep = sleep
        self.window = float(most)
        self.rate: float | None = None
        """Calls that may begin in a second; None is unlimited."""
        self._step = 0.0
        self._running = 0
        self._next_start = self._paused_until = self._decreased_at = float("-inf")
        self._began_at: float | None = None
        self._successes = 0
        self._refused_since: float | None = None
        self._refusals_in_a_row = 0
        self._turn = asyncio.Lock()
        self._freed = asyncio.Event()

    async def begin(self) -> float:
        """Wait for a turn; every one is ended by `end`.

        Returns:
            the moment at which it began, for `refused`.
        """
        with deadlines.stopped():
            async with self._turn:
                while True:
                    now = self._clock()
                    wait_s = min(max(self._paused_until, self._next_start) - now, self._patience_left_s(now))
                    if wait_s > 0:
                        await self._sleep(wait_s)
                    elif self._running >= max(1, int(self.window)):
                        self._freed.clear()
                        await self._freed.wait()
                    else:
                        break
                self._running += 1
                self._began_at = now if self._began_at is None else self._began_at
                self._next_start = now + (1 / self.rate if self.rate else 0.0)
                return now

    def end(self) -> None:
        """Give a turn back."""
        self._running -= 1
        self._freed.set()

    def succeeded(self) -> None:
        """Note that a call was answered."""
        self._successes += 1
        self._refusals_in_a_row = 0
        self._refused_since = None
        self.window = min(float(self._most), self.window + 1 / self.window)
        if self.rate is not None:
            self.rate += self._step

    def refused(self, began_at: float, retry_after_s: float | None) -> None:
        """Note that a call was refused because there were too many.

        Args:
            began_at: what `begin` returned.
            retry_after_s: how long the endpoint asks to wait; None where it does not say.
        """
        now = self._clock()
        if self._refused_since is None:
            self._refused_since = now
        is_news = began_at >= self._decreased_at
        if is_news:
            self._refusals_in_a_row += 1
        pause_s = retry_after_s
        if pause_s is None:
            pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** (self._refusals_in_a_row - 1))
        resumes_at = max(self._paused_until, now + pause_s)
        if is_news:
            self._decrease(now, resumes_at)
        self._paused_until = resumes_at

    def is_hopeless(self, retry_after_s: float | None = None) -> bool:
        """Whether to wait no more: nothing but refusals for `patience_s`, or a longer wait is asked for."""
        if retry_after_s is not None and retry_after_s > self._patience_s:
            return True
        return self._patience_left_s(self._clock()) <= 0

    def _patience_left_s(self, now: float) -> float:
        if self._refused_since is None:
            return math.inf
        return self._patience_s - (now - self._refused_since)

    def _decrease(self, now: float, resumes_at: float) -> None:
        self.window = max(1.0, self.window / 2)
        if self.rate is None:
            self.rate = max(1, self._successes) / max(resumes_at - (self._began_at or 0.0), 1e-3)
        else:
            self.rate *= 0.75
        self.rate = max(_LEAST_RATE, self.rate)
        self._step = self.rate / 100
        self._decreased_at = now
