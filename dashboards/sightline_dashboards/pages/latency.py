"""Latency: how long until the first token and the last, and which stage takes it?"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor

import streamlit as st

from sightline_dashboards import formats, source
from sightline_dashboards.controls import addressed
from sightline_dashboards.controls.filterbar import Selection
from sightline_dashboards.downloads import Offer
from sightline_dashboards.elements import Column, TableRow, table
from sightline_dashboards.panels import charted, empty_message, empty_store, note, note_beginning, page, panel
from sightline_dashboards.plotting import charts, leads, plots
from sightline_dashboards.plotting.theme import stage_colour
from sightline_dashboards.tables import listed, trace_table
from sightline_store.questions import asking, queries

_BANDS = {"p95": "slow_ms", "Median": "median_ms", "Mean": "mean_ms"}
_BAND_WORDS = {
    "slow_ms": "mean parts of the requests between the 90th and 99th percentile of time to first token",
    "median_ms": "mean parts of the requests between the 40th and 60th percentile of time to first token",
    "mean_ms": "mean parts of all requests",
}
_MOMENTS = {
    "delivered": "as delivered to the user",
    "first_token": "as the model's instrumentation recorded it",
    "first_chunk": "up to the model's first chunk, which may be empty",
}
"""Definition of a time to first token to words for it."""


def render() -> None:
    """Show the page."""
    page("Latency", _body)


def _body(selection: Selection, store: Executor) -> Iterator[None]:
    client, filters = source.client(), charted(selection.filters())
    bucket_s = filters.bucket_s()
    asked = store.submit(queries.latency_over_time, client, filters, bucket_s=bucket_s)
    yield

    over_time = asked.result()
    if not over_time:
        empty_store(selection)
        return
    width = filters.bucket_s(40)
    asked_stack = store.submit(queries.stage_stack, client, filters)
    asked_stacks = store.submit(queries.stage_stack_over_time, client, filters, bucket_s=width)
    asked_stages = store.submit(queries.stage_summary, client, filters)
    slowest = store.submit(listed, client, filters, sort="ttft", limit=10)
    note_beginning(selection.filters())
    with panel("Time to first token and total", "p50 to p95 as a band, p99 dashed"):
        plots.show_over_time(
            charts.latency(over_time, filters, bucket_s, height=260),
            filters,
            key="latency",
            bucket_s=bucket_s,
            opens=leads.slowest,
        )
        note(formats.first_token_note(over_time[0]["ttft_definition"], sum(row["ttft_others"] for row in over_time)))
    band = addressed.one_of("Requests", list(_BANDS), name="band")
    column = _BANDS[band]
    left, right = st.columns([2, 3], gap="small")
    with left, panel("Where the time to first token goes", band):
        if stages := asked_stack.result():
            plots.show(charts.stage_cascade(stages, column, height=270), filters, key="cascade", opens=leads.of_stage)
            note(f"Each bar begins where the one before ended: {_BAND_WORDS[column]}. {_sampling(stages, column)}")
        else:
            empty_message("No request of this window recorded its first token.")
    with right, panel("The same over time", band):
        if stages := asked_stacks.result():
            plots.show_over_time(
                charts.stage_over_time(stages, column, filters, width, height=270),
                filters,
                key="stages_over_time",
                bucket_s=width,
                opens=leads.of_stage,
            )
            note(
                f"The height of a bar is the time to first token, {_MOMENTS[stages[0]['ttft_definition']]}. “delivery” "
                "is from the model's first chunk to the user's first token; “rest” is what no stage covers before."
            )
        else:
            empty_message("No request of this window recorded its first token.")
    left, right = st.columns([2, 3], gap="small")
    with left, panel("Stages by themselves", "whole spans, also after the first token"):
        _stages(asked_stages.result())
    with right, panel("Slowest first tokens", more=("traces", "All by first token →"), sort="ttft"):
        rows, questions = slowest.result()
        trace_table(rows, key="slowest", empty="No request in this selection.", questions=questions, compact=True)


def _sampling(stages: list[asking.Row], column: str) -> str:
    """What a reader must know of the sample, '' where all requests were read and divided."""
    first = stages[0]
    error = max(row[column.replace("_ms", "_se_ms")] or 0.0 for row in stages)
    remarks = []
    if first["sampled"] > 1:
        remarks.append(f"Sampled 1 in {first['sampled']}: a part is right to ±{formats.duration(1.96 * error)} (95 %).")
    if first["ttft_others"]:
        remarks.append(f"{formats.count(first['ttft_others'])} that recorded another moment than these left out.")
    if first["left_out"]:
        remarks.append(f"{formats.count(first['left_out'])} with more than 500 stages left out.")
    if first["skewed_n"]:
        remarks.append(f"{formats.count(first['skewed_n'])} with spans from before their beginning: clocks differ.")
    return " ".join(remarks)


def _stages(rows: list[asking.Row]) -> None:
    columns = [
        Column("Stage", colour=True, link=True),
        Column("Spans", number=True),
        Column("p50", number=True),
        Column("p95", number=True),
        Column("p99", number=True),
        Column("Failed", number=True),
        Column("Flagged", number=True, hint="What a guardrail stopped"),
    ]
    table_rows = [
        TableRow(
            cells=(
                str(row["stage"]),
                formats.count(row["spans"]),
                formats.duration(row["p50_ms"]),
                formats.duration(row["p95_ms"]),
                formats.duration(row["p99_ms"]),
                formats.count(row["errors"]),
                formats.count(row["flagged"]),
            ),
            page="trace",
            params={"flagged": str(row["stage"])} if row["flagged"] else {"trace": str(row["slowest_trace_id"])},
            colour=stage_colour(str(row["stage"])),
            tones=["", "", "", "", "", "bad" if row["errors"] else "", ""],
        )
        for row in rows
    ]
    table(columns, table_rows, key="stage_rows", empty="No span of this window belongs to a stage.", offer=Offer(rows))
    more = " One with flagged spans opens the newest of their traces." if any(row["flagged"] for row in rows) else ""
    note(f"A row opens the slowest trace of its stage.{more}")
