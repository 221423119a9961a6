"""`sightline-dashboards alerts run`: evaluates the rules again and again, and tells people.

All that it knows is in the store, and is read anew for each evaluation: a restart, and a takeover by another
evaluator, go on where the last one ended. Several evaluators of a store agree by a lease (`sightline_store.lease`): one
acts. Where two act at one moment they write the same phases, and their messages have the same ids.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from sightline_dashboards.alerts import evaluation, outbox
from sightline_dashboards.alerts.journal import FileJournal, StoreJournal
from sightline_dashboards.alerts.machine import Status
from sightline_dashboards.alerts.messages import Message, message
from sightline_dashboards.alerts.outbox import Sender
from sightline_dashboards.alerts.phases import Phase
from sightline_dashboards.alerts.rules import RulesFile
from sightline_dashboards.alerts.store_watch import StoreWatch
from sightline_dashboards.settings import AlertSettings
from sightline_store.client import Client
from sightline_store.errors import QueryFailed, StoreError, StoreUnavailable
from sightline_store.lease import Lease
from sightline_store.schema.state import NO_SUCH

_LOG = logging.getLogger("sightline.alerts")

LEASE: Final = "alerts"
_CLAIMS_IN_A_LEASE: Final = 3
_TICK_S: Final = 0.5
_LOOK_S: Final = 5.0
"""Seconds between two looks at the store that is away, and at messages that wait."""
_RELEASE_S: Final = 1.0


class Evaluator:
    """The evaluator of one store."""

    def __init__(
        self,
        client: Client,
        file: RulesFile,
        channels: Mapping[str, Sender],
        settings: AlertSettings,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Connect to nothing yet.

        Args:
            client: the store.
            file: the rules.
            channels: by name; all that the file names.
            settings: interval, lease, state file, address of the pages.
            clock: the present, in UTC.
        """
        self._client = client
        self._file = file
        self._channels = channels
        self._settings = settings
        self._clock = clock
        self._journal = StoreJournal(client)
        self._watch = StoreWatch(file, _file_journal(client, settings), channels, settings.dashboards_url)
        self._lease = Lease(client, LEASE, settings.lease_s)
        self._stopped = threading.Event()
        self._claim_problem = self._round_problem = ""
        self._acts: bool | None = None
        self._rules = {rule.name: rule for rule in file.rules}

    def run(self) -> None:
        """Work until `stop` is called; returns within about a second of that.

        A question or a message that is under way is waited for; what a stopped evaluation found so far is kept.
        """
        claim_s = self._settings.lease_s / _CLAIMS_IN_A_LEASE
        claims = threading.Thread(
            target=self._lease.keep, args=(self._stopped, claim_s, self._claimed), name="claims", daemon=True
        )
        _LOG.info("%d rules, evaluated every %g s", len(self._file.rules), self._settings.interval_s)
        claims.start()
        due_s = look_s = 0.0
        while not self._stopped.wait(_TICK_S):
            if time.monotonic() >= look_s:
                look_s = time.monotonic() + _LOOK_S
                self._look()
            if self._lease.is_held and time.monotonic() >= due_s:
                due_s = time.monotonic() + self._settings.interval_s
                self._round()
        claims.join(_RELEASE_S)
        _LOG.info("stopped")

    def stop(self) -> None:
        """End `run`."""
        self._stopped.set()

    def run_once(self) -> bool:
        """Evaluate once and tell people; whether this process held the lease, without which nothing is done.

        Raises:
            StoreError: the store is away or refuses. That was told, where it has lasted long enough.
        """
        try:
            held = self._lease.claim()
            if held:
                self.evaluate()
                self.deliver()
                with contextlib.suppress(StoreError):  # a claim that is not repeated ends by itself
                    self._lease.release()
        except StoreError as exc:
            self._watch.look(self._now(), str(exc))
            raise
        self._watch.look(self._now(), "")
        if not held:
            _LOG.info("another evaluator holds the lease: nothing to do here")
        return held

    def evaluate(self) -> list[Phase]:
        """Evaluate every rule and keep the phases.

        Raises:
            StoreError: the store is away, or refuses to keep them.
        """
        now = self._now()
        states = self._journal.states()
        phases: list[Phase] = []
        for phase in evaluation.evaluate(self._client, self._file, states, now):
            phases.append(phase)
            if self._stopped.is_set():
                break
        self._journal.write([*phases, *self._watch.history(now)])
        for phase in phases:
            before = states.get(phase.rule)
            if (before.key if before else None) != phase.key and phase.state.status is not Status.OK:
                _LOG.info("%s is %s: %s", phase.rule, phase.state.status, phase.sentence)
        return phases

    def deliver(self) -> None:
        """Tell people what they have not been told.

        Raises:
            StoreError: the store is away.
        """
        now = self._now()
        outbox.deliver(
            self._journal,
            self._channels,
            lambda phase, fired: self._message(phase, fired, now),
            now,
            lambda: self._lease.is_held and not self._stopped.is_set(),
        )

    def _round(self) -> None:
        try:
            self.evaluate()
            self.deliver()
        except StoreError as exc:
            self._round_problem = self._problem(exc, self._round_problem)
        else:
            self._round_problem = ""

    def _look(self) -> None:
        # While another evaluator acts, that one says that the store is away.
        if self._acts is False:
            self._round_problem = ""
            return
        problem = self._claim_problem or self._round_problem
        self._watch.look(self._now(), problem)
        if self._lease.is_held and not problem:
            try:
                self.deliver()
            except StoreError as exc:
                self._round_problem = self._problem(exc, self._round_problem)

    def _message(self, phase: Phase, fired: Phase | None, now: datetime) -> Message:
        return message(phase, self._rules.get(phase.rule), fired, now, self._settings.dashboards_url)

    def _claimed(self, result: bool | Exception) -> None:
        if isinstance(result, Exception):
            self._claim_problem = self._problem(result, self._claim_problem)
            return
        self._claim_problem = ""
        if result is not self._acts:
            _LOG.info("this evaluator acts" if result else "another evaluator acts; this one waits to take over")
        self._acts = result

    def _problem(self, exc: Exception, logged: str) -> str:
        """Why the store cannot be used, in words; '' where it only has no tables yet."""
        if isinstance(exc, QueryFailed) and exc.code in NO_SUCH:
            _LOG.warning("waiting for the tables: `sightline-store migrate` makes them")
            return ""
        words = exc.reason if isinstance(exc, StoreUnavailable) else str(exc)
        if words != logged:
            _LOG.warning("the store does not answer: %s", exc)
        return words

    def _now(self) -> datetime:
        return self._clock().astimezone(UTC).replace(microsecond=0)


def _file_journal(client: Client, settings: AlertSettings) -> FileJournal:
    return FileJournal(settings.state_dir, f"{client.settings.url} {client.settings.database}")
