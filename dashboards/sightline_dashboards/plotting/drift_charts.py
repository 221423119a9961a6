"""Charts of drift: rows of `drift_history` in, a chart out. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sightline_dashboards import drift, formats
from sightline_dashboards.plotting import axes, vega
from sightline_dashboards.plotting.theme import ERROR_COLOUR
from sightline_dashboards.plotting.vega import Chart, Rows, Spec
from sightline_store.questions.asking import Filters

_HEIGHT_PX = 200
_PICKED = ("bucket", "from_ms", "to_ms")


def window(rows: Rows, filters: Filters) -> Filters:
    """Return the stretch of time from the first of these runs to the end of a window, with a little room."""
    first = datetime.fromtimestamp(min(row["at_ms"] for row in rows) / 1000, UTC)
    covered = max(filters.end - first, timedelta(minutes=10))
    return replace(filters, start=filters.end - covered * 1.03)


def effects(rows: Rows, runs: Rows, filters: Filters, *, height: int = _HEIGHT_PX) -> Chart:
    """One comparison's change run by run, with its 95 % interval; alarms are red triangles.

    Args:
        rows: of `drift_history`, of one comparison.
        runs: of `drift_runs`.
        filters: the stretch of time of the axis.
        height: px.
    """
    drawn = [
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
    ]
    middle = 0.5 if rows and rows[0]["kind"] == "auc" else 0.0

    def value(field: str) -> Spec:
        return vega.number(field, axis=vega.value_axis(ticks=5), scale={"zero": middle == 0.0})

    x = axes.time_axis(filters)
    effect = {"x": x, "y": value("effect")}
    told = {**effect, "tooltip": _tooltip("State", "Change", "95 % interval", "p")}
    interval = {"x": x, "y": value("low"), "y2": {"field": "high"}}
    dots: Spec = {"filled": True, "opacity": 1, "cursor": "pointer"}
    alarms: Spec = {"size": 80, "shape": "triangle-up", "color": ERROR_COLOUR, **dots}
    return Chart(
        (
            vega.layer("none", "rule", {"y": value("none")}, style=axes.LIMIT, strokeDash=[4, 3], opacity=0.8),
            vega.layer("runs", "rule", interval, strokeWidth=1.5, opacity=0.45),
            vega.layer("runs", "line", effect, strokeWidth=1, opacity=0.6),
            vega.layer("runs", "point", told, only="!datum.is_alarm", size=26, **dots),
            vega.layer("runs", "point", told, only="datum.is_alarm", name=axes.PICKED, **alarms),
        ),
        {"none": [{"none": middle}], "runs": drawn},
        (axes.picks(*_PICKED),),
        height,
    )


def canaries(rows: Rows, runs: Rows, filters: Filters, *, height: int = _HEIGHT_PX) -> Chart:
    """Overlap and recall of canaries, run by run. Arguments as those of `effects`."""
    drawn = [
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
    encoding = {
        "x": axes.time_axis(filters),
        "y": vega.number("value", axis=vega.value_axis(ticks=5), scale={"domain": [0, 1]}),
        "color": vega.text("of", scale={"domain": sorted({row["of"] for row in drawn})}, legend=axes.legend()),
    }
    told = {**encoding, "tooltip": _tooltip("of", "Value", "State", "Canaries")}
    dots: Spec = {"size": 26, "filled": True, "opacity": 1, "cursor": "pointer"}
    return Chart(
        (
            vega.layer("runs", "line", encoding, strokeWidth=2),
            vega.layer("runs", "point", told, name=axes.PICKED, **dots),
        ),
        {"runs": drawn},
        (axes.picks(*_PICKED, nearest=True),),
        height,
    )


def _tooltip(*names: str) -> list[Spec]:
    return [vega.moment("t", title="Run", format="%d %b %H:%M"), *(vega.text(name) for name in names)]


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
