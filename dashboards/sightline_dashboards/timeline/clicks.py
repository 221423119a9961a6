"""What a reader's click or drag on a chart asks for. Pure.

A chart has two selections of Vega-Lite. `zoom` is the stretch of time that was dragged over, `{"t": [first, last]}` in
epoch milliseconds. `pick` is what was clicked, a list with the fields of one row: `bucket`, where the row stands in
time (epoch seconds), and what the chart adds to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sightline_store.questions.asking import Filters

ZOOM: Final = "zoom"
PICK: Final = "pick"
_NARROWEST: Final = 0.01
"""Part of the axis below which a drag is a click of an unsteady hand."""
_SHORTEST: Final = timedelta(seconds=2)


@dataclass(frozen=True)
class Zoomed:
    """A stretch of time that was dragged over."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class Picked:
    """What was clicked.

    Attributes:
        row: its fields.
    """

    row: Mapping[str, Any]


def zoomed(selection: Mapping[str, Any], filters: Filters) -> Zoomed | None:
    """Return the stretch of a window that was dragged over; None where none was, or hardly any."""
    ends = (selection.get(ZOOM) or {}).get("t")
    if not isinstance(ends, list) or len(ends) != 2:
        return None
    try:
        first, last = sorted(datetime.fromtimestamp(float(end) / 1e3, UTC) for end in ends)
    except (TypeError, ValueError, OverflowError, OSError):
        return None
    if last - first < filters.duration * _NARROWEST:
        return None
    start = max(first.replace(microsecond=0), filters.start)
    end = min(last.replace(microsecond=0) + timedelta(seconds=1), filters.end)
    return Zoomed(start, end) if end - start >= _SHORTEST else None


def picked(selection: Mapping[str, Any]) -> Picked | None:
    """Return what was clicked; None where nothing was."""
    rows = selection.get(PICK)
    if not isinstance(rows, list) or not rows or not isinstance(rows[0], Mapping):
        return None
    row = {name: value for name, value in rows[0].items() if value is not None}
    return Picked(row) if row else None


def bucket_range(bucket: float, bucket_s: int, filters: Filters) -> tuple[datetime, datetime] | None:
    """Return the part of a bucket that lies in the window; None where none of it does."""
    try:
        start = datetime.fromtimestamp(int(bucket), UTC)
    except (ValueError, OverflowError, OSError):
        return None
    start, end = max(start, filters.start), min(start + timedelta(seconds=bucket_s), filters.end)
    return (start, end) if start < end else None
