"""What charts share: time buckets, axes, labels, tooltips, colours and the theme. Pure.

Times go to the browser in UTC; it shows them in the reader's time zone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from sightline_dashboards.theme import SERIES, STAGE_COLOURS, STAGES
from sightline_store.questions.queries import Filters

Rows = Sequence[Mapping[str, Any]]
AnyChart = Any  # Altair's types do not follow its method chains

DURATION_LABEL = "datum.value >= 1000 ? format(datum.value / 1000, '~r') + ' s' : format(datum.value, '~r') + ' ms'"
MONEY_LABEL = "'$' + format(datum.value, '~r')"
SHARE_LABEL = "format(datum.value * 100, '~r') + ' %'"
COUNT_LABEL = "format(datum.value, '~s')"


def fill_buckets(rows: Rows, filters: Filters, bucket_s: int) -> list[dict[str, Any]]:
    """Return one row for every bucket of the window; a bucket without data has only its `bucket`."""
    row_by_bucket = {int(row["bucket"]): row for row in rows}
    first = int(filters.start.timestamp()) // bucket_s * bucket_s
    last = int(filters.end.timestamp())
    return [{**row_by_bucket.get(bucket, {}), "bucket": bucket} for bucket in range(first, last, bucket_s)]


def timed_frame(rows: Rows, filters: Filters, bucket_s: int) -> pd.DataFrame:
    """Return the rows as a frame with `t`, the middle of each bucket."""
    frame = pd.DataFrame(fill_buckets(rows, filters, bucket_s))
    frame["t"] = [timestamp(bucket + bucket_s / 2) for bucket in frame["bucket"]]
    for column in (key for row in rows[:1] for key in row):
        if column not in frame:
            frame[column] = None
        if column not in {"bucket", "name", "estimate", "judges", "notes", "ttft_definition"}:
            frame[column] = pd.to_numeric(frame[column])
    return frame


def timestamp(epoch_s: float) -> pd.Timestamp:
    """Return a moment for a chart."""
    return pd.Timestamp(epoch_s, unit="s", tz="UTC")


def time_axis(filters: Filters, field: str = "t") -> alt.X:
    """Return the axis of time, from start to end of the window."""
    domain = [filters.start.isoformat(), filters.end.isoformat()]
    return alt.X(
        f"{field}:T",
        scale=alt.Scale(domain=domain, nice=False),
        axis=alt.Axis(title=None, grid=False, tickCount=6, labelOverlap=True, format=_time_format(filters)),
    )


def _time_format(filters: Filters) -> str:
    seconds = filters.duration.total_seconds()
    if seconds < 300:  # the ticks are closer than a minute
        return "%H:%M:%S"
    return "%H:%M" if seconds <= 86_400 else "%d %b %H:%M"


def time_tooltip(field: str) -> alt.Tooltip:
    """Return the tooltip that shows when a bucket begins."""
    return alt.Tooltip(f"{field}:T", title="From", format="%d %b %H:%M:%S")


def hover_rule(frame: pd.DataFrame, filters: Filters, columns: list[str]) -> AnyChart:
    """Return a rule at the bucket nearest to the pointer, with the columns as its tooltip."""
    nearest = alt.selection_point(nearest=True, on="pointerover", fields=["t"], empty=False, clear="pointerout")
    rows_with_data = frame[frame["requests"].notna()] if "requests" in frame else frame
    return (
        alt.Chart(rows_with_data[["t", *columns]])
        .mark_rule(strokeWidth=1, color="#8C959F")
        .encode(
            x=time_axis(filters),
            opacity=alt.condition(nearest, alt.value(0.7), alt.value(0)),
            tooltip=[alt.Tooltip("t:T", title="At", format="%d %b %H:%M:%S"), *(f"{column}:N" for column in columns)],
        )
        .add_params(nearest)
    )


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
