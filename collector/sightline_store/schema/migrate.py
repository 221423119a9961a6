"""Brings a store to the schema that this package declares, and says before what that would change.

`sightline-store migrate` calls `plan` and `apply`; a role calls `prepare` when it starts. What the files of `sql/` mean
stands in `declared`, what differs in `plan`, how it is changed without losing a row in `upgrade`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from sightline_store.client import UPGRADE_CODE, UPGRADE_REASON, Client
from sightline_store.ddl import Kind
from sightline_store.errors import SchemaError, StoreBusy
from sightline_store.schema import declared, definitions, drift, lock, state
from sightline_store.schema import plan as planning
from sightline_store.schema.declared import Migration
from sightline_store.schema.plan import Plan
from sightline_store.schema.upgrade import Upgrade

_log = logging.getLogger("sightline.store.schema")
_LOCK_S = 600.0


@dataclass(frozen=True)
class Preview:
    """What `sightline-store migrate` would change, before it changes.

    Attributes:
        schema: migrations that would run, and objects that would be made, replaced or dropped.
        differences: what was changed outside migrations, or is missing. `migrate` does not touch it.
    """

    schema: Plan
    differences: list[drift.Difference]

    def lines(self) -> list[str]:
        """The changes as SQL with their reasons in comments; empty where nothing would change."""
        lines = self.schema.lines()
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


def preview(client: Client) -> Preview:
    """What `apply` would do, and what in the store was changed outside migrations.

    Raises:
        SchemaError: as `apply` does.
    """
    schema, have = _plan(client)
    _require_no_rebuild(schema)
    if not have.versions or schema.is_cluster:
        return Preview(schema, [])
    return Preview(schema, drift.differences(client, declared.tables(max(have.versions))))


def apply(client: Client, before: Callable[[Plan], None] = lambda _: None, wait_s: float = _LOCK_S) -> Plan:
    """Bring the store to the declared schema while others write to it; returns what was done.

    Runs again without effect.

    Args:
        client: the store.
        before: called with the plan when nothing can change it any more and before anything is changed; what it raises
            ends the upgrade there.
        wait_s: seconds to wait at most for another process that upgrades the store.

    Raises:
        SchemaError: as `plan` does, or a rebuild is not complete, or the store refused a statement.
        StoreUnavailable: call it again; it goes on where it was. As `StoreBusy` where another process upgrades it.
    """
    client.command(f"CREATE DATABASE IF NOT EXISTS {client.settings.database}", database="")
    needed = plan(client)
    if needed:
        with lock.held(client, wait_s) as fence:
            needed, have = _plan(client)  # somebody else may have done it meanwhile
            _require_no_rebuild(needed)
            if needed:
                before(needed)
                Upgrade(client, needed, have, fence.require).run()
            fence.require()
            definitions.record(client)
    elif not needed.is_cluster:
        definitions.record(client)
    return needed


def prepare(client: Client) -> Plan:
    """What a role does when it starts: make the tables of an empty store, and refuse one that has to be upgraded first.

    Views that differ are left as they are: rows go through those that the store has. Returns what was done.

    Raises:
        SchemaError: the store has to be upgraded, or cannot be; the role must end with this message.
        StoreUnavailable: try again; also while another process upgrades the store.
    """
    needed = plan(client)
    if not needed:
        return needed
    if needed.version == 0 or not needed.has_rows:
        return apply(client, wait_s=0)
    if lock.is_held(client) or plan(client) != needed:  # an upgrade that runs, or ended between the two questions
        raise StoreBusy(client.settings.url, UPGRADE_CODE, UPGRADE_REASON)
    if needed.migrations:
        raise SchemaError(
            f"the store's tables have version {needed.version}, and this Sightline needs version "
            f"{declared.migrations()[-1].version}: run `sightline-store migrate` (it takes a snapshot first)"
        )
    if needed.reopens:
        raise SchemaError(
            f"an upgrade of the store was interrupted and has left {', '.join(needed.reopens)} closed to INSERTs: run "
            "`sightline-store migrate`, which goes on with it"
        )
    _log.warning(
        "%d views and functions of the store differ from this Sightline's: `sightline-store migrate` replaces them",
        len(needed.changes),
    )
    return Plan(needed.version)


def applied(client: Client) -> dict[int, str]:
    """Version to checksum of the migrations that the store has run; empty where it has none."""
    return state.versions(client)


def pending(client: Client) -> list[Migration]:
    """The migrations that `apply` would run.

    Raises:
        SchemaError: as `plan` does.
    """
    return list(plan(client).migrations)


def _require_no_rebuild(needed: Plan) -> None:
    """Refuse to change views under a rebuild, whose days would be made by two definitions."""
    if needed and needed.rebuilding:
        commands = ", ".join(f"`sightline-store rebuild {name}`" for name in needed.rebuilding)
        raise SchemaError(
            f"a rebuild of {', '.join(needed.rebuilding)} runs or was interrupted, so the store cannot be upgraded: "
            f"wait for it, or finish it with {commands} (an embedded store is started by `sightline-store serve`), and "
            "upgrade then"
        )


def _plan(client: Client) -> tuple[Plan, state.State]:
    functions = {name: item for name, item in declared.objects().items() if item.kind is Kind.FUNCTION}
    have = state.read(client)
    return planning.make(have, state.formatted(client, functions)), have
