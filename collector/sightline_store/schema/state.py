"""What a store has: its versions, tables, views and functions, read in a few queries."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from sightline_store import ddl
from sightline_store.client import UPGRADE_CONSTRAINT, Client
from sightline_store.ddl import Statement
from sightline_store.errors import QueryFailed, SchemaError
from sightline_store.quoting import quote_string
from sightline_store.schema import declared

VERSIONS = "sightline_schema"
VIEW_IDS = "sightline_view_ids"
GATE = UPGRADE_CONSTRAINT
"""Name of the constraint that refuses INSERTs while an upgrade replaces views."""

NO_SUCH = frozenset({60, 81})
"""Codes of ClickHouse: no such table, no such database."""


@dataclass(frozen=True)
class StoredObject:
    """A table or view as the store has it.

    Attributes:
        name: of the object.
        engine: for example MergeTree, Null, View, MaterializedView.
        uuid: by which the store knows it.
        comment: its COMMENT.
        rows: rows that it holds; 0 for what keeps none.
        create: its CREATE statement, as the store prints it.
    """

    name: str
    engine: str
    uuid: str
    comment: str
    rows: int
    create: str

    @property
    def is_view(self) -> bool:
        """Whether it is a view of either kind."""
        return self.engine in {"View", "MaterializedView"}

    @cached_property
    def statement(self) -> Statement:
        """Its CREATE statement, parsed."""
        return ddl.parse(self.create)

    @property
    def is_closed(self) -> bool:
        """Whether an upgrade has closed it to INSERTs."""
        return f"CONSTRAINT {GATE} " in self.create


@dataclass(frozen=True)
class State:
    """What a store's database has.

    Attributes:
        versions: version to checksum of the migrations that were applied; empty for a store without tables of ours.
        objects: name to table or view.
        functions: name to CREATE FUNCTION, as the store prints it.
    """

    versions: dict[int, str]
    objects: dict[str, StoredObject]
    functions: dict[str, str]


def read(client: Client) -> State:
    """What the store has now; all empty where the database does not exist.

    Raises:
        StoreUnavailable: try again.
    """
    try:
        rows = client.query_rows(
            "SELECT name, engine, toString(uuid) AS uuid, comment, ifNull(total_rows, 0) AS rows, create_table_query "
            "FROM system.tables WHERE database = {database:String} AND NOT is_temporary",
            {"database": client.settings.database},
        )
    except QueryFailed as exc:
        if exc.code not in NO_SUCH:
            raise
        return State({}, {}, {})
    objects = {
        row["name"]: StoredObject(
            row["name"], row["engine"], row["uuid"], row["comment"], int(row["rows"]), row["create_table_query"]
        )
        for row in rows
    }
    functions = client.query_rows("SELECT name, create_query FROM system.functions WHERE origin = 'SQLUserDefined'")
    return State(
        versions(client) if VERSIONS in objects else {},
        objects,
        {row["name"]: row["create_query"] for row in functions},
    )


def require_one_server(client: Client, task: str) -> None:
    """Refuse what changes tables in a way that holds for one server only.

    Args:
        client: the store.
        task: what is refused and what to do instead, for the message.

    Raises:
        SchemaError: the tables are a cluster's.
    """
    rows = client.query_rows(
        "SELECT name FROM system.tables WHERE database = {database:String} AND engine = 'Distributed' "
        "AND has({tables:Array(String)}, name) LIMIT 1",
        {"database": client.settings.database, "tables": list(declared.tables())},
    )
    if rows:
        raise SchemaError(f"the tables are a cluster's ({rows[0]['name']} is Distributed): {task}")


def versions(client: Client) -> dict[int, str]:
    """Version to checksum of the migrations that were applied; empty where there are none."""
    try:
        rows = client.query_rows(f"SELECT version, any(checksum) AS checksum FROM {VERSIONS} GROUP BY version")  # noqa: S608  (a constant)
    except QueryFailed as exc:
        if exc.code in NO_SUCH:
            return {}
        raise
    return {int(row["version"]): str(row["checksum"]) for row in rows}


def formatted(client: Client, statements: dict[str, Statement]) -> dict[str, str]:
    """Name to statement as the store's engine prints it, so that it can be compared with what the store has."""
    columns = ", ".join(
        f"formatQuerySingleLine({quote_string(statement.render())}) AS `{name}`"
        for name, statement in statements.items()
    )
    try:
        (row,) = client.query_rows(f"SELECT {columns}")
    except QueryFailed as exc:
        if exc.code in NO_SUCH:  # without a database there is nothing to compare with
            return dict.fromkeys(statements, "")
        raise
    return {name: str(text) for name, text in row.items()}
