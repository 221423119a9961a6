"""Charts: rows of a question in, a chart out. Pure; colours are fixed a stage and a series.

Buckets without traffic break a line: nothing is drawn where nothing was measured. Bars start at zero. Tooltips name
everything with its unit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any

from sightline_dashboards import formats
from sightline_dashboards.plotting import axes, vega
from sightline_dashboards.plotting.theme import EMPTY_COLOUR, ERROR_COLOUR, STAGE_COLOURS, STAGES
from sightline_dashboards.plotting.vega import HEIGHT_PX, Chart, Rows, Spec
from sightline_store.questions.asking import Filters, Row
from sightline_store.questions.estimates import Estimate

NOT_NAMED = "(not named)"
"""Series of what names no model or service."""
_LEVELS = ("p50", "p95", "p99")
_UNKNOWN = Estimate(None, None, None, 0)


def latency(rows: Rows, filters: Filters, bucket_s: int, *, height: int = HEIGHT_PX) -> Chart:
    """Time to first token and total over time: a band from p50 to p95 each, p99 dashed. The legend says whose token."""
    timed = axes.timed(rows, filters, bucket_s)
    first_token = formats.first_token_name(rows[0].get("ttft_definition", "") if rows else "")
    kinds = {first_token: "ttft", "Total": "total"}
    levels = [
        {"t": row["t"], "series": name, **{level: row.get(f"{kind}_{level}_ms") for level in _LEVELS}}
        for name, kind in reversed(kinds.items())
        for row in timed
    ]
    told = {f"{name} {level}": f"{kind}_{level}_ms" for name, kind in kinds.items() for level in _LEVELS}
    hovered = [
        {
            **row,
            **{column: formats.duration(row.get(of)) for column, of in told.items()},
            "Requests": formats.count(row["requests"]),
            "Failed": formats.count(row["errors"]),
        }
        for row in timed
        if row.get("requests") is not None
    ]
    y_axis = vega.value_axis(ticks=5, labels=axes.DURATION_LABEL)

    def drawn(mark: str, level: str, *, upper: str = "", **looks: Any) -> Spec:
        encoding = {
            "x": axes.time_axis(filters),
            "y": vega.number(level, axis=y_axis, scale={"zero": True}),
            "color": vega.text("series", scale={"domain": list(kinds)}, legend=axes.legend()),
            **({"y2": {"field": upper}} if upper else {}),
        }
        return vega.layer("levels", mark, encoding, clip=True, **looks)

    smooth = {"interpolate": "monotone"}
    rule = axes.hover_rule(hovered, filters, [*told, "Requests", "Failed"])
    return Chart(
        (
            drawn("area", "p50", upper="p95", **smooth),
            drawn("line", "p99", strokeWidth=1, strokeDash=[2, 3], opacity=0.8, **smooth),
            drawn("line", "p95", strokeWidth=1.4, **smooth),
            drawn("line", "p50", strokeWidth=2, **smooth),
            drawn("point", "p50", size=14, filled=True),
            *rule.layers,
        ),
        {"levels": levels, **rule.data},
        rule.params,
        height,
    )


def stage_cascade(rows: Rows, column: str, *, height: int = HEIGHT_PX) -> Chart:
    """Each stage's part of the time to first token, one after the other: the last one ends at that time.

    Args:
        rows: of `queries.stage_stack`.
        column: which of its sums to draw, "median_ms" or "slow_ms".
        height: px.
    """
    taken = [row for row in rows if (row[column] or 0.0) > 0]
    ends = list(accumulate(row[column] for row in taken))
    total = ends[-1] if ends else 1.0
    parts = [_stage_part(row, end - row[column], end, total=total) for row, end in zip(taken, ends, strict=True)]
    y = vega.text(
        "stage",
        sort=[row["stage"] for row in taken],
        axis={"title": None, "domain": False, "ticks": False, "labelPadding": 6},
    )
    axis = vega.value_axis(ticks=5, labels=axes.DURATION_LABEL) | {"labelOverlap": "greedy", "labelSeparation": 8}
    bars = vega.layer(
        "parts",
        "bar",
        {
            "y": y,
            "x": vega.number("from", axis=axis, scale={"zero": True, "nice": False}),
            "x2": {"field": "to"},
            "color": vega.text("stage", scale=axes.stage_scale(), legend=None),
            "tooltip": [
                vega.text(name) for name in ("Stage", "Part of the time to first token", "Its own p50", "Its own p95")
            ],
        },
        name=axes.PICKED,
        height={"band": 0.62},
        cornerRadius=2,
        cursor="pointer",
    )
    placed: dict[str, dict[str, Any]] = {
        "after": {"align": "left", "dx": 6},
        "before": {"align": "right", "dx": -6},
        "inside": {"align": "right", "dx": -8, "fontWeight": 600, "color": "#1C2128"},
    }
    label = {"y": y, "x": vega.number("at"), "text": vega.text("label")}
    labels = [
        vega.layer("parts", "text", label, only=f"datum.place == '{place}'", fontSize=12, **looks)
        for place, looks in placed.items()
    ]
    return Chart((bars, *labels), {"parts": parts}, (axes.picks("stage"),), height)


def _stage_part(row: Mapping[str, Any], start: float, end: float, *, total: float) -> Row:
    """A bar of a cascade. Its label is placed after it, before it, or in it: where there is room."""
    place = "after" if end < total * 0.62 else "before" if start > total * 0.38 else "inside"
    label = f"{formats.duration(end - start)} · {formats.share(round((end - start) / total, 3))}"
    return {
        "stage": row["stage"],
        "from": start,
        "to": end,
        "place": place,
        "at": start if place == "before" else end,
        "label": label,
        "Stage": row["stage"],
        "Part of the time to first token": label,
        "Its own p50": formats.duration(row["p50_ms"]),
        "Its own p95": formats.duration(row["p95_ms"]),
    }


def stage_over_time(rows: Rows, column: str, filters: Filters, bucket_s: int, *, height: int = HEIGHT_PX) -> Chart:
    """The parts of the time to first token, stacked, a bucket."""
    parts = [{"bucket": row["bucket"], "of": row["stage"], "amount": row[column] or 0.0} for row in rows]
    stages = [stage for stage in STAGES if sum(part["amount"] for part in parts if part["of"] == stage) > 0]
    return _stack(
        parts,
        names=stages,
        colours=[STAGE_COLOURS[stage] for stage in stages],
        shown=formats.duration,
        labels=axes.DURATION_LABEL,
        filters=filters,
        bucket_s=bucket_s,
        height=height,
    )


def stacked_bars(
    rows: Rows, value: str, series: str, filters: Filters, bucket_s: int, *, unit: str, height: int = HEIGHT_PX
) -> Chart:
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
    return _stack(parts, names=names, shown=shown, labels=labels, filters=filters, bucket_s=bucket_s, height=height)


def failures(rows: Rows, filters: Filters, bucket_s: int, *, height: int = 150) -> Chart:
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


def top_scores(rows: Rows, filters: Filters, bucket_s: int, *, height: int = HEIGHT_PX) -> Chart:
    """The best passage's score over time: the median, and a band from the 10th to the 90th percentile."""
    timed = axes.timed(rows, filters, bucket_s)
    levels = ("top_score_p10", "top_score_p50", "top_score_p90")
    drawn = [{"t": row["t"], **{level: row.get(level) for level in levels}} for row in timed]
    hovered = [
        {
            **row,
            "p90": formats.score(row.get("top_score_p90")),
            "Median": formats.score(row.get("top_score_p50")),
            "p10": formats.score(row.get("top_score_p10")),
            "Searches": formats.count(row.get("searches")),
        }
        for row in timed
        if row.get("searches") is not None
    ]
    x, axis = axes.time_axis(filters), vega.value_axis(ticks=5)
    rule = axes.hover_rule(hovered, filters, ["p90", "Median", "p10", "Searches"])
    low, middle = (vega.number(level, axis=axis, scale={"zero": True}) for level in levels[:2])
    band = {"x": x, "y": low, "y2": {"field": "top_score_p90"}}
    return Chart(
        (
            vega.layer("scores", "area", band, clip=True, interpolate="monotone"),
            vega.layer("scores", "line", {"x": x, "y": middle}, clip=True, strokeWidth=2, interpolate="monotone"),
            vega.layer("scores", "point", {"x": x, "y": middle}, clip=True, size=14, filled=True),
            *rule.layers,
        ),
        {"scores": drawn, **rule.data},
        rule.params,
        height,
    )


