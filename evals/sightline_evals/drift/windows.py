"""Which windows are compared: the current one, and the reference beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from sightline_evals.errors import UsageError
from sightline_store.moments import iso_moment
from sightline_store.questions import drift
from sightline_store.questions.asking import Asks

_WEEK: Final = timedelta(days=7)
_FORMS: Final = "previous, seasonal, pin:NAME, or FROM..TO with ISO 8601 moments"


@dataclass(frozen=True)
class Fixed:
    """A reference that stays where it is: pinned, or given by its moments."""

    start: datetime
    end: datetime
    name: str = ""
    """Under which it was pinned."""


@dataclass(frozen=True)
class Previous:
    """The `count` windows that end one window before the current one begins.

    The window between is left out, so that an alarm can be confirmed by it: see `sequence`.
    """

    count: int


@dataclass(frozen=True)
class Seasonal:
    """The same hours a week before."""


Reference = Fixed | Previous | Seasonal


def parse_reference(text: str, count: int, client: Asks | None) -> Reference:
    """Read `--reference`.

    Args:
        text: previous, seasonal, pin:NAME or FROM..TO.
        count: windows of `previous`.
        client: the store, which knows what was pinned.

    Raises:
        UsageError: it is none of them, or nothing was pinned under that name.
    """
    if text == "previous":
        return Previous(count)
    if text == "seasonal":
        return Seasonal()
    if text.startswith("pin:"):
        name = text.removeprefix("pin:")
        pinned = drift.pin(client, name) if client is not None and name else None
        if pinned is None:
            raise UsageError(f"--reference {text}: nothing is pinned under that name; pin a window with --pin NAME")
        start, end = (datetime.fromtimestamp(pinned[key] / 1000, UTC) for key in ("from_ms", "to_ms"))
        return Fixed(start, end, name)
    first, dots, last = text.partition("..")
    if dots:
        try:
            return Fixed(iso_moment(first), iso_moment(last))
        except ValueError as exc:
            raise UsageError(f"--reference {text!r}: {exc}") from exc
    raise UsageError(f"--reference {text!r}: write {_FORMS}")


def compared(reference: Reference, window_s: float, until: datetime) -> drift.Windows:
    """The windows of one comparison.

    Args:
        reference: how the reference is chosen.
        window_s: length of the current window in seconds.
        until: its end, exclusive.

    Raises:
        UsageError: a fixed reference does not end before the current window begins.
    """
    length = timedelta(seconds=window_s)
    start = until - length
    match reference:
        case Fixed():
            first, last = reference.start, reference.end
        case Previous():
            last = start - length
            first = last - reference.count * length
        case Seasonal():
            shift = _WEEK * math.ceil(length / _WEEK)
            first, last = start - shift, until - shift
    if not first < last <= start:
        raise UsageError(
            f"the reference {first.isoformat()} to {last.isoformat()} must end before the current window begins "
            f"({start.isoformat()})"
        )
    return drift.Windows(reference_from=first, reference_to=last, current_from=start, current_to=until)


def before(windows: drift.Windows, reference: Reference) -> drift.Windows | None:
    """The comparison of the window before the current one; None where that window is part of the reference."""
    length = windows.current_to - windows.current_from
    if isinstance(reference, Seasonal):
        return drift.Windows(
            reference_from=windows.reference_from - length,
            reference_to=windows.reference_to - length,
            current_from=windows.current_from - length,
            current_to=windows.current_to - length,
        )
    if windows.current_from - length < windows.reference_to:
        return None
    return replace(windows, current_from=windows.current_from - length, current_to=windows.current_from)
