"""A journal in memory, a channel that can be away, and phases, for tests of alerts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sightline_dashboards.alerts.errors import DeliveryFailed
from sightline_dashboards.alerts.machine import State, Status
from sightline_dashboards.alerts.messages import Message
from sightline_dashboards.alerts.phases import Delivery, Kept, Phase, PhaseKey, Silence

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
URL = "http://pages.test"


@dataclass
class MemoryJournal:
    """Keeps what a journal keeps, as the tables do: the last writing of a key counts."""

    phases: dict[PhaseKey, Phase] = field(default_factory=dict)
    deliveries: dict[tuple[PhaseKey, str], Delivery] = field(default_factory=dict)
    silences: list[Silence] = field(default_factory=list)

    def states(self) -> dict[str, Phase]:
        """The newest phase of each rule."""
        return {phase.rule: phase for phase in self.phases.values()}

    def write(self, phases: Sequence[Phase]) -> None:
        """Keep phases."""
        self.phases |= {phase.key: phase for phase in phases}

    def kept(self, now: datetime) -> Kept:
        """What the outbox works on."""
        told = [phase for phase in self.phases.values() if phase.state.status in {Status.FIRING, Status.RESOLVED}]
        silences = tuple(silence for silence in self.silences if silence.ends > now)
        return Kept(tuple(sorted(told, key=lambda phase: phase.state.since)), dict(self.deliveries), silences)

    def record(self, deliveries: Sequence[Delivery]) -> None:
        """Keep what became of messages."""
        self.deliveries |= {delivery.key: delivery for delivery in deliveries}


@dataclass
class Channel:
    """Remembers messages; while it is away it takes none."""

    away: bool = False
    retry_after_s: float = 0.0
    taken: list[Message] = field(default_factory=list)
    attempts: int = 0

    def send(self, sent: Message) -> None:
        """Take it, or fail."""
        self.attempts += 1
        if self.away:
            raise DeliveryFailed("nobody answers", self.retry_after_s)
        self.taken.append(sent)

    @property
    def statuses(self) -> list[str]:
        """What was told, as `rule status`."""
        return [f"{sent.rule} {sent.status}" for sent in self.taken]


def later(minutes: float) -> datetime:
    """A moment so many minutes after the start."""
    return START + timedelta(minutes=minutes)


def phase(
    status: Status, minutes: float, rule: str = "a", episode: int = 1, channels: tuple[str, ...] = ("ops",)
) -> Phase:
    """A phase that began so many minutes after the start."""
    state = State(status=status, episode=episode, since=later(minutes))
    return Phase(rule=rule, state=state, seen_at=later(minutes), channels=channels, sentence="It is so.")
