# ruff: noqa: S608 - names of tables are this package's own; partitions are numbers.
"""How long rollups stay, what of them nobody reads any more, and what there is of them.

Minutes stay for two days, hours for two months, days as long as the settings say, facts of requests and the spending of
hours for a month; above the cap the oldest partitions go, minutes before facts, these before hours, and hours before
days. Facts go with their requests. Rows that no line of `rollup_periods` or `rollup_facts_made` names (an interrupted
run left them, or the period was made anew) go after an hour.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sightline_store.client import Client
from sightline_store.rollups.statements import COMMIT_WITHIN_S, VERSIONS_A_MICROSECOND
from sightline_store.rollups.tables import (
    DAY,
    FACTS,
    FACTS_DAYS,
    FACTS_MADE,
    HOUR,
    HOURS_DAYS,
    LOOKS,
    MINUTE,
    MINUTES_DAYS,
    PERIODS,
    ROLLUPS,
    SCORE_LOOKS,
    SPENDING,
)
from sightline_store.schema.state import require_one_server
from sightline_store.settings import RetentionSettings

_log = logging.getLogger("sightline.store.rollups")

_BYTES_PER_GIB = 1024**3
_LATEST_MONTH = 999_912
_TABLES = (PERIODS, *(rollup.name for rollup in ROLLUPS), FACTS_MADE, FACTS, SPENDING)
_ON_A_CLUSTER = "rollups work on one server only, and a cluster has none"


@dataclass(frozen=True)
class Partition:
    """Periods of one length and of one day or month, in all tables.

    Attributes:
        period: their length in seconds.
        date: YYYYMMDD of minutes and of facts, YYYYMM of the others.
        rows: in all tables.
        size_bytes: on disk.
    """

    period: int
    date: int
    rows: int
    size_bytes: int

    @property
    def is_day(self) -> bool:
        """Whether it is of a day."""
        return self.date > _LATEST_MONTH

    @property
    def is_of_facts(self) -> bool:
        """Whether it is of facts of requests, and of the spending of hours."""
        return self.period == HOUR and self.is_day

    def is_too_old(self, keep: RetentionSettings, now: datetime) -> bool:
        """Whether it goes whatever the cap is."""
        days = min((days for days in (self.stays_days, keep.rollups_days) if days), default=0)
        return bool(days) and self.end <= now - timedelta(days=days)

    @property
    def stays_days(self) -> int:
        """Days that its periods stay, whatever the settings say; 0 for ever."""
        if self.period == HOUR:
            return FACTS_DAYS if self.is_of_facts else HOURS_DAYS
        return MINUTES_DAYS if self.period == MINUTE else 0

    @property
    def end(self) -> datetime:
        """The first moment behind it."""
        if self.is_day:
            return datetime(self.date // 10_000, self.date // 100 % 100, self.date % 100, tzinfo=UTC) + timedelta(
                days=1
            )
        month = self.date // 100 * 12 + self.date % 100
        return datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)


def partitions(client: Client) -> list[Partition]:
    """What there is: minutes, facts, hours and days, each from the oldest on."""
    rows = client.query_rows(
        "SELECT partition, sum(rows) AS n, sum(bytes_on_disk) AS size FROM system.parts "
        "WHERE active AND database = {database:String} AND has({tables:Array(String)}, table) GROUP BY partition",
        {"database": client.settings.database, "tables": list(_TABLES)},
    )
    made = []
    for row in rows:
        period, date = (int(part) for part in str(row["partition"]).strip("()").split(","))
        made.append(Partition(period, date, int(row["n"]), int(row["size"])))
    return sorted(made, key=lambda each: (each.period, not each.is_day, each.date))


def outdated(made: list[Partition], keep: RetentionSettings, now: datetime) -> list[Partition]:
    """Of `partitions`, those that have to go: too old, then above the cap. What is still filled stays. Pure."""
    going = [each for each in made if each.is_too_old(keep, now)]
    if keep.rollups_max_gib:
        excess = sum(each.size_bytes for each in made if each not in going) - keep.rollups_max_gib * _BYTES_PER_GIB
        for each in made:
            if excess > 0 and each not in going and each.end <= now:
                going.append(each)
                excess -= each.size_bytes
    return going


def enforce(client: Client, keep: RetentionSettings) -> list[Partition]:
    """Drop what has to go, and the rows that nobody reads; returns the partitions that went.

    Raises:
        SchemaError: the tables are a cluster's.
        StoreUnavailable: try again.
    """
    require_one_server(client, _ON_A_CLUSTER)
    now_us = client.now_us()
    there = partitions(client)
    going = outdated(there, keep, datetime.fromtimestamp(now_us / 1e6, UTC))
    filled = _days_of_requests(client)
    going += [each for each in there if each.is_of_facts and each.date not in filled and each not in going]
    for each in going:
        for table in _TABLES:  # the lines first: what has none is not read
            client.command(f"ALTER TABLE {table} DROP PARTITION ({each.period}, {each.date})")
        _log.info("dropped rollups of %d s of %d: %d rows", each.period, each.date, each.rows)
    _remove_unread(client, now_us)
    return going


def drop(client: Client) -> None:
    """Drop all rollups. The janitor makes them again, of the rows that are left, unless its interval is 0.

    Raises:
        SchemaError: the tables are a cluster's.
        StoreUnavailable: try again.
    """
    require_one_server(client, _ON_A_CLUSTER)
    for table in (*_TABLES, LOOKS, SCORE_LOOKS):
        client.command(f"TRUNCATE TABLE {table} SYNC")


def status(client: Client) -> list[dict[str, Any]]:
    """One row a length of periods: how many there are, from when to when, and their bytes in all tables."""
    sizes: dict[int, int] = {}
    for each in partitions(client):
        sizes[each.period] = sizes.get(each.period, 0) + each.size_bytes
    rows = client.query_rows(
        "SELECT Period AS period, uniqExact(Start) AS n, min(Start) AS first, max(Start) AS last "
        f"FROM {PERIODS} GROUP BY Period ORDER BY Period"
    )
    words = {MINUTE: "minutes", HOUR: "hours", DAY: "days"}
    return [
        {
            "periods": words[int(row["period"])],
            "number": int(row["n"]),
            "first": f"{row['first']:%Y-%m-%d %H:%M}",
            "last": f"{row['last']:%Y-%m-%d %H:%M}",
            "bytes": sizes.get(int(row["period"]), 0),
        }
        for row in rows
    ]


def stored_bytes(client: Client) -> int:
    """Bytes on disk of all rollups."""
    return sum(each.size_bytes for each in partitions(client))


def _days_of_requests(client: Client) -> set[int]:
    """The days, as YYYYMMDD, that have rows of requests."""
    rows = client.query_rows(
        "SELECT DISTINCT toYYYYMMDD(toDate(partition)) AS day FROM system.parts "
        "WHERE active AND database = {database:String} AND table = 'requests'",
        {"database": client.settings.database},
    )
    return {int(row["day"]) for row in rows}


def _remove_unread(client: Client, now_us: int) -> None:
    """Delete rows of versions that have not counted for an hour: a question reads for seconds."""
    before = (now_us - COMMIT_WITHIN_S * 1_000_000) * VERSIONS_A_MICROSECOND
    counted = f"SELECT Period, Start, max(Version) FROM {PERIODS} WHERE Version < {before} GROUP BY Period, Start"
    made = f"SELECT Start, max(Made) FROM {FACTS_MADE} WHERE Made < {before} GROUP BY Start"
    unread = dict.fromkeys(
        (rollup.name for rollup in ROLLUPS),
        f"Version < {before} AND (Period, Start, Version) NOT IN ({counted})",
    )
    unread |= dict.fromkeys(
        (FACTS, SPENDING, FACTS_MADE), f"toUInt64(Made) < {before} AND (Start, toUInt64(Made)) NOT IN ({made})"
    )
    for table, condition in unread.items():
        (row,) = client.query_rows(f"SELECT count() AS n FROM {table} WHERE {condition}")
        if row["n"]:
            client.command(f"DELETE FROM {table} WHERE {condition}")
            _log.debug("removed %d rows of %s that nobody reads", row["n"], table)