def shares(
    rows: Rows, part: str, whole: str, filters: Filters, bucket_s: int, *, name: str, height: int = 150
) -> Chart:
    """A share over time as bars, with its base in the tooltip."""
    drawn = [
        {
            "bucket": row["bucket"],
            **axes.bar_ends(row["bucket"], bucket_s, filters),
            "share": row[part] / row[whole] if row[whole] else None,
            "zero": 0.0,
            name: formats.share_of(row[part], row[whole]),
        }
        for row in rows
    ]
    axis = vega.value_axis(ticks=4, labels=axes.SHARE_LABEL)
    encoding = {
        "x": axes.time_axis(filters, "from"),
        "x2": {"field": "until"},
        "y": vega.number("share", axis=axis, scale={"zero": True}),
        "y2": {"field": "zero"},
        "tooltip": [axes.time_tooltip("from"), vega.text(name)],
    }
    bars = vega.layer("shares", "rect", encoding, name=axes.PICKED, color=EMPTY_COLOUR, clip=True, cursor="pointer")
    columns = axes.bucket_columns(filters, bucket_s)
    return Chart((*columns.layers, bars), {**columns.data, "shares": drawn}, (axes.picks("bucket"),), height)


def budgets(rows: Rows, names: Sequence[str], filters: Filters, bucket_s: int, *, height: int = HEIGHT_PX) -> Chart:
    """The used share of budgets over time; a step holds until the next word of it.

    Args:
        rows: of `budgets.shares`.
        names: of the budgets, in the order of the legend.
        filters: the window.
        bucket_s: width of a bucket.
        height: px, of which the legend takes a line a budget.
    """
    drawn = [
        {
            "t": axes.within(row["bucket"] + bucket_s / 2, filters),
            "bucket": row["bucket"],
            "share": row["share"],
            "Budget": row["budget"],
            "Used": formats.share(row["share"]),
        }
        for row in rows
    ]
    axis = vega.value_axis(ticks=5, labels=axes.SHARE_LABEL)
    y = vega.number("share", axis=axis, scale={"zero": True})
    legend = {"title": None, "orient": "bottom", "columns": 1, "labelLimit": 420, "symbolType": "square"}
    encoding = {
        "x": axes.time_axis(filters),
        "y": y,
        "color": vega.text("Budget", scale={"domain": list(names)}, legend=legend),
    }
    told = {**encoding, "tooltip": [axes.time_tooltip("t"), vega.text("Budget"), vega.text("Used")]}
    dots: Spec = {"clip": True, "size": 18, "filled": True, "opacity": 1, "cursor": "pointer"}
    return Chart(
        (
            vega.layer("shares", "line", encoding, clip=True, strokeWidth=2, interpolate="step-after"),
            vega.layer("full", "rule", {"y": y}, style=axes.LIMIT, strokeDash=[4, 3], opacity=0.8),
            vega.layer("shares", "point", told, name=axes.PICKED, **dots),
        ),
        {"shares": drawn, "full": [{"share": 1.0}]},
        (axes.picks("bucket", "Budget", nearest=True),),
        height,
    )


