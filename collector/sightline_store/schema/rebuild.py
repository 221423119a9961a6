# ruff: noqa: S608 - names of tables are the class's own, from a fixed list; days and ids are quoted.
"""Makes days of a typed table anew from the raw rows, while rows keep coming: after a new spelling or a changed view.

`rebuild(client, "llm_calls")` fills a second table day by day, exchanges the two in one atomic statement, and then adds
the rows that came in between. No row is missing for good or there twice; for the seconds of the exchange, the rows of
those seconds are missing from the table and come back. Days that are not asked for are taken over as they are, and so
are rows whose raw rows are gone (sampled out, or their days are over), and days whose content was removed
(`content_removal`): made anew, they would lack what was read in it.

How it can be exact without a lock: the raw tables and the typed one are cloned (`CLONE AS`, links to the same files),
and before anything depends on a clone, the INSERTs that ran when it was made have ended. A row is then either in the
clones, and its new form in the second table, or it was written later, and is in exactly one of the two that are
exchanged.

How it goes on after `kill -9`: the clones and the second table stay, and `NAME_rebuild_steps` holds each step that is
complete. The next call goes on with the first day that has no step, whose rows it drops first. A step is written with
fsync, and each INSERT is conditional on its run being the newest one, so the last INSERT of a killed run adds nothing,
should it still start. An `ALTER TABLE` cannot be conditional: before the exchange each day is counted and, where it has
not the rows that its step says, made once more. Of two rebuilds of a table the later one takes over.

An upgrade and a rebuild exclude one another: first each says in the store what it does, then it looks for the other. In
the same way a rebuild excludes that the store reads from Kafka by itself: the INSERTs of that are in no list of running
statements, so nothing could wait for them.

`sightline-store rebuild` calls it. Not for a cluster, whose tables are Distributed.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sightline_store.client import UPGRADE_CODE, UPGRADE_REASON, Client
from sightline_store.errors import SchemaError, StoreBusy, StoreError
from sightline_store.quoting import quote_identifier, quote_string
from sightline_store.schema import content_removal, definitions, inserts, kafka, lock, state
from sightline_store.schema.definitions import TABLES

_log = logging.getLogger("sightline.store.rebuild")

_ON_A_CLUSTER = "a rebuild works on one server only, and the rows of NAME_local are the operator's to make anew"
_MARGIN = timedelta(hours=1)  # a call recorded by two spans may have them on both sides of midnight


@dataclass(frozen=True)
class Rebuilt:
    """The result: rows of the table before and after, how many were taken over as they were, and the days made anew."""

    table: str
    rows_before: int
    rows_after: int
    rows_kept: int
    days: tuple[date, ...]


@dataclass(frozen=True)
class Progress:
    """One day is complete: the `done`th of `total`; `rows` that were made anew, 0 where the day was taken over."""

    table: str
    day: date
    done: int
    total: int
    rows: int


def rebuild(
    client: Client,
    table: str,
    *,
    since: date | None = None,
    until: date | None = None,
    days: Collection[date] | None = None,
    wait_s: float = 60.0,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Rebuilt:
    """Make days of a typed table anew from the raw rows, or complete an interrupted rebuild of it.

    Args:
        client: the store, with the right to change tables.
        table: one of `TABLES`.
        since: first day to make anew, in UTC; None is the first one.
        until: last day to make anew; None is the last one.
        days: only these of them; None is all.
        wait_s: seconds to wait for INSERTs that run to end.
        progress: called after each day.

    Raises:
        ValueError: there is no such table.
        SchemaError: INSERTs did not end in time, another rebuild of the table took over, the store's views are not
            those of this package, it reads from Kafka, or it is a cluster; the table is as it was.
        StoreUnavailable: call again: it is completed then; also while the store is upgraded.
    """
    if table not in TABLES:
        raise ValueError(f"cannot rebuild {table!r}: choose one of {', '.join(TABLES)}")
    state.require_one_server(client, _ON_A_CLUSTER)
    try:
        definitions.require_current(client)
    except SchemaError:
        _Run(client, table, wait_s).end_interrupted()  # else that would keep the upgrade away for ever
        raise

    lacking = content_removal.removed_days(client, definitions.raw_tables(table))

    def chosen(run: _Run) -> set[date]:
        return {
            day
            for day in run.all_days()
            if (since is None or day >= since) and (until is None or day <= until) and (days is None or day in days)
            if day not in lacking
        }

    run = _Run(client, table, wait_s)
    steps = run.begin()
    if steps.is_exchanged:
        missing = chosen(run) - steps.made.keys()
        done = run.finish()
        if not missing and steps.definition == definitions.definition(table):
            return done
        run = _Run(client, table, wait_s)
        steps = run.begin()
    run.fill(steps, chosen(run), progress)
    run.add_missing(into=run.new, source=table)
    run.exchange()
    done = run.finish()
    _log.info("%s: %d rows were %d, %d of them taken over", table, done.rows_after, done.rows_before, done.rows_kept)
    return done


@dataclass(frozen=True)
class _Steps:
    """The complete steps of a rebuild.

    Attributes:
        definition: what the days are made with.
        rows_before: rows of the table when it was cloned.
        made: day to rows taken over as they were, of the days that were made anew.
        kept: day to rows, of the days that were taken over.
        rows: day to rows, of both.
        is_exchanged: whether the typed table is that one now.
    """

    definition: str
    rows_before: int
    made: dict[date, int]
    kept: dict[date, int]
    rows: dict[date, int]
    is_exchanged: bool


class _Run:
    """The tables of one rebuild and its steps."""

    def __init__(self, client: Client, table: str, wait_s: float) -> None:
        self.client, self.table, self.wait_s = client, table, wait_s
        self.id = secrets.token_hex(8)
        self.new, self.old, self.log = f"{table}_rebuilt", f"{table}_before", definitions.steps_table(table)
        self.clones = {raw: f"{table}_from_{raw.removeprefix('otel_')}" for raw in definitions.raw_tables(table)}

    def begin(self) -> _Steps:
        """Go on with the rebuild that was interrupted, if it used this package's definition, or clone the tables."""
        if self._exists(self.log):
            self._complete("run", self.id)
            self._require_nothing_beside()
            self._wait()
            steps = self._steps()
            # After the exchange the second table holds rows that nothing else has, whatever made the days.
            if steps is not None and (steps.is_exchanged or steps.definition == definitions.definition(self.table)):
                return steps
        self._clean()
        self.client.command(
            f"CREATE TABLE {self.log} (Step LowCardinality(String), Value String, Rows UInt64, "
            "At DateTime64(6) DEFAULT now64(6)) "
            "ENGINE = MergeTree ORDER BY At SETTINGS fsync_after_insert = 1, fsync_part_directory = 1"
        )
        self._complete("run", self.id)
        try:
            self._require_nothing_beside()
        except StoreError:
            self._clean()
            raise
        rows_before = self._count(self.table)
        self.client.command(f"CREATE TABLE {self.old} CLONE AS {self.table}")
        for raw, clone in self.clones.items():
            self.client.command(f"CREATE TABLE {clone} CLONE AS {raw}")
        self.client.command(f"CREATE TABLE {self.new} AS {self.table}")
        self._wait()
        self._complete("cloned", definitions.definition(self.table), rows_before)
        return _Steps(definitions.definition(self.table), rows_before, {}, {}, {}, is_exchanged=False)

    def end_interrupted(self) -> None:
        """Complete a rebuild that was interrupted after the exchange; take one back that was interrupted before it."""
        if not self._exists(self.log):
            return
        self._complete("run", self.id)
        self._require_nothing_beside()
        self._wait()
        steps = self._steps()
        if steps is not None and steps.is_exchanged:
            self.finish()
            _log.info("%s: the interrupted rebuild was completed", self.table)
        else:
            self._clean()
            _log.info("%s: the interrupted rebuild was taken back", self.table)

    def all_days(self) -> list[date]:
        """The days of the clones."""
        rows = self.client.query_rows(
            "SELECT DISTINCT partition AS day FROM system.parts "
            "WHERE active AND database = {database:String} AND has({tables:Array(String)}, table) ORDER BY day",
            {"database": self.client.settings.database, "tables": [self.old, *self.clones.values()]},
        )
        return [date.fromisoformat(str(row["day"])) for row in rows]

    def fill(self, steps: _Steps, chosen: set[date], progress: Callable[[Progress], None]) -> None:
        """Write the second table a day at a time: the chosen days anew, the others as they are."""
        days = self.all_days()
        for number, day in enumerate(days, start=1):
            rows = 0
            if day not in steps.made and (day in chosen or day not in steps.kept):
                rows = self._fill_day(day, is_chosen=day in chosen)
            progress(Progress(self.table, day, number, len(days), rows))
        self._require_newest()
        complete = self._steps()
        if complete is None:
            raise SchemaError(f"{self.log} holds no steps: {self.table} has to be rebuilt again")
        counted = self._ask(f"SELECT toDate(Timestamp) AS day, count() AS n FROM {self.new} GROUP BY day")
        rows_of = {row["day"]: int(row["n"]) for row in counted}
        for day in days:
            if rows_of.get(day, 0) != complete.rows.get(day):
                self._fill_day(day, is_chosen=day in complete.made)

    def _fill_day(self, day: date, *, is_chosen: bool) -> int:
        """Make a day anew or take it over as it is, in place of what the second table has of it; rows made anew."""
        self._require_newest()
        self.client.command(f"ALTER TABLE {self.new} DROP PARTITION '{day}'")
        if is_chosen:
            return self._make(day)
        self.client.command(f"ALTER TABLE {self.new} ATTACH PARTITION '{day}' FROM {self.old}")
        rows = self._count(self.old, _on(day))
        self._complete("rows", str(day), rows)
        self._complete("kept", str(day), rows)
        return 0

    def exchange(self) -> None:
        """Give the second table the typed one's name; the log says before which table that is."""
        self._require_newest()
        self._complete("exchange", self._uuid(self.new))
        self.client.command(f"EXCHANGE TABLES {self.table} AND {self.new}")

    def finish(self) -> Rebuilt:
        """Add the rows that came after the clones, note the days, and remove the tables. Runs again without effect."""
        self._wait()
        self.add_missing(into=self.table, source=self.new)
        steps = self._steps()
        if steps is None:
            raise SchemaError(f"{self.log} holds no steps: {self.table} has to be rebuilt again")
        definitions.record_days(self.client, self.table, steps.made, steps.definition)
        kept = sum(steps.made.values()) + sum(steps.kept.values())
        done = Rebuilt(self.table, steps.rows_before, self._count(self.table), kept, tuple(sorted(steps.made)))
        self._clean()
        return done

    def add_missing(self, *, into: str, source: str) -> None:
        """Add the rows of `source` that came after the clones were made and that `into` does not have."""
        columns, key = self._columns(), self._key()
        self._insert(
            f"INSERT INTO {into} ({columns}) SELECT {columns} FROM {source} "
            f"WHERE {key} NOT IN (SELECT {key} FROM {self.old}) AND {self._not_raw()} "
            f"AND {key} NOT IN (SELECT {key} FROM {into})"
        )

    def _make(self, day: date) -> int:
        """Make a day's rows out of the clones, then take over the old rows that nothing raw would make."""
        columns = self._columns()
        first = datetime.combine(day, time(), UTC)
        window = (
            f"Timestamp >= {_moment(first - _MARGIN)} AND Timestamp < {_moment(first + timedelta(days=1) + _MARGIN)}"
        )
        for raw, clone in self.clones.items():
            select = definitions.select(self.table, raw, clone, window)
            self._insert(f"INSERT INTO {self.new} ({columns}) SELECT {columns} FROM ({select}) WHERE {_on(day)}")
        made = self._count(self.new, _on(day))
        self._insert(
            f"INSERT INTO {self.new} ({columns}) SELECT {columns} FROM {self.old} "
            f"WHERE {_on(day)} AND {self._not_raw(day)}"
        )
        rows = self._count(self.new, _on(day))
        self._complete("rows", str(day), rows)
        self._complete("made", str(day), rows - made)
        return made

    def _insert(self, statement: str) -> None:
        """Run an INSERT ... SELECT ... WHERE that adds rows only as long as no other run has begun."""
        newest = f"(SELECT argMax(Value, At) FROM {self.log} WHERE Step = 'run')"
        self.client.command(f"{statement} AND {newest} = {quote_string(self.id)}")
        self._require_newest()

    def _require_newest(self) -> None:
        newest = ""
        if self._exists(self.log):
            (row,) = self._ask(f"SELECT argMax(Value, At) AS id FROM {self.log} WHERE Step = 'run'")
            newest = str(row["id"])
        if newest != self.id:
            raise SchemaError(f"another rebuild of {self.table} has taken this one over: wait for it to end")

    def _steps(self) -> _Steps | None:
        """What was completed; None where the clones were not, or where the tables are being removed."""
        rows = self._ask(f"SELECT toString(Step) AS step, Value AS value, Rows AS n FROM {self.log} ORDER BY At")
        cloned = [row for row in rows if row["step"] == "cloned"]
        if not cloned or any(row["step"] == "finished" for row in rows):
            return None
        days: dict[str, dict[date, int]] = {"made": {}, "kept": {}, "rows": {}}
        for row in rows:
            if row["step"] in days:
                days[row["step"]][date.fromisoformat(row["value"])] = int(row["n"])
        kept = {day: count for day, count in days["kept"].items() if day not in days["made"]}
        uuid = next((str(row["value"]) for row in reversed(rows) if row["step"] == "exchange"), "")
        is_exchanged = bool(uuid) and self._uuid(self.table) == uuid
        before = int(cloned[-1]["n"])
        return _Steps(str(cloned[-1]["value"]), before, days["made"], kept, days["rows"], is_exchanged)

    def _clean(self) -> None:
        """Remove a rebuild's tables; the log says so first and goes last: an interrupted removal is begun again."""
        if self._exists(self.log):
            self._complete("finished", "")
        for table in (self.new, self.old, *self.clones.values(), self.log):
            self.client.command(f"DROP TABLE IF EXISTS {table} SYNC")

    def _complete(self, step: str, value: str, rows: int = 0) -> None:
        self.client.insert_rows(self.log, ["Step", "Value", "Rows"], [[step, value, rows]])

    def _require_nothing_beside(self) -> None:
        if lock.is_held(self.client):
            raise StoreBusy(self.client.settings.url, UPGRADE_CODE, UPGRADE_REASON)
        if kafka.is_reading(self.client):
            raise SchemaError(
                f"the store reads from Kafka by itself, and {self.table} cannot be rebuilt beside that: run "
                "`sightline-store kafka stop` first and `kafka start` afterwards, which goes on where reading ended"
            )

    def _wait(self) -> None:
        inserts.wait_for_running(self.client, self.wait_s, f"rebuild {self.table}")

    def _not_raw(self, day: date | None = None) -> str:
        """Of a row: the raw rows hold nothing that would make it anew."""
        where = f" WHERE {_on(day)}" if day else ""
        if self.table == "scores":
            return f"{self._key()} NOT IN (SELECT {self._key()} FROM {self.new}{where})" if day else "1"
        return f"(TraceId, SpanId) NOT IN (SELECT TraceId, SpanId FROM {self.clones[definitions.RAW_SPANS]}{where})"

    def _key(self) -> str:
        return "(TraceId, SpanId, Timestamp, Name)" if self.table == "scores" else "(TraceId, SpanId)"

    def _columns(self) -> str:
        rows = self.client.query_rows(
            "SELECT name FROM system.columns WHERE database = {database:String} AND table = {table:String} "
            "AND default_kind = '' ORDER BY position",
            {"database": self.client.settings.database, "table": self.table},
        )
        return ", ".join(quote_identifier(str(row["name"])) for row in rows)

    def _uuid(self, table: str) -> str:
        rows = self.client.query_rows(
            "SELECT toString(uuid) AS id FROM system.tables "
            "WHERE database = {database:String} AND name = {table:String}",
            {"database": self.client.settings.database, "table": table},
        )
        return str(rows[0]["id"]) if rows else ""

    def _exists(self, table: str) -> bool:
        return bool(self._uuid(table))

    def _count(self, table: str, where: str = "1") -> int:
        return int(self._ask(f"SELECT count() AS n FROM {table} WHERE {where}")[0]["n"])

    def _ask(self, sql: str) -> list[dict[str, Any]]:
        return self.client.query_rows(sql)


def _moment(moment: datetime) -> str:
    return f"toDateTime64('{moment.strftime('%Y-%m-%d %H:%M:%S')}', 9, 'UTC')"


def _on(day: date) -> str:
    return f"toDate(Timestamp) = toDate('{day}')"
