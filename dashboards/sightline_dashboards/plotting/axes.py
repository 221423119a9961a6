"""What charts share: time buckets, axes, labels, tooltips, colours and the theme. Pure.

Times go to the browser in UTC; it shows them in the reader's time zone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from sightline_dashboards.plotting.theme import MARK_COLOUR, SERIES, STAGE_COLOURS, STAGES
from sightline_dashboards.timeline.clicks import PICK, ZOOM
from sightline_dashboards.timeline.marks import SHAPES, Mark
from sightline_dashboards.timeline.ticks import ticks
from sightline_store.questions.asking import Filters

Rows = Sequence[Mapping[str, Any]]
AnyChart = Any  # Altair's types do not follow its method chains

DURATION_LABEL = "datum.value >= 1000 ? format(datum.value / 1000, '~r') + ' s' : format(datum.value, '~r') + ' ms'"
MONEY_LABEL = "'$' + format(datum.value, '~r')"
SHARE_LABEL = "format(datum.value * 100, '~r') + ' %'"
COUNT_LABEL = "datum.value === floor(datum.value) ? format(datum.value, '~s') : ''"
_BAR_SHARE = 0.9
"""Part of a bucket that its bar covers; the rest parts it from its neighbour."""


def fill_buckets(rows: Rows, filters: Filters, bucket_s: int) -> list[dict[str, Any]]:
    """Return one row for every bucket of the window; a bucket without data has only its `bucket`."""
    row_by_bucket = {int(row["bucket"]): row for row in rows}
    first = int(filters.start.timestamp()) // bucket_s * bucket_s
    last = int(filters.end.timestamp())
    return [{**row_by_bucket.get(bucket, {}), "bucket": bucket} for bucket in range(first, last, bucket_s)]


def timed_frame(rows: Rows, filters: Filters, bucket_s: int) -> pd.DataFrame:
    """Return the rows as a frame with `t`, the middle of each bucket, or of its part in the window."""
    frame = pd.DataFrame(fill_buckets(rows, filters, bucket_s))
    frame["t"] = [within(bucket + bucket_s / 2, filters) for bucket in frame["bucket"]]
    for column in (key for row in rows[:1] for key in row):
        if column not in frame:
            frame[column] = None
        if column not in {"bucket", "name", "estimate", "judges", "notes", "ttft_definition"}:
            frame[column] = pd.to_numeric(frame[column])
    return frame


def timestamp(epoch_s: float) -> pd.Timestamp:
    """Return a moment for a chart."""
    return pd.Timestamp(epoch_s, unit="s", tz="UTC")


def within(epoch_s: float, filters: Filters) -> pd.Timestamp:
    """Return a moment for a chart, the end of the window that it lies beyond: the axis is as long as its data."""
    return timestamp(min(max(epoch_s, filters.start.timestamp()), filters.end.timestamp()))


def bar_ends(bucket: int, bucket_s: int, filters: Filters) -> dict[str, pd.Timestamp]:
    """Return where the bar of a bucket begins (`from`) and ends (`until`); a gap parts it from the next one."""
    return {"from": within(bucket, filters), "until": within(bucket + bucket_s * _BAR_SHARE, filters)}


def time_axis(filters: Filters, field: str = "t") -> alt.X:
    """Return the axis of time. It is as long as the data of the chart: `over_window` adds both ends of the window.

    So nothing but data differs from one refresh of a page to the next, and the chart is not built anew.
    """
    marked = ticks(filters.duration)
    return alt.X(
        f"{field}:T",
        scale=alt.Scale(nice=False),
        axis=alt.Axis(
            title=None,
            grid=False,
            # As an expression: the schema of Vega-Lite names units in the singular, which Vega does not know.
            tickCount=alt.ExprRef(f"{{interval: '{marked.unit}', step: {marked.step}}}"),
            labelOverlap="greedy",
            labelFlush=False,
            format=marked.label,
        ),
    )


def time_tooltip(field: str) -> alt.Tooltip:
    """Return the tooltip that shows when a bucket begins."""
    return alt.Tooltip(f"{field}:T", title="From", format="%d %b %H:%M:%S")


def hover_rule(frame: pd.DataFrame, filters: Filters, columns: list[str]) -> AnyChart:
    """Return a rule at the bucket nearest to the pointer, with the columns as its tooltip; a click picks the bucket."""
    hover = alt.selection_point(
        name="hover", nearest=True, on="pointerover", fields=["t"], empty=False, clear="pointerout"
    )
    rows_with_data = frame[frame["requests"].notna()] if "requests" in frame else frame
    return (
        alt.Chart(rows_with_data[["t", "bucket", *columns]], name="picked")
        .mark_rule(strokeWidth=1, color="#8C959F", cursor="pointer")
        .encode(
            x=time_axis(filters),
            opacity=alt.condition(hover, alt.value(0.7), alt.value(0)),
            tooltip=[alt.Tooltip("t:T", title="At", format="%d %b %H:%M:%S"), *(f"{column}:N" for column in columns)],
        )
        .add_params(hover, picks("bucket", nearest=True))
    )


def picks(*fields: str, nearest: bool = False) -> alt.Parameter:
    """Return the selection by which a click picks a row; `timeline.clicks` reads it."""
    return alt.selection_point(name=PICK, fields=list(fields), on="click", nearest=nearest, toggle=False, empty=False)


def bucket_columns(filters: Filters, bucket_s: int) -> AnyChart:
    """Return a column of the chart's whole height behind the bars of each bucket, unseen: so a click there picks it."""
    rows = [
        {"bucket": row["bucket"], **bar_ends(row["bucket"], bucket_s, filters)}
        for row in fill_buckets([], filters, bucket_s)
    ]
    return (
        alt.Chart(pd.DataFrame(rows))
        .mark_rect(clip=True, opacity=0.001, aria=False, cursor="pointer")
        .encode(x=time_axis(filters, "from"), x2="until:T", y=alt.value(0), y2=alt.value("height"))
    )


