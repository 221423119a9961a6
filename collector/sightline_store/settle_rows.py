# ruff: noqa: S608 - names of tables and columns are this package's and the schema's own; values are numbers and quoted.
"""Rows of typed tables that `settle` finds, inserts again and deletes; and the traces whose rows they are.

A row is named by a hash of its trace, span and StoredAt, within its day and the range of time of those with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sightline_store.client import Client
from sightline_store.quoting import quote_string
from sightline_store.schema import declared

_AROUND = timedelta(hours=1)
_DELETED_ROWS = 8_000
"""Rows that one DELETE names: about 170 kB of the 256 that a statement may have."""
_INSERTED_ROWS, _INSERTED_CHARACTERS = 2_000, 100_000
_KEY = "cityHash64(TraceId, SpanId, toUnixTimestamp64Micro(StoredAt))"


@dataclass(frozen=True)
class Traces:
    """Some traces, by the hashes of their ids, and the time in which their rows lie."""

    hashes: tuple[int, ...]
    first: datetime
    last: datetime

    @staticmethod
    def of(rows: Sequence[Mapping[str, Any]]) -> Traces:
        """Those of rows with `hash`, `first_us` and `last_us`: within an hour around their rows."""
        first, last = min(int(row["first_us"]) for row in rows), max(int(row["last_us"]) for row in rows)
        moments = (datetime.fromtimestamp(us / 1e6, UTC) for us in (first, last))
        begin, end = next(moments) - _AROUND, next(moments) + _AROUND
        return Traces(tuple(int(row["hash"]) for row in rows), begin, end)

    @staticmethod
    def hash_of(table: str) -> str:
        """The expression of a trace's hash in a table."""
        return "TraceHash" if "TraceHash" in declared.tables()[table].stored_columns() else "cityHash64(TraceId)"

    @property
    def within(self) -> str:
        """The condition on the time of their rows."""
        return f"Timestamp >= {moment(self.first)} AND Timestamp <= {moment(self.last)}"

    @property
    def names(self) -> str:
        """The list of their hashes."""
        return f"({', '.join(map(str, self.hashes))})"

    def condition(self, table: str) -> str:
        """The condition on the rows of a table."""
        return f"{self.within} AND {self.hash_of(table)} IN {self.names}"


class Rows:
    """Finds and changes rows, and counts them."""

    def __init__(self, client: Client, removed: dict[str, int], changed: dict[str, int]) -> None:
        """Count rows in `removed` and `changed`, by table."""
        self._client, self._removed, self._changed = client, removed, changed
        (row,) = client.query_rows("SELECT toUnixTimestamp64Micro(now64(6)) % 1000000 AS us")
        # Another one for each attempt: rows of two attempts that were interrupted differ.
        self._later_us = 1 + int(row["us"])

    def find(self, table: str, select: str, *columns: str) -> list[dict[str, Any]]:
        """The names of the rows that a statement selects, as `key`, `day` and `at_ns`, with more columns of it."""
        more = "".join(f", {column}" for column in columns)
        return self._client.query_rows(
            f"SELECT {_KEY} AS key, toString(toDate(Timestamp)) AS day, toUnixTimestamp64Nano(Timestamp) AS at_ns, "
            f"TraceId AS trace{more} FROM ({select})"
        )

    def copy(self, table: str, columns: str, target: str, rows: Sequence[dict[str, Any]]) -> None:
        """Insert into `target` what is selected of the rows."""
        names = ", ".join(part.rsplit(" AS ", 1)[-1] for part in ("Timestamp", "TraceId", "Kind", "Facts", "StoredAt"))
        for part in _parts(rows, _DELETED_ROWS):
            self._client.command(f"INSERT INTO {target} ({names}) SELECT {columns} FROM {table} WHERE {_named(part)}")

    def insert_again(self, table: str, values: Mapping[str, str], rows: Sequence[dict[str, Any]]) -> None:
        """Insert the rows once more, as stored up to a second later, one of each span.

        Args:
            table: their table.
            values: column to the key in `rows` of the value that a row gets where it has none.
            rows: from `find`.
        """
        columns = [
            column.name for column in declared.tables()[table].columns if not column.default.startswith("MATERIALIZED")
        ]
        for part in _parts_by_length(rows, values.values()):
            selected = {name: name for name in columns}
            selected["StoredAt"] = f"StoredAt + toIntervalMicrosecond({self._later_us})"
            for name, key in values.items():
                pairs = {str(row["trace"]): str(row[key]) for row in part}
                traces, words = (", ".join(map(quote_string, items)) for items in (pairs, pairs.values()))
                selected[name] = f"if({name} != '', toString({name}), transform(TraceId, [{traces}], [{words}], ''))"
            expressions = ", ".join(f"{text} AS new_{name}" for name, text in selected.items())
            self._client.command(
                f"INSERT INTO {table} ({', '.join(columns)}) SELECT {expressions} FROM {table} "
                f"WHERE {_named(part)} LIMIT 1 BY TraceId, SpanId, StoredAt"
            )

    def remove(self, table: str, rows: Sequence[dict[str, Any]], *, as_changed: bool = False) -> None:
        """Delete the rows, a day at a time."""
        counted = self._changed if as_changed else self._removed
        for day in sorted({str(row["day"]) for row in rows}):
            for part in _parts([row for row in rows if row["day"] == day], _DELETED_ROWS):
                self._client.command(f"DELETE FROM {table} IN PARTITION {quote_string(day)} WHERE {_named(part)}")
                counted[table] = counted.get(table, 0) + len(part)


def moment(at: datetime) -> str:
    """A moment as SQL, to the microsecond."""
    return f"fromUnixTimestamp64Micro({round(at.timestamp() * 1e6)})"


def _named(rows: Sequence[dict[str, Any]]) -> str:
    first, last = min(int(row["at_ns"]) for row in rows), max(int(row["at_ns"]) for row in rows)
    return (
        f"Timestamp >= fromUnixTimestamp64Nano({first}) AND Timestamp <= fromUnixTimestamp64Nano({last}) "
        f"AND {_KEY} IN ({', '.join(str(row['key']) for row in rows)})"
    )


def _parts(rows: Sequence[dict[str, Any]], size: int) -> Iterator[Sequence[dict[str, Any]]]:
    return (rows[first : first + size] for first in range(0, len(rows), size))


def _parts_by_length(rows: Sequence[dict[str, Any]], keys: Any) -> Iterator[Sequence[dict[str, Any]]]:
    """Parts whose values fit into a statement."""
    keys, characters = list(keys), 0
    part: list[dict[str, Any]] = []
    for row in rows:
        length = sum(len(str(row[key])) + len(str(row["trace"])) + 8 for key in keys)
        if part and (len(part) >= _INSERTED_ROWS or characters + length > _INSERTED_CHARACTERS):
            yield part
            part, characters = [], 0
        part.append(row)
        characters += length
    if part:
        yield part
