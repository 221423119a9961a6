"""Charts: rows of a question in, an Altair chart out. Pure; colours are fixed a stage and a series.

Times go to the browser in UTC; it shows them in the reader's time zone. Buckets without traffic break a
line: nothing is drawn where nothing was measured. Bars start at zero. Tooltips name everything with its unit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from sightline_dashboards import formats
from sightline_dashboards.plotting import axes
from sightline_dashboards.plotting.axes import AnyChart, Rows
from sightline_dashboards.plotting.theme import ERROR_COLOUR, SERIES, STAGE_COLOURS, STAGES, TOTAL_COLOUR, TTFT_COLOUR
from sightline_store.questions.asking import Filters
from sightline_store.questions.estimates import Estimate

NOT_NAMED = "(not named)"
"""Series of what names no model or service."""
HEIGHT_PX = 240
"""Height of a chart that has a panel for itself."""


def latency(rows: Rows, filters: Filters, bucket_s: int, *, height: int = HEIGHT_PX) -> AnyChart:
    """Time to first token and total over time: a band from p50 to p95 each, p99 dashed. The legend says whose token."""
    frame = axes.timed_frame(rows, filters, bucket_s)
    parts, tooltip_columns = [], []
    first_token = formats.first_token_name(rows[0].get("ttft_definition", "") if rows else "")
    for name, prefix in (("Total", "total"), (first_token, "ttft")):
        part = frame[["t"]].copy()
        part["series"] = name
        for level in ("p50", "p95", "p99"):
            part[level] = frame.get(f"{prefix}_{level}_ms")
            frame[f"{name} {level}"] = part[level].map(formats.duration)
            tooltip_columns.append(f"{name} {level}")
        parts.append(part)
    long = pd.concat(parts)
    colour = alt.Color(
        "series:N",
        scale=alt.Scale(domain=[first_token, "Total"], range=[TTFT_COLOUR, TOTAL_COLOUR]),
        legend=axes.legend(),
    )
    base = alt.Chart(long).encode(x=axes.time_axis(filters), color=colour)
    axis = alt.Axis(title=None, labelExpr=axes.DURATION_LABEL, tickCount=5)
    band = base.mark_area(clip=True, opacity=0.18, interpolate="monotone").encode(
        y=alt.Y("p50:Q", axis=axis, scale=alt.Scale(zero=True)), y2="p95:Q"
    )
    middle = base.mark_line(clip=True, strokeWidth=2, interpolate="monotone").encode(y="p50:Q")
    high = base.mark_line(clip=True, strokeWidth=1.4, interpolate="monotone").encode(y="p95:Q")
    tail = base.mark_line(clip=True, strokeWidth=1, strokeDash=[2, 3], opacity=0.8, interpolate="monotone").encode(
        y="p99:Q"
    )
    single = base.mark_point(clip=True, size=14, filled=True).encode(y="p50:Q")
    frame["Requests"] = frame["requests"].map(formats.count)
    frame["Failed"] = frame["errors"].map(formats.count)
    return alt.layer(
        band,
        tail,
        high,
        middle,
        single,
        axes.hover_rule(frame, filters, [*tooltip_columns[3:], *tooltip_columns[:3], "Requests", "Failed"]),
    ).properties(height=height)


def stage_cascade(rows: Rows, column: str, *, height: int = HEIGHT_PX) -> AnyChart:
    """Each stage's part of the time to first token, one after the other: the last one ends at that time.

    Args:
        rows: of `queries.stage_stack`.
        column: which of its sums to draw, "median_ms" or "slow_ms".
        height: px.
    """
    frame = pd.DataFrame([{**row, "part": row[column] or 0.0} for row in rows])
    frame = frame[frame["part"] > 0].copy()
    total = float(frame["part"].sum()) or 1.0
    frame["to"] = frame["part"].cumsum()
    frame["from"] = frame["to"] - frame["part"]
    frame["label"] = [f"{formats.duration(part)} · {formats.share(round(part / total, 3))}" for part in frame["part"]]
    frame["Stage"] = frame["stage"]
    frame["Part of the time to first token"] = frame["label"]
    frame["Its own p50"] = frame["p50_ms"].map(formats.duration)
    frame["Its own p95"] = frame["p95_ms"].map(formats.duration)
    # A label is placed after its bar, before it, or in it: where there is room.
    frame["place"] = [
        "after" if to < total * 0.62 else "before" if start > total * 0.38 else "inside"
        for start, to in zip(frame["from"], frame["to"], strict=True)
    ]
    frame["at"] = [
        start if place == "before" else to
        for start, to, place in zip(frame["from"], frame["to"], frame["place"], strict=True)
    ]
    order = list(frame["stage"])
    y = alt.Y("stage:N", sort=order, axis=alt.Axis(title=None, domain=False, ticks=False, labelPadding=6))
    x = alt.X(
        "from:Q",
        axis=alt.Axis(title=None, labelExpr=axes.DURATION_LABEL, tickCount=5),
        scale=alt.Scale(zero=True, nice=False),
    )
    bars = (
        alt.Chart(frame, name="picked")
        .mark_bar(height={"band": 0.62}, cornerRadius=2, cursor="pointer")
        .encode(
            y=y,
            x=x,
            x2="to:Q",
            color=alt.Color("stage:N", scale=axes.stage_scale(), legend=None),
            tooltip=["Stage", "Part of the time to first token", "Its own p50", "Its own p95"],
        )
        .add_params(axes.picks("stage"))
    )
    text = alt.Chart(frame).encode(y=y, x="at:Q", text="label:N")
    labels = [
        text.transform_filter("datum.place == 'after'").mark_text(align="left", dx=6, fontSize=12),
        text.transform_filter("datum.place == 'before'").mark_text(align="right", dx=-6, fontSize=12),
    ]
    labels.append(
        text.transform_filter("datum.place == 'inside'").mark_text(
            align="right", dx=-8, fontSize=12, fontWeight=600, color="#1C2128"
        )
    )
    return alt.layer(bars, *labels).properties(height=height)


def stage_over_time(rows: Rows, column: str, filters: Filters, bucket_s: int, *, height: int = HEIGHT_PX) -> AnyChart:
    """The parts of the time to first token, stacked, a bucket."""
    parts = [{"bucket": row["bucket"], "of": row["stage"], "amount": row[column] or 0.0} for row in rows]
    stages = [stage for stage in STAGES if sum(part["amount"] for part in parts if part["of"] == stage) > 0]
    colours = [STAGE_COLOURS[stage] for stage in stages]
    return _stack(
        parts,
        names=stages,
        colours=colours,
        shown=formats.duration,
        labels=axes.DURATION_LABEL,
        filters=filters,
        bucket_s=bucket_s,
        height=height,
    )


def stacked_bars(
    rows: Rows, value: str, series: str, filters: Filters, bucket_s: int, *, unit: str, height: int = HEIGHT_PX
) -> AnyChart:
    """A volume over time, stacked by series. `unit` is "usd", "tokens" or "count". Unknown values draw nothing."""
    parts = [
        {"bucket": row["bucket"], "of": row[series] or NOT_NAMED, "amount": float(row[value])}
        for row in rows
        if row[value] is not None
    ]
    sums: dict[str, float] = {}
    for part in parts:
        sums[part["of"]] = sums.get(part["of"], 0.0) + part["amount"]
    names = sorted(sums, key=lambda name: -sums[name])
    shown, labels = {
        "usd": (formats.money, axes.MONEY_LABEL),
        "tokens": (formats.compact, axes.COUNT_LABEL),
        "count": (formats.count, axes.COUNT_LABEL),
    }[unit]
    return _stack(
        parts,
        names=names,
        colours=axes.series_colours(len(names)),
        shown=shown,
        labels=labels,
        filters=filters,
        bucket_s=bucket_s,
        height=height,
    )


def failures(rows: Rows, filters: Filters, bucket_s: int, *, height: int = 150) -> AnyChart:
    """Requests over time, the failed ones in red at the foot."""
    parts = [
        {"bucket": row["bucket"], "of": outcome, "amount": float(n)}
        for row in rows
        for outcome, n in (("failed", row["errors"]), ("answered", row["requests"] - row["errors"]))
    ]
    return _stack(
        parts,
        names=["failed", "answered"],
        colours=[ERROR_COLOUR, "#9AA4AF"],
        shown=formats.count,
        labels=axes.COUNT_LABEL,
        filters=filters,
        bucket_s=bucket_s,
        height=height,
    )


def top_scores(rows: Rows, filters: Filters, bucket_s: int, *, height: int = HEIGHT_PX) -> AnyChart:
    """The best passage's score over time: the median, and a band from the 10th to the 90th percentile."""
    frame = axes.timed_frame(rows, filters, bucket_s)
    for name, column in (("p90", "top_score_p90"), ("Median", "top_score_p50"), ("p10", "top_score_p10")):
        frame[name] = frame[column].map(formats.score)
    frame["Searches"] = frame["searches"].map(formats.count)
    base = alt.Chart(frame).encode(x=axes.time_axis(filters), color=alt.value(SERIES[0]))
    band = base.mark_area(clip=True, opacity=0.18, interpolate="monotone").encode(
        y=alt.Y("top_score_p10:Q", axis=alt.Axis(title=None, tickCount=5), scale=alt.Scale(zero=True)),
        y2="top_score_p90:Q",
    )
    line = base.mark_line(clip=True, strokeWidth=2, interpolate="monotone").encode(y="top_score_p50:Q")
    points = base.mark_point(clip=True, size=14, filled=True).encode(y="top_score_p50:Q")
    return alt.layer(
        band, line, points, axes.hover_rule(frame, filters, ["p90", "Median", "p10", "Searches"])
    ).properties(height=height)


