"""What people are told: a message of a phase, in words and as data, with a link to the page that explains it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from sightline_dashboards.alerts.machine import Status
from sightline_dashboards.alerts.phases import Phase
from sightline_dashboards.alerts.rules import Rule

LINK_WINDOWS: Final[dict[str, timedelta]] = {
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "3h": timedelta(hours=3),
    "12h": timedelta(hours=12),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
"""The windows that an address of the pages can name; they end when the page is opened."""
_READING: Final = timedelta(minutes=30)
"""How long after a message its reader opens the link, so that the window still holds what it is about."""
_MARKS: Final = {"firing": "FIRING", "resolved": "RESOLVED"}


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message; the same for every channel.

    Attributes:
        id: the same for each attempt, so that a receiver can tell a repetition.
        status: firing or resolved.
        lasted_s: seconds from firing to resolved; None while firing.
    """

    id: str
    rule: str
    about: str
    status: str
    severity: str
    sentence: str
    metric: str
    filters: dict[str, str]
    value: float | None
    threshold: float
    peak: float | None
    events: float
    since: datetime
    lasted_s: float | None
    link: str

    @property
    def title(self) -> str:
        """One line."""
        return f"[{_MARKS[self.status]}] {self.rule} ({self.severity})"

    @property
    def text(self) -> str:
        """Some lines, without the link."""
        lasted = "" if self.lasted_s is None else f" after {_lasted(self.lasted_s)}"
        when = f"{self.status.capitalize()} since {self.since:%Y-%m-%d %H:%M} UTC{lasted}."
        sentence = self.sentence if self.sentence.endswith((".", "!", "?")) else f"{self.sentence}."
        return "\n".join(part for part in (sentence, self.about, when) if part)

    def data(self) -> dict[str, Any]:
        """The message as JSON values."""
        return {
            "id": self.id, "rule": self.rule, "about": self.about, "status": self.status, "severity": self.severity,
            "sentence": self.sentence, "metric": self.metric, "filters": self.filters, "value": self.value,
            "threshold": self.threshold, "peak": self.peak, "events": self.events, "since": self.since.isoformat(),
            "lasted_s": self.lasted_s, "link": self.link,
        }  # fmt: skip


def message(phase: Phase, rule: Rule | None, fired: Phase | None, now: datetime, dashboards_url: str) -> Message:
    """The message about a phase.

    Args:
        phase: firing or resolved.
        rule: as it is now; None where the file has it no longer, or the store is away.
        fired: the firing phase of the episode, where it is known.
        now: decides how far back the link reaches.
        dashboards_url: where people reach the pages.
    """
    began = fired.state.since if fired else phase.state.since
    is_over = phase.state.status is Status.RESOLVED
    return Message(
        id=f"{phase.rule}_{phase.state.episode}_{phase.state.status}_{round(phase.state.since.timestamp())}",
        rule=phase.rule,
        about=rule.about if rule else "",
        status=str(phase.state.status),
        severity=phase.severity,
        sentence=phase.sentence,
        metric=rule.metric if rule else "",
        filters=rule.filters.given() if rule else {},
        value=phase.value,
        threshold=phase.threshold,
        peak=phase.state.peak,
        events=phase.events,
        since=phase.state.since,
        lasted_s=(phase.state.since - began).total_seconds() if is_over and fired else None,
        link=link(rule, began, now, dashboards_url),
    )


def link(rule: Rule | None, began: datetime, now: datetime, dashboards_url: str) -> str:
    """Address of the page that shows a rule's metric, narrowed as the rule is, with a window that holds the breach."""
    base = dashboards_url.rstrip("/")
    if rule is None:
        return f"{base}/alerts"
    needed = now - began + timedelta(seconds=rule.window_s + rule.pending_s) + _READING
    window = next((name for name, length in LINK_WINDOWS.items() if length >= needed), "30d")
    kept = {name: value for name, value in rule.filters.given().items() if name != "service"}
    page = "" if rule.of.page == "overview" else rule.of.page
    return f"{base}/{page}?{urlencode({'window': window, **kept})}"


def _lasted(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
