"""Facts of requests: a row a request of the hours that are over, with what its trace spent, scored and went through.

Lists and searches of a long window read these rows instead of joining those of requests, calls, stages and scores.
Beside them is kept what the calls of the hour spent by session and user, so that these need not be priced one by one.
Both are made of rows of all of these, beside the rollups of the hour: each hour has a hash of the rollups that it was
made beside (its own and those of the hours next to it, in which calls of its traces may lie) and one of all prices. An
hour whose hash is another one now is made anew, the newest first, and until then it is read as rows. Costs are not read
of an hour with the prices of before; all else is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any, Final, Protocol

from sightline_store.client import Client
from sightline_store.questions.conditions import sql_text
from sightline_store.rollups import keeping
from sightline_store.rollups.coverage import Asks, remembered
from sightline_store.rollups.statements import COMMIT_WITHIN_S, VERSIONS_A_MICROSECOND, day_of, new_version, run
from sightline_store.rollups.tables import DAY, FACTS, FACTS_DAYS, HOUR
from sightline_store.settings import RetentionSettings

SHORTEST: Final = timedelta(hours=6)
"""Shorter windows are read as rows."""
FEWEST_REQUESTS: Final = 500_000
"""A stretch of fewer requests is read as rows: they cost no more than one more statement."""
MANY_REQUESTS: Final = 4_000_000
"""Of a stretch with more, those of a tenant are read of facts, which are sorted by it, and spending of what is kept."""

_ROWS_AT_ONCE = 4_000_000
"""Hours of a day are made together up to so many typed rows."""
_BYTES_A_ROW = 90
"""What a request is taken to need on disk, with the spending of its calls, before there is any."""
_BYTES_PER_GIB = 1024**3


class _Window(Protocol):
    """What is asked about; `questions.asking.Filters` has it."""

    @property
    def start(self) -> datetime: ...
    @property
    def end(self) -> datetime: ...


def stretch(
    client: Asks, window: _Window, *, with_costs: bool, fewest: int | None = None
) -> tuple[datetime, datetime] | None:
    """Return the longest stretch of a window that has facts; None where it is better read as rows.

    Args:
        client: the store.
        window: what is asked.
        with_costs: only hours at the prices that hold now.
        fewest: requests; `FEWEST_REQUESTS` where None.

    Raises:
        StoreUnavailable: try again.
    """
    if window.end - window.start < SHORTEST:
        return None
    first = int(window.start.timestamp()) // HOUR * HOUR
    rows = remembered(client, "rollups/facts/known.sql", {"since_s": str(first)})
    hours = [hour for row in rows for hour in zip(row["starts"], row["requests"], row["priced"], strict=True)]
    told = [(start, requests) for start, requests, is_priced in hours if is_priced or not with_costs]
    return longest(told, window, FEWEST_REQUESTS if fewest is None else fewest)


def priced_hours(client: Asks, window: _Window) -> tuple[datetime, datetime] | None:
    """Return the longest stretch of whole hours of a window whose spending is kept; None where rows are better read.

    Args:
        client: the store.
        window: what is asked.

    Raises:
        StoreUnavailable: try again.
    """
    found = stretch(client, window, with_costs=True, fewest=MANY_REQUESTS)
    if found is None:
        return None
    begin, end = found
    begin = datetime.fromtimestamp(math.ceil(begin.timestamp() / HOUR) * HOUR, UTC)
    return (begin, end) if begin < end else None


def longest(hours: list[tuple[int, int]], window: _Window, fewest: int = 1) -> tuple[datetime, datetime] | None:
    """Return the stretch without gaps that has most requests; None where those are too few. Pure.

    Args:
        hours: start (epoch second) and requests of those that have facts, in order.
        window: within which it lies; the first hour may begin before it.
        fewest: requests, with fewer there is none.
    """
    runs: list[tuple[int, int, int]] = []  # requests, start, end
    for start, requests in hours:
        if start + HOUR > window.end.timestamp():
            break
        if runs and runs[-1][2] == start:
            runs[-1] = (runs[-1][0] + requests, runs[-1][1], start + HOUR)
        else:
            runs.append((requests, start, start + HOUR))
    requests, start, end = max(runs, default=(0, 0, 0))
    if not requests or requests < fewest:
        return None
    return max(window.start, datetime.fromtimestamp(start, UTC)), datetime.fromtimestamp(end, UTC)


def make(client: Client, keep: RetentionSettings) -> Iterator[tuple[date, int]]:
    """Make the hours that are missing; yields each day and how many were made of it, the newest first.

    Raises:
        StoreUnavailable: try again; what was yielded is done.
    """
    now_s = client.now_us() // 1_000_000
    days = _days_that_fit(client, keep)
    rows = [
        row
        for row in client.query_rows(
            sql_text("rollups/facts/missing.sql"), {"since_s": now_s // DAY * DAY - FACTS_DAYS * DAY}
        )
        if day_of(int(row["start"])) in days
    ]
    for day, of_day in groupby(rows, key=lambda row: day_of(int(row["start"]))):
        made, part, size = 0, list[dict[str, Any]](), 0
        for row in of_day:
            part.append(row)
            size += int(row["source_rows"])
            if size >= _ROWS_AT_ONCE:
                made, part, size = made + _make(client, part), [], 0
        yield day, made + _make(client, part)


def _make(client: Client, hours: list[dict[str, Any]]) -> int:
    """Make some hours of a day; returns how many."""
    if not hours:
        return 0
    version = new_version(client)
    starts = [int(row["start"]) for row in hours]
    made = [version + place for place in range(len(hours))]
    bounds = {"from_s": min(starts), "to_s": max(starts) + HOUR}
    for file in ("make", "spending"):
        run(client, f"rollups/facts/{file}.sql", {"starts": starts, "made": made, **bounds})
    named = list(zip(starts, made, (int(row["now_of"]) for row in hours), strict=True))
    latest_us = version // VERSIONS_A_MICROSECOND + COMMIT_WITHIN_S * 1_000_000
    params = {"hours": named, "made": made, "prices": int(hours[0]["now_prices"]), "latest_us": latest_us, **bounds}
    run(client, "rollups/facts/commit.sql", params)
    return len(hours)


def _days_that_fit(client: Client, keep: RetentionSettings) -> set[date]:
    """The days with requests whose facts fit beside the rollups, below their cap: none are made to be dropped."""
    rows = client.query_rows(
        "SELECT table, partition, sum(rows) AS n FROM system.parts WHERE active "
        "AND database = {database:String} AND table IN ('requests', {facts:String}) GROUP BY table, partition",
        {"database": client.settings.database, "facts": FACTS},
    )
    requests = {date.fromisoformat(row["partition"]): int(row["n"]) for row in rows if row["table"] == "requests"}
    if not keep.rollups_max_gib:
        return set(requests)
    there, now = keeping.partitions(client), datetime.fromtimestamp(client.now_us() / 1e6, UTC)
    size = sum(each.size_bytes for each in there if each.is_of_facts)
    count = sum(int(row["n"]) for row in rows if row["table"] == FACTS)
    a_row = max(_BYTES_A_ROW, size / count) if count else _BYTES_A_ROW
    others = sum(each.size_bytes for each in there if not (each.is_of_facts or each.is_too_old(keep, now)))
    room, days = keep.rollups_max_gib * _BYTES_PER_GIB - others, set[date]()
    for day in sorted(requests, reverse=True):
        room -= requests[day] * a_row
        if room < 0:
            break
        days.add(day)
    return days
