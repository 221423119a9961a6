"""Quality: are the answers grounded in the retrieved passages, how certain is that, and which are not?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from datetime import timedelta
from typing import Final

import streamlit as st

from sightline_dashboards import formats, source
from sightline_dashboards.access import audit
from sightline_dashboards.controls import addressed
from sightline_dashboards.controls.filterbar import Selection
from sightline_dashboards.downloads import Offer
from sightline_dashboards.elements import Column, TableRow, table
from sightline_dashboards.panels import charted, empty_message, empty_store, note, note_beginning, page, panel
from sightline_dashboards.plotting import charts, leads, plots
from sightline_dashboards.tables import NONE, local_time
from sightline_dashboards.trace_detail import evidence
from sightline_store.contents.traces import Conversation
from sightline_store.questions import asking, judges, queries, written

_HEALTH_LOOK_BACK = timedelta(days=30)
_HEALTH_NOTE = "what `sightline-evals health` found last, up to 30 days back"
_POINTS: Final = 24
"""Points of the line of a score."""
_BAD_STATES = {"shifted", "judge failed"}
_FIGURES: Final[dict[str, str]] = {
    "control_shift": "Shift on the control set",
    "kappa": "Agreement with people (kappa)",
    "auroc": "Ranks bad below good (AUROC)",
    "ppi_rate": "Share of bad answers",
}
"""Figures of a judge's health, in the order in which they are shown."""


def render() -> None:
    """Show the page."""
    page("Quality", _body)


def _body(selection: Selection, store: Executor) -> Iterator[None]:
    client, filters = source.client(), charted(selection.filters())
    asked = store.submit(queries.score_summary, client, filters)
    yield

    summary = asked.result()
    note_beginning(selection.filters())
    if not summary:
        if queries.overview(client, filters).requests:
            empty_message(
                "No answer of this window has been scored yet. `sightline-evals run` judges a sample of them."
            )
        else:
            empty_store(selection)
        return
    summary.sort(key=lambda row: (*(row["name"] != name for name in evidence.NAMES), row["name"]))
    names = [row["name"] for row in summary]
    name = addressed.chosen_of(names, name="score")
    over_time = store.submit(queries.scores_over_time, client, filters, bucket_s=filters.bucket_s(_POINTS))
    health = store.submit(judges.health, client, filters.end - _HEALTH_LOOK_BACK, filters.end)
    lowest = store.submit(_judged, client, filters, name)
    left, right = st.columns([3, 2], gap="small")
    with right, panel("Scores of the window"):
        _summary(summary)
    with left, panel("Scores over time", "means with 95 % interval, by the time of asking"):
        _over_time(over_time.result(), filters, names)
    # A sentence fits beside the charts, a table does not.
    has_table = health.exception() is None and bool(health.result())
    with st.container() if has_table else right, panel("Health of the judges", _HEALTH_NOTE):
        _health(newest_figures(health.result()))
    with panel("Lowest scores"):
        addressed.one_of("Score", names, name="score")
        _lowest(*lowest.result(), name)


def newest_figures(rows: list[asking.Row]) -> list[asking.Row]:
    """Return the newest figure of each judge and metric.

    Args:
        rows: of the question `judge/health`, the newest first.
    """
    newest: dict[tuple[str, ...], asking.Row] = {}
    for row in rows:
        newest.setdefault((row["metric"], row["judge"], row["judge_version"], row["figure"]), row)
    order = {figure: number for number, figure in enumerate(_FIGURES)}
    return sorted(newest.values(), key=lambda row: (row["metric"], row["judge"], order.get(row["figure"], len(order))))


def figure_value(row: asking.Row) -> str:
    """Return the value of a figure with its 95 % interval."""
    if row["value"] is None:
        return formats.UNKNOWN
    signed = "+.3f" if row["figure"] == "control_shift" else ".3f"
    value = format(row["value"], signed)
    if row["low"] is None or row["high"] is None:
        return value
    return f"{value} ({format(row['low'], signed)} to {format(row['high'], signed)})"


def _health(rows: list[asking.Row]) -> None:
    """Show what is known of the judges: whether they moved, and how they agree with people."""
    if not rows:
        empty_message(
            "No judge was checked yet: `sightline-evals health` scores a fixed control set again and compares the "
            "judge with people's labels."
        )
        return
    columns = [
        Column("Figure"),
        Column("Judge"),
        Column("Score"),
        Column("Value (95 % interval)", number=True),
        Column("State"),
        Column("n", number=True, hint="Answers of the control set, or labels of people"),
        Column("Checked"),
        Column("In words", wrap=True),
    ]
    table_rows = [
        TableRow(
            cells=(
                _FIGURES.get(str(row["figure"]), str(row["figure"])),
                f"{row['judge']} {row['judge_version']}".strip(),
                row["metric"],
                figure_value(row),
                row["state"],
                formats.count(row["n"]),
                local_time(row["at_ms"], seconds=False),
                formats.shortened(row["sentence"], 300),
            ),
            tones=["", "", "", "", "bad" if row["state"] in _BAD_STATES else "", "", "", ""],
        )
        for row in rows
    ]
    table(columns, table_rows, key="judge_health", empty="", offer=Offer(rows))


