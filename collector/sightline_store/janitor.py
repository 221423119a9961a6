"""`sightline-store janitor`: the housekeeping of a store, done by one process however many of them run.

Two tasks, each in its own interval: retention (the tables' TTL, by which rows expire and old counts are folded, and the
cap on the size on disk) and prices (look-up of models whose price is not in the store). Several janitors, for example
one beside each collector, agree by a lease (`lease`): one acts and the others wait to take over. Each task does nothing
where nothing is left to do, so that two janitors that act at one moment do no harm.

What was dropped, changed or entered is logged. While the store is away the janitor tries again, less and less often.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from sightline_store.client import Client
from sightline_store.errors import QueryFailed, StoreError, StoreUnavailable
from sightline_store.lease import Lease
from sightline_store.prices import model_prices
from sightline_store.schema import retention
from sightline_store.settings import JanitorSettings, RetentionSettings, StoreSettings

_log = logging.getLogger("sightline.store.janitor")

_NO_TABLE_YET = frozenset({60, 81})  # no such table, no such database: `migrate` has not run
_FIRST_RETRY_S, _LONGEST_RETRY_S = 1.0, 30.0
_CLAIMS_IN_A_LEASE = 3
_TICK_S = 0.2
_RELEASE_S = 1.0


@dataclass
class _Task:
    """Something to do again and again."""

    name: str
    interval_s: float
    """Seconds between two runs; 0 is never."""
    run: Callable[[], None]
    due_s: float = 0.0
    failures: int = 0


class Janitor:
    """The housekeeping of one store."""

    def __init__(self, store: StoreSettings, settings: JanitorSettings, keep: RetentionSettings) -> None:
        """Connect to nothing yet."""
        self._client = Client(store)
        self._keep = keep
        self._claim_s = settings.lease_s / _CLAIMS_IN_A_LEASE
        self._claims = Client(store)  # of its own: a claim must not wait for a long statement
        self._lease = Lease(self._claims, settings.lease_s)
        self._tasks = [
            _Task("prices", settings.prices_interval_s, self._prices),
            _Task("retention", settings.retention_interval_s, self._retention),
        ]
        self._stopped = threading.Event()

    def run(self) -> None:
        """Work until `stop` is called; returns within about a second of that, whatever the store does."""
        threads = [
            threading.Thread(target=target, name=target.__name__.strip("_"), daemon=True)
            for target in (self._repeat_claims, self._work)
        ]
        for thread in threads:
            thread.start()
        self._stopped.wait()
        release = threading.Thread(target=self._release, name="release", daemon=True)
        release.start()
        release.join(_RELEASE_S)
        _log.info("stopped")

    def stop(self) -> None:
        """End `run`. A statement that is under way goes on in the store; the next janitor does the rest."""
        self._stopped.set()

    def run_once(self) -> bool:
        """Do every task now; whether this process held the lease, without which nothing is done.

        Raises:
            StoreError: the store is away, or refuses.
        """
        if not self._lease.claim():
            _log.info("another janitor holds the lease: nothing to do here")
            return False
        try:
            for task in self._tasks:
                task.run()
        finally:
            self._release()
        return True

    def _repeat_claims(self) -> None:
        failures, was_holder = 0, None
        while not self._stopped.is_set():
            try:
                is_holder = self._lease.claim()
            except StoreError as exc:
                failures += 1
                if failures in {1, 10} or failures % 100 == 0:
                    _log.warning("waiting for %s: %s", "the tables" if _has_no_tables(exc) else "the store", exc)
                was_holder = None
                self._stopped.wait(_retry_s(failures))
                continue
            if is_holder is not was_holder:
                _log.info("this janitor does the housekeeping" if is_holder else "another janitor holds the lease")
            failures, was_holder = 0, is_holder
            self._stopped.wait(self._claim_s)

    def _work(self) -> None:
        while not self._stopped.wait(_TICK_S):
            for task in self._tasks:
                if task.interval_s and time.monotonic() >= task.due_s and self._lease.is_held:
                    self._do(task)

    def _do(self, task: _Task) -> None:
        try:
            task.run()
        except StoreUnavailable as exc:
            task.failures += 1
            _log.log(logging.WARNING if task.failures == 1 else logging.DEBUG, "%s: %s", task.name, exc)
            task.due_s = time.monotonic() + min(task.interval_s, _retry_s(task.failures))
            return
        except StoreError as exc:
            # For example an ALTER by a user without the grant: the same again will not help soon.
            _log.warning("%s: %s", task.name, exc)
        task.failures = 0
        task.due_s = time.monotonic() + task.interval_s

    def _retention(self) -> None:
        retention.enforce(self._client, self._keep)  # which logs what it does

    def _prices(self) -> None:
        for key in model_prices.refresh(self._client):
            _log.info("price of %s entered", key)

    def _release(self) -> None:
        with contextlib.suppress(StoreError):
            self._lease.release()


def _has_no_tables(exc: StoreError) -> bool:
    return isinstance(exc, QueryFailed) and exc.code in _NO_TABLE_YET


def _retry_s(failures: int) -> float:
    return float(min(_FIRST_RETRY_S * 2 ** min(failures - 1, 10), _LONGEST_RETRY_S))
