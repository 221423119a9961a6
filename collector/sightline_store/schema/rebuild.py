# ruff: noqa: S608 - names of tables are the class's own, from a fixed list.
"""Makes a typed table anew from the raw spans, while spans keep coming: after a new spelling, or a mended view.

`rebuild(client, "llm_calls", since)` fills a second table day by day, swaps the two in one atomic statement, and then
adds what came in between. At no moment is a row missing for good or there twice; for the seconds between the last copy
and the end, the rows of that time are missing from the table and come back. What the raw spans no longer hold (they
were sampled out, or their days are over) is taken over from the old table as it is.

How it can be exact without a lock: the raw table and the old one are cloned (`CLONE AS`, links to the same files), and
before anything depends on a clone, the INSERTs that ran when it was made have ended. A row is then either in the
clones, and its new form in the new table, or it was written later, and is in exactly one of the two that were swapped.

`sightline-store rebuild TABLE --since DAY` calls it. Killed half-way, it is finished or undone by the next call.
"""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sightline_store.client import Client
from sightline_store.conventions import canonical
from sightline_store.errors import SchemaError
from sightline_store.schema import migrate

_log = logging.getLogger("sightline.store.rebuild")

TABLES = ("requests", "llm_calls", "retrievals", "embeddings", "stages", "errors", "scores")
"""What can be made anew."""

