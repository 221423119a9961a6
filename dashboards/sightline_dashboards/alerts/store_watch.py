"""The one alert that cannot be kept in the store: that the store is away. It is told once, not for every rule.

It is kept in a file of the evaluator's machine, so that a restart tells nobody again. Of several evaluators the one
that acted last tells it. When the store answers again, the episode is written into it, as history.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from sightline_dashboards.alerts import machine, outbox
from sightline_dashboards.alerts.conditions import Verdict
from sightline_dashboards.alerts.journal import FileJournal
from sightline_dashboards.alerts.machine import State, Status, Timing
from sightline_dashboards.alerts.messages import Message, message
from sightline_dashboards.alerts.outbox import Sender
from sightline_dashboards.alerts.phases import Phase
from sightline_dashboards.alerts.rules import STORE_AWAY, RulesFile

_CLEAR_FOR_S: Final = 60
_COOL_DOWN_S: Final = 300


class StoreWatch:
    """Watches whether the store answers."""

    def __init__(
        self, file: RulesFile, journal: FileJournal, channels: Mapping[str, Sender], dashboards_url: str
    ) -> None:
        self._part = file.store_away
        self._channels = channels
        self._names = file.channels_of(file.store_away)
        self._journal = journal
        self._dashboards_url = dashboards_url
        self._timing = Timing(pending_s=self._part.for_s, clear_for_s=_CLEAR_FOR_S, cool_down_s=_COOL_DOWN_S)

    def look(self, now: datetime, problem: str) -> None:
        """Note that the store answers (`problem` is ''), or why it does not; tell people where it is time."""
        before = self._journal.states().get(STORE_AWAY)
        state = before.state if before else State(since=now)
        verdict = Verdict.BREACHED if problem else Verdict.CLEAR
        away_s = (now - state.breached_since).total_seconds() if state.breached_since else 0.0
        after = machine.step(state, verdict, now, self._timing, away_s)
        if before is None or replace(after, peak=None) != replace(state, peak=None):
            self._journal.write([self._phase(after, now, problem)])
        outbox.deliver(self._journal, self._channels, lambda phase, fired: self._message(phase, fired, now), now)

    def history(self, now: datetime) -> list[Phase]:
        """The phases for the store; what is told of them is told from here.

        An episode has the second in which it began as its number, so that those of several evaluators do not collide.
        """
        phases = [phase for phase in self._journal.phases() if phase.state.status is not Status.PENDING]
        if not phases:
            return []
        began = round(phases[0].state.since.timestamp()) if phases[0].state.episode else 0
        numbered = [replace(phase, state=replace(phase.state, episode=began)) for phase in phases]
        return [*numbered[:-1], replace(numbered[-1], seen_at=now)]

    def _phase(self, state: State, now: datetime, problem: str) -> Phase:
        words = f"The store does not answer, so no rule is evaluated: {problem}" if problem else "The store answers."
        return Phase(
            rule=STORE_AWAY,
            state=state,
            seen_at=now,
            severity=str(self._part.severity),
            channels=self._names,
            sentence=words,
        )

    def _message(self, phase: Phase, fired: Phase | None, now: datetime) -> Message:
        return message(phase, None, fired, now, self._dashboards_url)
