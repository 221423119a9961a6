# ruff: noqa: S608 - names of tables are this package's own; values are numbers.
"""Makes the rollups of minutes, hours and days that are over, and makes those anew whose rows have changed.

What is to do is found by comparing, so nothing has to announce a change: `rollup_periods` holds for each period a sum
of hashes of its typed rows (a print, one for each table), and a period whose rows have another print now is made anew.
Late spans, what `settle` corrects, rebuilt days and rows deleted by hand are found alike. What a row by route or model
is depends on requests and calls of its trace in other minutes, so one more print is of the routes and models of the
traces of a minute. Which days are looked at is decided by `rollups.looks`.

Rows of a period are never changed. A period that is made anew gets rows with a greater version, and counts with them
from the moment at which its line in `rollup_periods` is written, which is one INSERT for all tables. Killed before
that, the rows are unreachable, and the next run makes the period again. A version is the store's clock before the
prints are read, so of two processes that make a period at one time the one counts that has read later.

Hours are made of minutes and days of hours, but for what does not add up (`Rollup.adds_up`). A day whose rows retention
is dropping, or has dropped, stays as it is.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import zip_longest
from typing import Any

from sightline_store.client import Client
from sightline_store.moments import sql_moment
from sightline_store.questions.conditions import filled, sql_text
from sightline_store.rollups import facts
from sightline_store.rollups.looks import SOURCES, TYPED, Looks, moment_of
from sightline_store.rollups.statements import COMMIT_WITHIN_S, VERSIONS_A_MICROSECOND, day_of, new_version, run
from sightline_store.rollups.tables import (
    DAY,
    FORMAT,
    HOUR,
    HOURS_DAYS,
    MINUTE,
    MINUTES_DAYS,
    MOST_ROWS,
    PERIODS,
    PRINTS,
    RAW_SPANS,
    ROLLUPS,
    TRACES,
    Rollup,
    Sets,
)
from sightline_store.schema.state import require_one_server
from sightline_store.settings import RetentionSettings

_log = logging.getLogger("sightline.store.rollups")

OPEN_S = 120
"""A minute is made when it has been over for so long: most of its spans are there, and `settle` has been at them."""

_MOST_DAYS = 1100
"""Days back where the settings name none: a span with a wrong clock does not let them begin decades ago."""

_ROWS_AT_ONCE = 4_000_000
"""Hours are made together up to so many rows."""

_ON_A_CLUSTER = "rollups work on one server only. Set SIGHTLINE_JANITOR_ROLLUPS_INTERVAL_S=0 for the janitors"

_PRINTED = (*SOURCES, TRACES)
"""What the places of a print are."""
_NOTHING = (0,) * len(_PRINTED)
_AROUND_S = 3600
"""The routes and models of a trace are those of its day, and of so long before and behind it."""

Prints = tuple[int, ...]


@dataclass(frozen=True)
class Folded:
    """What was made of a day."""

    day: date
    minutes: int = 0
    hours: int = 0
    days: int = 0
    hours_of_facts: int = 0
    """Of requests (`facts`)."""

    def __bool__(self) -> bool:
        """Whether anything was made."""
        return bool(self.minutes or self.hours or self.days or self.hours_of_facts)

    def __str__(self) -> str:
        """What was made, in words."""
        if self.hours_of_facts:
            return f"{self.day}: facts of the requests of {self.hours_of_facts} hours"
        return f"{self.day}: {self.minutes} minutes, {self.hours} hours, {self.days} days"


def fold(client: Client, keep: RetentionSettings, *, anew: bool = False) -> Iterator[Folded]:
    """Make what is missing or has changed, the newest day first; yields after each day that was looked at.

    Facts of requests come last, of what is made by then.

    Args:
        client: the store, with the right to insert.
        keep: how long rollups stay, and the rows that they are made of: days from which rows may be gone are left as
            they are, and of days whose minutes are gone hours are compared.
        anew: make everything anew of which there are rows, changed or not.

    Raises:
        SchemaError: the tables are a cluster's.
        StoreUnavailable: try again; what was yielded is done.
    """
    require_one_server(client, _ON_A_CLUSTER)
    now_s = client.now_us() // 1_000_000
    closed_s = (now_s - OPEN_S) // MINUTE * MINUTE
    looks = Looks(client, anew=anew)
    parts = looks.parts
    oldest_s = now_s - min((days for days in (keep.rollups_days, keep.typed_days) if days), default=_MOST_DAYS) * DAY
    days = _days(parts, oldest_s, closed_s)
    _make_empty(client, [day_s for day_s in days if day_of(day_s) not in parts and day_s + DAY <= closed_s], now_s)
    for day_s in days:
        day = day_of(day_s)
        if day_s + DAY <= closed_s and (day not in parts or looks.is_seen(day)):
            continue
        made = _Day(client, day_s, closed_s, with_minutes=day_s >= now_s - MINUTES_DAYS * DAY).fold(anew=anew)
        looks.keep(day)
        yield made
    looks.keep_scores()
    for day, hours in facts.make(client, keep):
        yield Folded(day, hours_of_facts=hours)


def typed_rows(client: Client) -> int:
    """Return how many rows the tables hold that rollups are made of.

    Raises:
        StoreUnavailable: try again.
    """
    (row,) = client.query_rows(
        "SELECT sum(rows) AS n FROM system.parts "
        "WHERE active AND database = {database:String} AND has({tables:Array(String)}, table)",
        {"database": client.settings.database, "tables": list(TYPED)},
    )
    return int(row["n"])


class _Day:
    """One day: what its periods were made of, and what its rows are now."""

    def __init__(self, client: Client, day_s: int, closed_s: int, *, with_minutes: bool) -> None:
        self._client, self._day_s, self._with_minutes = client, day_s, with_minutes
        self._end_s = min(day_s + DAY, closed_s)
        self._version = new_version(client)
        self._made = _made(client, day_s)
        self._prints, self._rows = _prints(client, day_s, self._end_s)
        was, now = self._whole()
        # Raw spans that are gone are no reason to make rollups anew: they have what these were.
        self._compared = tuple(
            source != RAW_SPANS or not was_there or is_there
            for source, was_there, is_there in zip(_PRINTED, was, now, strict=True)
        )

    def fold(self, *, anew: bool) -> Folded:
        """Make what differs."""
        is_over = self._end_s == self._day_s + DAY
        if is_over and self._was_dropped():  # of today retention takes nothing
            _log.debug("%s: its rows are gone, its rollups stay", day_of(self._day_s))
            return Folded(day_of(self._day_s))
        minutes = hours = 0
        for part in self._hours_together(anew=anew):
            stale = [minute for hour in part for minute in self._stale_minutes(hour, anew=anew)]
            self._make_minutes(stale)
            over = [hour for hour in part if hour + HOUR <= self._end_s]
            self._make_longer(HOUR, MINUTE, over)
            minutes, hours = minutes + len(stale), hours + len(over)
        days = [self._day_s] if is_over and (anew or self._differs(DAY, self._day_s)) else []
        self._make_longer(DAY, HOUR, days)
        return Folded(day_of(self._day_s), minutes, hours, len(days))

    def _was_dropped(self) -> bool:
        """Whether a table has none of the rows any more that the day was made of."""
        return any(
            was_there and not is_there
            for source, was_there, is_there in zip(_PRINTED, *self._whole(), strict=True)
            if source not in {RAW_SPANS, TRACES}
        )

    def _whole(self) -> tuple[Prints, Prints]:
        """The print of the day when its hours were made, and now."""
        made = _sum(prints for (period, _), (_, prints) in self._made.items() if period == HOUR)
        return made, _sum(self._prints.values())

    def _print(self, period: int, start: int) -> Prints:
        if period == MINUTE:
            return self._prints.get(start, _NOTHING)
        return _sum(self._prints.get(minute, _NOTHING) for minute in range(start, start + period, MINUTE))

    def _source_rows(self, period: int, start: int) -> int:
        return sum(self._rows.get(minute, 0) for minute in range(start, start + period, MINUTE))

    def _differs(self, period: int, start: int) -> bool:
        made_format, made = self._made.get((period, start), (-1, _NOTHING))
        if made_format != FORMAT:
            return True
        return any(
            was != is_now
            for was, is_now, is_compared in zip(made, self._print(period, start), self._compared, strict=True)
            if is_compared
        )

    def _stale_minutes(self, hour: int, *, anew: bool) -> list[int]:
        minutes = range(hour, min(hour + HOUR, self._end_s), MINUTE)
        return [minute for minute in minutes if anew or self._differs(MINUTE, minute)]

    def _is_stale(self, hour: int) -> bool:
        """Whether there is anything to make of an hour."""
        if hour + HOUR <= self._end_s:
            return self._differs(HOUR, hour) or (self._with_minutes and bool(self._stale_minutes(hour, anew=False)))
        return bool(self._stale_minutes(hour, anew=False))

    def _hours_together(self, *, anew: bool) -> Iterator[list[int]]:
        """The hours of which something is to be made, so many at once as memory allows."""
        part: list[int] = []
        rows = 0
        for hour in range(self._day_s, self._end_s, HOUR):
            if not (anew or self._is_stale(hour)):
                continue
            rows += self._source_rows(HOUR, hour)
            part.append(hour)
            if rows >= _ROWS_AT_ONCE:
                yield part
                part, rows = [], 0
        if part:
            yield part

    def _make_minutes(self, minutes: Sequence[int]) -> None:
        if not minutes:
            return
        full = [minute for minute in minutes if minute in self._prints]
        if full:
            first, after = min(full), max(full) + MINUTE
            begin, end = (sql_moment(datetime.fromtimestamp(moment, UTC)) for moment in (first, after))
            bounds = {
                "from_s": first, "to_s": after,
                "from": begin, "to": end, "rolled_from": begin, "rolled_to": begin, "bucket_s": MINUTE,
                "sets": [each.by for each in Sets], "tenant": "", "route": "", "model": "",
            }  # fmt: skip
            for rollup in ROLLUPS:
                of_minutes = {"minutes": full} if rollup.adds_up else {"period": MINUTE, "starts": full}
                self._insert(rollup, rollup.minutes_file, {**bounds, **of_minutes})
        self._commit(MINUTE, minutes)

    def _make_longer(self, period: int, shorter: int, starts: Sequence[int]) -> None:
        if not starts:
            return
        full = [start for start in starts if self._print(period, start) != _NOTHING]
        if full:
            bounds = {
                "period": period, "shorter": shorter, "from_s": min(full), "to_s": max(full) + period, "starts": full,
            }  # fmt: skip
            for rollup in ROLLUPS:
                self._insert(rollup, rollup.longer_file, {**bounds, "rollup": rollup.name})
        self._commit(period, starts)

    def _insert(self, rollup: Rollup, file: str, params: Mapping[str, Any]) -> None:
        more = {"source": rollup.traces_in, "version": self._version, "limit": MOST_ROWS + 1}
        run(self._client, file, {**params, **_around(self._day_s), **more})

    def _commit(self, period: int, starts: Sequence[int]) -> None:
        """Let the rows count that were made of some periods: one INSERT, of one block."""
        cut = self._cut(period, starts)
        made = [
            (start, list(self._print(period, start)), cut.get(start, 0), self._source_rows(period, start))
            for start in starts
        ]
        _commit(self._client, self._version, period, made)

    def _cut(self, period: int, starts: Sequence[int]) -> dict[int, int]:
        """Start to the sets of a period that had too many values, or whose parts had."""
        of_tables = [sql_text("rollups/cut_rows.sql").replace("{rollup:Identifier}", rollup.name) for rollup in ROLLUPS]
        rows = self._client.query_rows(
            filled(sql_text("rollups/cut.sql"), {"cut_rows": "UNION ALL\n".join(of_tables)}),
            {
                "period": period, "version": self._version, "most": MOST_ROWS,
                "from_s": min(starts), "to_s": max(starts) + period,
            },
        )  # fmt: skip
        return {int(row["start"]): sum(int(Sets[by.upper()]) for by in row["sets"]) for row in rows}


def _make_empty(client: Client, days: Sequence[int], now_s: int) -> None:
    """Let days without rows count as made, but for those that have rollups: their rows were dropped."""
    rows = client.query_rows(f"SELECT DISTINCT intDiv(toUnixTimestamp(Start), {DAY}) * {DAY} AS day_s FROM {PERIODS}")
    known = {int(row["day_s"]) for row in rows}
    new = [day_s for day_s in days if day_s not in known]
    version = new_version(client)
    for period, stay in ((MINUTE, MINUTES_DAYS), (HOUR, HOURS_DAYS), (DAY, _MOST_DAYS)):
        recent = [day_s for day_s in new if day_s >= now_s - stay * DAY]
        starts = [start for day_s in recent for start in range(day_s, day_s + DAY, period)]
        if starts:
            _commit(client, version, period, [(start, list(_NOTHING), 0, 0) for start in starts])


def _commit(client: Client, version: int, period: int, made: Sequence[tuple[int, list[int], int, int]]) -> None:
    """Let the rows count that were made of some periods: each its start, prints, cut sets and number of typed rows."""
    latest_us = version // VERSIONS_A_MICROSECOND + COMMIT_WITHIN_S * 1_000_000
    params = {"period": period, "version": version, "made": list(made), "latest_us": latest_us, "format": FORMAT}
    run(client, "rollups/commit.sql", params)


def _sum(prints: Any) -> Prints:
    """Prints of parts as the print of the whole; those of an older format have fewer tables."""
    total = list(_NOTHING)
    for each in prints:
        total = [(a + b) % 2**64 for a, b in zip_longest(total, each, fillvalue=0)]
    return tuple(total)


def _days(parts: Mapping[date, int], oldest_s: int, closed_s: int) -> list[int]:
    """The days from the first with rows to today, the newest first, also those without rows."""
    within = [start for start in map(moment_of, parts) if oldest_s <= start < closed_s]
    first = min(within, default=closed_s)
    return list(range(closed_s // DAY * DAY, first - 1, -DAY))


def _made(client: Client, day_s: int) -> dict[tuple[int, int], tuple[int, Prints]]:
    """Period and start to its format and the prints that it was made of."""
    rows = client.query_rows(
        "SELECT Period AS period, toUnixTimestamp(Start) AS start, argMax(Prints, Version) AS prints, "
        "argMax(RowsFormat, Version) AS format "
        f"FROM {PERIODS} WHERE Start >= toDateTime({day_s}, 'UTC') AND Start < toDateTime({day_s + DAY}, 'UTC') "
        "GROUP BY Period, Start"
    )
    return {(int(row["period"]), int(row["start"])): (int(row["format"]), tuple(row["prints"])) for row in rows}


def _around(day_s: int) -> dict[str, int]:
    """Where the routes and models of the traces of a day are looked up."""
    return {"around_from_s": day_s - _AROUND_S, "around_to_s": day_s + DAY + _AROUND_S}


def _prints(client: Client, day_s: int, to_s: int) -> tuple[dict[int, Prints], dict[int, int]]:
    """Minute of a day, up to a moment, to its prints, and to the number of its rows."""
    prints: dict[int, list[int]] = {}
    counts: dict[int, int] = {}
    for place, table in enumerate(_PRINTED):
        params = {"table": table, "from_s": day_s, "to_s": to_s, **_around(day_s)}
        for row in client.query_rows(sql_text(PRINTS.get(table, "rollups/prints.sql")), params):
            prints.setdefault(int(row["minute"]), list(_NOTHING))[place] = int(row["print"])
            counts[int(row["minute"])] = counts.get(int(row["minute"]), 0) + int(row["n"])
    return {minute: tuple(each) for minute, each in prints.items()}, counts
