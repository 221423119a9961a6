"""`sightline-store janitor`: the housekeeping of a store, done by one process however many of them run.

Five tasks, each in its own interval: retention (the tables' TTL, by which rows expire and old counts are folded, and
the caps on the size on disk), content (`content_removal`: texts that are too old, where that is asked), prices (look-up
of models whose price is not in the store), settling (`settle`: traces whose spans came in several INSERTs) and rollups
(`rollups.fold`: what is over, added up). Several janitors, for example
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
from datetime import UTC, datetime, timedelta

from sightline_store import settle
from sightline_store.client import Client
from sightline_store.errors import QueryFailed, StoreError, StoreUnavailable
from sightline_store.lease import Lease, retry_s
from sightline_store.prices import model_prices
from sightline_store.rollups import fold, keeping
from sightline_store.rollups.plan import FEWEST_ROWS
from sightline_store.schema import content_removal, retention
from sightline_store.schema.state import NO_SUCH
from sightline_store.settings import JanitorSettings, RetentionSettings, StoreSettings

_log = logging.getLogger("sightline.store.janitor")

_LEASE = "janitor"
_CLAIMS_IN_A_LEASE = 3
_TICK_S = 0.2
_RELEASE_S = 1.0
_RUN_S = 20.0
"""A run of rollups or of content begins no further day after so long."""
_CONTENT_S = 30.0
"""Seconds between two runs of content, which begin what the store then does by itself."""
_SETTLE_BACK = timedelta(days=1)
"""The first janitor of a store looks at the rows of so long."""


@dataclass
class _Task:
    """Something to do again and again."""

    name: str
    interval_s: float
    """Seconds between two runs; 0 is never."""
    run: Callable[[], None]
    due_s: float = 0.0
    failures: int = 0
    logged: str = ""
    """The last failure that was logged; '' after a success."""


class Janitor:
    """The housekeeping of one store."""

    def __init__(self, store: StoreSettings, settings: JanitorSettings, keep: RetentionSettings) -> None:
        """Connect to nothing yet."""
        self._client = Client(store)
        self._keep = keep
        self._claim_s = settings.lease_s / _CLAIMS_IN_A_LEASE
        self._lease = Lease(self._client, _LEASE, settings.lease_s)
        self._tasks = [
            _Task("prices", settings.prices_interval_s, self._prices),
            _Task("settle", settings.settle_interval_s, self._settle),
            _Task("rollups", settings.rollups_interval_s, self._rollups),
            _Task("retention", settings.retention_interval_s, self._retention),
            _Task("content", min(_CONTENT_S, settings.retention_interval_s) if keep.content_days else 0, self._content),
        ]
        self._stopped = threading.Event()
        self._failed_claims = 0
        self._was_holder: bool | None = None

    def run(self) -> None:
        """Work until `stop` is called; returns within about a second of that, whatever the store does."""
        claims = threading.Thread(
            target=self._lease.keep, args=(self._stopped, self._claim_s, self._log_claim), name="claims", daemon=True
        )
        for thread in (claims, threading.Thread(target=self._work, name="work", daemon=True)):
            thread.start()
        self._stopped.wait()
        claims.join(_RELEASE_S)
        _log.info("stopped")

    def stop(self) -> None:
        """End `run`. A statement that is under way goes on in the store; the next janitor does the rest."""
        self._stopped.set()

    def run_once(self) -> bool:
        """Do every task now that is not off; whether this process held the lease, without which nothing is done.

        Raises:
            StoreError: the store is away, or refuses.
        """
        if not self._lease.claim():
            _log.info("another janitor holds the lease: nothing to do here")
            return False
        try:
            for task in self._tasks:
                if task.interval_s:
                    task.run()
        finally:
            with contextlib.suppress(StoreError):  # A claim that is not repeated ends by itself.
                self._lease.release()
        return True

    def _log_claim(self, result: bool | Exception) -> None:
        if isinstance(result, Exception):
            self._failed_claims += 1
            if self._failed_claims in {1, 10} or self._failed_claims % 100 == 0:
                awaited = "the tables" if _has_no_tables(result) else "the store"
                _log.warning("waiting for %s: %s", awaited, result, exc_info=_fault(result))
            self._was_holder = None
            return
        if result is not self._was_holder:
            _log.info("this janitor does the housekeeping" if result else "another janitor holds the lease")
        self._failed_claims, self._was_holder = 0, result

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
            task.due_s = time.monotonic() + min(task.interval_s, retry_s(task.failures))
            return
        except Exception as exc:
            # For example an ALTER by a user without the grant: the same again will not help soon. Other tasks go on.
            if str(exc) != task.logged:
                _log.warning("%s: %s", task.name, exc, exc_info=_fault(exc))
            task.logged = str(exc)
        else:
            task.logged = ""
        task.failures = 0
        task.due_s = time.monotonic() + task.interval_s

    def _retention(self) -> None:
        retention.enforce(self._client, self._keep)  # which logs what it does
        keeping.enforce(self._client, self._keep)

    def _content(self) -> None:
        began_s = time.monotonic()
        for _ in content_removal.begin(self._client, self._keep):  # which logs what it does
            if self._stopped.is_set() or time.monotonic() > began_s + _RUN_S:
                return

    def _prices(self) -> None:
        for key in model_prices.refresh(self._client):
            _log.info("price of %s entered", key)

    def _settle(self) -> None:
        # The mark is in the store: whichever janitor acts, and however long none did, the next one goes on from there.
        since = settle.mark(self._client) or datetime.now(UTC) - _SETTLE_BACK
        for done in settle.slices(self._client, since):
            if done:
                _log.debug("settled: %s", done)
            if self._stopped.is_set():
                return

    def _rollups(self) -> None:
        if fold.typed_rows(self._client) < FEWEST_ROWS:
            return  # no question reads rollups of so few rows
        began_s = time.monotonic()
        for made in fold.fold(self._client, self._keep):
            if made:
                _log.debug("rollups: %s", made)
            # What is left of a long history is made by the next runs, so that `settle` need not wait for it.
            if self._stopped.is_set() or time.monotonic() > began_s + _RUN_S:
                return


def _fault(exc: Exception) -> Exception | None:
    """What is logged with its traceback: a fault of this program, which only that can explain."""
    return None if isinstance(exc, StoreError) else exc


def _has_no_tables(exc: Exception) -> bool:
    return isinstance(exc, QueryFailed) and exc.code in NO_SUCH  # `migrate` has not run