def shares(
    rows: Rows, part: str, whole: str, filters: Filters, bucket_s: int, *, name: str, height: int = 150
) -> AnyChart:
    """A share over time as bars, with its base in the tooltip."""
    frame = pd.DataFrame(
        [
            {
                "bucket": row["bucket"],
                **axes.bar_ends(row["bucket"], bucket_s, filters),
                "share": row[part] / row[whole] if row[whole] else None,
                "zero": 0.0,
                name: formats.share_of(row[part], row[whole]),
            }
            for row in rows
        ]
    )
    bars = (
        alt.Chart(frame, name="picked")
        .mark_rect(color=SERIES[5], clip=True, cursor="pointer")
        .encode(
            x=axes.time_axis(filters, "from"),
            x2="until:T",
            y=alt.Y(
                "share:Q",
                axis=alt.Axis(title=None, labelExpr=axes.SHARE_LABEL, tickCount=4),
                scale=alt.Scale(zero=True),
            ),
            y2="zero:Q",
            tooltip=[axes.time_tooltip("from"), f"{name}:N"],
        )
        .add_params(axes.picks("bucket"))
    )
    return alt.layer(axes.bucket_columns(filters, bucket_s), bars).properties(height=height)


def budgets(rows: Rows, filters: Filters, bucket_s: int, *, height: int = HEIGHT_PX) -> AnyChart:
    """The used share of budgets over time. Rows of `budgets.shares`; a step holds until the next word of it."""
    frame = pd.DataFrame(
        [
            {
                "t": axes.within(row["bucket"] + bucket_s / 2, filters),
                "bucket": row["bucket"],
                "share": row["share"],
                "Budget": row["budget"],
                "Used": formats.share(row["share"]),
            }
            for row in rows
        ]
    )
    names = list(dict.fromkeys(row["budget"] for row in rows))
    base = alt.Chart(frame).encode(
        x=axes.time_axis(filters),
        y=alt.Y(
            "share:Q",
            axis=alt.Axis(title=None, labelExpr=axes.SHARE_LABEL, tickCount=5),
            scale=alt.Scale(zero=True),
        ),
        color=alt.Color(
            "Budget:N",
            scale=alt.Scale(domain=names, range=list(SERIES[: len(names)])),
            legend=alt.Legend(title=None, orient="bottom", columns=1, labelLimit=420),
        ),
    )
    lines = base.mark_line(clip=True, strokeWidth=2, interpolate="step-after")
    points = (
        base.mark_point(clip=True, size=18, filled=True, opacity=1, cursor="pointer")
        .encode(tooltip=[axes.time_tooltip("t"), "Budget:N", "Used:N"])
        .properties(name="picked")
        .add_params(axes.picks("bucket", "Budget", nearest=True))
    )
    full = alt.Chart(pd.DataFrame({"share": [1.0]})).mark_rule(strokeDash=[4, 3], opacity=0.6).encode(y="share:Q")
    return alt.layer(lines, full, points).properties(height=height)