def _over_time(rows: list[asking.Row], filters: asking.Filters, names: list[str]) -> None:
    """Show a chart for each score: in one chart their bands would hide each other."""
    width = filters.bucket_s(_POINTS)
    in_a_row = min(2, len(names))
    for number, name in enumerate(names):
        if number % in_a_row == 0:  # row by row, so that a phone shows them in this order
            columns = st.columns(in_a_row, gap="small")
        with columns[number % in_a_row]:
            note(name)
            own = [row for row in rows if row["name"] == name]
            plots.show_over_time(
                charts.scores(own, filters, width, height=130 if len(names) > 2 else 280),
                filters,
                key=f"scores_{name}",
                bucket_s=width,
                opens=leads.scored(name),
            )
    note("A change inside the band may be chance. Answers that the judge could not score are in no mean.")


def _summary(rows: list[asking.Row]) -> None:
    columns = [
        Column("Score"),
        Column("Mean", number=True),
        Column("Judged", number=True),
        Column("No value", number=True, hint="The judge failed, or there was nothing to judge: never a pass"),
        Column("Judge"),
    ]
    table_rows = [
        TableRow(
            cells=(
                row["name"],
                formats.estimate(row["estimate"].mean, row["estimate"].half_width),
                formats.count(row["n"]),
                no_value(row["failed"], row["n"]),
                ", ".join(row["judges"]) or "code",
            ),
            tones=["", "", "", "bad" if row["failed"] else "", ""],
        )
        for row in rows
    ]
    table(
        columns,
        table_rows,
        key="score_summary",
        empty="No scores.",
        offer=Offer([{**row, "low": row["estimate"].low, "high": row["estimate"].high} for row in rows]),
    )


def no_value(failed: int, judged: int) -> str:
    """Return how many scores have no value, with their share."""
    return (
        f"{formats.share_of(failed, failed + judged)} ({formats.share(failed / (failed + judged))})"
        if failed
        else "none"
    )


def reason(row: asking.Row) -> str:
    """Return what a judge holds against an answer: its first unsupported sentence, else its own words."""
    told = evidence.statements(row)
    if bad := evidence.unsupported(told):
        more = f" (and {formats.count(len(bad) - 1)} more)" if len(bad) > 1 else ""
        return f"“{formats.shortened(bad[0].text, 240)}”{more}"
    if told and row["name"] == "groundedness":  # the most doubtful sentence comes first
        return f"least sure of “{formats.shortened(told[0].text, 240)}”"
    if told:
        return "every sentence is supported"
    return formats.shortened(row["explanation"] or row["error_type"] or row["label"] or "no reason given", 300)


def _judged(
    client: asking.Asks, filters: asking.Filters, name: str
) -> tuple[list[asking.Row], dict[str, Conversation]]:
    """The answers that scored lowest, and what was asked and answered in each by its trace id."""
    rows = queries.score_list(client, filters, name)
    return rows, written.conversations(client, [{**row, "started_ms": row["asked_ms"]} for row in rows])


def _lowest(rows: list[asking.Row], asked: Mapping[str, Conversation], name: str) -> None:
    audit.content_read("quality", [row["trace_id"] for row in rows])
    columns = [
        Column("Asked", link=True),
        Column("Question"),
        Column("Score", number=True),
        Column("Not supported" if name in evidence.NAMES else "Why", wrap=True),
        Column("Judge"),
        Column("Tenant"),
        Column("Trace", mono=True),
    ]
    table_rows = [
        TableRow(
            cells=(
                local_time(row["asked_ms"]),
                formats.first_line(asked[row["trace_id"]].question, 60) if row["trace_id"] in asked else "not captured",
                formats.score(row["value"]),
                reason(row),
                f"{row['judge']} {row['judge_version']}".strip() or "code",
                row["tenant_name"] or NONE,
                row["trace_id"][:8],
            ),
            page="trace",
            params={"trace": row["trace_id"]},
            titles=["", "", "", formats.shortened(row["explanation"], 600)],
        )
        for row in rows
    ]
    table(
        columns,
        table_rows,
        key=f"lowest_{name}",
        empty="No answer of this window has this score.",
        offer=Offer(rows, content=True),
    )
