"""One statement of the schema as values: what it makes, of which columns, out of what. Pure.

`parser.parse` reads a text into a `Statement`, `Statement.render` writes it again. A statement is never changed: its
`with_` methods and `dataclasses.replace` return another one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from sightline_store.ddl import references
from sightline_store.ddl.tokens import compact, quoted


class Kind(StrEnum):
    """What a statement makes or changes."""

    TABLE = "TABLE"
    MATERIALIZED_VIEW = "MATERIALIZED VIEW"
    VIEW = "VIEW"
    FUNCTION = "FUNCTION"
    ALTER = "ALTER TABLE"
    DROP = "DROP TABLE"


@dataclass(frozen=True)
class Column:
    """A column of a table or of a view.

    Attributes:
        name: without quotes.
        type: as ClickHouse prints it, for example `Map(LowCardinality(String), String)`; '' where none is written.
        default: `DEFAULT now()`, `MATERIALIZED cityHash64(TraceId)`, `ALIAS ...`, `EPHEMERAL`; '' for none.
        rest: what follows, for example `CODEC(ZSTD(1))`, a comment or a TTL; '' for none.
    """

    name: str
    type: str
    default: str = ""
    rest: str = ""

    def render(self) -> str:
        """The column as CREATE TABLE and ADD COLUMN spell it."""
        return " ".join(part for part in (quoted(self.name), self.type, self.default, self.rest) if part)


@dataclass(frozen=True)
class Engine:
    """A table's engine: its name and its arguments, '' where it has none."""

    name: str
    arguments: str = ""

    def render(self) -> str:
        """The engine as it stands behind `ENGINE =`."""
        return f"{self.name}({self.arguments})" if self.arguments else self.name

    @property
    def is_stored(self) -> bool:
        """Whether a table of this engine keeps rows on disk."""
        return self.name.endswith("MergeTree")


@dataclass(frozen=True)
class Alteration:
    """One command of an ALTER TABLE.

    Attributes:
        action: `ADD COLUMN`, `DROP COLUMN`, `MODIFY COLUMN`, `RENAME COLUMN`, `ADD INDEX`, `DROP INDEX`,
            `MODIFY SETTING`, `MODIFY TTL`, `REMOVE TTL` or `MODIFY ORDER BY`.
        text: the whole command, without comments.
        column: the column of ADD and MODIFY COLUMN.
        name: what is dropped or renamed, or the index that is added.
        new_name: of RENAME COLUMN.
        after: the column behind which ADD COLUMN puts it; '' for the last place.
    """

    action: str
    text: str
    column: Column | None = None
    name: str = ""
    new_name: str = ""
    after: str = ""


