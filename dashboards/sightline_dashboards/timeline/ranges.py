"""The range of time that the pages show: a preset that ends now, or a range of one's own. Pure.

A range is named by parameters of an address: ``window=3h``, or ``from=2026-03-01T10:00:00Z&to=2026-03-01T11:00:00Z``.
Addresses hold UTC; people read and write in their own time zone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import Final

from sightline_store.moments import parse_moment

PRESETS: Final[dict[str, tuple[str, timedelta]]] = {
    "15m": ("Last 15 min", timedelta(minutes=15)),
    "1h": ("Last 1 h", timedelta(hours=1)),
    "3h": ("Last 3 h", timedelta(hours=3)),
    "12h": ("Last 12 h", timedelta(hours=12)),
    "24h": ("Last 24 h", timedelta(hours=24)),
    "7d": ("Last 7 days", timedelta(days=7)),
    "30d": ("Last 30 days", timedelta(days=30)),
}
"""Name in an address to what people read, and the length."""
DEFAULT_PRESET: Final = "1h"
RANGE_KEYS: Final = ("window", "from", "to")
"""Parameters of an address that name a range."""
HOW_TO_WRITE: Final = "write 2026-03-01 14:30, 14:30 for today, an age such as 90m or 2d, or now"

_CLOCK_SLACK: Final = timedelta(minutes=5)
"""How far the clock of the machine that wrote an address may be ahead."""
_OLDEST: Final = datetime(1970, 1, 2, tzinfo=UTC)
_CLOCK = re.compile(r"\d{1,2}:\d{2}(?::\d{2})?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class RangeProblem(ValueError):
    """A range that cannot be shown; its message is a sentence for the reader."""


class Against(StrEnum):
    """What a range is compared with."""

    BEFORE = ""
    """The range of the same length that ends where it begins."""
    DAY = "day"
    """The same hours a day earlier; as many days as a longer range needs."""
    WEEK = "week"
    """The same hours a week earlier; as many weeks as a longer range needs."""


@dataclass(frozen=True)
class TimeRange:
    """What the reader chose.

    Attributes:
        preset: name in `PRESETS`; it ends now.
        fixed: start and end in UTC of a range of one's own; None: the preset holds.
    """

    preset: str = DEFAULT_PRESET
    fixed: tuple[datetime, datetime] | None = None

    def at(self, now: datetime) -> tuple[datetime, datetime]:
        """First moment and the one behind the last. A preset ends on a full second, so that neighbours agree."""
        if self.fixed:
            return self.fixed
        end = now.replace(microsecond=0) + timedelta(seconds=1)
        return end - PRESETS[self.preset][1], end

    def params(self) -> dict[str, str]:
        """The parameters that name it in an address; the default has none."""
        if self.fixed:
            return {"from": _iso(self.fixed[0]), "to": _iso(self.fixed[1])}
        return {} if self.preset == DEFAULT_PRESET else {"window": self.preset}

    def label(self, zone: tzinfo, now: datetime) -> str:
        """The range in words: Last 3 h, or 1 Mar 10:00 to 11:00."""
        return text_of(*self.fixed, zone, now) if self.fixed else PRESETS[self.preset][0]


def of_params(params: Mapping[str, str], now: datetime) -> TimeRange | None:
    """Return the range that an address names; None where it names none.

    Raises:
        RangeProblem: it names one that cannot be shown.
    """
    start, end, window = (params.get(key, "") for key in ("from", "to", "window"))
    if start or end:
        if not (start and end):
            raise RangeProblem("The address names only one end of a range: it needs from and to.")
        try:
            moments = parse_moment(start, now), now if end == "now" else parse_moment(end, now)
        except ValueError as exc:
            raise RangeProblem(f"The range of the address cannot be read: {exc}.") from exc
        return own(*moments, now)
    if not window:
        return None
    if window not in PRESETS:
        raise RangeProblem(f"The address names a window that there is not, {window[:20]!r}: {', '.join(PRESETS)} are.")
    return TimeRange(window)


def typed(start: str, end: str, zone: tzinfo, now: datetime) -> TimeRange:
    """Return the range between two moments as a person writes them, in their time zone.

    A date alone begins with its first moment and ends with its last, or now where that is still to come.

    Raises:
        RangeProblem: it cannot be shown.
    """
    until = _moment(end, "To", zone, now, is_end=True)
    return own(_moment(start, "From", zone, now, is_end=False), until, now, zone)


def own(start: datetime, end: datetime, now: datetime, zone: tzinfo = UTC) -> TimeRange:
    """Return a range of one's own, to full seconds.

    Raises:
        RangeProblem: it ends before it begins, or lies in the future or before 1970.
    """
    try:
        start = start.astimezone(UTC).replace(microsecond=0)
        end = _whole_second(end.astimezone(UTC))
    except OverflowError as exc:
        raise RangeProblem("The range lies outside of the years 1970 to 9999.") from exc
    if start >= now:
        raise RangeProblem(
            f"The range begins in the future: {_told(start, zone)} is after now, {_told(now, zone, seconds=True)}."
        )
    if end <= start:
        raise RangeProblem(
            f"The range ends ({_told(end, zone, seconds=True)}) before it begins ({_told(start, zone, seconds=True)})."
        )
    if end > now + _CLOCK_SLACK:
        raise RangeProblem(
            f"The range ends in the future: {_told(end, zone)} is after now, {_told(now, zone)}. Write now as its end."
        )
    if start < _OLDEST:
        raise RangeProblem(f"The range begins before {_OLDEST.year}: {_told(start, zone)}.")
    return TimeRange(fixed=(start, end))


def compared(start: datetime, end: datetime, against: Against, zone: tzinfo) -> tuple[datetime, datetime]:
    """Return the range that another one is compared with: of the same length, and with no moment in both.

    Args:
        start: of the range.
        end: of the range.
        against: which one.
        zone: whose hours stay the same where clocks are changed in between.
    """
    length = end - start
    if against is Against.BEFORE:
        return start - length, start
    unit = timedelta(days=7 if against is Against.WEEK else 1)
    # Clocks that are set back between the two leave one hour less than the days hold.
    shift = unit * math.ceil(length / unit)
    moved = (start.astimezone(zone) - shift).astimezone(UTC)
    if moved + length > start:
        moved = (start.astimezone(zone) - shift - unit).astimezone(UTC)
    return moved, moved + length


def compared_label(length: timedelta, against: Against, label: str) -> str:
    """Return what a range is compared with, in words: the 1 h before, the same hours 1 day earlier."""
    if against is Against.BEFORE:
        return f"the {label.lower().removeprefix('last ')} before" if label else "the same time before"
    days = 7 if against is Against.WEEK else 1
    count = math.ceil(length / timedelta(days=days))
    unit = "week" if against is Against.WEEK else "day"
    return f"the same hours {count} {unit}{'' if count == 1 else 's'} earlier"


def text_of(start: datetime, end: datetime, zone: tzinfo, now: datetime) -> str:
    """Return two moments as a person reads them: 1 Mar 10:00 to 11:00; with seconds where the range needs them."""
    first, last, today = (moment.astimezone(zone) for moment in (start, end, now))
    clock = "%H:%M:%S" if first.second or last.second else "%H:%M"
    has_year = first.year != today.year

    def day(moment: datetime) -> str:
        return f"{moment.day} {moment:%b}{f' {moment.year}' if has_year else ''} "

    second = "" if first.date() == last.date() else day(last)
    return f"{day(first)}{first.strftime(clock)} to {second}{last.strftime(clock)}"


def typed_text(moment: datetime, zone: tzinfo) -> str:
    """Return a moment as `typed` reads it."""
    local = moment.astimezone(zone)
    return local.strftime("%Y-%m-%d %H:%M:%S" if local.second else "%Y-%m-%d %H:%M")


def _moment(text: str, which: str, zone: tzinfo, now: datetime, *, is_end: bool) -> datetime:
    entered = text.strip()
    if not entered:
        raise RangeProblem(f"{which} is empty: {HOW_TO_WRITE}.")
    if entered.lower() == "now":
        return now
    today = now.astimezone(zone).date()
    try:
        if _CLOCK.fullmatch(entered):
            return datetime.combine(today, time.fromisoformat(entered if entered[2] == ":" else f"0{entered}"), zone)
        if _DATE.fullmatch(entered):
            day = datetime.combine(datetime.fromisoformat(entered).date(), time(), zone)
            return min(day + timedelta(days=1), max(now, day)) if is_end else day
        read = datetime.fromisoformat(entered)
    except (ValueError, OverflowError):
        pass
    else:
        return read.replace(tzinfo=zone) if read.tzinfo is None else read
    try:
        return parse_moment(entered, now)
    except ValueError:
        raise RangeProblem(f"{which} cannot be read, {entered[:40]!r}: {HOW_TO_WRITE}.") from None


def _whole_second(moment: datetime) -> datetime:
    whole = moment.replace(microsecond=0)
    return whole if whole == moment else whole + timedelta(seconds=1)


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _told(moment: datetime, zone: tzinfo, *, seconds: bool = False) -> str:
    local = moment.astimezone(zone)
    return f"{local.day} {local:%b %Y} {local.strftime('%H:%M:%S' if seconds else '%H:%M')}"