_DAY = "%Y-%m-%d"
_MARGIN = timedelta(hours=1)  # a call that is told twice may be told on both sides of midnight


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild did: rows of the table before and after, and how many were taken over as they were."""

    table: str
    rows_before: int
    rows_after: int
    rows_kept: int


def rebuild(client: Client, table: str, since: date | None = None, *, wait_s: float = 60.0) -> Rebuilt:
    """Make a typed table anew from the raw rows.

    Args:
        client: the store, with the right to change tables.
        table: one of `TABLES`.
        since: first day to make anew, in UTC; earlier days are taken over. None is all days.
        wait_s: seconds to wait for INSERTs that run to end.

    Raises:
        ValueError: there is no such table.
        SchemaError: INSERTs did not end in time; nothing was changed.
        StoreUnavailable: call again: it is finished or undone then.
    """
    if table not in TABLES:
        raise ValueError(f"cannot rebuild {table!r}: choose one of {', '.join(TABLES)}")
    work = _Work(client, table)
    if work.exists(work.swapping):
        work.finish(wait_s)
    work.clean()
    before = work.count(table)
    work.clone()
    work.wait_for_inserts(wait_s)
    kept = work.fill(since)
    work.swap()
    work.finish(wait_s)
    done = Rebuilt(table, before, work.count(table), kept)
    _log.info("%s: %d rows were %d, %d of them taken over", table, done.rows_after, before, kept)
    return done


class _Work:
    """The tables of one rebuild and its steps."""

    def __init__(self, client: Client, table: str) -> None:
        self.client, self.table = client, table
        self.new, self.old = f"{table}_rebuilt", f"{table}_before"
        self.swapping = f"{table}_swapping"
        # The raw tables, each with its clone and with what makes rows out of it.
        self.sources = {"otel_traces": (f"{table}_from_traces", _of_spans(table))}
        if table == "scores":
            self.sources["otel_logs"] = (f"{table}_from_logs", _of_logs())

    def exists(self, table: str) -> bool:
        return bool(
            self._ask(f"SELECT name FROM system.tables WHERE database = currentDatabase() AND name = '{table}'")
        )

    def count(self, table: str) -> int:
        return int(self._ask(f"SELECT count() AS n FROM {table}")[0]["n"])

    def clean(self) -> None:
        """Remove what a rebuild leaves behind."""
        for table in (self.new, self.old, self.swapping, *(clone for clone, _ in self.sources.values())):
            self.client.command(f"DROP TABLE IF EXISTS {table}")

    def clone(self) -> None:
        self.client.command(f"CREATE TABLE {self.old} CLONE AS {self.table}")
        for raw, (clone, _) in self.sources.items():
            self.client.command(f"CREATE TABLE {clone} CLONE AS {raw}")
        self.client.command(f"CREATE TABLE {self.new} AS {self.table}")

    def wait_for_inserts(self, wait_s: float) -> None:
        """Return when every INSERT that runs now has ended."""
        running = self._inserts()
        deadline = time.monotonic() + wait_s
        while running & self._inserts():
            if time.monotonic() > deadline:
                raise SchemaError(
                    f"INSERTs did not end in {wait_s:g} s: rebuild {self.table} when the store is quieter"
                )
            time.sleep(0.05)

    def fill(self, since: date | None) -> int:
        """Write the new table, a day at a time; returns the rows taken over."""
        columns = ", ".join(f"`{name}`" for name in self._columns())
        tables = (self.old, *(clone for clone, _ in self.sources.values()))
        days = sorted({str(row["day"]) for table in tables for row in self._days(table)})
        kept = 0
        for text in days:
            first = datetime.strptime(text, _DAY).replace(tzinfo=UTC)
            if since is not None and first.date() < since:
                self.client.command(f"ALTER TABLE {self.new} ATTACH PARTITION '{text}' FROM {self.old}")
                kept += int(self._ask(f"SELECT count() AS n FROM {self.old} WHERE {_on(text)}")[0]["n"])
                continue
            for clone, select in self.sources.values():
                last = first + timedelta(days=1)
                window = f"Timestamp >= {_moment(first - _MARGIN)} AND Timestamp < {_moment(last + _MARGIN)}"
                made = select.replace("@SOURCE", clone).replace("@WHERE", window)
                self.client.command(
                    f"INSERT INTO {self.new} ({columns}) SELECT {columns} FROM ({made}) WHERE {_on(text)}"
                )
            was = self.count(self.new)
            self.client.command(
                f"INSERT INTO {self.new} ({columns}) SELECT {columns} FROM {self.old} "
                f"WHERE {_on(text)} AND {self._known(text)}"
            )
            kept += self.count(self.new) - was
        return kept

    def swap(self) -> None:
        self.client.command(f"CREATE TABLE {self.swapping} (`at` DateTime DEFAULT now()) ENGINE = TinyLog")
        self.client.command(f"EXCHANGE TABLES {self.table} AND {self.new}")

    def finish(self, wait_s: float) -> None:
        """Add the rows that came between the clones and the swap. Run twice, or without a swap, it adds nothing."""
        self.wait_for_inserts(wait_s)
        columns = ", ".join(f"`{name}`" for name in self._columns())
        key = self._key()
        self.client.command(
            f"INSERT INTO {self.table} ({columns}) SELECT {columns} FROM {self.new} "
            f"WHERE {key} NOT IN (SELECT {key} FROM {self.old}) AND {self._not_raw()} "
            f"AND {key} NOT IN (SELECT {key} FROM {self.table})"
        )
        self.clean()

    def _known(self, day: str) -> str:
        """Of an old row: the raw rows hold nothing that would make it anew."""
        if self.table == "scores":
            return f"{self._key()} NOT IN (SELECT {self._key()} FROM {self.new} WHERE {_on(day)})"
        clone = self.sources["otel_traces"][0]
        return f"(TraceId, SpanId) NOT IN (SELECT TraceId, SpanId FROM {clone} WHERE {_on(day)})"

    def _not_raw(self) -> str:
        clone = self.sources["otel_traces"][0]
        if self.table == "scores":
            return "1"
        return f"(TraceId, SpanId) NOT IN (SELECT TraceId, SpanId FROM {clone})"

    def _key(self) -> str:
        return "(TraceId, SpanId, Timestamp, Name)" if self.table == "scores" else "(TraceId, SpanId)"

    def _columns(self) -> list[str]:
        rows = self._ask(
            f"SELECT name FROM system.columns WHERE database = currentDatabase() AND table = '{self.table}' "
            "AND default_kind = '' ORDER BY position"
        )
        return [str(row["name"]) for row in rows]

    def _days(self, table: str) -> list[dict[str, Any]]:
        return self._ask(
            "SELECT DISTINCT partition AS day FROM system.parts "
            f"WHERE active AND database = currentDatabase() AND table = '{table}'"
        )

    def _inserts(self) -> set[str]:
        rows = self._ask("SELECT query_id FROM system.processes WHERE query_kind = 'Insert'")
        return {str(row["query_id"]) for row in rows}

    def _ask(self, sql: str) -> list[dict[str, Any]]:
        return self.client.query_rows(sql.replace("currentDatabase()", f"'{self.client.settings.database}'"))


def _of_spans(table: str) -> str:
    spans = f"({canonical.canonical_select('@SOURCE', '@WHERE')})"
    return re.sub(r"\bFROM spans_canonical\b", lambda _: f"FROM {spans}", canonical.typed_selects()[table])


def _of_logs() -> str:
    for migration in migrate.migrations():
        for statement in migration.statements:
            if statement.startswith("CREATE MATERIALIZED VIEW IF NOT EXISTS otel_logs_to_scores "):
                select = statement.split(" AS\n", 1)[1]
                return re.sub(r"\bFROM otel_logs\b", "FROM (SELECT * FROM @SOURCE WHERE @WHERE)", select)
    raise SchemaError("sql/ddl makes no otel_logs_to_scores")


def _moment(moment: datetime) -> str:
    return f"toDateTime64('{moment.strftime('%Y-%m-%d %H:%M:%S')}', 9, 'UTC')"


def _on(day: str) -> str:
    return f"toDate(Timestamp) = toDate('{day}')"
