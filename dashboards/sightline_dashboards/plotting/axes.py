"""What charts share: time buckets, axes, labels, tooltips, colours and the theme. Pure.

Times go to the browser in UTC; it shows them in the reader's time zone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from sightline_dashboards.plotting import vega
from sightline_dashboards.plotting.theme import (
    BAND_OPACITY,
    BRUSH_COLOURS,
    MARK_COLOUR,
    SERIES,
    STAGE_COLOURS,
    STAGES,
)
from sightline_dashboards.plotting.vega import Chart, Rows, Spec
from sightline_dashboards.timeline.clicks import PICK, ZOOM
from sightline_dashboards.timeline.marks import SHAPES, Mark
from sightline_dashboards.timeline.ticks import ticks
from sightline_store.questions.asking import Filters, Row

DURATION_LABEL = "datum.value >= 1000 ? format(datum.value / 1000, '~r') + ' s' : format(datum.value, '~r') + ' ms'"
MONEY_LABEL = "'$' + format(datum.value, '~r')"
SHARE_LABEL = "format(datum.value * 100, '~r') + ' %'"
COUNT_LABEL = "datum.value === floor(datum.value) ? format(datum.value, '~s') : ''"
PICKED = "picked"
"""Name of the layer whose rows a click picks."""
LIMIT = "limit"
"""Style of a line at a value that means something: a limit, no change."""
_BAR_SHARE = 0.9
"""Part of a bucket that its bar covers; the rest parts it from its neighbour."""
_NARROW_PX, _LEGEND_COLUMNS, _NARROW_LEGEND_COLUMNS = 400, 6, 3
_MOMENT = "%d %b %H:%M:%S"


def fill_buckets(rows: Rows, filters: Filters, bucket_s: int) -> list[Row]:
    """Return one row for every bucket of the window; a bucket without data has only its `bucket`."""
    row_by_bucket = {int(row["bucket"]): row for row in rows}
    first = int(filters.start.timestamp()) // bucket_s * bucket_s
    last = int(filters.end.timestamp())
    return [{**row_by_bucket.get(bucket, {}), "bucket": bucket} for bucket in range(first, last, bucket_s)]


def timed(rows: Rows, filters: Filters, bucket_s: int) -> list[Row]:
    """Return one row for every bucket of the window with `t`, the middle of it, or of its part in the window."""
    filled = fill_buckets(rows, filters, bucket_s)
    for row in filled:
        row["t"] = within(row["bucket"] + bucket_s / 2, filters)
    return filled


def within(epoch_s: float, filters: Filters) -> datetime:
    """Return a moment for a chart, the end of the window that it lies beyond: the axis is as long as its data."""
    return min(max(datetime.fromtimestamp(epoch_s, UTC), filters.start), filters.end)


def bar_ends(bucket: int, bucket_s: int, filters: Filters) -> dict[str, datetime]:
    """Return where the bar of a bucket begins (`from`) and ends (`until`); a gap parts it from the next one."""
    return {"from": within(bucket, filters), "until": within(bucket + bucket_s * _BAR_SHARE, filters)}


def time_axis(filters: Filters, field: str = "t") -> Spec:
    """Return the axis of time. It is as long as the data of the chart: `over_window` adds both ends of the window.

    So nothing but data differs from one refresh of a page to the next, and the chart is not built anew.
    """
    marked = ticks(filters.duration)
    return vega.moment(
        field,
        scale={"nice": False},
        axis={
            "title": None,
            "grid": False,
            # As an expression: the schema of Vega-Lite names units in the singular, which Vega does not know.
            "tickCount": {"expr": f"{{interval: '{marked.unit}', step: {marked.step}}}"},
            "labelOverlap": "greedy",
            "labelFlush": False,
            "format": marked.label,
        },
    )


def time_tooltip(field: str, title: str = "From") -> Spec:
    """Return the tooltip that shows when a bucket begins."""
    return vega.moment(field, title=title, format=_MOMENT)


def hover_rule(rows: Iterable[Row], filters: Filters, columns: Sequence[str]) -> Chart:
    """Return a rule at the bucket nearest to the pointer, with the columns as its tooltip; a click picks the bucket."""
    shown = [{name: row[name] for name in ("t", "bucket", *columns)} for row in rows]
    encoding = {
        "x": time_axis(filters),
        "opacity": {"condition": {"param": "hover", "empty": False, "value": 0.7}, "value": 0},
        "tooltip": [time_tooltip("t", "At"), *(vega.text(column) for column in columns)],
    }
    hover = {
        "name": "hover",
        "select": {"type": "point", "nearest": True, "on": "pointerover", "fields": ["t"], "clear": "pointerout"},
        "views": [PICKED],
    }
    rule = vega.layer("hovered", "rule", encoding, name=PICKED, strokeWidth=1, color="#8C959F", cursor="pointer")
    return Chart((rule,), {"hovered": shown}, (hover, picks("bucket", nearest=True)))


def picks(*fields: str, nearest: bool = False) -> Spec:
    """Return the selection by which a click picks a row; `timeline.clicks` reads it."""
    select = {"type": "point", "fields": list(fields), "on": "click", "nearest": nearest, "toggle": False}
    return {"name": PICK, "select": select, "views": [PICKED]}


def bucket_columns(filters: Filters, bucket_s: int) -> Chart:
    """Return a column of the chart's whole height behind the bars of each bucket, unseen: so a click there picks it."""
    rows = [
        {"bucket": row["bucket"], **bar_ends(row["bucket"], bucket_s, filters)}
        for row in fill_buckets([], filters, bucket_s)
    ]
    encoding = {
        "x": time_axis(filters, "from"), "x2": {"field": "until"}, "y": {"value": 0}, "y2": {"value": "height"},
    }  # fmt: skip
    column = vega.layer("columns", "rect", encoding, opacity=0.001, clip=True, aria=False, cursor="pointer")
    return Chart((column,), {"columns": rows})