def scores(rows: Rows, filters: Filters, bucket_s: int, *, height: int = HEIGHT_PX) -> Chart:
    """The mean of one score over time, its 95 % interval as a band. Rows of `queries.scores_over_time`, of one name."""
    drawn = [_score_point(row) for row in axes.timed(rows, filters, bucket_s)]
    x, axis = axes.time_axis(filters), vega.value_axis(ticks=5)
    low, mean = (vega.number(field, axis=axis, scale={"domain": [0, 1]}) for field in ("low", "mean"))
    interval = {"x": x, "y": low, "y2": {"field": "high"}}
    tooltip = [axes.time_tooltip("t"), *(vega.text(name) for name in ("Mean", "Judged", "Not judged"))]
    dots: Spec = {"clip": True, "size": 22, "filled": True, "cursor": "pointer"}
    return Chart(
        (
            vega.layer("scores", "area", interval, clip=True),
            vega.layer("scores", "rule", interval, clip=True, strokeWidth=1.2, opacity=0.45),
            vega.layer("scores", "line", {"x": x, "y": mean}, clip=True, strokeWidth=2),
            vega.layer("scores", "point", {"x": x, "y": mean, "tooltip": tooltip}, name=axes.PICKED, **dots),
        ),
        {"scores": drawn},
        (axes.picks("bucket", nearest=True),),
        height,
    )


def _score_point(row: Row) -> Row:
    found = row.get("estimate")
    value = found if isinstance(found, Estimate) else _UNKNOWN
    return {
        "t": row["t"],
        "bucket": row["bucket"],
        "mean": value.mean,
        "low": value.low,
        "high": value.high,
        "Mean": formats.estimate(value.mean, value.half_width),
        "Judged": formats.count(row.get("n")),
        "Not judged": formats.count(row.get("failed")),
    }


def _stack(
    parts: Sequence[Mapping[str, Any]],
    *,
    names: Sequence[str],
    shown: Callable[[float], str],
    labels: str,
    filters: Filters,
    bucket_s: int,
    height: int,
    colours: Sequence[str] = (),
) -> Chart:
    """Bars over time, stacked here and not by Vega, which stacks no bars that have two ends in time.

    Args:
        parts: each with its `bucket`, what it is `of`, and its `amount`.
        names: of the series, the one at the foot first; parts of others are left out.
        shown: writes an amount.
        labels: expression of the labels of the axis.
        filters: the window.
        bucket_s: width of a bucket.
        height: px.
        colours: of the series; none: those of the theme, in their order.
    """
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
    scale = {"domain": list(names), **({"range": list(colours)} if colours else {})}
    encoding = {
        "x": axes.time_axis(filters, "from"),
        "x2": {"field": "until"},
        "y": vega.number("top", axis=vega.value_axis(ticks=4, labels=labels), scale={"zero": True}),
        "y2": {"field": "foot"},
        "color": vega.text("Of", scale=scale, legend=axes.legend()),
        "tooltip": [axes.time_tooltip("from"), vega.text("Of"), vega.text("Amount")],
    }
    drawn = vega.layer("bars", "rect", encoding, name=axes.PICKED, clip=True, cursor="pointer")
    columns = axes.bucket_columns(filters, bucket_s)
    return Chart((*columns.layers, drawn), {**columns.data, "bars": bars}, (axes.picks("bucket", "Of"),), height)
