"""What has to change in a store for it to have the schema that this package declares. Pure: state in, plan out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sightline_store.ddl import Kind
from sightline_store.errors import SchemaError
from sightline_store.schema import declared, definitions
from sightline_store.schema.declared import Migration
from sightline_store.schema.state import State, StoredObject

# Views and Null tables of version 9 that this package no longer declares; they carry no mark of who made them.
_FORMER = frozenset({"spans_seen"})


class Action(StrEnum):
    """What happens to an object."""

    MAKE = "make"
    REPLACE = "replace"
    DROP = "drop"


@dataclass(frozen=True)
class Change:
    """One object that is made, replaced or dropped, and why.

    Attributes:
        action: what happens.
        kind: of the object, for example MATERIALIZED VIEW.
        name: of the object.
        reason: in words.
        statement: the SQL that makes it; '' for a drop.
    """

    action: Action
    kind: Kind
    name: str
    reason: str
    statement: str = ""


@dataclass(frozen=True)
class Plan:
    """What an upgrade would do; false where there is nothing to do.

    Attributes:
        version: of the store's tables now; 0 where there are none.
        migrations: the migrations that would run, in order.
        changes: of functions, Null tables and views, in order.
        reopens: tables that an interrupted upgrade has left closed to INSERTs; their views may be gone.
        has_rows: whether the store holds rows that a snapshot would save.
        rebuilding: typed tables with a rebuild that is not complete: views must not change under it.
        is_cluster: whether the tables are a cluster's, made by `sightline-store cluster-ddl`: they are left alone.
    """

    version: int
    migrations: tuple[Migration, ...] = ()
    changes: tuple[Change, ...] = ()
    reopens: tuple[str, ...] = ()
    has_rows: bool = False
    rebuilding: tuple[str, ...] = ()
    is_cluster: bool = False

    def __bool__(self) -> bool:
        return bool(self.migrations or self.changes or self.reopens)

    @property
    def stops_inserts(self) -> bool:
        """Whether INSERTs have to wait while it runs: all that it touches but functions and plain views."""
        kinds = {change.kind for change in self.changes}
        return bool(self.migrations or self.reopens or kinds - {Kind.FUNCTION, Kind.VIEW})

    def lines(self) -> list[str]:
        """The plan as SQL with its reasons in comments; empty where nothing would change."""
        lines: list[str] = []
        for migration in self.migrations:
            lines.append(f"-- migration {migration.version:03} {migration.name}")
            lines += [f"{statement.render()};\n" for statement in migration.statements]
        for change in self.changes:
            lines.append(f"-- {change.action} the {change.kind.lower()} {change.name}: {change.reason}")
            if change.statement:
                lines.append(f"{change.statement};\n")
        lines += [f"-- open {name} to INSERTs again: an upgrade was interrupted" for name in self.reopens]
        return lines


def pending(versions: Mapping[int, str]) -> tuple[Migration, ...]:
    """The migrations that a store with these versions has not run.

    Args:
        versions: version to checksum of what it has run; empty for a store without tables.

    Raises:
        SchemaError: the store is newer or too old, or a migration was edited after it had run.
    """
    known = declared.migrations()
    if versions and max(versions) > known[-1].version:
        raise SchemaError(
            f"the store's tables have version {max(versions)}, and this Sightline knows versions up to "
            f"{known[-1].version}: install the newer sightline-platform, or point SIGHTLINE_STORE_DATABASE at another "
            "database"
        )
    if versions and max(versions) < declared.OLDEST_VERSION:
        raise SchemaError(
            f"the store's tables have version {max(versions)}, and this Sightline upgrades from version "
            f"{declared.OLDEST_VERSION} on: start the store once with the last Sightline whose tables have version "
            f"{declared.OLDEST_VERSION}, or point SIGHTLINE_STORE_DATABASE at another database"
        )
    expected = declared.BASELINE | {migration.version: migration.checksum for migration in known}
    for version, checksum in sorted(versions.items()):
        if checksum not in {expected.get(version, checksum), *declared.EARLIER.get(version, ())}:
            raise SchemaError(_changed(version))
    return tuple(migration for migration in known if migration.version not in versions)


def make(state: State, functions: Mapping[str, str]) -> Plan:
    """What would change in a store.

    Args:
        state: what the store has.
        functions: name to declaration of each function, as the store's engine prints it.

    Raises:
        SchemaError: as `pending`, or a table stands where a view belongs.
    """
    stored = [state.objects[name] for name in declared.tables() if name in state.objects]
    if any(table.engine == "Distributed" for table in stored):
        return Plan(max(state.versions, default=0), is_cluster=True)
    migrations = pending(state.versions)
    changes = [change for name in declared.objects() if (change := _change(name, state, functions))]
    changes += [
        Change(Action.DROP, _kind(item), name, "sql/ declares it no longer")
        for name, item in sorted(state.objects.items())
        if _is_dropped(item)
    ]
    gated = (*declared.entries(), *declared.read_tables())
    reopens = tuple(name for name in gated if name in state.objects and state.objects[name].is_closed)
    has_rows = any(table.rows for table in stored if table.name not in declared.BOOKKEEPING)
    rebuilding = tuple(name for name in definitions.TABLES if definitions.steps_table(name) in state.objects)
    return Plan(max(state.versions, default=0), migrations, tuple(changes), reopens, has_rows, rebuilding)


def _change(name: str, state: State, functions: Mapping[str, str]) -> Change | None:
    statement = declared.objects()[name]
    if statement.kind is Kind.FUNCTION:
        stored = state.functions.get(name)
        if stored == functions[name]:
            return None
        action, reason = (Action.MAKE, "it is missing") if stored is None else (Action.REPLACE, "its body differs")
        return Change(action, statement.kind, name, reason, statement.render())
    have = state.objects.get(name)
    if have is None:
        return Change(Action.MAKE, statement.kind, name, "it is missing", statement.render())
    if _kind(have) is not statement.kind or (statement.kind is Kind.TABLE and have.engine != "Null"):
        raise SchemaError(
            f"the store has a table {name} with ENGINE = {have.engine} where Sightline makes a "
            f"{statement.kind.lower()} of that name: rename it, or point SIGHTLINE_STORE_DATABASE at another database"
        )
    if have.comment == declared.mark(name) or (have.is_closed and name in declared.entries()):
        return None
    reason = "its declaration differs" if declared.is_marked(have.comment) else "it was not made by this Sightline"
    return Change(Action.REPLACE, statement.kind, name, reason, statement.render())


def _kind(stored: StoredObject) -> Kind:
    return {"View": Kind.VIEW, "MaterializedView": Kind.MATERIALIZED_VIEW}.get(stored.engine, Kind.TABLE)


def _is_dropped(stored: StoredObject) -> bool:
    if stored.name in declared.objects() or not (stored.is_view or stored.engine == "Null"):
        return False
    return declared.is_marked(stored.comment) or stored.is_closed or stored.name in _FORMER


def _changed(version: int) -> str:
    name = next((migration.file for migration in declared.migrations() if migration.version == version), "")
    if not name:
        return (
            f"version {version} of the store's tables is not the one that Sightline published: it cannot be upgraded. "
            "Point SIGHTLINE_STORE_DATABASE at another database"
        )
    return f"{name} was changed after it had been applied: put the change into a new file"
