"""Where the store's tables differ from what the migrations make, and what would change that.

`migrate.preview` puts it beside what is to be upgraded; nothing here changes anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sightline_store.client import Client
from sightline_store.ddl import Statement
from sightline_store.ddl.references import type_text
from sightline_store.ddl.tokens import tokens
from sightline_store.quoting import quote_identifier


@dataclass(frozen=True)
class Difference:
    """One difference of a table: `what` in words; `statement` mends it, '' where nothing does without loss."""

    table: str
    what: str
    statement: str


def differences(client: Client, expected: Mapping[str, Statement]) -> list[Difference]:
    """Tables and columns that the migrations make, against those that the store has.

    Args:
        client: the store.
        expected: name to CREATE TABLE, as the migrations that have run leave it.
    """
    real: dict[str, dict[str, str]] = {}
    for row in client.query_rows(
        "SELECT table, name, type FROM system.columns WHERE database = {database:String} ORDER BY table, position",
        {"database": client.settings.database},
    ):
        real.setdefault(row["table"], {})[row["name"]] = type_text(list(tokens(row["type"])))
    found: list[Difference] = []
    for name, statement in expected.items():
        if name in real:
            found += _of_columns(name, statement.stored_columns(), real[name])
        else:
            found.append(Difference(name, "the table is missing", statement.render()))
    return found


def _of_columns(table: str, expected: dict[str, str], real: dict[str, str]) -> list[Difference]:
    found = []
    for column, kind in expected.items():
        if column not in real:
            statement = f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {quote_identifier(column)} {kind}"
            found.append(Difference(table, f"column {column} is missing", statement))
        elif real[column] != kind:
            found.append(Difference(table, f"column {column} is {real[column]}, expected {kind}", ""))
    return found + [
        Difference(table, f"column {column} was added outside migrations", "")
        for column in real
        if column not in expected
    ]
