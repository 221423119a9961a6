"""Runs a plan: migrations and the replacement of views, while collectors and others write.

An INSERT must pass through all old views or through all new ones, and a segment that was stored in part before must be
recognised after. So, where a plan touches more than functions and plain views:

1. The tables that INSERTs enter are closed: a constraint refuses every row with an error that clients retry (469).
   First those of OTLP requests; when the running INSERTs have ended, the stored tables that views read.
2. What differs is dropped, migrations run, and all is made again. A materialized view gets the name and the UUID that
   it had, since insert deduplication knows rows by the names and UUIDs of the views on their way.
3. The tables are opened.

Cut off at any point, the tables stay closed (rows wait with their senders) and the next upgrade goes on. A process that
was paused for so long that another one has upgraded meanwhile runs no further statement (`lock.Fence`).
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any

from sightline_store.client import Client
from sightline_store.ddl import Column, Kind, Statement
from sightline_store.errors import DdlError, QueryFailed, SchemaError
from sightline_store.quoting import quote_identifier, quote_string
from sightline_store.schema import declared, inserts
from sightline_store.schema.plan import Action, Change, Plan
from sightline_store.schema.state import GATE, VERSIONS, VIEW_IDS, State

_log = logging.getLogger("sightline.store.schema")
_INSERTS_S = 60.0
_CLOSED = "closed during an upgrade of Sightline"
_VERSIONS = f"""CREATE TABLE IF NOT EXISTS {VERSIONS}
(version UInt32, name String, checksum String, applied_at DateTime DEFAULT now())
ENGINE = MergeTree ORDER BY version SETTINGS fsync_after_insert = 1, fsync_part_directory = 1"""
_VIEW_IDS = f"""CREATE TABLE IF NOT EXISTS {VIEW_IDS}
(name String, id UUID, recorded_at DateTime64(6) DEFAULT now64(6))
ENGINE = MergeTree ORDER BY name SETTINGS fsync_after_insert = 1, fsync_part_directory = 1"""


class Upgrade:
    """One plan over one store."""

    def __init__(self, client: Client, plan: Plan, state: State, require_lock: Callable[[], None]) -> None:
        """Run nothing yet; `require_lock` is called before each statement and raises where the lock was lost."""
        self._client = client
        self._plan = plan
        self._state = state
        self._require_lock = require_lock

    def run(self) -> None:
        """Bring the store to the declared schema.

        Raises:
            SchemaError: a statement was refused, or INSERTs did not end; what to do is in the message.
            StoreUnavailable: run it again; it goes on where it was.
        """
        self._command(_VERSIONS)
        if not self._plan.stops_inserts:
            for change in self._plan.changes:
                self._make(declared.objects()[change.name]) if change.statement else self._drop(change)
            return
        self._command(_VIEW_IDS)
        self._close()
        self._drop_what_differs()
        for change in self._of(Kind.FUNCTION):
            self._make(declared.objects()[change.name])
        self._migrate()
        self._close_stored()
        self._make_objects()
        self._open()

    def _close(self) -> None:
        """Refuse INSERTs, and return when those that had begun have ended."""
        try:
            for name in self._stored_entries:
                stored = self._state.objects[name]
                if not stored.is_closed:
                    self._command(_closed(stored.statement))
            self._wait()
            if self._close_stored():
                self._wait()
        except SchemaError:
            self._open_again()
            raise

    @cached_property
    def _stored_entries(self) -> list[str]:
        """The store's Null tables that take INSERTs from outside: declared ones, and going ones that no view fills."""
        going = [
            change.name
            for change in self._plan.changes
            if change.kind is Kind.TABLE and change.action is not Action.MAKE
        ]
        if going:
            filled = set()
            for item in self._state.objects.values():
                if item.engine == "MaterializedView":
                    with contextlib.suppress(DdlError):  # of somebody else's making: closing its target does no harm
                        filled.add(item.statement.target)
            going = [name for name in going if name not in filled]
        names = dict.fromkeys((*declared.entries(), *going))
        return [name for name in names if name in self._state.objects]

    def _close_stored(self) -> bool:
        """Close the tables that keep rows and feed views; whether there was one."""
        names = [name for name in declared.read_tables() if name in self._state.objects or self._is_made(name)]
        for name in names:
            self._command(f"ALTER TABLE {name} ADD CONSTRAINT IF NOT EXISTS {GATE} CHECK 0")
        return bool(names)

    def _is_made(self, name: str) -> bool:
        return bool(self._client.query_rows(f"EXISTS TABLE {name}")[0]["result"])

    def _wait(self) -> None:
        inserts.wait_for_running(self._client, _INSERTS_S, "upgrade the store")

    def _drop_what_differs(self) -> None:
        """Views before the Null tables that they read or fill; a view's UUID is on disk before it is dropped."""
        going = [change for change in self._plan.changes if change.action is not Action.MAKE]
        views = [change for change in going if change.kind is Kind.MATERIALIZED_VIEW]
        ids = [[change.name, self._state.objects[change.name].uuid] for change in views]
        self._insert(VIEW_IDS, ["name", "id"], ids)
        for change in views:
            self._drop(change)
        for change in going:
            is_null_table = change.kind is Kind.TABLE and change.name not in declared.entries()
            if is_null_table or (change.kind is Kind.VIEW and change.action is Action.DROP):
                self._drop(change)

    def _drop(self, change: Change) -> None:
        word = "TABLE" if change.kind is Kind.TABLE else "VIEW"
        self._command(f"DROP {word} IF EXISTS {quote_identifier(change.name)} SYNC")

    def _migrate(self) -> None:
        for migration in self._plan.migrations:
            for statement in migration.statements:
                self._command(statement.render())
            row = [migration.version, migration.name, migration.checksum]
            self._insert(VERSIONS, ["version", "name", "checksum"], [row])
            _log.info("applied migration %03d %s", migration.version, migration.name)

    def _make_objects(self) -> None:
        ids = {
            row["name"]: str(row["id"])
            for row in self._client.query_rows(
                f"SELECT name, argMax(id, recorded_at) AS id FROM {VIEW_IDS} GROUP BY name"  # noqa: S608  (a constant)
            )
        }
        changed = {change.name for change in self._plan.changes if change.statement}
        for name, statement in declared.objects().items():
            if name in declared.entries():
                # What an interrupted upgrade has left closed has the columns of that upgrade, and is not in the plan.
                if name in changed or name in self._plan.reopens:
                    self._make_closed(statement)
            elif name in changed and statement.kind is not Kind.FUNCTION:
                self._make(statement, ids.get(name, ""))
        for change in self._plan.changes:
            _log.info("%s the %s %s: %s", change.action, change.kind.lower(), change.name, change.reason)

    def _make(self, statement: Statement, uuid: str = "") -> None:
        """Make an object; a function or a plain view takes the place of the one before in one step."""
        if statement.kind is Kind.FUNCTION:
            self._command(replace(statement, condition="OR REPLACE").render())
            return
        condition = "OR REPLACE" if statement.kind is Kind.VIEW else "IF NOT EXISTS"
        if statement.like:  # AS would take the constraint of a closed table along
            statement = replace(statement, columns=declared.objects()[statement.like].columns, like="")
        text = replace(statement, condition=condition, comment=declared.mark(statement.name)).render()
        if uuid:
            head = f"{condition} {statement.name}"
            text = text.replace(head, f"{head} UUID {quote_string(uuid)}", 1)
        self._command(text)

    def _make_closed(self, statement: Statement) -> None:
        """Make an entry with its declared columns, still closed."""
        columns = statement.columns
        if statement.select:  # the engine says which columns that has
            rows = self._client.query_rows(f"DESCRIBE TABLE ({statement.select})")
            columns = tuple(Column(str(row["name"]), str(row["type"])) for row in rows)
        self._command(_closed(replace(statement, columns=columns, select="", is_empty=False)))

    def _open(self) -> None:
        for name in declared.read_tables():
            self._command(f"ALTER TABLE {name} DROP CONSTRAINT IF EXISTS {GATE}")
        for name in declared.entries():
            statement = declared.objects()[name]
            self._command(replace(statement, condition="OR REPLACE", comment=declared.mark(name)).render())

    def _open_again(self) -> None:
        """Undo `_close`, with the columns that were there; not where an interrupted upgrade may have dropped views."""
        if self._plan.reopens:
            return
        for name in declared.read_tables():
            if name in self._state.objects:
                self._command(f"ALTER TABLE {name} DROP CONSTRAINT IF EXISTS {GATE}")
        for name in self._stored_entries:
            stored = self._state.objects[name]
            self._command(replace(stored.statement, condition="OR REPLACE", database="").render())

    def _of(self, kind: Kind) -> list[Change]:
        return [change for change in self._plan.changes if change.kind is kind and change.statement]

    def _insert(self, table: str, columns: list[str], rows: list[list[Any]]) -> None:
        self._require_lock()
        self._client.insert_rows(table, columns, rows)

    def _command(self, sql: str) -> None:
        self._require_lock()
        try:
            self._client.command(sql)
        except QueryFailed as exc:
            raise SchemaError(
                f"the store refused a statement of the upgrade: {exc.message.strip()}\n{sql[:300]}"
            ) from exc


def _closed(statement: Statement) -> str:
    """A Null table that takes no rows: the same columns, and a constraint that no row fulfils."""
    gate = f"CONSTRAINT {GATE} CHECK 0"
    indexes = (*(index for index in statement.indexes if index != gate), gate)
    return replace(statement, condition="OR REPLACE", database="", indexes=indexes, comment=_CLOSED).render()
