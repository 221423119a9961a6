"""What the page of alerts shows, out of what is kept: rules in the order of their urgency, and episodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pydantic import ValidationError

from sightline_dashboards import formats
from sightline_dashboards.alerts.conditions import condition_shown, value_shown
from sightline_dashboards.alerts.machine import Status
from sightline_dashboards.alerts.metrics import METRICS
from sightline_dashboards.alerts.phases import Delivery, Kept, Phase, PhaseKey, Silence, Told
from sightline_dashboards.alerts.rules import STORE_AWAY, Rule

LATE: Final = timedelta(minutes=5)
"""An evaluator that was not seen for so long is probably not running."""
_ORDER: Final = (Status.FIRING, Status.PENDING, Status.RESOLVED, Status.OK)


@dataclass(frozen=True)
class Line:
    """A rule as it stands.

    Attributes:
        rule: None for the store that is away, and where this version cannot read what an earlier one wrote.
        silence: that holds longest; None where none does.
    """

    phase: Phase
    rule: Rule | None
    silence: Silence | None

    @property
    def condition(self) -> str:
        """When it is breached, and what it is narrowed to."""
        if self.phase.rule == STORE_AWAY:
            return "the store does not answer"
        return condition_shown(self.rule) if self.rule else formats.UNKNOWN

    @property
    def value(self) -> str:
        """What its latest evaluation found."""
        return value_shown(self.rule, self.phase.value) if self.rule else ""


@dataclass(frozen=True)
class Episode:
    """One time that a rule fired.

    Attributes:
        fired: its beginning.
        resolved: its end; None while it goes on.
        told: who was told, in words.
    """

    fired: Phase
    resolved: Phase | None
    told: str

    @property
    def peak(self) -> str:
        """The worst value."""
        rule, last = rule_of(self.fired), self.resolved or self.fired
        return value_shown(rule, last.state.peak) if rule else ""


def lines(states: Mapping[str, Phase], silences: Iterable[Silence], now: datetime) -> list[Line]:
    """The rules of the latest evaluation, firing ones first. Those that the file has no longer are left out."""
    newest = max((phase.seen_at for phase in states.values()), default=now)
    found = [
        Line(phase, rule_of(phase), longest_silence(silences, phase.rule, now))
        for phase in states.values()
        if phase.seen_at >= newest - LATE
    ]
    return sorted(found, key=lambda line: (_ORDER.index(line.phase.state.status), line.phase.rule))


def episodes(kept: Kept, start: datetime, end: datetime) -> list[Episode]:
    """Those that fired in a window, the newest first."""
    resolved = {
        (phase.rule, phase.state.episode): phase for phase in kept.phases if phase.state.status is Status.RESOLVED
    }
    return [
        Episode(phase, resolved.get((phase.rule, phase.state.episode)), _told(phase, kept.deliveries))
        for phase in reversed(kept.phases)
        if phase.state.status is Status.FIRING and start <= phase.state.since < end
    ]


def undelivered(kept: Kept) -> list[Delivery]:
    """Messages that a channel has not taken, and those that were given up."""
    return [each for each in kept.deliveries.values() if each.told in {Told.WAITING, Told.ABANDONED}]


def rule_of(phase: Phase) -> Rule | None:
    """The rule as it was when the phase was written; None where it cannot be read."""
    try:
        rule = Rule.model_validate_json(phase.definition) if phase.definition else None
    except ValidationError:
        return None
    return rule if rule and rule.metric in METRICS else None


def longest_silence(silences: Iterable[Silence], rule: str, now: datetime) -> Silence | None:
    """That which keeps a rule silent longest; None where it is not silent now."""
    return max((each for each in silences if each.holds(rule, now)), key=lambda each: each.ends, default=None)


def _told(phase: Phase, deliveries: Mapping[tuple[PhaseKey, str], Delivery]) -> str:
    words = []
    for channel in phase.channels:
        delivery = deliveries.get((phase.key, channel))
        became = str(delivery.told) if delivery else "not yet"
        words.append(channel if became == "sent" else f"{channel}: {became}")
    return ", ".join(words) or ("" if phase.rule == STORE_AWAY else "nobody")
