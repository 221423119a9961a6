"""The panel of index tuning: what the newest run of `sightline-app tune` measured, and which index it recommends."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from datetime import timedelta
from html import escape

import streamlit as st

from sightline_dashboards import formats
from sightline_dashboards.downloads import Offer
from sightline_dashboards.elements import Column, TableRow, table
from sightline_dashboards.panels import empty_message, note, panel
from sightline_dashboards.tables import NONE, local_time
from sightline_store.questions import tuning
from sightline_store.questions.asking import Asks, Filters, Row

LOOK_BACK = timedelta(days=30)
"""How far back a run is shown: they come once in a while, whatever the window of the page is."""
HOW_TO_GET = (
    "No run in the last 30 days. `sightline-app tune` builds vector indexes on your passages and questions, measures "
    "recall, time, memory and lag of each, and recommends one."
)
_STATES = {"chosen": "recommended", "tied": "tied", "fits": "fits", "below_target": "below target"}


def ask(client: Asks, filters: Filters, store: Executor) -> Future[list[Row]]:
    """Ask what the panel shows."""
    return store.submit(tuning.index_tuning, client, filters.end - LOOK_BACK, filters.end)


def show(asked: Future[list[Row]]) -> None:
    """Show the panel.

    Args:
        asked: by `ask`.
    """
    with panel("Index tuning", "what `sightline-app tune` measured, up to 30 days back"):
        rows = asked.result()
        if not rows:
            empty_message(HOW_TO_GET)
            return
        _verdict(rows)
        _table([row for row in rows if not row["is_layout"]], "tuning_indexes")
        layouts = [row for row in rows if row["is_layout"]]
        if layouts:
            note(f"Tenants in Weaviate: {formats.count(layouts[0]['tenants'])} of them, kept apart in two ways.")
            _table(layouts, "tuning_layouts")
        note(
            "One search at a time; p95 is the median over the rounds, in brackets their least and most. Indexes are "
            "tied where these overlap. Index lag: seconds until what was accepted is found."
        )


def _verdict(rows: list[Row]) -> None:
    first = rows[0]
    chosen = first["state"] == "chosen"
    target = f"for a recall@{first['recall_at']} of {formats.share(first['target'])}"
    said = f"<b>{escape(first['name'])}</b> {target}" if chosen else f"<b>None reaches</b> the target {target}"
    st.html(f'<p class="sl-what">{said}.</p>')
    if chosen and first["settings"]:
        st.code("\n".join(f"{name}={value}" for name, value in first["settings"].items()), language="bash")
    note(
        f"Run of {local_time(first['at_ms'], seconds=False)}: {formats.count(first['passages'])} passages, "
        f"{formats.count(first['questions'])} questions, {first['embedding']}."
    )


def _table(rows: list[Row], key: str) -> None:
    columns = [
        Column("Index" if key == "tuning_indexes" else "Layout"),
        Column("", hint="Against the recall target"),
        Column("Recall", number=True),
        Column("95 % interval", number=True),
        Column("p50", number=True),
        Column("p95", number=True),
        Column("Memory", number=True),
        Column("Build", number=True),
        Column("Index lag", number=True),
    ]
    table_rows = [
        TableRow(
            cells=(
                row["name"],
                _STATES.get(row["state"], NONE),
                _recall(row["recall"]),
                f"{_recall(row['recall_low'])} to {_recall(row['recall_high'])}",
                formats.duration(row["p50_ms"]),
                f"{formats.duration(row['p95_ms'])} ({formats.duration(row['p95_least_ms'])} to "
                f"{formats.duration(row['p95_most_ms'])})",
                _memory(row["memory_bytes"]),
                formats.duration(_ms(row["build_s"])),
                formats.duration(_ms(row["lag_s"])),
            ),
            tones=["", "bad" if row["state"] == "below_target" else ""],
        )
        for row in rows
    ]
    table(columns, table_rows, key=key, empty="The run measured no index.", offer=Offer(rows))


def _recall(value: float | None) -> str:
    return formats.UNKNOWN if value is None else f"{value:.3f}"  # of 0.95 and 0.99, one misses five times as much


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000


def _memory(size: int | None) -> str:
    if size is None:
        return formats.UNKNOWN
    return "under 1 MB" if size < 1e6 else f"{formats.significant(size / 1e6)} MB"
