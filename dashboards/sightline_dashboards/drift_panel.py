"""The panel of drift: the verdict of the newest run, its comparisons, a signal over time, and the canaries."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from dataclasses import dataclass
from datetime import timedelta
from html import escape

import streamlit as st

from sightline_dashboards import drift, formats, source
from sightline_dashboards.downloads import Offer
from sightline_dashboards.elements import Column, TableRow, table
from sightline_dashboards.panels import empty_message, note, panel
from sightline_dashboards.plotting import drift_charts, leads, plots
from sightline_dashboards.plotting.vega import Chart
from sightline_dashboards.tables import local_time
from sightline_store.questions import drift_runs
from sightline_store.questions.asking import Asks, Filters, Row

LOOK_BACK = timedelta(days=30)
"""How far back runs are shown: they come once an hour or a day, whatever the window of the page is."""
_TABLE_ROWS = 25


def runs(client: Asks, filters: Filters) -> list[Row]:
    """The runs up to the end of the window, the newest first."""
    return drift_runs.runs(client, filters.end - LOOK_BACK, filters.end)


@dataclass(frozen=True)
class Found:
    """What a store knows of drift.

    Attributes:
        runs: as `runs` returns them.
        compared: the first comparisons of the newest run.
        canaries: the history of the signals of canary questions.
    """

    runs: list[Row]
    compared: list[Row]
    canaries: list[Row]


def ask(client: Asks, filters: Filters, store: Executor) -> Future[Found]:
    """Ask what the panel shows."""
    return store.submit(_found, client, filters)


def _found(client: Asks, filters: Filters) -> Found:
    found = runs(client, filters)
    stands = drift.standing(found)
    if stands is None:
        return Found(found, [], [])
    compared = drift_runs.comparisons(client, stands.run, limit=_TABLE_ROWS)
    canaries = drift_runs.history(client, filters.end - LOOK_BACK, filters.end, drift.CANARY_SIGNALS)
    return Found(found, compared, canaries)


def show(asked: Future[Found], filters: Filters) -> None:
    """Show the panel.

    Args:
        asked: by `ask`.
        filters: the window of the page.
    """
    with panel("Drift", "what `sightline-evals drift` found, up to 30 days back"):
        found = asked.result()
        stands = drift.standing(found.runs)
        if stands is None:
            empty_message(drift.HOW_TO_GET)
            return
        _verdict(stands)
        _table(found.compared, stands.run["comparisons"])
        left, right = st.columns(2, gap="small")
        with left:
            _over_time(source.client(), filters, found)
        with right:
            _canaries(filters, found)


def _verdict(stands: drift.Standing) -> None:
    run = stands.run
    words = run["sentence"].removeprefix("Drift: ")  # the mark says it
    sentence = words[:1].upper() + words[1:]
    since = local_time(stands.since_ms, seconds=False)
    told = f"since {since}" if not stands.is_since_first else f"as far as runs go back, to {since}"
    mark = (
        '<b class="sl-failed">▲ Drift</b>'
        if stands.outcome == "drift"
        else f"<b>{escape(stands.outcome.capitalize())}</b>"
    )
    st.html(f'<p class="sl-what">{mark} {escape(told)}. {escape(sentence)}</p>')
    note(
        f"Run of {local_time(run['at_ms'], seconds=False)}: {local_time(run['from_ms'], seconds=False)} to "
        f"{local_time(run['to_ms'], seconds=False)} against {local_time(run['reference_from_ms'], seconds=False)} to "
        f"{local_time(run['reference_to_ms'], seconds=False)}."
    )


def _table(rows: list[Row], comparisons: int) -> None:
    columns = [
        Column("State"),
        Column("Signal"),
        Column("Of", wrap=True),
        Column("Change", number=True),
        Column("95 % interval", number=True),
        Column("p", number=True, hint="Corrected for all comparisons of the run (Holm)"),
        Column("Before → now", number=True),
        Column("Traces", number=True, hint="In the reference, and now"),
    ]
    table_rows = [
        TableRow(
            cells=(
                drift.state(row),
                drift.signal(row),
                row["key"] or "all",
                drift.effect(row),
                drift.interval(row),
                drift.p_value(row),
                drift.values(row),
                f"{formats.count(row['reference_n'])} → {formats.count(row['current_n'])}",
            ),
            tones=["bad" if row["state"] == "drift" else "unknown" if row["state"] == "too_little_data" else ""],
        )
        for row in rows
    ]
    table(columns, table_rows, key="drift_comparisons", empty="The run had nothing to compare.", offer=Offer(rows))
    left_out = comparisons - len(rows)
    more = f" {formats.count(left_out)} more are not shown." if left_out > 0 else ""
    note(f"Alarms first. An alarm needs a small p and a change that matters; SD are standard deviations before.{more}")


def _over_time(client: Asks, filters: Filters, found: Found) -> None:
    names = [f"{drift.signal(row)}, {row['key'] or 'all'}" for row in found.compared]
    if not names:
        return
    number = st.selectbox(
        "Signal", range(len(names)), format_func=names.__getitem__, key="drift_signal", label_visibility="collapsed"
    )
    row = found.compared[number or 0]
    rows = drift_runs.history(client, filters.end - LOOK_BACK, filters.end, [row["signal"]], keys=[row["key"]])
    if not rows:
        return
    window = drift_charts.window(rows, filters)
    _show(drift_charts.effects(rows, found.runs, window), window, key="drift_effects")
    note("The change against the reference of each run, with its 95 % interval; ▲ marks an alarm.")


def _canaries(filters: Filters, found: Found) -> None:
    if not any(row["current"] is not None for row in found.canaries):
        empty_message(
            "No canaries yet: `sightline-evals drift --canaries FILE --ask URL` asks fixed questions at each run and "
            "compares what they find with what they found."
        )
        return
    window = drift_charts.window(found.canaries, filters)
    _show(drift_charts.canaries(found.canaries, found.runs, window), window, key="drift_canaries")
    note("Share of documents that canary questions find again (overlap), and of those that they should find (recall).")


def _show(chart: Chart, window: Filters, *, key: str) -> None:
    """Show a chart of runs: a click on one opens the requests that it was about."""
    plots.show_over_time(chart, window, key=key, bucket_s=1, opens=leads.of_run)
