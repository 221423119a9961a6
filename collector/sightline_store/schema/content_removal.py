# ruff: noqa: S608 - names of tables and columns are this package's own; keys and days are quoted.
"""Removes what people and models wrote from days that are old enough; spans, logs, scores and all else in them stay.

What goes: the values, with their keys, of `conventions.contents` in the attributes of spans and of their events; all
attributes of an event that is a message or a passage by itself; the body and the same attributes of a log record that
is such an event; and explanations of scores. Names, times, ids, numbers, other attributes and the typed rows stay.

How: an `ALTER TABLE … UPDATE … WHERE` of a day, or of a few small ones, the oldest first, one statement at a time a
table. The store runs it by itself, part after part: it writes these columns anew, links the files of all others and of
parts without content, and goes on after a `kill -9` of anything. So nothing here waits for it. A day is done when a
look at it finds no content; that is noted in `row_definitions`, with the highest number of a block that the day had
before the look. Rows that come later have a higher one, and merges and changes keep it: the day is looked at again
exactly when rows have come, or when what counts as content has changed.

Not for a cluster, whose tables are Distributed.

Source: https://clickhouse.com/docs/sql-reference/statements/alter/update
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache

from sightline import semconv
from sightline_store.client import Client
from sightline_store.conventions import contents
from sightline_store.errors import SchemaError
from sightline_store.quoting import quote_identifier, quote_string, quote_strings
from sightline_store.schema.state import require_one_server
from sightline_store.settings import RetentionSettings

_log = logging.getLogger("sightline.store.retention")

_SETTING = "SIGHTLINE_STORE_RETENTION_CONTENT_DAYS"
_ON_A_CLUSTER = (
    f"removing content works on one server only, and the rows of NAME_local are the operator's. Unset {_SETTING}"
)
_LOOKED_AT, _REMOVED = "content of ", "content removed from "
"""Before a table's name in `row_definitions`: a look found no content, and some was removed."""
_EXPLANATIONS = (r"(evaluations\.[0-9]+\.evaluation|annotations\.[0-9]+\.annotation)\.explanation$",)
"""Of keys with a number in them, those that become `scores.Explanation`."""
_POLL_S = 0.2
_ENOUGH_BYTES = 4 * 1024**3
"""On disk, of the days that one statement changes. It links the files of every part of the table once more, so it is
for many days where they are small."""


@dataclass(frozen=True)
class Removal:
    """How content goes from a table.

    Attributes:
        columns: column to the SQL of its value without content.
        holds: SQL of whether a row has content.
    """

    columns: dict[str, str]
    holds: str

    @property
    def definition(self) -> str:
        """16 hex digits that change with what counts as content."""
        return hashlib.sha256(repr((self.columns, self.holds)).encode()).hexdigest()[:16]

    def statement(self, table: str, days: Iterable[str]) -> str:
        """The change of some days. It finds nothing to do where it has run."""
        values = ", ".join(f"{quote_identifier(column)} = {value}" for column, value in self.columns.items())
        return (
            f"ALTER TABLE {table} UPDATE {values} WHERE toDate(Timestamp) IN ({quote_strings(days)}) AND ({self.holds})"
        )


@dataclass(frozen=True)
class ContentDay:
    """A day of a table that is old enough, and how many of its rows have content; 0 where nothing is left to do."""

    table: str
    day: str
    rows: int

    def __str__(self) -> str:
        return f"content of {self.day} of {self.table}: {self.rows} rows, older than {_SETTING}"


