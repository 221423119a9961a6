"""Tracing faults: logged once per place, counted, never raised.

User code never breaks because tracing did. Every guarded place calls ``report``; the counts are part of
``Tracing.faults()``, so a fault that was logged an hour ago is still visible.
"""

import logging

_logger = logging.getLogger("sightline")
_counts: dict[str, int] = {}


def report(place: str, error: BaseException | str) -> None:
    """Count a fault and log it the first time that it happens at this place.

    Args:
        place: short, fixed name of what was attempted, for example ``"capture input"``.
        error: what went wrong.
    """
    count = _counts.get(place, 0) + 1
    _counts[place] = count
    if count == 1:
        try:
            detail = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
        except Exception:
            detail = type(error).__name__
        _logger.warning("sightline: %s failed (%s); tracing goes on, later faults here are only counted", place, detail)


def counts() -> dict[str, int]:
    """Return the number of faults by place in this process."""
    return dict(_counts)


def reset() -> None:
    """Forget all counts (tests)."""
    _counts.clear()
