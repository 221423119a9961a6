"""What changed in a window: asked once for all charts of a page, and for all sessions that see the same data."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from weakref import WeakKeyDictionary

import streamlit as st

from sightline_store.questions import changes
from sightline_store.questions.asking import Asks, Filters, Row

_IN_SESSION: Final = "changes"
_PARTS: Final = 120
"""Changes are asked for once more when the window has moved by one of so many parts."""
_MOST_TIMES_LONGER: Final = 6
"""How many times a window may be in the stretch of time of which the changes were asked."""
_MOST_IN_SESSION: Final = 4
"""Stretches of time whose changes a session keeps: the pages show at most two at once."""
_MOST_SHARED: Final = 32
_SHARED_S: Final = 60.0
"""Seconds for which what one session was told is good for another one, as for a page that is opened anew."""


@dataclass(frozen=True)
class _Told:
    """What changed in a stretch of time, as it was told."""

    start: datetime
    end: datetime
    rows: list[Row]
    at_s: float

    def holds(self, filters: Filters) -> bool:
        """Whether it is exact enough for a window: it is not much longer, and ends hardly before it."""
        length = self.end - self.start
        is_close = filters.duration <= length * 1.01 and filters.duration * _MOST_TIMES_LONGER >= length
        return is_close and self.start <= filters.start and filters.end <= self.end + length / _PARTS


_SHARED: WeakKeyDictionary[Asks, list[_Told]] = WeakKeyDictionary()
"""A client is that of all who see the same of the store, and of nobody else."""
_LOCK = threading.Lock()


def of_window(client: Asks, filters: Filters) -> list[Row]:
    """The rows of `changes.changes` that hold for a window.

    Args:
        client: of whoever looks at the page.
        filters: the window; what it is narrowed to does not matter.

    Raises:
        StoreError: the store does not answer.
    """
    own: list[_Told] = st.session_state.setdefault(_IN_SESSION, [])
    if known := _holding(own, filters):
        return known.rows
    with _LOCK:
        fresh = [told for told in _SHARED.get(client, []) if time.monotonic() - told.at_s < _SHARED_S]
    found = _holding(fresh, filters)
    if found is None:
        rows = changes.changes(client, filters.start, filters.end)
        found = _Told(filters.start, filters.end, rows, time.monotonic())
        with _LOCK:
            _SHARED[client] = [found, *fresh][:_MOST_SHARED]
    st.session_state[_IN_SESSION] = [found, *own][:_MOST_IN_SESSION]
    return found.rows


def _holding(told: Sequence[_Told], filters: Filters) -> _Told | None:
    return next((each for each in told if each.holds(filters)), None)
