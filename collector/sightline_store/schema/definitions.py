"""With which definition each day of a typed table was made, and which days are behind.

A definition is the SQL that makes a table's rows out of the raw rows: the views on their way and the alias table that
they are generated from. It changes with a new spelling or a changed view. Rows that are stored already stay as they
were made, until `rebuild` makes their days anew.

`row_definitions` holds a row for each day that was not made with the definition in force, or that was rebuilt, and one
row a table (`_ALL_OTHER_DAYS`) for the definition in force. `record` compares it with this package's: where it differs,
all days that exist now may have rows of the former definition, and are noted with it before the new one is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cache

from sightline_store.client import Client
from sightline_store.conventions import canonical
from sightline_store.ddl import references
from sightline_store.ddl.tokens import compact
from sightline_store.errors import SchemaError
from sightline_store.schema import content_removal, declared

TABLES = ("requests", "llm_calls", "retrievals", "embeddings", "stages", "errors", "scores")
"""The tables that are made out of raw rows by spellings."""

RAW_SPANS, RAW_LOGS = "otel_traces", "otel_logs"

_ALL_OTHER_DAYS = date(1970, 1, 1)

FIRST: dict[str, str] = {
    "requests": "44f2fa48ab77bc4b",
    "llm_calls": "86553410d18e43ab",
    "retrievals": "a0df74aa4478ee33",
    "embeddings": "8c807d89ed36c315",
    "stages": "3921237754f32655",
    "errors": "8629a61b81bf7e97",
    "scores": "f3e77f71c16c8ca1",
}
"""Table to the definition of the first release that kept records. The release before it, from which stores are
upgraded, made the same rows."""

EQUAL: dict[str, str] = {}
"""A definition to a later one that makes the same rows of the same spans, so that days of the former are not behind."""


@dataclass(frozen=True)
class BehindDay:
    """A day of a table whose rows an older definition made.

    Attributes:
        table: of `TABLES`.
        day: in UTC.
        rows: rows of the table.
        raw_rows: raw spans and log records that the day's rows can be made of.
    """

    table: str
    day: date
    rows: int
    raw_rows: int


def raw_tables(table: str) -> tuple[str, ...]:
    """The tables of raw rows that a typed table is made of."""
    return (RAW_SPANS, RAW_LOGS) if table == "scores" else (RAW_SPANS,)


def steps_table(table: str) -> str:
    """The table in which a rebuild of a typed table notes its steps; it is there until that is complete."""
    return f"{table}_rebuild_steps"


def select(table: str, raw: str, source: str, where: str) -> str:
    """The SELECT that makes a typed table's rows out of raw rows.

    Args:
        table: one of `TABLES`.
        raw: one of its `raw_tables`.
        source: the table to read instead of `raw`; it has the same columns.
        where: a condition on its rows.
    """
    if raw == RAW_LOGS:
        rows = f"(SELECT * FROM {source} WHERE {where})"  # noqa: S608 - names are the caller's own
        return references.with_sources(declared.view("otel_logs_to_scores").select, lambda _: rows)
    spans = f"({canonical.canonical_select(source, where)})"
    return references.with_sources(canonical.typed_selects()[table], lambda _: spans)


@cache
def definition(table: str) -> str:
    """16 hex digits that change when the SQL that makes a table's rows does, and not when its comments or spaces do."""
    texts = [compact(select(table, raw, raw, "1")) for raw in raw_tables(table)]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def record(client: Client) -> None:
    """Note that this package's definitions are in force from now on, and which days were made before.

    Called whenever the store's views are those of this package. Killed half-way, the next call completes it.
    """
    recorded = _recorded(client)
    outdated = {
        table: recorded.get((table, _ALL_OTHER_DAYS), FIRST.get(table, ""))
        for table in TABLES
        if recorded.get((table, _ALL_OTHER_DAYS)) != definition(table)
    }
    if not outdated:
        return
    days = _days(client)
    existing = {table: {day for name in (table, *raw_tables(table)) for day in days[name]} for table in outdated}
    former = [
        (table, day, outdated[table])
        for table in outdated
        for day in sorted(existing[table])
        if (table, day) not in recorded
    ]
    _note(client, former)
    _note(client, [(table, _ALL_OTHER_DAYS, definition(table)) for table in outdated])


def record_days(client: Client, table: str, days: Iterable[date], made_with: str) -> None:
    """Note that these days of a table were made with a definition."""
    _note(client, [(table, day, made_with) for day in days])


def require_current(client: Client) -> None:
    """Refuse a store whose views make rows with other definitions than this package's.

    Raises:
        SchemaError: `sightline-store migrate` has to run first.
    """
    recorded = _recorded(client)
    differing = [table for table in TABLES if recorded.get((table, _ALL_OTHER_DAYS)) != definition(table)]
    if differing:
        raise SchemaError(
            f"the store's views for {', '.join(differing)} are not those of this Sightline: "
            "run `sightline-store migrate`"
        )


def behind(client: Client, tables: Iterable[str] = TABLES) -> list[BehindDay]:
    """The days that an older definition made and that still have raw rows, by table and day.

    A day whose raw rows or their content are gone is not among them: nothing can make it anew.
    """
    recorded, days = _recorded(client), _days(client)
    result = []
    for table in tables:
        raw_rows: dict[date, int] = {}
        for raw in raw_tables(table):
            for day, count in days[raw].items():
                raw_rows[day] = raw_rows.get(day, 0) + count
        lacking = content_removal.removed_days(client, raw_tables(table))
        in_force = recorded.get((table, _ALL_OTHER_DAYS), FIRST.get(table, ""))
        result += [
            BehindDay(table, day, days[table].get(day, 0), raw_rows[day])
            for day in sorted(raw_rows.keys() - lacking)
            if _latest(recorded.get((table, day), in_force)) != definition(table)
        ]
    return result


def _latest(name: str) -> str:
    while name in EQUAL:
        name = EQUAL[name]
    return name


def _recorded(client: Client) -> dict[tuple[str, date], str]:
    rows = client.query_rows(
        "SELECT toString(TableName) AS name, Day AS day, argMax(Definition, RecordedAt) AS definition "
        "FROM row_definitions GROUP BY TableName, Day"
    )
    return {(str(row["name"]), row["day"]): str(row["definition"]) for row in rows}


def _days(client: Client) -> dict[str, dict[date, int]]:
    """Table, typed or raw, to the days that it has with the rows of each."""
    days: dict[str, dict[date, int]] = {name: {} for name in (*TABLES, RAW_SPANS, RAW_LOGS)}
    rows = client.query_rows(
        "SELECT table, partition, sum(rows) AS n FROM system.parts "
        "WHERE active AND database = {database:String} AND has({tables:Array(String)}, table) "
        "GROUP BY table, partition",
        {"database": client.settings.database, "tables": list(days)},
    )
    for row in rows:
        days[str(row["table"])][date.fromisoformat(str(row["partition"]))] = int(row["n"])
    return days


def _note(client: Client, rows: list[tuple[str, date, str]]) -> None:
    client.insert_rows("row_definitions", ["TableName", "Day", "Definition"], [list(row) for row in rows])
