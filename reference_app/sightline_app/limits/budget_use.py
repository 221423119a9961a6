"""How far budgets are used up, for metrics: no owner is named, so the page of metrics holds nobody's name.

Metrics are read on another thread than calls are admitted on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

from sightline_app.limits.rules import BUDGETS, Decision

_WINDOW_S: Final = 300.0


class BudgetUse:
    """Remembers decisions of the ledger for a while.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._since_s = clock()
        self._now: dict[str, float] = {}
        self._before: dict[str, float] = {}
        self.charged_tokens = 0
        """Tokens that were charged to callers with a limit, since the start."""
        self._refused: dict[str, int] = {}

    def note(self, decision: Decision, charged_tokens: int = 0) -> None:
        """Take note of a decision.

        Args:
            decision: what the ledger said.
            charged_tokens: what it charged.
        """
        with self._lock:
            self._turn()
            self.charged_tokens += charged_tokens
            if decision.refused_by:
                self._refused[decision.refused_by] = self._refused.get(decision.refused_by, 0) + 1
            for standing in decision.standings:
                if standing.name in BUDGETS:
                    self._now[standing.name] = max(self._now.get(standing.name, 0.0), standing.used / standing.limit)

    def refused(self) -> Mapping[str, int]:
        """Return how many calls a limit refused since the start, by the limit's name."""
        with self._lock:
            return dict(self._refused)

    def used(self) -> Mapping[str, float]:
        """Return the share of each budget that is used by whoever used most of it, over the last 5 to 10 minutes.

        1 is the whole budget; a caller who has not asked in that time is left out.
        """
        with self._lock:
            self._turn()
            names = {**self._before, **self._now}
            return {name: max(self._now.get(name, 0.0), self._before.get(name, 0.0)) for name in names}

    def _turn(self) -> None:
        passed_s = self._clock() - self._since_s
        if passed_s >= _WINDOW_S:
            self._before, self._now = (self._now if passed_s < 2 * _WINDOW_S else {}), {}
            self._since_s = self._clock()
