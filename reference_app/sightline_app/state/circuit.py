"""A circuit breaker: after failures in a row, a server is left alone for a while, then tried by one request."""

from __future__ import annotations

import time
from collections.abc import Callable


class Circuit:
    """The state of one server, as this process knows it.

    Args:
        failures: in a row, after which it is open; 0 never opens it.
        open_s: seconds until one request tries the server again.
        clock: seconds that never go back.
    """

    def __init__(self, failures: int, open_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._failures = failures
        self._open_s = open_s
        self._clock = clock
        self._in_a_row = 0
        self._asks_again_s = 0.0

    def admits(self) -> bool:
        """Whether the server may be asked; of the requests that come when the pause is over, the first one may."""
        if not self._failures or self._in_a_row < self._failures:
            return True
        if self._clock() < self._asks_again_s:
            return False
        self._asks_again_s = self._clock() + self._open_s
        return True

    def failed(self) -> None:
        """Take note of a failure."""
        self._in_a_row += 1
        self._asks_again_s = self._clock() + self._open_s

    def worked(self) -> None:
        """Take note of an answer: the failures before it do not count any more."""
        self._in_a_row = 0
