"""The last seconds of a process: it takes no new question, and the answers that run come to their end.

After SIGTERM `/readyz` says 503 at once, so that load balancers send nothing more; a question that still comes is
answered 503 with `Retry-After`. The port stays open until no answer runs, at most `SIGHTLINE_APP_DRAIN_S`; answers that
run then are cancelled, and their streams end with an event `error` of type `stopping`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

_log = logging.getLogger("sightline.app")


class Drain:
    """Follows what runs between the signal and the end.

    Args:
        limit_s: longest time for the answers that run, in seconds.
        running: how many answers run.
        give_up: cancels them.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        limit_s: float,
        running: Callable[[], int],
        give_up: Callable[[], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit_s = limit_s
        self._running = running
        self._give_up = give_up
        self._clock = clock
        self._until_s: float | None = None
        self._is_told = False

    @property
    def has_begun(self) -> bool:
        """Whether the process is stopping."""
        return self._until_s is not None

    def begin(self) -> None:
        """Take no new question. Called by a signal, between any two steps of the program."""
        if self._until_s is None:
            self._until_s = self._clock() + self._limit_s

    def is_over(self) -> bool:
        """Whether the port may close; cancels what runs when the time is up."""
        if self._until_s is None:
            return False
        running = self._running()
        if not self._is_told:
            self._is_told = True
            _log.info("the app stops: %d answers have %g s to end", running, self._limit_s)
        if running and self._clock() >= self._until_s:
            self._give_up()
            return True
        return not running
