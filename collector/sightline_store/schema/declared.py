"""The schema as this package declares it: the files of `sql/`, read once.

- `sql/tables/NNN_name.sql` are migrations: applied once, in the order of their numbers, never edited afterwards. They
  make and alter the tables that keep rows.
- `sql/functions`, `sql/null_tables` and `sql/views` are desired state, one object a file: what differs in the store is
  replaced. Nothing in them keeps rows. A materialized view keeps its name for good: insert deduplication knows rows by
  the names and UUIDs of the views on their way (docs/adr/009-schema-evolution.md).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from sightline_store import ddl
from sightline_store.ddl import Kind, Statement, references
from sightline_store.ddl.tokens import compact
from sightline_store.errors import DdlError, SchemaError

_FOLDERS = ("functions", "null_tables", "views")
_MARK = "sightline "

OLDEST_VERSION = 9
"""The oldest version of a store's tables that this package upgrades."""

BOOKKEEPING = frozenset({"sightline_schema", "sightline_view_ids", "row_definitions", "leases", "settle_marks"})
"""Tables that Sightline writes about the store itself: their rows say nothing of data."""

BASELINE = {
    1: "1f9ccbe24e38da46",
    2: "a315a9b5880807cc",
    3: "ab9950c6e5982bbd",
    4: "0294497df36420d6",
    5: "25aae57f6087d58a",
    6: "387a51b69e6116b9",
    7: "528e9f3daae44f2f",
    8: "323f2d314a5afb45",
    9: "8531ec8d3ea48b22",
}
"""Checksums of the migrations of a store of version `OLDEST_VERSION`, whose tables are those of 010 to 015."""

EARLIER = {10: frozenset({"b06c13a178bf68e7", "9bec390c92275b2a"})}
"""Checksums of earlier texts of migrations whose tables are stored otherwise, and hold the same: 010 sorted spans by
service, name and second, in granules of 8,192 rows and of 2,048. A store keeps the tables that it has."""


@dataclass(frozen=True)
class Migration:
    """One file of `sql/tables`.

    Attributes:
        version: its number.
        name: of the file, without number and ending.
        statements: in order; each may run again without effect.
        checksum: 16 hex digits of its text without comments and spaces.
    """

    version: int
    name: str
    statements: tuple[Statement, ...]
    checksum: str

    @property
    def file(self) -> str:
        """Path of the file under this package."""
        return f"sql/tables/{self.version:03}_{self.name}.sql"


@cache
def migrations() -> tuple[Migration, ...]:
    """Every file of `sql/tables`, in order."""
    made = []
    for entry in sorted(_folder("tables").iterdir(), key=lambda entry: entry.name):
        match = re.fullmatch(r"(\d{3})_(\w+)\.sql", entry.name)
        if match:
            text = entry.read_text(encoding="utf-8")
            made.append(Migration(int(match[1]), match[2], tuple(ddl.parse_all(text)), checksum(text)))
    return tuple(made)


@cache
def objects() -> dict[str, Statement]:
    """Name to declaration of every function, Null table and view, each behind what it needs.

    Raises:
        DdlError: a file holds something else than the one object that it is named after.
    """
    statements = []
    for folder in _FOLDERS:
        for entry in _files(_folder(folder)):
            statement = ddl.parse(entry.read_text(encoding="utf-8"))
            if f"{statement.name}.sql" != entry.name or statement.condition or not _belongs(statement, folder):
                raise DdlError(statement.render(), f"sql/{folder}/{entry.name} has to make one object of that name")
            statements.append(statement)
    return {statement.name: statement for statement in ddl.ordered(statements)}


@cache
def tables(version: int | None = None) -> dict[str, Statement]:
    """Name to CREATE TABLE of the tables that keep rows, as they are after the migrations up to `version`."""
    return ddl.tables_after(
        statement
        for migration in migrations()
        if version is None or migration.version <= version
        for statement in migration.statements
    )


@cache
def fingerprints() -> dict[str, str]:
    """Name to 16 hex digits of each object's declaration and of all that its stored form depends on.

    ClickHouse writes the bodies of SQL functions into a view when it is made, and `*` becomes a list of columns. So a
    view differs when a function that it calls differs, or the columns that it reads by `*`.
    """
    made: dict[str, str] = {}
    functions = [name for name, statement in objects().items() if statement.kind is Kind.FUNCTION]
    for name, statement in objects().items():
        further = [made[function] for function in statement.calls(functions)]
        sources = [*statement.sources(), statement.like] if _follows_columns(statement) else []
        for source in sources:
            if source in made:
                further.append(made[source])
            elif source in tables():
                further.append(repr(tables()[source].stored_columns()))
        made[name] = statement.fingerprint(*further)
    return made


def mark(name: str) -> str:
    """The COMMENT of a view or Null table, by which a store says which declaration it was made from."""
    return f"{_MARK}{fingerprints()[name]}"


def is_marked(comment: str) -> bool:
    """Whether an object with this COMMENT was made by Sightline."""
    return comment.startswith(_MARK)


def view(name: str) -> Statement:
    """The declaration of a view.

    Raises:
        SchemaError: there is none of that name.
    """
    statement = objects().get(name)
    if statement is None or statement.kind not in {Kind.VIEW, Kind.MATERIALIZED_VIEW}:
        raise SchemaError(f"sql/views declares no view {name}")
    return statement


@cache
def entries() -> tuple[str, ...]:
    """The Null tables that take INSERTs from outside and feed materialized views: those that no view writes to."""
    views = [statement for statement in objects().values() if statement.kind is Kind.MATERIALIZED_VIEW]
    targets = {statement.target for statement in views}
    read = {source for statement in views for source in statement.sources()}
    return tuple(name for name, statement in objects().items() if statement.is_null_table and name in read - targets)


@cache
def read_tables() -> tuple[str, ...]:
    """The tables that keep rows and feed materialized views."""
    views = [statement for statement in objects().values() if statement.kind is Kind.MATERIALIZED_VIEW]
    read = {source for statement in views for source in statement.sources()}
    return tuple(name for name in tables() if name in read)


def statements() -> list[Statement]:
    """All that an empty store is made of, in order: functions, tables that keep rows, Null tables and views."""
    made = list(objects().values())
    functions = [statement for statement in made if statement.kind is Kind.FUNCTION]
    others = [replace(statement, condition="IF NOT EXISTS") for statement in made if statement not in functions]
    return [
        *(replace(statement, condition="IF NOT EXISTS") for statement in functions),
        *tables().values(),
        *others,
    ]


def checksum(text: str) -> str:
    """16 hex digits that change when a statement of a file does, and not when its comments or spaces do."""
    return hashlib.sha256(compact(text).encode()).hexdigest()[:16]


def _belongs(statement: Statement, folder: str) -> bool:
    if folder == "functions":
        return statement.kind is Kind.FUNCTION
    if folder == "null_tables":
        return statement.is_null_table
    return statement.kind in {Kind.VIEW, Kind.MATERIALIZED_VIEW}


def _follows_columns(statement: Statement) -> bool:
    return bool(statement.like) or references.reads_all_columns(statement.select)


def _folder(name: str) -> Traversable:
    return resources.files("sightline_store.sql").joinpath(name)


def _files(folder: Traversable) -> Iterator[Traversable]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _files(entry)
        elif entry.name.endswith(".sql"):
            yield entry
