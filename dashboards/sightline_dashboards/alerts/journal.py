"""Where phases, deliveries and silences are kept: in the store, or, for the store that is away, in a file.

In the store a change of state and its event are one row of `alert_events`, so one INSERT keeps both or neither.
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol

from sightline_dashboards.alerts.machine import Status
from sightline_dashboards.alerts.phases import (
    Delivery,
    Kept,
    Phase,
    Silence,
    delivery_of,
    phase_of,
    row_of,
    silence_of,
)
from sightline_dashboards.alerts.rules import STORE_AWAY
from sightline_store.client import Client
from sightline_store.questions import alerts as questions

_LOG = logging.getLogger("sightline.alerts")

_KEPT: Final = timedelta(days=30)
"""Phases that began so long ago are told to nobody any more."""
_TOLD: Final = frozenset({Status.FIRING, Status.RESOLVED})
_Content = tuple[list[Phase], list[Delivery]]


class Journal(Protocol):
    """What the evaluator keeps."""

    def states(self) -> dict[str, Phase]:
        """The newest phase of each rule that was ever evaluated."""
        ...

    def write(self, phases: Sequence[Phase]) -> None:
        """Keep phases, all or none; one that is kept already is replaced."""
        ...

    def kept(self, now: datetime) -> Kept:
        """What the outbox works on."""
        ...

    def record(self, deliveries: Sequence[Delivery]) -> None:
        """Keep what became of messages."""
        ...


class StoreJournal:
    """The tables `alert_events`, `alert_deliveries` and `alert_silences`. Methods raise StoreError."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def states(self) -> dict[str, Phase]:
        """The newest phase of each rule that was ever evaluated."""
        return {row["rule"]: phase_of(row) for row in questions.states(self._client)}

    def write(self, phases: Sequence[Phase]) -> None:
        """Keep phases in one INSERT."""
        columns = [
            "Rule", "Episode", "Status", "Since", "SeenAt", "BreachedSince", "ClearSince", "ResolvedAt", "Value",
            "Peak", "Threshold", "Events", "Severity", "Channels", "Sentence", "Definition",
        ]  # fmt: skip
        rows: list[list[Any]] = [
            [
                phase.rule, phase.state.episode, str(phase.state.status), phase.state.since, phase.seen_at,
                phase.state.breached_since, phase.state.clear_since, phase.state.resolved_at, phase.value,
                phase.state.peak, phase.threshold, phase.events, phase.severity, list(phase.channels), phase.sentence,
                phase.definition,
            ]
            for phase in phases
        ]  # fmt: skip
        self._client.insert_rows("alert_events", columns, rows)

    def kept(self, now: datetime) -> Kept:
        """Phases of the last 30 days with what became of telling them, and the silences that hold or will."""
        rows = questions.phases(self._client, now - _KEPT, now + timedelta(days=1))
        deliveries = map(delivery_of, questions.deliveries(self._client, now - _KEPT))
        phases = (phase_of(row) for row in reversed(rows))
        return Kept(
            # That the store was away is told by `store_watch`, and is history here.
            tuple(replace(phase, channels=()) if phase.rule == STORE_AWAY else phase for phase in phases),
            {delivery.key: delivery for delivery in deliveries},
            tuple(self.silences(now)),
        )

    def record(self, deliveries: Sequence[Delivery]) -> None:
        """Keep what became of messages."""
        columns = ["Rule", "Episode", "Status", "Channel", "State", "Attempts", "NextAt", "Problem"]
        rows: list[list[Any]] = [
            [*each.phase, each.channel, str(each.told), each.attempts, each.next_at, each.problem]
            for each in deliveries
        ]
        self._client.insert_rows("alert_deliveries", columns, rows)

    def silences(self, now: datetime) -> list[Silence]:
        """Those that hold, or will."""
        return [silence_of(row) for row in questions.silences(self._client, now)]

    def silence(self, rule: str, begins: datetime, ends: datetime, reason: str, author: str) -> None:
        """Keep a new silence."""
        made = secrets.token_hex(8)
        self._write_silence(Silence(id=made, rule=rule, begins=begins, ends=ends, reason=reason, author=author))

    def end_silences(self, rule: str, now: datetime) -> list[Silence]:
        """End the silences of a rule, and those that are planned; returns them."""
        found = [silence for silence in self.silences(now) if silence.rule == rule]
        for silence in found:
            self._write_silence(replace(silence, ends=now))
        return found

    def _write_silence(self, silence: Silence) -> None:
        columns = ["Id", "Rule", "BeginsAt", "EndsAt", "Reason", "Author"]
        row = [silence.id, silence.rule, silence.begins, silence.ends, silence.reason, silence.author]
        self._client.insert_rows("alert_silences", columns, [row])