def scores(rows: Rows, filters: Filters, bucket_s: int, *, height: int = HEIGHT_PX) -> AnyChart:
    """The mean of one score over time, its 95 % interval as a band. Rows of `queries.scores_over_time`, of one name."""
    frame = axes.timed_frame(rows, filters, bucket_s)
    estimates = [value if isinstance(value, Estimate) else Estimate(None, None, None, 0) for value in frame["estimate"]]
    for field in ("mean", "low", "high"):
        frame[field] = [getattr(value, field) for value in estimates]
    frame["Mean"] = [formats.estimate(value.mean, value.half_width) for value in estimates]
    frame["Judged"] = frame["n"].map(formats.count)
    frame["Not judged"] = frame["failed"].map(formats.count)
    frame = frame.drop(columns=["estimate", "judges", "notes"], errors="ignore")
    base = alt.Chart(frame).encode(x=axes.time_axis(filters), color=alt.value(SERIES[0]))
    band = base.mark_area(clip=True, opacity=0.15).encode(
        y=alt.Y("low:Q", axis=alt.Axis(title=None, tickCount=5), scale=alt.Scale(domain=[0, 1])), y2="high:Q"
    )
    bars = base.mark_rule(clip=True, strokeWidth=1.2, opacity=0.45).encode(y="low:Q", y2="high:Q")
    line = base.mark_line(clip=True, strokeWidth=2).encode(y="mean:Q")
    points = (
        base.mark_point(clip=True, size=22, filled=True, cursor="pointer")
        .encode(y="mean:Q", tooltip=[axes.time_tooltip("t"), "Mean:N", "Judged:N", "Not judged:N"])
        .properties(name="picked")
        .add_params(axes.picks("bucket", nearest=True))
    )
    return alt.layer(band, bars, line, points).properties(height=height)


