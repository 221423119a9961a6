"""Which days a fold looks at."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from sightline_store.questions.conditions import sql_text
from sightline_store.rollups.looks import Looks
from sightline_store.rollups.tables import LOOKS

DAY = date(2026, 3, 10)


class _Settings:
    database = "otel"


class _Store:
    """Days with parts, and what their first and last hours hold."""

    settings = _Settings()

    def __init__(self) -> None:
        self.parts: dict[date, int] = {}
        self.edges: dict[date, tuple[int, int]] = {}
        self.read: list[str] = []
        self._looks: dict[date, dict[str, Any]] = {}

    def query_rows(self, sql: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Answer what `Looks` asks; there are no scores."""
        if sql == sql_text("rollups/edge_prints.sql"):
            days = (params or {})["days"]
            self.read += days
            return [
                {"day": day, "first_hour": first, "last_hour": last}
                for day, (first, last) in self.edges.items()
                if day.isoformat() in days
            ]
        if f"FROM (SELECT * FROM {LOOKS})" in sql:
            return list(self._looks.values())
        if "system.parts" in sql and "scores" not in (params or {})["tables"]:
            return [{"day": str(day), "parts": parts} for day, parts in self.parts.items()]
        return []

    def insert_rows(self, table: str, columns: list[str], rows: list[list[Any]]) -> None:
        """Remember looks."""
        if table == LOOKS:
            self._looks |= {row[0]: dict(zip(columns, row, strict=True)) for row in rows}


def _unseen(store: Any) -> set[date]:
    """The days that are looked at; they are seen then."""
    looks = Looks(store, anew=False)
    days = {day for day in store.parts if not looks.is_seen(day)}
    for day in days:
        looks.keep(day)
    return days


def test_a_day_is_looked_at_when_its_neighbours_change_next_to_it() -> None:
    """And when its own parts change, of which the first and last hour are read; nothing is read of any other."""
    store = _Store()
    days = [DAY + timedelta(days=number) for number in range(4)]
    store.parts = dict.fromkeys(days, 1)
    store.edges = {day: (10 + number, 20 + number) for number, day in enumerate(days)}
    assert _unseen(store) == set(days)
    assert _unseen(store) == set()
    store.parts[days[1]], store.read = 2, []  # rows came in its middle
    assert _unseen(store) == {days[1]}
    assert store.read == [days[1].isoformat()]
    store.parts[days[1]], store.edges[days[1]] = 3, (99, 21)
    assert _unseen(store) == {days[0], days[1]}
    store.parts[days[1]], store.edges[days[1]] = 4, (99, 98)
    assert _unseen(store) == {days[1], days[2]}
    assert _unseen(store) == set()


def test_a_day_that_was_dropped_makes_no_other_be_looked_at() -> None:
    """It keeps what its hours were."""
    store = _Store()
    store.parts = {DAY: 1, DAY + timedelta(days=1): 1}
    store.edges = {DAY: (1, 2), DAY + timedelta(days=1): (3, 4)}
    _unseen(store)
    del store.parts[DAY], store.edges[DAY]
    assert _unseen(store) == set()
