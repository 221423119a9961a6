"""Lists of the dearest requests of hours and days, made of what counts in `rollup_periods`.

What a request costs depends on prices, which change without any row changing, and on calls that may lie in the next
hour. So the lists stand in a table of their own, `rollup_dearest`, each with a hash of what it was made of: the version
of its period, those of the hours next to it, and the prices. A list is missing when that is another one now. What is
missing is made, the newest day first, and until then `plan` reads the period as rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import groupby
from typing import Any

from sightline_store.client import Client
from sightline_store.questions.conditions import sql_text
from sightline_store.rollups.coverage import Asks, remembered
from sightline_store.rollups.statements import day_of, new_version, run
from sightline_store.rollups.tables import DAY, HOUR, MOST_ROWS


def listed(client: Asks, begin: str, end: str) -> dict[int, set[int]]:
    """Return which hours and days of a window have lists, or no rows: length of a period to starts, in seconds.

    Args:
        client: the store.
        begin: of the window, as `moments.sql_moment` writes it.
        end: of the window.

    Raises:
        StoreUnavailable: try again.
    """
    (row,) = remembered(client, "rollups/dearest_listed.sql", {"from": begin, "to": end})
    return {HOUR: set(row["hours"]), DAY: set(row["days"])}


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
        "period": period, "starts": starts, "made_of": [int(row["made_of"]) for row in missing],
        "from_s": min(starts), "to_s": max(starts) + period, "version": new_version(client), "limit": MOST_ROWS + 1,
    }  # fmt: skip
    run(client, "rollups/dearest.sql", params)
