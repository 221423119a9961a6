"""What a long command prints to standard error: a line that is written over on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time

from sightline_store.schema.rebuild import Progress

_BAR = 24
_EVERY_S = 0.25


def print_status(text: str) -> None:
    """Print a line to standard error, over what a progress line left there."""
    sys.stderr.write(("\r\x1b[K" if sys.stderr.isatty() else "") + f"{text}\n")


class ByteProgress:
    """How much was written: on a terminal only, at most four times a second."""

    def __init__(self) -> None:
        self._last = 0.0

    def __call__(self, size_bytes: int) -> None:
        """Show the bytes that were written so far."""
        if sys.stderr.isatty() and time.monotonic() - self._last > _EVERY_S:
            self._last = time.monotonic()
            sys.stderr.write(f"\r{size_bytes / 1e6:,.1f} MB")
            sys.stderr.flush()


class DayProgress:
    """How many days of a rebuild are complete: a bar on a terminal, a line a day elsewhere."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        """Show that a day is complete."""
        if not sys.stderr.isatty():
            sys.stderr.write(
                f"{progress.table} {progress.day} complete, {progress.done} of {progress.total}, {progress.rows} rows\n"
            )
        else:
            filled = _BAR * progress.done // progress.total
            spent_s = time.monotonic() - self._started
            left_s = spent_s / progress.done * (progress.total - progress.done)
            sys.stderr.write(
                f"\r\x1b[K{progress.table} |{'#' * filled:{_BAR}}| {progress.done}/{progress.total} days, "
                f"{progress.day}, {progress.rows:,} rows, {left_s:.0f} s left"
            )
        sys.stderr.flush()
