"""Charts of drift: rows of `drift_history` in, an Altair chart out. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import altair as alt
import pandas as pd

from sightline_dashboards import drift, formats
from sightline_dashboards.plotting import axes
from sightline_dashboards.plotting.axes import AnyChart, Rows
from sightline_dashboards.plotting.theme import ERROR_COLOUR, SERIES
from sightline_store.questions.asking import Filters

_HEIGHT_PX = 200
_PICKED = ("bucket", "from_ms", "to_ms")
_PLACE = ("t", *_PICKED)


def window(rows: Rows, filters: Filters) -> Filters:
    """Return the stretch of time from the first of these runs to the end of a window, with a little room."""
    first = datetime.fromtimestamp(min(row["at_ms"] for row in rows) / 1000, UTC)
    covered = max(filters.end - first, timedelta(minutes=10))
    return replace(filters, start=filters.end - covered * 1.03)


def effects(rows: Rows, runs: Rows, filters: Filters, *, height: int = _HEIGHT_PX) -> AnyChart:
    """One comparison's change run by run, with its 95 % interval; alarms are red triangles.

    Args:
        rows: of `drift_history`, of one comparison.
        runs: of `drift_runs`.
        filters: the stretch of time of the axis.
        height: px.
    """
    frame = pd.DataFrame(
        [
            {
                **_place(row, runs, filters),
                "effect": row["effect"],
                "low": row["low"],
                "high": row["high"],
                "is_alarm": row["state"] == "drift",
                "State": drift.state(row),
                "Change": drift.effect(row),
                "95 % interval": drift.interval(row),
                "p": drift.p_value(row),
            }
            for row in rows
        ],
        columns=[*_PLACE, "effect", "low", "high", "is_alarm", "State", "Change", "95 % interval", "p"],
    )
    base = alt.Chart(frame).encode(x=axes.time_axis(filters))
    middle = 0.5 if rows and rows[0]["kind"] == "auc" else 0.0
    tooltip = [
        alt.Tooltip("t:T", title="Run", format="%d %b %H:%M"),
        *(f"{name}:N" for name in ("State", "Change", "95 % interval", "p")),
    ]
    y = alt.Y("effect:Q", axis=alt.Axis(title=None, tickCount=5), scale=alt.Scale(zero=middle == 0.0))
    none = alt.Chart(pd.DataFrame({"none": [middle]})).mark_rule(strokeDash=[4, 3], opacity=0.6).encode(y="none:Q")
    return alt.layer(
        none,
        base.mark_rule(strokeWidth=1.5, color=SERIES[0], opacity=0.45).encode(y="low:Q", y2="high:Q"),
        base.mark_line(strokeWidth=1, color=SERIES[0], opacity=0.6).encode(y=y),
        base.transform_filter("!datum.is_alarm")
        .mark_point(size=26, filled=True, opacity=1, color=SERIES[0], cursor="pointer")
        .encode(y=y, tooltip=tooltip),
        base.transform_filter("datum.is_alarm")
        .mark_point(size=80, filled=True, opacity=1, shape="triangle-up", color=ERROR_COLOUR, cursor="pointer")
        .encode(y=y, tooltip=tooltip)
        .properties(name="picked")
        .add_params(axes.picks(*_PICKED)),
    ).properties(height=height)


def canaries(rows: Rows, runs: Rows, filters: Filters, *, height: int = _HEIGHT_PX) -> AnyChart:
    """Overlap and recall of canaries, run by run. Arguments as those of `effects`."""
    frame = pd.DataFrame(
        [
            {
                **_place(row, runs, filters),
                "of": row["signal"].removeprefix("canaries.") + (f", {row['key']}" if row["key"] else ""),
                "value": row["current"],
                "Value": formats.score(row["current"]),
                "State": drift.state(row),
                "Canaries": formats.count(row["current_n"]),
            }
            for row in rows
            if row["current"] is not None
        ]
    )
    names = sorted(set(frame["of"]))
    colour = alt.Color(
        "of:N", scale=alt.Scale(domain=names, range=axes.series_colours(len(names))), legend=axes.legend()
    )
    base = alt.Chart(frame).encode(
        x=axes.time_axis(filters),
        y=alt.Y("value:Q", axis=alt.Axis(title=None, tickCount=5), scale=alt.Scale(domain=[0, 1])),
        color=colour,
    )
    points = (
        base.mark_point(size=26, filled=True, opacity=1, cursor="pointer")
        .encode(
            tooltip=[
                alt.Tooltip("t:T", title="Run", format="%d %b %H:%M"),
                *(f"{name}:N" for name in ("of", "Value", "State", "Canaries")),
            ]
        )
        .properties(name="picked")
        .add_params(axes.picks(*_PICKED, nearest=True))
    )
    return alt.layer(base.mark_line(strokeWidth=2), points).properties(height=height)


def _place(row: Mapping[str, Any], runs: Rows, filters: Filters) -> dict[str, Any]:
    """Where a comparison stands in time, and which stretch of time its run was about."""
    at_s = row["at_ms"] / 1000
    run = drift.compared_by(row, runs) or {}
    return {
        "t": axes.within(at_s, filters),
        "bucket": int(at_s),
        "from_ms": run.get("from_ms"),
        "to_ms": run.get("to_ms"),
    }
