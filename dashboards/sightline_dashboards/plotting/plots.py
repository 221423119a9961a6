"""Charts on a page: dressed for the reader's theme, with marks of changes, and with what a click or a drag leads to.

A drag over a chart of time zooms into it; a click opens the traces of what was clicked. Either comes as a run of the
page: a callback says what is wanted, `act` does it when the run begins.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import pandas as pd
import streamlit as st

from sightline_dashboards import navigation, source
from sightline_dashboards.controls import filterbar
from sightline_dashboards.plotting import axes
from sightline_dashboards.plotting.vega import Chart
from sightline_dashboards.timeline import change_rows, clicks, ranges
from sightline_dashboards.timeline.marks import Mark, marks_of
from sightline_store.errors import StoreError
from sightline_store.questions.asking import Filters

Opens = Callable[[Mapping[str, Any]], Mapping[str, str]]
"""What was clicked to the parameters of the page of traces, but for its range."""

_LOG = logging.getLogger("sightline.dashboards")
_TURN, _WANTED = "plots_turn", "plots_wanted"
_ZOOMED: Final = "zoomed"


def act(*, in_fragment: bool) -> None:
    """Do what a click or a drag wants. Called when a run of the page or of its body begins."""
    wanted = st.session_state.pop(_WANTED, None)
    if wanted == _ZOOMED:
        if in_fragment:
            st.rerun()
    elif isinstance(wanted, dict):
        navigation.open_page("traces", **wanted)


def show(chart: Chart, filters: Filters, *, key: str, opens: Opens) -> None:
    """Show a chart that has no axis of time; a click on what it picks opens the traces of the window."""
    _show(chart, key=key, callback=partial(_chosen, filters=filters, bucket_s=0, opens=opens))


def show_over_time(chart: Chart, filters: Filters, *, key: str, bucket_s: int, opens: Opens = lambda _: {}) -> None:
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
    """The marks of a window; none where the store does not answer, since the charts say so themselves."""
    try:
        rows = change_rows.of_window(source.client(), filters)
    except StoreError as exc:
        _LOG.warning("no marks of changes: %s: %s", type(exc).__name__, exc)
        return []
    return marks_of(rows, filters)


def _show(chart: Chart, *, key: str, callback: Callable[..., None]) -> None:
    spec = axes.themed(chart, dark=st.context.theme.type == "dark")
    spec["datasets"] = {name: pd.DataFrame(rows) for name, rows in spec["datasets"].items()}
    # A key of its own after each click: so the chart is shown without what was selected.
    turn = st.session_state.setdefault(_TURN, 0)
    turned = f"{key}_{turn}"
    st.vega_lite_chart(
        spec=spec,
        key=turned,
        width="stretch",
        theme=None,
        on_select=partial(callback, key=turned, turn=turn),
        # Not what the pointer is over: each move would be a run of the page.
        selection_mode=[each["name"] for each in chart.params if each["name"] in {clicks.PICK, clicks.ZOOM}],
    )


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
