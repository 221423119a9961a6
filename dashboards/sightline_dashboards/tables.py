"""Rows of the questions as tables of text: traces, models, errors."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from sightline_dashboards import formats
from sightline_dashboards.elements import Column, TableRow, table

Rows = Sequence[dict[str, Any]]

NONE = "-"
"""Text in place of a tenant, user or collection that a span does not name."""


def trace_table(
    rows: Rows, *, key: str, empty: str, compact: bool = False, sort: str = "", descending: bool = True
) -> str | None:
    """Show requests, each a link to its trace; return the name of the column that was clicked to sort by, if any."""
    columns = [
        Column("Asked", sort="time", link=True),
        Column("Outcome"),
        Column(
            "First token",
            number=True,
            sort="ttft",
            hint="When it left for the user; ≥ where only the model's stream was timed: it came then or later",
        ),
        Column("Total", number=True, sort="total"),
        *(() if compact else (Column("Tokens in → out", number=True),)),
        Column("Cost", number=True, sort="cost"),
        Column("Faithfulness", number=True, sort="faithfulness", hint="Unknown where no judge gave a value"),
        Column("Tenant"),
        *(() if compact else (Column("User"), Column("Session", mono=True), Column("Route"))),
        Column("Trace", mono=True),
    ]
    if compact:
        columns = [Column(**{**column.__dict__, "sort": ""}) for column in columns]
    table_rows = [
        TableRow(
            cells=_trace_cells(row, compact),
            page="trace",
            params={"trace": row["trace_id"]},
            tones=_tones(row, len(columns)),
        )
        for row in rows
    ]
    return table(columns, table_rows, key=key, empty=empty, sort=sort, descending=descending)


def models_table(rows: Rows, *, key: str) -> None:
    """Show what each model took and cost."""
    columns = [
        Column("Model", hint="The model that answered"),
        Column("Calls", number=True),
        Column("Tokens in", number=True),
        Column("Tokens out", number=True),
        Column("Cost", number=True),
        Column(
            "Unpriced calls",
            number=True,
            hint="Calls without a known price or token count: their cost is unknown, not 0",
        ),
    ]
    table_rows = [
        TableRow(
            cells=(
                row["name"] or "(not named)",
                formats.count(row["calls"]),
                formats.compact(row["input_tokens"]),
                formats.compact(row["output_tokens"]),
                formats.money(row["cost_usd"]),
                formats.share_of(row["unpriced_calls"], row["calls"]) if row["unpriced_calls"] else "none",
            ),
            page="cost",
        )
        for row in rows
    ]
    table(columns, table_rows, key=key, empty="No model call in this selection.")


def local_time(epoch_ms: float, *, seconds: bool = True) -> str:
    """Return a moment in the reader's time zone: 14:03:09 today, 22 Nov 14:03:09 otherwise."""
    zone = _zone()
    moment = datetime.fromtimestamp(epoch_ms / 1e3, zone)
    clock = moment.strftime("%H:%M:%S" if seconds else "%H:%M")
    return clock if moment.date() == datetime.now(zone).date() else f"{moment.day} {moment:%b} {clock}"


def outcome(row: dict[str, Any]) -> str:
    """Return how a request ended: answered, or what failed."""
    if not row["failed"]:
        return "answered"
    status = f"HTTP {row['http_status']}" if row["http_status"] else "failed"
    return f"✕ {row['error_type'] or status}"


def _zone() -> ZoneInfo | Any:
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def _trace_cells(row: dict[str, Any], compact: bool) -> list[str]:
    tokens = (
        f"{formats.compact(row['input_tokens'])} → {formats.compact(row['output_tokens'])}"
        if row["llm_calls"]
        else "no call"
    )
    return [
        local_time(row["started_ms"]),
        outcome(row),
        formats.first_token(row["ttft_ms"], row["ttft_definition"]),
        formats.duration(row["total_ms"]),
        *(() if compact else (tokens,)),
        formats.money(row["cost_usd"]) if row["llm_calls"] else "no call",
        formats.score(row["faithfulness"]) if row["judged"] else "not judged",
        row["tenant_name"] or NONE,
        *(() if compact else (row["user_id"] or NONE, row["session_id"] or NONE, row["route_name"] or row["name"])),
        row["trace_id"][:8],
    ]


def _tones(row: dict[str, Any], width: int) -> list[str]:
    tones = [""] * width
    if row["failed"]:
        tones[1] = "bad"
    return tones
