"""Charts on a page: dressed for the reader's theme, with marks of changes, and with what a click or a drag leads to.

A drag over a chart of time zooms into it; a click opens the traces of what was clicked. Either comes as a run of the
page: a callback says what is wanted, `act` does it when the run begins.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import streamlit as st

from sightline_dashboards import navigation, source
from sightline_dashboards.controls import filterbar
from sightline_dashboards.plotting import axes
from sightline_dashboards.timeline import clicks, ranges
from sightline_dashboards.timeline.marks import Mark, marks_of
from sightline_store.errors import StoreError
from sightline_store.questions import changes
from sightline_store.questions.asking import Filters, Row

Opens = Callable[[Mapping[str, Any]], Mapping[str, str]]
"""What was clicked to the parameters of the page of traces, but for its range."""

_LOG = logging.getLogger("sightline.dashboards")
_TURN, _WANTED, _CHANGES = "plots_turn", "plots_wanted", "plots_changes"
_ZOOMED: Final = "zoomed"
_KEPT_PARTS: Final = 120
"""Changes are asked for once more when the window has moved by one of so many parts."""
_MOST_TIMES_LONGER: Final = 6
"""How many times a window may be in the stretch of time of which the changes were asked."""
_MOST_KEPT: Final = 4
"""Stretches of time whose changes are kept: the pages show at most two at once."""


def act(*, in_fragment: bool) -> None:
    """Do what a click or a drag wants. Called when a run of the page or of its body begins."""
    wanted = st.session_state.pop(_WANTED, None)
    if wanted == _ZOOMED:
        if in_fragment:
            st.rerun()
    elif isinstance(wanted, dict):
        navigation.open_page("traces", **wanted)


def show(chart: axes.AnyChart, filters: Filters, *, key: str, opens: Opens) -> None:
    """Show a chart that has no axis of time; a click on what it picks opens the traces of the window."""
    _show(chart, key=key, callback=partial(_chosen, filters=filters, bucket_s=0, opens=opens))


def show_over_time(
    chart: axes.AnyChart, filters: Filters, *, key: str, bucket_s: int, opens: Opens = lambda _: {}
) -> None:
    """Show a chart over a window: with its marks, a drag that zooms, and a click that opens the traces of a bucket.

    Args:
        chart: made with `axes.time_axis`; its selection `axes.picks` has the field `bucket`.
        filters: the window.
        key: of the element.
        bucket_s: width of a bucket.
        opens: what the list of traces is narrowed to for what was clicked.
    """
    framed = axes.over_window(chart, filters, changed(filters))
    _show(framed, key=key, callback=partial(_chosen, filters=filters, bucket_s=bucket_s, opens=opens))


def changed(filters: Filters) -> list[Mark]:
    """The marks of a window; none where the store does not answer, since the charts say so themselves.

    What changed is asked for once for all charts of a page, and kept for this session alone.
    """
    kept: list[_Kept] = st.session_state.setdefault(_CHANGES, [])
    found = next((each for each in kept if each.holds(filters)), None)
    if found is None:
        try:
            rows = changes.changes(source.client(), filters.start, filters.end)
        except StoreError as exc:
            _LOG.warning("no marks of changes: %s: %s", type(exc).__name__, exc)
            return []
        found = _Kept(filters.start, filters.end, rows)
        st.session_state[_CHANGES] = [found, *kept][:_MOST_KEPT]
    return marks_of(found.rows, filters)


@dataclass(frozen=True)
class _Kept:
    """What changed in a stretch of time, as it was told."""

    start: datetime
    end: datetime
    rows: list[Row]

    def holds(self, filters: Filters) -> bool:
        """Whether it is exact enough for a window: it is not much longer, and ends hardly before it."""
        length = self.end - self.start
        is_close = filters.duration <= length * 1.01 and filters.duration * _MOST_TIMES_LONGER >= length
        return is_close and self.start <= filters.start and filters.end <= self.end + length / _KEPT_PARTS


def _show(chart: axes.AnyChart, *, key: str, callback: Callable[..., None]) -> None:
    themed = axes.themed(chart, dark=st.context.theme.type == "dark")
    # A key of its own after each click: so the chart is shown without what was selected.
    turn = st.session_state.setdefault(_TURN, 0)
    turned = f"{key}_{turn}"
    st.altair_chart(themed, key=turned, width="stretch", theme=None, on_select=partial(callback, key=turned, turn=turn))


def _chosen(*, key: str, turn: int, filters: Filters, bucket_s: int, opens: Opens) -> None:
    """Remember what a reader's click or drag wants. The click that ends a drag comes after it, and is dropped."""
    if turn != st.session_state.get(_TURN):
        return
    wanted = wanted_of(st.session_state[key]["selection"], filters, bucket_s, opens)
    if wanted is None:
        return
    st.session_state[_TURN] = turn + 1
    if isinstance(wanted, clicks.Zoomed):
        filterbar.show_range(ranges.own(wanted.start, wanted.end, datetime.now(UTC)))
        st.session_state[_WANTED] = _ZOOMED
    else:
        st.session_state[_WANTED] = wanted


def wanted_of(
    selection: Mapping[str, Any], filters: Filters, bucket_s: int, opens: Opens
) -> clicks.Zoomed | dict[str, str] | None:
    """Return what a selection of a chart wants: a stretch of time, parameters of the page of traces, or nothing.

    Args:
        selection: as Streamlit has it.
        filters: the window of the chart.
        bucket_s: width of a bucket; 0: the chart has no axis of time.
        opens: as in `show_over_time`.
    """
    if zoomed := clicks.zoomed(selection, filters):
        return zoomed
    if (picked := clicks.picked(selection)) is None:
        return None
    if not bucket_s:
        return dict(opens(picked.row))
    stretch = clicks.bucket_range(picked.row.get("bucket", -1), bucket_s, filters)
    if stretch is None:
        return None
    return {**ranges.own(*stretch, stretch[1]).params(), **opens(picked.row)}
