"""Quality: are the answers grounded in the retrieved passages, how certain is that, and which are not?"""

from __future__ import annotations

import streamlit as st

from sightline_dashboards import charts, formats, source
from sightline_dashboards.elements import Column, TableRow, table
from sightline_dashboards.filterbar import Selection
from sightline_dashboards.panels import empty_message, empty_store, note, page, panel, show_chart
from sightline_dashboards.tables import NONE, local_time
from sightline_store.questions import queries


def render() -> None:
    """Show the page."""
    page("Quality", _body)


def _body(selection: Selection) -> None:
    client, filters = source.client(), selection.filters()
    summary = queries.score_summary(client, filters)
    if not summary:
        if queries.overview(client, filters).requests:
            empty_message(
                "No answer of this window has been scored yet. `sightline-evals run` judges a sample of them."
            )
        else:
            empty_store(selection)
        return
    left, right = st.columns([3, 2], gap="small")
    with left, panel("Scores over time", "means with 95 % interval, by the time of asking"):
        _over_time(client, filters, [row["name"] for row in summary])
    with right, panel("Scores of the window"):
        _summary(summary)
    with panel("Lowest scores"):
        names = [row["name"] for row in summary]
        first = next((name for name in ("groundedness", "faithfulness") if name in names), names[0])
        name = (
            st.segmented_control(
                "Score", names, default=first, key="score_name", label_visibility="collapsed", required=True
            )
            or first
        )
        _lowest(queries.score_list(client, filters, name), name)


def _over_time(client: queries.Asks, filters: queries.Filters, names: list[str]) -> None:
    """Show a chart for each score: in one chart their bands would hide each other."""
    width = filters.bucket_s(24)
    rows = queries.scores_over_time(client, filters, bucket_s=width)
    columns = st.columns(min(2, len(names)), gap="small")
    for number, name in enumerate(names):
        with columns[number % len(columns)]:
            note(name)
            own = [row for row in rows if row["name"] == name]
            show_chart(charts.scores(own, filters, width, height=130 if len(names) > 2 else 280), key=f"scores_{name}")
    note("A change inside the band may be chance. Answers that the judge could not score are in no mean.")


def _summary(rows: list[queries.Row]) -> None:
    columns = [
        Column("Score"),
        Column("Mean", number=True),
        Column("Judged", number=True),
        Column("Not judged", number=True),
        Column("Judge"),
    ]
    table_rows = [
        TableRow(
            cells=(
                row["name"],
                formats.estimate(row["estimate"].mean, row["estimate"].half_width),
                formats.count(row["n"]),
                formats.count(row["failed"]),
                ", ".join(row["judges"]) or "code",
            ),
            tones=["", "", "", "bad" if row["failed"] else "", ""],
        )
        for row in rows
    ]
    table(columns, table_rows, key="score_summary", empty="No scores.")


def _lowest(rows: list[queries.Row], name: str) -> None:
    columns = [
        Column("Asked", link=True),
        Column("Tenant"),
        Column("Score", number=True),
        Column("Why", wrap=True),
        Column("Judge"),
        Column("Trace", mono=True),
    ]
    table_rows = [
        TableRow(
            cells=(
                local_time(row["asked_ms"]),
                row["tenant_name"] or NONE,
                formats.score(row["value"]),
                formats.shortened(row["explanation"] or row["error_type"] or "no reason given", 300),
                row["judge"] or "code",
                row["trace_id"][:8],
            ),
            page="trace",
            params={"trace": row["trace_id"]},
        )
        for row in rows
    ]
    table(columns, table_rows, key=f"lowest_{name}", empty="No answer of this window has this score.")
