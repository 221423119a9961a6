"""What is kept of rules: phases with what was found in them, and what became of telling people."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from sightline_dashboards.alerts.machine import State, Status
from sightline_store.questions.asking import Row

_AT_ONCE: Final = datetime.fromtimestamp(0, UTC)

PhaseKey = tuple[str, int, str]
"""Rule, episode and status."""


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A rule in one status of one episode, as its latest evaluation found it.

    Attributes:
        rule: its name.
        state: what the state machine needs.
        seen_at: when it was evaluated last.
        value: what was found then.
        threshold: what that is compared with.
        events: on which it rests.
        severity: of the rule.
        channels: those that are told.
        sentence: what they are told.
        definition: the rule as JSON; '' for the store that is away.
    """

    rule: str
    state: State
    seen_at: datetime
    value: float | None = None
    threshold: float = 0.0
    events: float = 0.0
    severity: str = "ticket"
    channels: tuple[str, ...] = ()
    sentence: str = ""
    definition: str = ""

    @property
    def key(self) -> PhaseKey:
        """Names the phase; whoever writes it twice writes one."""
        return (self.rule, self.state.episode, str(self.state.status))


class Told(StrEnum):
    """What became of a message."""

    WAITING = "waiting"
    SENT = "sent"
    SILENCED = "silenced"
    ABANDONED = "abandoned"


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A message about a phase to a channel."""

    phase: PhaseKey
    channel: str
    told: Told
    attempts: int = 0
    next_at: datetime = _AT_ONCE
    problem: str = ""

    @property
    def key(self) -> tuple[PhaseKey, str]:
        """Names the message."""
        return (self.phase, self.channel)


@dataclass(frozen=True, kw_only=True)
class Silence:
    """A time in which a rule, or every rule ('*'), tells nobody."""

    id: str
    rule: str
    begins: datetime
    ends: datetime
    reason: str = ""
    author: str = ""

    def holds(self, rule: str, now: datetime) -> bool:
        """Whether it silences a rule now."""
        return self.rule in {"*", rule} and self.begins <= now < self.ends


@dataclass(frozen=True)
class Kept:
    """What the outbox works on."""

    phases: tuple[Phase, ...] = ()
    """Firing and resolved ones, in the order in which they began."""
    deliveries: dict[tuple[PhaseKey, str], Delivery] = field(default_factory=dict)
    silences: tuple[Silence, ...] = ()


def phase_of(row: Row) -> Phase:
    """A phase out of a row of the questions `states` and `phases`."""
    state = State(
        status=Status(row["status"]),
        episode=row["episode"],
        since=moment(row["since_ms"]),
        breached_since=_moment_or_none(row["breached_since_ms"]),
        clear_since=_moment_or_none(row["clear_since_ms"]),
        resolved_at=_moment_or_none(row["resolved_ms"]),
        peak=row["peak"],
    )
    return Phase(
        rule=row["rule"],
        state=state,
        seen_at=moment(row["seen_ms"]),
        value=row["value"],
        threshold=row["threshold"],
        events=row["events"],
        severity=row["severity"],
        channels=tuple(row["channels"]),
        sentence=row["sentence"],
        definition=row["definition"],
    )


def row_of(phase: Phase) -> Row:
    """The row of which `phase_of` makes the phase again."""
    state = phase.state
    return {
        "rule": phase.rule, "episode": state.episode, "status": str(state.status), "since_ms": _ms(state.since),
        "seen_ms": _ms(phase.seen_at), "breached_since_ms": _ms(state.breached_since),
        "clear_since_ms": _ms(state.clear_since), "resolved_ms": _ms(state.resolved_at), "value": phase.value,
        "peak": state.peak, "threshold": phase.threshold, "events": phase.events, "severity": phase.severity,
        "channels": list(phase.channels), "sentence": phase.sentence, "definition": phase.definition,
    }  # fmt: skip


def delivery_of(row: Row) -> Delivery:
    """A delivery out of a row of the question `deliveries`."""
    return Delivery(
        phase=(row["rule"], row["episode"], row["status"]),
        channel=row["channel"],
        told=Told(row["state"]),
        attempts=row["attempts"],
        next_at=moment(row["next_ms"]),
        problem=row["problem"],
    )


def silence_of(row: Row) -> Silence:
    """A silence out of a row of the question `silences`."""
    return Silence(
        id=row["id"],
        rule=row["rule"],
        begins=moment(row["begins_ms"]),
        ends=moment(row["ends_ms"]),
        reason=row["reason"],
        author=row["author"],
    )


def moment(ms: float) -> datetime:
    """Epoch milliseconds as a moment in UTC."""
    return datetime.fromtimestamp(ms / 1e3, UTC)


def _moment_or_none(ms: float | None) -> datetime | None:
    return None if ms is None else moment(ms)


def _ms(at: datetime | None) -> Any:
    return None if at is None else round(at.timestamp() * 1e3)