def _stack(
    parts: Sequence[Mapping[str, Any]],
    *,
    names: Sequence[str],
    colours: Sequence[str],
    shown: Callable[[float], str],
    labels: str,
    filters: Filters,
    bucket_s: int,
    height: int,
) -> AnyChart:
    """Bars over time, stacked here and not by Vega, which stacks no bars that have two ends in time."""
    order = {name: number for number, name in enumerate(names)}
    tops: dict[int, float] = {}
    bars = []
    for part in sorted(parts, key=lambda part: order.get(part["of"], -1)):
        if part["of"] in order and part["amount"] > 0:
            bucket = int(part["bucket"])
            foot = tops.get(bucket, 0.0)
            tops[bucket] = foot + part["amount"]
            bars.append(
                {
                    "bucket": bucket,
                    **axes.bar_ends(bucket, bucket_s, filters),
                    "Of": part["of"],
                    "foot": foot,
                    "top": tops[bucket],
                    "Amount": shown(part["amount"]),
                }
            )
    drawn = (
        alt.Chart(pd.DataFrame(bars, columns=["bucket", "from", "until", "Of", "foot", "top", "Amount"]), name="picked")
        .mark_rect(clip=True, cursor="pointer")
        .encode(
            x=axes.time_axis(filters, "from"),
            x2="until:T",
            y=alt.Y("top:Q", axis=alt.Axis(title=None, labelExpr=labels, tickCount=4), scale=alt.Scale(zero=True)),
            y2="foot:Q",
            color=alt.Color("Of:N", scale=alt.Scale(domain=list(names), range=list(colours)), legend=axes.legend()),
            tooltip=[axes.time_tooltip("from"), "Of:N", "Amount:N"],
        )
        .add_params(axes.picks("bucket", "Of"))
    )
    return alt.layer(axes.bucket_columns(filters, bucket_s), drawn).properties(height=height)
