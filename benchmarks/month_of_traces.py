"""Thirty days of made-up RAG traffic, written by the store itself."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

from sightline_store.client import Client

DAYS = 30
SPANS_A_TRACE = 8
LONG_TRACE = "f" * 32
LONG_TRACE_SPANS = 50_000
"""Id and spans of the one long trace."""
_SQL = Path(__file__).parent / "sql"
_LOADERS = 2
_TRACES_AN_INSERT = 10_000  # 80,000 spans: what two loaders hold at once fits the node's default memory


def insert_days(client: Client, batch: str, end: datetime, first: int, traces: int) -> None:
    """Thirty days of traces up to `end`, two days at a time: one INSERT keeps one core busy."""
    a_day = -(-traces // DAYS)

    def insert_day(day: int) -> None:
        count = min(a_day, traces - day * a_day)
        start = end - timedelta(days=DAYS - day)
        inserts = -(-count // _TRACES_AN_INSERT)
        for part in range(inserts):
            begin, after = (count * edge // inserts for edge in (part, part + 1))
            seconds = (86400 * begin // count, 86400 * after // count)
            insert(
                client,
                f"{batch}-{day}-{part}",
                start + timedelta(seconds=seconds[0]),
                seconds[1] - seconds[0],
                first + day * a_day + begin,
                after - begin,
            )
        print(f"loaded {batch}: day {day + 1} of {DAYS}", file=sys.stderr, flush=True)

    with ThreadPoolExecutor(_LOADERS) as pool:
        list(pool.map(insert_day, range(DAYS)))


def insert(client: Client, batch: str, start: datetime, seconds: int, first: int, traces: int) -> None:
    """Some traces, evenly over some seconds from a moment on, and scores of one in ten.

    Args:
        client: of an admin.
        batch: goes into the ids of their processes, which number their spans.
        start: when the first begins.
        seconds: until the last begins.
        first: their number from here on, from which all else of them is made.
        traces: how many.
    """
    params = {
        "start": start.strftime("%Y-%m-%d %H:%M:%S.000"),
        "seconds": seconds,
        "first": first,
        "traces": traces,
        "batch": batch,
    }
    for name in ("traces", "scores"):
        client.query_bytes((_SQL / f"{name}.sql").read_text(), params, "TabSeparated")


def insert_long_trace(client: Client, start: datetime) -> None:
    """One trace of LONG_TRACE_SPANS spans."""
    params = {
        "start": start.strftime("%Y-%m-%d %H:%M:%S.000"),
        "trace_id": LONG_TRACE,
        "spans": LONG_TRACE_SPANS,
    }
    client.query_bytes((_SQL / "long_trace.sql").read_text(), params, "TabSeparated")
