"""Ticks of an axis of time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sightline_dashboards.timeline.ticks import ticks

STEPS = {"seconds": 1, "minutes": 60, "hours": 3600, "day": 86_400, "week": 604_800, "month": 2_592_000}


@given(st.timedeltas(timedelta(seconds=2), timedelta(days=400)), st.integers(0, 1_700_000_000))
def test_no_two_ticks_are_labelled_alike(length: timedelta, first_s: int) -> None:
    """At most eight stand on an axis, and each label says another moment than the one before."""
    marked = ticks(length)
    step_s = STEPS[marked.unit] * marked.step
    assert length.total_seconds() / step_s <= 8
    first_s = first_s // step_s * step_s
    labels = [
        datetime.fromtimestamp(first_s + number * step_s, UTC).strftime(marked.label)
        for number in range(int(length.total_seconds() // step_s) + 1)
    ]
    if marked.unit != "month":  # months have no length
        assert all(one != other for one, other in pairwise(labels))


def test_ticks_closer_than_a_minute_show_seconds() -> None:
    """So no minute is repeated."""
    assert ticks(timedelta(seconds=90)).label == "%H:%M:%S"
    assert (ticks(timedelta(minutes=4)).unit, ticks(timedelta(minutes=4)).step) == ("seconds", 30)
    assert ticks(timedelta(minutes=5)).label == "%H:%M"


def test_ticks_of_several_days_show_the_day() -> None:
    """With the hour where they are closer than a day."""
    assert ticks(timedelta(days=2)).label == "%d %b %H:%M"
    assert ticks(timedelta(days=7)).label == "%d %b"