class FileJournal:
    """A small JSON file that is replaced as a whole. Of each rule the newest episode is kept.

    A file that cannot be read is begun anew. What cannot be written is kept in memory until it can be: an evaluator
    that ended would tell nobody anything.

    Args:
        folder: of the file.
        store: address and database of the store that it is about, which its name is made of.
    """

    def __init__(self, folder: Path, store: str) -> None:
        self._path = folder / f"{re.sub('[^A-Za-z0-9]+', '-', store).strip('-')}.json"
        self._unsaved: _Content | None = None

    def states(self) -> dict[str, Phase]:
        """The newest phase of each rule."""
        return {phase.rule: phase for phase in self.phases()}

    def write(self, phases: Sequence[Phase]) -> None:
        """Keep phases; those of earlier episodes go."""
        known, deliveries = self._content()
        merged = {phase.key: phase for phase in (*known, *phases)}
        episodes = {phase.rule: phase.state.episode for phase in phases}
        left = [phase for phase in merged.values() if phase.state.episode >= episodes.get(phase.rule, 0)]
        keys = {phase.key for phase in left}
        self._save((left, [each for each in deliveries if each.phase in keys]))

    def kept(self, now: datetime) -> Kept:
        """All that is kept; nothing silences a store that is away, for silences are in it."""
        phases, deliveries = self._content()
        told = tuple(phase for phase in phases if phase.state.status in _TOLD)
        return Kept(told, {delivery.key: delivery for delivery in deliveries})

    def record(self, deliveries: Sequence[Delivery]) -> None:
        """Keep what became of messages."""
        phases, known = self._content()
        merged = {delivery.key: delivery for delivery in (*known, *deliveries)}
        self._save((phases, list(merged.values())))

    def phases(self) -> list[Phase]:
        """Those of the newest episode of each rule, in order."""
        return self._content()[0]

    def _content(self) -> _Content:
        if self._unsaved is not None:
            return self._unsaved
        try:
            document = json.loads(self._path.read_text(encoding="utf-8"))
            return [phase_of(row) for row in document["phases"]], [delivery_of(row) for row in document["deliveries"]]
        except FileNotFoundError:
            pass
        except OSError as exc:
            _LOG.warning("%s cannot be read, and is begun anew: %s", self._path, exc.strerror)
        except (ValueError, LookupError, TypeError, OverflowError):
            _LOG.warning("%s is damaged, and begun anew", self._path)
        return [], []

    def _save(self, content: _Content) -> None:
        try:
            self._replace(content)
        except OSError as exc:
            if self._unsaved is None:
                words = "%s cannot be written, so a restart forgets who was told that the store is away: %s"
                _LOG.warning(words, self._path, exc.strerror)
            self._unsaved = content
        else:
            self._unsaved = None

    def _replace(self, content: _Content) -> None:
        phases, deliveries = content
        document = {
            "phases": [row_of(phase) for phase in phases],
            "deliveries": [_delivery_row(delivery) for delivery in deliveries],
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(document, file)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self._path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def _delivery_row(delivery: Delivery) -> dict[str, Any]:
    rule, episode, status = delivery.phase
    return {
        "rule": rule, "episode": episode, "status": status, "channel": delivery.channel, "state": str(delivery.told),
        "attempts": delivery.attempts, "next_ms": round(delivery.next_at.timestamp() * 1e3),
        "problem": delivery.problem,
    }  # fmt: skip
