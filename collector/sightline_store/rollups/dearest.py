"""Lists of the dearest requests of hours and days, made of what counts in `rollup_periods`.

What a request costs depends on prices, which change without any row changing. So the lists stand in a table of their
own, `rollup_dearest`, each with the version of its period and a hash of the prices that it was made with: a list is
missing when its period was made anew, and when a price has changed. What is missing is made, the newest day first, and
until then `plan` reads the period as rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any

from sightline_store.client import Client
from sightline_store.questions.conditions import sql_text
from sightline_store.rollups.coverage import Asks, remembered
from sightline_store.rollups.statements import day_of, run
from sightline_store.rollups.tables import DAY, HOUR, MOST_ROWS


@dataclass(frozen=True)
class Listed:
    """Which periods of a window have lists.

    Attributes:
        starts: length of a period to the starts of those that have one, or have no rows; seconds.
        prices: the hash of the prices that they were made with, which hold now.
    """

    starts: Mapping[int, Collection[int]]
    prices: int

    def among(self, starts: Mapping[int, Sequence[int]]) -> dict[int, Sequence[int]]:
        """Of the starts of periods, those that have lists."""
        return {
            length: [start for start in of if start in self.starts.get(length, ())] for length, of in starts.items()
        }


def listed(client: Asks, begin: str, end: str) -> Listed:
    """Return which hours and days of a window have lists at the prices that hold now.

    Args:
        client: the store.
        begin: of the window, as `moments.sql_moment` writes it.
        end: of the window.

    Raises:
        StoreUnavailable: try again.
    """
    (row,) = remembered(client, "rollups/dearest_listed.sql", {"from": begin, "to": end})
    return Listed({HOUR: set(row["hours"]), DAY: set(row["days"])}, int(row["prices"]))


def make(client: Client) -> Iterator[tuple[date, int]]:
    """Make the lists that are missing; yields each day and how many were made of it, the newest first.

    Raises:
        StoreUnavailable: try again; what was yielded is done.
    """
    rows = client.query_rows(sql_text("rollups/dearest_missing.sql"))
    for day, of_day in groupby(rows, key=lambda row: day_of(int(row["start"]))):
        made = 0
        missing = list(of_day)
        for period in (HOUR, DAY):
            of_period = [row for row in missing if row["period"] == period]
            if of_period:
                _make(client, period, of_period)
            made += len(of_period)
        yield day, made


def _make(client: Client, period: int, missing: list[dict[str, Any]]) -> None:
    starts = [int(row["start"]) for row in missing]
    params = {
        "period": period, "starts": starts, "versions": [int(row["version"]) for row in missing],
        "from_s": min(starts), "to_s": max(starts) + period, "prices": int(missing[0]["prices"]),
        "limit": MOST_ROWS + 1,
    }  # fmt: skip
    run(client, "rollups/dearest.sql", params)