@dataclass(frozen=True)
class Statement:
    """A CREATE, ALTER TABLE or DROP TABLE.

    Attributes:
        kind: what it makes or changes.
        name: of the object.
        database: before the name; '' where none is written.
        cluster: of ON CLUSTER; '' for none.
        condition: `IF NOT EXISTS`, `IF EXISTS`, `OR REPLACE` or ''.
        target: the table of TO, of a materialized view.
        target_database: before that; '' where none is written.
        like: the table of `CREATE TABLE name AS like`.
        columns: in order; () where the columns come from `like` or `select`.
        indexes: INDEX, PROJECTION, CONSTRAINT and PRIMARY KEY lines among the columns, as text.
        engine: of a table.
        partition_by, primary_key, order_by, sample_by, ttl: clauses of a table, as text; '' for none.
        settings: of a table: name and value, as text, in order.
        is_empty: whether it is `CREATE TABLE ... EMPTY AS SELECT`.
        select: of a view, or of `EMPTY AS`: without comments, its lines as they were.
        lambda_: of a function: `x -> ...`, without comments.
        comment: of the object; None for none.
        alterations: of an ALTER TABLE.
        modifiers: what else stands before AS, such as DEFINER and SQL SECURITY, as text.
    """

    kind: Kind
    name: str
    database: str = ""
    cluster: str = ""
    condition: str = ""
    target: str = ""
    target_database: str = ""
    like: str = ""
    columns: tuple[Column, ...] = ()
    indexes: tuple[str, ...] = ()
    engine: Engine | None = None
    partition_by: str = ""
    primary_key: str = ""
    order_by: str = ""
    sample_by: str = ""
    ttl: str = ""
    settings: tuple[tuple[str, str], ...] = ()
    is_empty: bool = False
    select: str = ""
    lambda_: str = ""
    comment: str | None = None
    alterations: tuple[Alteration, ...] = ()
    modifiers: str = ""

    def render(self) -> str:
        """The statement as SQL, without comments and without a closing `;`."""
        where = f" ON CLUSTER {quoted(self.cluster)}" if self.cluster else ""
        head = {Kind.ALTER: "", Kind.DROP: "DROP TABLE"}.get(self.kind, f"CREATE {self.kind}")
        if self.condition == "OR REPLACE":
            head = head.replace("CREATE", "CREATE OR REPLACE")
        exists = f" {self.condition}" if self.condition.startswith("IF") else ""
        if self.kind is Kind.ALTER:
            commands = ", ".join(alteration.text for alteration in self.alterations)
            return f"ALTER TABLE{exists} {self._path()}{where} {commands}"
        text = f"{head}{exists} {self._path()}{where}"
        if self.kind is Kind.FUNCTION:
            return f"{text} AS {self.lambda_}"
        return text + self._body() if self.kind is not Kind.DROP else text

    def _path(self) -> str:
        return ".".join(quoted(part) for part in (self.database, self.name) if part)

    def _body(self) -> str:
        parts: list[str] = []
        if self.target:
            parts.append(" TO " + ".".join(quoted(part) for part in (self.target_database, self.target) if part))
        if self.like:
            parts.append(f" AS {quoted(self.like)}")
        if self.columns or self.indexes:
            lines = [column.render() for column in self.columns] + list(self.indexes)
            parts.append("\n(\n    " + ",\n    ".join(lines) + "\n)")
        if self.engine:
            parts.append(f"\nENGINE = {self.engine.render()}")
        for word, clause in (
            ("PARTITION BY", self.partition_by),
            ("PRIMARY KEY", self.primary_key),
            ("ORDER BY", self.order_by),
            ("SAMPLE BY", self.sample_by),
            ("TTL", self.ttl),
            ("SETTINGS", ", ".join(f"{name} = {value}" for name, value in self.settings)),
        ):
            if clause:
                parts.append(f"\n{word} {clause}")
        if self.modifiers:
            parts.append(f" {self.modifiers}")
        if self.is_empty:
            parts.append("\nEMPTY")
        if self.select:
            parts.append(f" AS\n{self.select}")
        if self.comment is not None:
            parts.append("\nCOMMENT '" + self.comment.replace("\\", "\\\\").replace("'", "\\'") + "'")
        return "".join(parts)

    def compact(self) -> str:
        """The statement on one line: equal for statements that differ in spaces, comments and COMMENT only."""
        return compact(replace(self, comment=None).render())

    def fingerprint(self, *further: str) -> str:
        """16 hex digits of `compact` and of `further` texts that it depends on."""
        return hashlib.sha256("\n".join((self.compact(), *further)).encode()).hexdigest()[:16]

    @property
    def is_null_table(self) -> bool:
        """Whether it makes a table that stores nothing and only feeds the views that read it."""
        return self.kind is Kind.TABLE and self.engine is not None and self.engine.name == "Null"

    @property
    def is_stored_table(self) -> bool:
        """Whether it makes a table that keeps rows on disk."""
        return self.kind is Kind.TABLE and self.engine is not None and self.engine.is_stored

    def stored_columns(self) -> dict[str, str]:
        """Name to type as system.columns has them: a Nested column is one array column a field."""
        found: dict[str, str] = {}
        for column in self.columns:
            fields = references.nested_fields(column.type)
            if fields is None:
                found[column.name] = column.type
            for name, kind in fields or ():
                found[f"{column.name}.{name}"] = f"Array({kind})"
        return found

    def sources(self) -> list[str]:
        """The tables and views that its SELECT reads, without their databases, each once, in order."""
        return references.sources(self.select)

    def calls(self, functions: Iterable[str]) -> list[str]:
        """Those of `functions` that it calls, in its SELECT, its lambda or its columns' defaults, in order."""
        wanted = set(functions) - {self.name}
        texts = (self.select, self.lambda_, *(column.default for column in self.columns))
        return list(dict.fromkeys(name for text in texts for name in references.calls(text) if name in wanted))

    def needs(self, known: Iterable[str], functions: Iterable[str]) -> list[str]:
        """Those of the objects `known` and of `functions` that must exist before this one can be made."""
        names = set(known) - {self.name}
        wanted = [*self.calls(functions), *self.sources(), self.target, self.like]
        allowed = names | set(functions)
        return list(dict.fromkeys(name for name in wanted if name in allowed))

    def with_sources(self, renamed: Callable[[str], str]) -> Statement:
        """The same over other tables: each source's name goes through `renamed`, which returns SQL for its place."""
        return replace(self, select=references.with_sources(self.select, renamed))

    def with_calls(self, renamed: Callable[[str], str]) -> Statement:
        """The same with other functions: each called function's name goes through `renamed`."""
        return replace(
            self,
            select=references.with_calls(self.select, renamed),
            lambda_=references.with_calls(self.lambda_, renamed),
        )

    def altered(self, statement: Statement) -> Statement:
        """This CREATE TABLE as it is after an ALTER TABLE, so that all code sees one definition of a table.

        Raises:
            ValueError: a command names a column or an index that is not there.
        """
        table = self
        for alteration in statement.alterations:
            table = _altered(table, alteration)
        return table


