"""What the store's real tables differ in from what this package's files would make, and what would change that.

`schema.plan` puts it beside the migrations that are still to run and the changes of retention; nothing here changes
anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sightline_store.client import Client

_TABLE = re.compile(r"CREATE TABLE IF NOT EXISTS (\w+)\s*\((.*)\)\s*ENGINE = (\w+)", re.DOTALL)
_VIEW = re.compile(r"CREATE (?:MATERIALIZED )?VIEW IF NOT EXISTS (\w+)")


@dataclass(frozen=True)
class Difference:
    """One difference of a table: `what` in words; `statement` mends it, '' where nothing does without loss."""

    table: str
    what: str
    statement: str


def expected_columns(statement: str) -> tuple[str, dict[str, str]] | None:
    """Name and columns, each with its type, of a CREATE TABLE of `sql/ddl`; None for any other statement.

    Tables that store nothing (ENGINE = Null) count as other statements: dropping and making them anew loses nothing.
    """
    found = _TABLE.match(statement)
    if found is None or found[3] == "Null":
        return None
    columns: dict[str, str] = {}
    for part in _split(re.sub(r"--[^\n]*", "", found[2])):
        if re.match(r"(INDEX|PROJECTION|CONSTRAINT) ", part):
            continue
        name, _, rest = part.partition(" ")
        if part.startswith("`"):
            name, rest = part[1:].split("`", 1)
        kind = re.split(r"\s(?:CODEC|DEFAULT|ALIAS|MATERIALIZED|EPHEMERAL|COMMENT)\b", rest.strip(), maxsplit=1)[0]
        nested = re.fullmatch(r"Nested ?\((.*)\)", kind, re.DOTALL)
        for inner in _split(nested[1]) if nested else ():
            field, _, inner_kind = inner.partition(" ")
            columns[f"{name}.{field}"] = _plain(f"Array({inner_kind})")
        if not nested:
            columns[name] = _plain(kind)
    return found[1], columns


def differences(client: Client, statements: list[str]) -> list[Difference]:
    """Tables, views and columns that `statements` make, against those that the store has."""
    database = {"database": client.settings.database}
    real: dict[str, dict[str, str]] = {}
    for row in client.query_rows(
        "SELECT table, name, type FROM system.columns WHERE database = {database:String} ORDER BY table, position",
        database,
    ):
        real.setdefault(row["table"], {})[row["name"]] = _plain(row["type"])
    found: list[Difference] = []
    for statement in statements:
        view = _VIEW.match(statement)
        if view and view[1] not in real:
            found.append(Difference(view[1], "the view is missing", statement))
        table = expected_columns(statement)
        if table is None:
            continue
        name, columns = table
        if name not in real:
            found.append(Difference(name, "the table is missing", statement))
            continue
        found += _column_differences(name, columns, real[name])
    return found


def _column_differences(table: str, expected: dict[str, str], real: dict[str, str]) -> list[Difference]:
    found = []
    for column, kind in expected.items():
        if column not in real:
            statement = f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS `{column}` {kind}"
            found.append(Difference(table, f"column {column} is missing", statement))
        elif real[column] != kind:
            found.append(Difference(table, f"column {column} is {real[column]}, expected {kind}", ""))
    found += [Difference(table, f"column {column} is of another hand", "") for column in real if column not in expected]
    return found


def _split(text: str) -> list[str]:
    """A list at its commas that stand in no brackets and no quotes."""
    parts, depth, quoted, current = [], 0, False, ""
    for character in text:
        quoted ^= character == "'"
        if not quoted:
            depth += (character in "([") - (character in ")]")
        if character == "," and depth == 0 and not quoted:
            parts.append(current.strip())
            current = ""
        else:
            current += character
    return [part for part in (*parts, current.strip()) if part]


def _plain(kind: str) -> str:
    """A type as it can be compared, however it is spaced and spelled."""
    spaced = re.sub(r"\s+", " ", kind.strip()).replace(", ", ",").replace("( ", "(").replace(" )", ")")
    return spaced.replace("Boolean", "Bool")