def over_window(chart: AnyChart, filters: Filters, marks: Sequence[Mark]) -> AnyChart:
    """Return a chart over the whole window, with the marks of changes, on which a drag selects a stretch of time."""
    ends = pd.DataFrame({"t": [timestamp(moment.timestamp()) for moment in (filters.start, filters.end)]})
    drag = alt.selection_interval(
        name=ZOOM,
        encodings=["x"],
        on="[pointerdown[event.pointerType !== 'touch'], window:pointerup] > window:pointermove!",
        translate=False,
        zoom=False,
        mark=alt.BrushConfig(fill=SERIES[4], fillOpacity=0.2, stroke=SERIES[0], strokeOpacity=0.7),
    )
    frame = (
        alt.Chart(ends, name="window")
        .mark_point(opacity=0, size=1, aria=False)
        .encode(x=time_axis(filters))
        .add_params(drag)
    )
    return alt.layer(frame, chart, *_mark_layers(filters, marks))


def _mark_layers(filters: Filters, marks: Sequence[Mark]) -> list[AnyChart]:
    """A line and a symbol for each mark, also where there is none: the chart stays the same when one comes."""
    frame = pd.DataFrame(
        {
            "t": pd.Series([timestamp(mark.at.timestamp()) for mark in marks], dtype="datetime64[ns, UTC]"),
            "kind": pd.Series([mark.kind for mark in marks], dtype=str),
            "Changed": pd.Series([" · ".join(mark.texts) for mark in marks], dtype=str),
        }
    )
    base = alt.Chart(frame).encode(
        x=time_axis(filters), tooltip=[alt.Tooltip("t:T", title="At", format="%d %b %H:%M:%S"), "Changed:N"]
    )
    shape = alt.Shape("kind:N", scale=alt.Scale(domain=list(SHAPES), range=list(SHAPES.values())), legend=None)
    return [
        base.mark_rule(clip=True, strokeWidth=1.2, strokeDash=[3, 3], color=MARK_COLOUR, opacity=0.8),
        base.mark_point(filled=True, size=75, opacity=1, color=MARK_COLOUR).encode(y=alt.value(5), shape=shape),
    ]


def legend() -> alt.Legend:
    """Return the legend above a chart."""
    return alt.Legend(
        title=None,
        orient="top",
        direction="horizontal",
        symbolType="square",
        symbolOpacity=1,
        symbolSize=70,
        offset=4,
        columns=6,
    )


def stage_scale(stages: Sequence[str] = STAGES) -> alt.Scale:
    """Return the fixed colours of the stages."""
    return alt.Scale(domain=list(stages), range=[STAGE_COLOURS[stage] for stage in stages])


def series_colours(count: int) -> list[str]:
    """Return colours for so many series, in their fixed order."""
    return [SERIES[number % len(SERIES)] for number in range(max(1, count))]


def themed(chart: AnyChart, *, dark: bool) -> AnyChart:
    """Return a chart with the font, the colours and the margins of the pages."""
    text_colour, axis_colour, grid_colour = (
        ("#E4E7EB", "#9BA3AE", "#262B33") if dark else ("#1C2128", "#5F6873", "#E6E9ED")
    )
    font = '"Source Sans", "Source Sans Pro", sans-serif'
    return (
        # Not in the configuration: Streamlit adds 20 px below a chart whose own padding has no `bottom`.
        chart.properties(padding={"left": 2, "right": 6, "top": 4, "bottom": 2})
        .configure(font=font, background="transparent")
        .configure_axis(
            labelColor=axis_colour,
            labelFontSize=12,
            labelPadding=6,
            gridColor=grid_colour,
            domain=False,
            ticks=False,
            labelLimit=140,
        )
        .configure_legend(labelColor=text_colour, labelFontSize=12.5)
        .configure_view(strokeWidth=0)
        .configure_text(color=text_colour)
    )
