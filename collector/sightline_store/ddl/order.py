"""In which order objects are made: what an object needs comes before it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter

from sightline_store.ddl.statement import Kind, Statement
from sightline_store.errors import DdlError


def ordered(statements: Iterable[Statement]) -> list[Statement]:
    """Statements so that each comes behind all that it needs; by name where nothing else decides.

    Raises:
        DdlError: two objects need each other, or have the same name.
    """
    by_name: dict[str, Statement] = {}
    for statement in statements:
        if statement.name in by_name:
            raise DdlError(statement.render(), f"there are two objects named {statement.name}")
        by_name[statement.name] = statement
    functions = [name for name, statement in by_name.items() if statement.kind is Kind.FUNCTION]
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for name in sorted(by_name):
        sorter.add(name, *by_name[name].needs(by_name, functions))
    try:
        sorter.prepare()
    except CycleError as exc:
        raise DdlError(by_name[exc.args[1][0]].render(), f"objects need each other: {exc.args[1]}") from exc
    made: list[Statement] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        made += [by_name[name] for name in ready]
        sorter.done(*ready)
    return made


def tables_after(statements: Iterable[Statement]) -> dict[str, Statement]:
    """Name to CREATE TABLE of the tables that stand after all of `statements`, with every ALTER TABLE in it.

    Raises:
        DdlError: an ALTER TABLE names a table or a column that is not there.
    """
    tables: dict[str, Statement] = {}
    for statement in statements:
        if statement.kind is Kind.TABLE:
            tables.setdefault(statement.name, statement)
        elif statement.kind is Kind.DROP:
            tables.pop(statement.name, None)
        elif statement.kind is Kind.ALTER:
            if statement.name not in tables:
                raise DdlError(statement.render(), f"no statement before makes the table {statement.name}")
            try:
                tables[statement.name] = tables[statement.name].altered(statement)
            except ValueError as exc:
                raise DdlError(statement.render(), str(exc)) from exc
    return tables