@cache
def removals() -> dict[str, Removal]:
    """Table to how its content goes; the tables and columns are those of `tenants.CONTENT_COLUMNS`."""
    whole = quote_strings([*contents.MESSAGE_EVENTS, *contents.DOCUMENT_EVENTS])
    logged = quote_strings([*contents.CONTENT_EVENTS, semconv.EVALUATION_EVENT])
    event = "if(EventName != '', EventName, LogAttributes['event.name'])"
    of_event = f"(name IN ({whole}) OR {_is_content()})"
    of_log = f"(({event} IN ({whole}) AND key != 'event.name') OR {_is_content()})"
    return {
        "otel_traces": Removal(
            {
                "SpanAttributes": f"mapFilter((key, value) -> NOT {_is_content()}, SpanAttributes)",
                "Events.Attributes": f"arrayMap((name, event) -> mapFilter((key, value) -> NOT {of_event}, event), "
                "Events.Name, Events.Attributes)",
            },
            f"arrayExists(key -> {_is_content()}, mapKeys(SpanAttributes)) OR arrayExists((name, event) -> "
            f"arrayExists(key -> {of_event}, mapKeys(event)), Events.Name, Events.Attributes)",
        ),
        "otel_logs": Removal(
            {
                "Body": "''",
                "LogAttributes": f"mapFilter((key, value) -> NOT {of_log}, LogAttributes)",
            },
            f"{event} IN ({logged}) AND (Body != '' OR arrayExists(key -> {of_log}, mapKeys(LogAttributes)))",
        ),
        "scores": Removal({"Explanation": "''"}, "Explanation != ''"),
    }


def plan(client: Client, keep: RetentionSettings) -> list[ContentDay]:
    """The days whose content has to go, the oldest first; those of which it is being removed now are among them.

    Raises:
        SchemaError: the tables are a cluster's.
        StoreUnavailable: try again.
    """
    unseen = _unseen(client, keep)
    found = [day for days in _batches(unseen) for day in _look(client, days) if day.rows]
    return sorted(found, key=lambda each: (each.day, each.table))


def begin(client: Client, keep: RetentionSettings) -> Iterator[ContentDay]:
    """Begin to remove the content of each table's oldest days that have some; yields each day that was looked at.

    The store does it by itself. A day with no rows of content is done, and is looked at no more. A table that is being
    changed, by whomever, is left for the next call. Call again until nothing is yielded; what is done twice does no
    harm.

    Raises:
        SchemaError: the tables are a cluster's, or a change of one of them fails.
        StoreUnavailable: try again.
    """
    busy: set[str] = set()
    failure: SchemaError | None = None
    for days in _batches(_unseen(client, keep)):
        table = days[0].table
        try:
            if table in busy or _is_being_changed(client, table):
                continue
        except SchemaError as exc:
            busy.add(table)
            failure = exc  # the other tables need not wait for it
            continue
        found = _look(client, days)
        full = [each for each in found if each.rows]
        clean = {each.day for each in found if not each.rows}
        _note(client, _LOOKED_AT, [each for each in days if each.day in clean])
        if full:
            _note(client, _REMOVED, [each for each in days if each.day not in clean])
            statement = removals()[table].statement(table, [each.day for each in full])
            client.command(f"{statement} SETTINGS mutations_sync = 0")
            busy.add(table)
        for each in full:
            _log.warning("removing %s=%d", each, keep.content_days)
        yield from found
    if failure:
        raise failure


def remove(
    client: Client, keep: RetentionSettings, wait: Callable[[], None] = lambda: time.sleep(_POLL_S)
) -> Iterator[ContentDay]:
    """Remove all content that is too old, and wait for it; yields each day as its removal begins.

    Raises:
        SchemaError: the tables are a cluster's, or a change of one of them fails.
        StoreUnavailable: try again.
    """
    while _unseen(client, keep):
        looked = list(begin(client, keep))
        yield from (each for each in looked if each.rows)
        if not any(each.rows == 0 for each in looked):
            wait()


def removed_days(client: Client, tables: Iterable[str]) -> set[date]:
    """The days of which content was removed from any of these tables: what is made of them anew would lack it."""
    rows = client.query_rows(
        "SELECT DISTINCT Day AS day FROM row_definitions WHERE has({names:Array(String)}, toString(TableName))",
        {"names": [_REMOVED + table for table in tables]},
    )
    return {row["day"] for row in rows}


@dataclass(frozen=True)
class _Unseen:
    """A day that is old enough and has not been looked at as it is now; `mark` is what is noted after a look."""

    table: str
    day: str
    size_bytes: int
    mark: str