def _altered(table: Statement, alteration: Alteration) -> Statement:
    if alteration.action.endswith(" COLUMN"):
        return replace(table, columns=tuple(_altered_columns(table, alteration)))
    rest = alteration.text.removeprefix(alteration.action).strip()
    changes: dict[str, dict[str, Any]] = {
        "ADD INDEX": {"indexes": (*table.indexes, alteration.text.removeprefix("ADD "))},
        "DROP INDEX": {"indexes": tuple(index for index in table.indexes if index.split()[1] != alteration.name)},
        "MODIFY ORDER BY": {"order_by": rest},
        "MODIFY TTL": {"ttl": rest},
        "REMOVE TTL": {"ttl": ""},
    }
    if alteration.action == "MODIFY SETTING":
        return replace(table, settings=tuple((dict(table.settings) | dict(references.assignments(rest))).items()))
    return replace(table, **changes[alteration.action])


def _altered_columns(table: Statement, alteration: Alteration) -> list[Column]:
    columns, column = list(table.columns), alteration.column
    names = [each.name for each in columns]
    if alteration.action == "DROP COLUMN":
        return [each for each in columns if each.name != alteration.name]
    if alteration.action == "RENAME COLUMN":
        at = _place(table, names, alteration.name)
        columns[at] = replace(columns[at], name=alteration.new_name)
    elif column is not None and alteration.action == "MODIFY COLUMN":
        columns = [field for each in columns for field in _fields_if_named(each, column.name)]
        columns[_place(table, [each.name for each in columns], column.name)] = column
    elif column is not None and column.name not in names:
        after = alteration.after
        at = len(columns) if not after else 0 if after == "FIRST" else _place(table, names, after) + 1
        columns.insert(at, column)
    return columns


def _fields_if_named(column: Column, name: str) -> list[Column]:
    """The columns of which a Nested one consists, where `name` is one of them; else the column as it is."""
    fields = references.nested_fields(column.type) if name.startswith(f"{column.name}.") else None
    if fields is None:
        return [column]
    return [replace(column, name=f"{column.name}.{field}", type=f"Array({kind})") for field, kind in fields]


def _place(table: Statement, names: list[str], name: str) -> int:
    if name not in names:
        raise ValueError(f"ALTER TABLE {table.name} names the column {name}, which CREATE TABLE does not make")
    return names.index(name)
