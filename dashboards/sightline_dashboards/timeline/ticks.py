"""Which ticks an axis of time has, and how they are labelled: no two of them alike. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

_MOST_TICKS: Final = 8
_STEPS: Final = (
    *(("seconds", step, step) for step in (1, 2, 5, 10, 15, 30)),
    *(("minutes", step, step * 60) for step in (1, 2, 5, 10, 15, 30)),
    *(("hours", step, step * 3600) for step in (1, 2, 3, 6, 12)),
    *(("day", step, step * 86_400) for step in (1, 2, 5)),
    ("week", 1, 604_800),
    *(("month", step, step * 2_592_000) for step in (1, 3)),
)
"""Unit and number of Vega's interval steps, and their length in seconds. The shorter units are in the plural."""


@dataclass(frozen=True)
class Ticks:
    """Where the ticks of an axis stand.

    Attributes:
        unit: of Vega's time intervals.
        step: how many of it lie between two ticks.
        label: format of a tick's label, as d3 reads it.
    """

    unit: str
    step: int
    label: str


def ticks(duration: timedelta) -> Ticks:
    """Return the closest ticks of which an axis of this length has at most eight."""
    seconds = duration.total_seconds()
    unit, step, _ = next((each for each in _STEPS if seconds / each[2] <= _MOST_TICKS), ("year", 1, 0))
    return Ticks(unit, step, _label(unit, seconds))


def _label(unit: str, seconds: float) -> str:
    if unit == "seconds":
        return "%H:%M:%S"
    if unit in {"minutes", "hours"}:
        return "%H:%M" if seconds <= 86_400 else "%d %b %H:%M"
    return "%d %b" if unit in {"day", "week"} else "%b %Y"