def _unseen(client: Client, keep: RetentionSettings) -> list[_Unseen]:
    """The days to look at, the oldest first."""
    if not keep.content_days:
        return []
    require_one_server(client, _ON_A_CLUSTER)
    rows = client.query_rows(
        "SELECT table, partition AS day, max(max_block_number) AS block, sum(bytes_on_disk) AS size FROM system.parts "
        "WHERE active AND database = {database:String} AND has({tables:Array(String)}, table) "
        "AND toDateOrNull(partition) < today() - {days:UInt32} GROUP BY table, day ORDER BY table, day",
        {"database": client.settings.database, "tables": list(removals()), "days": keep.content_days},
    )
    noted = {
        (str(row["name"]), str(row["day"])): str(row["mark"])
        for row in client.query_rows(
            "SELECT toString(TableName) AS name, toString(Day) AS day, argMax(Definition, RecordedAt) AS mark "
            f"FROM row_definitions WHERE startsWith(TableName, {quote_string(_LOOKED_AT)}) GROUP BY TableName, Day"
        )
    }
    days = [
        _Unseen(
            str(row["table"]),
            str(row["day"]),
            int(row["size"]),
            f"{removals()[str(row['table'])].definition} {row['block']}",
        )
        for row in rows
    ]
    return [each for each in days if noted.get((_LOOKED_AT + each.table, each.day)) != each.mark]


def _batches(unseen: Iterable[_Unseen]) -> Iterator[list[_Unseen]]:
    """Days of one table that one look and one change are for, table by table."""
    for _, of_table in itertools.groupby(unseen, key=lambda each: each.table):
        batch: list[_Unseen] = []
        for each in of_table:
            batch.append(each)
            if sum(day.size_bytes for day in batch) >= _ENOUGH_BYTES:
                yield batch
                batch = []
        if batch:
            yield batch


def _note(client: Client, what: str, days: Iterable[_Unseen]) -> None:
    rows = [[what + each.table, date.fromisoformat(each.day), each.mark] for each in days]
    client.insert_rows("row_definitions", ["TableName", "Day", "Definition"], rows)


def _look(client: Client, days: Sequence[_Unseen]) -> list[ContentDay]:
    """How many rows of each of a table's days have content: that reads the keys, not the texts."""
    table = days[0].table
    rows = client.query_rows(
        f"SELECT toString(toDate(Timestamp)) AS day, count() AS n FROM {table} "
        f"WHERE toDate(Timestamp) IN ({quote_strings(each.day for each in days)}) AND ({removals()[table].holds}) "
        "GROUP BY day"
    )
    counts = {str(row["day"]): int(row["n"]) for row in rows}
    return [ContentDay(table, each.day, counts.get(each.day, 0)) for each in days]


def _is_being_changed(client: Client, table: str) -> bool:
    """Whether a change of a table is under way.

    Raises:
        SchemaError: it fails, again and again.
    """
    rows = client.query_rows(
        "SELECT mutation_id AS id, latest_fail_reason AS reason FROM system.mutations "
        "WHERE database = {database:String} AND table = {table:String} AND NOT is_done ORDER BY reason = ''",
        {"database": client.settings.database, "table": table},
    )
    if rows and rows[0]["reason"]:
        raise SchemaError(
            f"the change {rows[0]['id']} of {table} fails, and its content stays until that is done or ended "
            f"(KILL MUTATION WHERE mutation_id = '{rows[0]['id']}'): {rows[0]['reason']}"
        )
    return bool(rows)


@cache
def _is_content() -> str:
    """SQL of whether an attribute `key` holds content."""
    prefixes = contents.content_prefixes()
    keys = dict.fromkeys([*(key for keys in contents.CONTENT.values() for key in keys), *contents.UNREAD])
    named = [key for key in keys if ".0." not in key]
    numbered = [key for key in keys if ".0." in key and not key.startswith(tuple(prefixes))]
    patterns = [
        *map(re.escape, prefixes),
        *(re.escape(key).replace(r"\.0\.", r"\.[0-9]+\.") + "$" for key in numbered),
        *_EXPLANATIONS,
    ]
    names = quote_strings([*named, contents.STREAM_CHUNK, semconv.GEN_AI_EVALUATION_EXPLANATION])
    return f"(key IN ({names}) OR match(key, {quote_string('^(' + '|'.join(patterns) + ')')}))"
