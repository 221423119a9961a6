"""Brings a store to the schema that this package declares, and says before what that would change.

`sightline-store migrate` calls `plan` and `apply`; a role calls `prepare` when it starts. What the files of `sql/` mean
stands in `declared`, what differs in `plan`, how it is changed without losing a row in `upgrade`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from sightline_store.client import UPGRADE_CODE, UPGRADE_REASON, Client
from sightline_store.ddl import Kind
from sightline_store.errors import SchemaError, StoreBusy
from sightline_store.schema import declared, definitions, drift, lock, retention, state
from sightline_store.schema import plan as planning
from sightline_store.schema.declared import Migration
from sightline_store.schema.plan import Plan
from sightline_store.schema.upgrade import Upgrade
from sightline_store.settings import RetentionSettings

_log = logging.getLogger("sightline.store.schema")
_LOCK_S = 600.0


@dataclass(frozen=True)
class Preview:
    """What `sightline-store migrate` would change, before it changes.

    Attributes:
        schema: migrations that would run, and objects that would be made, replaced or dropped.
        ttls: changes of the tables' TTL.
        differences: what was changed outside migrations, or is missing. `migrate` does not touch it.
        dropping: days that the cap would drop now.
    """

    schema: Plan
    ttls: list[retention.Change]
    differences: list[drift.Difference]
    dropping: list[retention.Dropped]

    def lines(self) -> list[str]:
        """The changes as SQL with their reasons in comments; empty where nothing would change."""
        lines = self.schema.lines()
        lines += [f"-- {change.table} {change.why}\n{change.statement};\n" for change in self.ttls]
        lines += [
            f"-- over the cap: {day.rows} rows, {day.size_bytes} bytes\n"
            f"ALTER TABLE {day.table} DROP PARTITION '{day.day}';\n"
            for day in self.dropping
        ]
        for difference in self.differences:
            lines.append(f"-- differs, and is left as it is: {difference.table}: {difference.what}")
            if difference.statement:
                lines += [f"--   {line}" for line in f"{difference.statement};".splitlines()]
        return lines


def plan(client: Client) -> Plan:
    """What `apply` would do.

    Raises:
        SchemaError: the store is newer or too old, or a migration was edited after it had run.
        StoreUnavailable: try again.
    """
    return _plan(client)[0]


def preview(client: Client, settings: RetentionSettings | None = None) -> Preview:
    """What `apply` and `retention.enforce` would do, and what in the store was changed outside migrations.

    Raises:
        SchemaError: as `plan` does.
    """
    wanted = settings or RetentionSettings()
    schema, have = _plan(client)
    if not have.versions or schema.is_cluster:
        return Preview(schema, [], [], [])
    return Preview(
        schema,
        retention.plan(client, wanted),
        drift.differences(client, declared.tables(max(have.versions))),
        retention.over_cap(client, wanted),
    )


def apply(client: Client) -> Plan:
    """Bring the store to the declared schema while others write to it; returns what was done.

    Runs again without effect.

    Raises:
        SchemaError: as `plan` does, or the store refused a statement.
        StoreUnavailable: call it again; it goes on where it was.
    """
    client.command(f"CREATE DATABASE IF NOT EXISTS {client.settings.database}", database="")
    todo, have = _plan(client)
    if not todo:
        if not todo.is_cluster:
            definitions.record(client)
        return todo
    if todo.is_additive:
        Upgrade(client, todo, have).run()
        definitions.record(client)
        return todo
    with lock.held(client, _LOCK_S):
        todo, have = _plan(client)  # somebody else may have done it meanwhile
        if todo:
            Upgrade(client, todo, have).run()
        definitions.record(client)
    return todo


def prepare(client: Client) -> Plan:
    """What a role does when it starts: make the tables of an empty store, and refuse one that has to be upgraded first.

    Views that differ are left as they are: rows go through those that the store has. Returns what was done.

    Raises:
        SchemaError: the store has to be upgraded, or cannot be; the role must end with this message.
        StoreUnavailable: try again; also while another process upgrades the store.
    """
    todo = plan(client)
    if not todo:
        return todo
    if todo.version == 0 or not todo.has_rows:
        return apply(client)
    if lock.is_held(client):
        raise StoreBusy(client.settings.url, UPGRADE_CODE, UPGRADE_REASON)
    if todo.migrations or todo.reopens:
        raise SchemaError(
            f"the store's tables have version {todo.version}, and this Sightline needs version "
            f"{declared.migrations()[-1].version}: run `sightline-store migrate` (it takes a snapshot first)"
        )
    _log.warning(
        "%d views and functions of the store differ from this Sightline's: `sightline-store migrate` replaces them",
        len(todo.changes),
    )
    return Plan(todo.version)


def applied(client: Client) -> dict[int, str]:
    """Version to checksum of the migrations that the store has run; empty where it has none."""
    return state.versions(client)


def pending(client: Client) -> list[Migration]:
    """The migrations that `apply` would run.

    Raises:
        SchemaError: as `plan` does.
    """
    return list(plan(client).migrations)


def _plan(client: Client) -> tuple[Plan, state.State]:
    functions = {name: item for name, item in declared.objects().items() if item.kind is Kind.FUNCTION}
    have = state.read(client)
    return planning.make(have, state.formatted(client, functions)), have