def over_window(chart: Chart, filters: Filters, marks: Sequence[Mark]) -> Chart:
    """Return a chart over the whole window, with the marks of changes, on which a drag selects a stretch of time."""
    drag = {
        "name": ZOOM,
        "select": {
            "type": "interval",
            "encodings": ["x"],
            "on": "[pointerdown[event.pointerType !== 'touch'], window:pointerup] > window:pointermove!",
            "translate": False,
            "zoom": False,
            "mark": {
                "fill": BRUSH_COLOURS[0], "fillOpacity": 0.2, "stroke": BRUSH_COLOURS[1], "strokeOpacity": 0.7,
            },
        },
        "views": ["window"],
    }  # fmt: skip
    frame = vega.layer("window", "point", {"x": time_axis(filters)}, name="window", opacity=0, size=1, aria=False)
    changes = [{"t": mark.at, "kind": mark.kind, "Changed": " · ".join(mark.texts)} for mark in marks]
    return replace(
        chart,
        layers=(frame, *chart.layers, *_mark_layers(filters)),
        data={"window": [{"t": filters.start}, {"t": filters.end}], **chart.data, "changes": changes},
        params=(drag, *chart.params),
    )


def _mark_layers(filters: Filters) -> list[Spec]:
    """A line and a symbol for each mark, also where there is none: the chart stays the same when one comes."""
    x, tooltip = time_axis(filters), [time_tooltip("t", "At"), vega.text("Changed")]
    shape = vega.text("kind", scale={"domain": list(SHAPES), "range": list(SHAPES.values())}, legend=None)
    line: Spec = {"clip": True, "strokeWidth": 1.2, "strokeDash": [3, 3], "color": MARK_COLOUR, "opacity": 0.8}
    symbol: Spec = {"filled": True, "size": 75, "opacity": 1, "color": MARK_COLOUR}
    return [
        vega.layer("changes", "rule", {"x": x, "tooltip": tooltip}, **line),
        vega.layer("changes", "point", {"x": x, "tooltip": tooltip, "y": {"value": 5}, "shape": shape}, **symbol),
    ]


def legend() -> Spec:
    """Return the legend above a chart, with fewer columns on a phone."""
    return {
        "title": None,
        "orient": "top",
        "direction": "horizontal",
        "symbolType": "square",
        "symbolOpacity": 1,
        "symbolSize": 70,
        "offset": 4,
        "columns": {"expr": f"width < {_NARROW_PX} ? {_NARROW_LEGEND_COLUMNS} : {_LEGEND_COLUMNS}"},
    }


def stage_scale(stages: Sequence[str] = STAGES) -> Spec:
    """Return the fixed colours of the stages."""
    return {"domain": list(stages), "range": [STAGE_COLOURS[stage] for stage in stages]}


def themed(chart: Chart, *, dark: bool) -> Spec:
    """Return the specification of a chart with the font, the colours and the margins of the pages."""
    name = "dark" if dark else "light"
    text_colour, axis_colour, grid_colour = (
        ("#E4E7EB", "#9BA3AE", "#262B33") if dark else ("#1C2128", "#5F6873", "#E6E9ED")
    )
    return {
        **chart.to_dict(),
        # Not in the configuration: Streamlit adds 20 px below a chart whose own padding has no `bottom`.
        "padding": {"left": 2, "right": 6, "top": 4, "bottom": 2},
        "config": {
            "font": '"Source Sans", "Source Sans Pro", sans-serif',
            "background": "transparent",
            "axis": {
                "labelColor": axis_colour,
                "labelFontSize": 12,
                "labelPadding": 6,
                "gridColor": grid_colour,
                "domain": False,
                "ticks": False,
                "labelLimit": 140,
            },
            "legend": {"labelColor": text_colour, "labelFontSize": 12.5},
            "view": {"strokeWidth": 0},
            "text": {"color": text_colour},
            "mark": {"color": SERIES[name][0]},
            "rule": {"color": SERIES[name][0]},
            "style": {LIMIT: {"color": axis_colour}},
            "area": {"opacity": BAND_OPACITY[name]},
            "range": {"category": list(SERIES[name])},
        },
    }
