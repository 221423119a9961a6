"""Marks of changes, and what a click or a drag on a chart says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline_dashboards.timeline import clicks, marks
from sightline_store.questions.asking import Filters

END = datetime(2026, 3, 1, 12, tzinfo=UTC)
FILTERS = Filters(start=END - timedelta(hours=1), end=END)


def change(minutes: float, kind: str = "service", value: str = "1.5.0") -> dict[str, Any]:
    """A row of the question, so many minutes after the window began."""
    at = FILTERS.start + timedelta(minutes=minutes)
    return {
        "kind": kind, "subject": "rag-api", "was": "1.4.0", "value": value, "at_ms": int(at.timestamp() * 1000)
    }  # fmt: skip


def test_a_mark_says_from_what_to_what() -> None:
    """Long names are cut, so that a tooltip stays one."""
    (mark,) = marks.marks_of([change(10)], FILTERS)
    assert mark.texts == ("Deploy of rag-api: 1.4.0 → 1.5.0",)
    assert (mark.kind, mark.sign, mark.at) == ("service", "▼", FILTERS.start + timedelta(minutes=10))
    assert len(marks.text_of(change(10, value="x" * 500))) < 120


def test_changes_close_to_each_other_share_a_mark() -> None:
    """A deploy is drawn before what it brought; all are told."""
    found = marks.marks_of([change(10, "model"), change(10.2), change(40, "index")], FILTERS)
    assert [(mark.kind, len(mark.texts)) for mark in found] == [("service", 2), ("index", 1)]
    many = marks.marks_of([change(10, "model", str(number)) for number in range(20)], FILTERS)
    assert many[0].texts[-1] == "and 14 more"


def test_harm_done_on_purpose_is_drawn_before_all_else() -> None:
    """It says what was done, and not from what to what."""
    harm = {**change(10.1, "harm", "each search takes 2 s longer"), "subject": "slow-search", "was": ""}
    (mark,) = marks.marks_of([change(10), harm], FILTERS)
    assert (mark.kind, mark.sign) == ("harm", "✚")
    assert mark.texts[1] == "Broken on purpose, slow-search: each search takes 2 s longer"


def test_changes_outside_of_the_axis_have_no_mark() -> None:
    """The question may have read more than is shown."""
    assert marks.marks_of([change(-1), change(61)], FILTERS) == []


def _ms(minutes: float) -> float:
    return (FILTERS.start + timedelta(minutes=minutes)).timestamp() * 1000


def test_a_drag_is_a_stretch_of_full_seconds_in_the_window() -> None:
    """In whichever direction; what reaches beyond the axis ends with it."""
    zoomed = clicks.zoomed({"zoom": {"t": [_ms(30) + 400, _ms(10) + 700]}}, FILTERS)
    assert zoomed == clicks.Zoomed(
        FILTERS.start + timedelta(minutes=10), FILTERS.start + timedelta(minutes=30, seconds=1)
    )
    assert clicks.zoomed({"zoom": {"t": [_ms(-5), _ms(99)]}}, FILTERS) == clicks.Zoomed(FILTERS.start, FILTERS.end)


@pytest.mark.parametrize(
    "selection",
    [
        {},
        {"zoom": {}},
        {"zoom": {"t": []}},
        {"zoom": {"t": [1]}},
        {"zoom": {"t": ["a", "b"]}},
        {"zoom": {"t": [None, 1]}},
        {"zoom": {"t": [_ms(10), _ms(10.3)]}},
        {"zoom": {"t": [1e300, -1e300]}},
    ],
)
def test_what_is_no_drag_selects_nothing(selection: dict[str, Any]) -> None:
    """Also a hand that was not still while it clicked."""
    assert clicks.zoomed(selection, FILTERS) is None


@given(st.floats(allow_nan=True, allow_infinity=True), st.floats(allow_nan=True, allow_infinity=True))
def test_any_ends_of_a_drag_are_in_the_window(first: float, last: float) -> None:
    """Whatever a browser sends."""
    zoomed = clicks.zoomed({"zoom": {"t": [first, last]}}, FILTERS)
    assert zoomed is None or FILTERS.start <= zoomed.start < zoomed.end <= FILTERS.end


def test_a_click_is_the_row_that_was_clicked() -> None:
    """Fields that it lacks are absent; a click beside everything is none."""
    picked = clicks.picked({"pick": [{"bucket": 1, "Of": None}]})
    assert picked is not None
    assert picked.row == {"bucket": 1}
    for nothing in ({}, {"pick": {}}, {"pick": []}, {"pick": [{"bucket": None}]}, {"pick": ["x"]}):
        assert clicks.picked(nothing) is None


@given(st.floats(allow_nan=False), st.integers(1, 86_400))
def test_a_bucket_lies_in_the_window_or_is_none(bucket: float, bucket_s: int) -> None:
    """The first and the last one of a chart reach beyond it."""
    stretch = clicks.bucket_range(bucket, bucket_s, FILTERS)
    assert stretch is None or FILTERS.start <= stretch[0] < stretch[1] <= FILTERS.end
