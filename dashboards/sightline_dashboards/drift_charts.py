"""Charts of drift: rows of `drift_history` in, an Altair chart out. Pure."""

from __future__ import annotations

import altair as alt
import pandas as pd

from sightline_dashboards import axes, drift, formats
from sightline_dashboards.axes import AnyChart, Rows
from sightline_dashboards.theme import ERROR_COLOUR, SERIES

_HEIGHT_PX = 200


def effects(rows: Rows, *, height: int = _HEIGHT_PX) -> AnyChart:
    """One comparison's change run by run, with its 95 % interval; alarms are red triangles."""
    frame = pd.DataFrame(
        [
            {
                "t": axes.timestamp(row["at_ms"] / 1000),
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
        columns=["t", "effect", "low", "high", "is_alarm", "State", "Change", "95 % interval", "p"],
    )
    base = alt.Chart(frame).encode(x=_time())
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
        .mark_point(size=26, filled=True, opacity=1, color=SERIES[0])
        .encode(y=y, tooltip=tooltip),
        base.transform_filter("datum.is_alarm")
        .mark_point(size=80, filled=True, opacity=1, shape="triangle-up", color=ERROR_COLOUR)
        .encode(y=y, tooltip=tooltip),
    ).properties(height=height)


def canaries(rows: Rows, *, height: int = _HEIGHT_PX) -> AnyChart:
    """Overlap and recall of canaries, run by run."""
    frame = pd.DataFrame(
        [
            {
                "t": axes.timestamp(row["at_ms"] / 1000),
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
    return (
        alt.Chart(frame)
        .mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=26, filled=True))
        .encode(
            x=_time(),
            y=alt.Y("value:Q", axis=alt.Axis(title=None, tickCount=5), scale=alt.Scale(domain=[0, 1])),
            color=colour,
            tooltip=[
                alt.Tooltip("t:T", title="Run", format="%d %b %H:%M"),
                *(f"{name}:N" for name in ("of", "Value", "State", "Canaries")),
            ],
        )
        .properties(height=height)
    )


def _time() -> alt.X:
    return alt.X("t:T", axis=alt.Axis(title=None, grid=False, tickCount=5, labelOverlap=True, format="%d %b %H:%M"))
