"""Moments and durations as people write them, and moments as ClickHouse reads them.

The one parser of what a command line, a page's address or a prices file says about time. A moment without a time zone
is UTC, because the store keeps UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"(\d{1,9})\s*([smhdw])")


def duration_s(text: str) -> int:
    """Seconds in `90s`, `30m`, `1h`, `7d` or `2w`.

    Raises:
        ValueError: it is something else, or zero.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None or int(match[1]) == 0:
        raise ValueError(f"{text!r} is no duration: write a number and a unit, such as 90s, 30m, 1h, 7d or 2w")
    return int(match[1]) * _UNITS_S[match[2]]


def iso_moment(value: str | date) -> datetime:
    """An ISO 8601 date or time, or a date that was parsed already, in UTC; a date is its first moment.

    Raises:
        ValueError: it is something else.
    """
    moment = value if isinstance(value, date) else datetime.fromisoformat(value.strip())
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time())
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def parse_moment(text: str, now: datetime | None = None) -> datetime:
    """An ISO 8601 date or time, or an age: `7d` is seven days before `now`.

    Raises:
        ValueError: it is neither.
    """
    try:
        if _DURATION.fullmatch(text.strip()):
            return (now or datetime.now(UTC)) - timedelta(seconds=duration_s(text))
        return iso_moment(text)
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text!r} is no moment: write 2026-01-31, 2026-01-31T12:00, or an age such as 90s, 15m, 6h, 7d, 2w"
        ) from None


def sql_moment(moment: datetime) -> str:
    """A moment as the value of a DateTime64(3, 'UTC') parameter: in UTC, to the millisecond."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
