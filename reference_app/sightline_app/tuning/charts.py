"""The trade-off as a picture: recall against p95, in a terminal, as PNG, and as HTML that loads nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sightline_app.errors import MissingExtra
from sightline_app.tuning.report import Report

_WIDTH, _HEIGHT = 100, 24
"""Of the terminal's picture, in characters."""


def check(folder: Path) -> None:
    """Tell before the work begins whether the pictures can be drawn.

    Raises:
        MissingExtra: a package of the `tune` extra is not installed.
    """
    try:
        import altair  # noqa: F401, PLC0415
        import plotext  # type: ignore[import-untyped]  # noqa: F401, PLC0415  # has none
        import vl_convert  # noqa: F401, PLC0415
    except ModuleNotFoundError as exc:
        raise MissingExtra("--charts", folder, "tune") from exc


def terminal(report: Report, *, colored: bool) -> str:
    """Return the picture for a terminal: p95 to the right on a logarithmic scale, recall upwards.

    Args:
        report: what was measured.
        colored: whether the terminal shows colours.
    """
    import plotext  # noqa: PLC0415  # the `tune` extra

    figure = plotext.figure
    figure.clear()
    figure.theme("colorless")
    figure.plot_size(_WIDTH, _HEIGHT)
    figure.ruler("x").scale("log")
    stores = list(dict.fromkeys(each.variant.store for each in report.found))
    for store in stores:
        own = [each for each in report.found if each.variant.store == store]
        times, recalls = [each.times.p95_ms for each in own], [each.recall for each in own]
        figure.draw(figure.signal(times, recalls, marker=store[0]))
    chosen, title = report.recommendation.chosen, [f"{store[0]} {store}" for store in stores]
    if chosen is not None:
        figure.draw(figure.signal([chosen.times.p95_ms], [chosen.recall], marker="*"))
        title.append("* recommended")
    if min(each.recall for each in report.found) <= report.recommendation.target:
        figure.line(report.recommendation.target, "horizontal", style="dotted")
        title.append("┈ target")
    figure.title("   ".join(title))
    figure.label("p95 of a search, ms", "x")
    figure.label(f"recall@{report.count}", "y")
    drawn = str(figure.build())
    return (drawn if colored else plotext.uncolorize(drawn)) + "\n"


def files(report: Report, folder: Path) -> list[Path]:
    """Write `tune.png` and `tune.html`, which holds its scripts; returns their paths."""
    chart = _chart(report)
    folder.mkdir(parents=True, exist_ok=True)
    picture, page = folder / "tune.png", folder / "tune.html"
    chart.save(str(picture), ppi=144)
    page.write_text(chart.to_html(inline=True), encoding="utf-8")
    return [picture, page]


def _chart(report: Report) -> Any:
    import altair as alt  # noqa: PLC0415  # the `tune` extra

    advice = report.recommendation
    values = [
        {
            **{key: value for key, value in each.as_json().items() if key != "settings"},
            "memory": None if each.built.memory_bytes is None else round(each.built.memory_bytes / 1e6, 1),
            "state": "recommended" if each is advice.chosen else "other",
        }
        for each in report.found
    ]
    told = report.workload
    x = alt.X(
        "p95_ms:Q",
        title="p95 of a search, ms (bar: of the rounds)",
        scale=alt.Scale(type="log", nice=False, padding=24),
    )
    base = alt.Chart(_data(values)).encode(
        x=x, y=alt.Y("recall:Q", title=f"recall@{report.count}", scale=alt.Scale(zero=False)), color="store:N"
    )
    points = base.mark_point(filled=True).encode(
        size=alt.Size("state:N", scale=alt.Scale(domain=["other", "recommended"], range=[60, 220]), title=None),
        tooltip=[
            "name:N",
            "recall:Q",
            "p50_ms:Q",
            "p95_ms:Q",
            alt.Tooltip("memory:Q", title="memory, MB"),
            "build_s:Q",
        ],
    )
    ranges = base.mark_rule(opacity=0.4).encode(x="p95_least_ms:Q", x2="p95_most_ms:Q")
    # One name: those of indexes that are alike would cover each other. The page shows the others where one points.
    names = (
        base.mark_text(dy=18, fontWeight="bold", color="black")
        .encode(text="name:N", color=alt.value("black"))
        .transform_filter("datum.state == 'recommended'")
    )
    target = alt.Chart(_data([{"target": advice.target}])).mark_rule(strokeDash=[4, 4]).encode(y="target:Q")
    title = alt.Title(
        "Recall and speed of the vector indexes",
        subtitle=[f"{told['passages']} passages, {told['questions']} questions, {told['embedding']}", advice.sentence],
    )
    return alt.layer(ranges, points, names, target).properties(width=760, height=420, title=title)


def _data(values: list[dict[str, Any]]) -> Any:
    import altair as alt  # noqa: PLC0415  # the `tune` extra

    make: Any = alt.Data  # not typed
    return make(values=values)
