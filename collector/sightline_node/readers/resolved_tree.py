"""Checks the resolved tree of a statement, in which the engine's analyzer has resolved every name.

`EXPLAIN QUERY TREE` prints it. A function appears under its own name however it was written: as a call, as a bare name,
an alias, a lambda, a function written in SQL or a column matcher; a folded constant shows what it was folded from.

The text is searched, not parsed: names and aliases of the statement's author stand in it and may be made to look like
lines of it: the engine prints an alias as it was written, with its commas and line ends. A forged piece can only add
names, never hide one, and a name that does not stand in the lists is refused. The engine prints ", " before each name,
and a match ends before a comma, so the match of a forged piece ends before the name that follows it. A match never goes
back, so the search takes linear time.

Source: https://clickhouse.com/docs/sql-reference/statements/explain#explain-query-tree
"""

from __future__ import annotations

import re

from sightline_node.readers.reader_allowed import allowed
from sightline_node.readers.reader_functions import Functions
from sightline_node.readers.statement_judge import refusal

EXPLAIN = "EXPLAIN QUERY TREE dump_tree = 1, dump_ast = 0, dump_passes = 0 "
"""The prefix of a SELECT that makes the engine print its resolved tree."""

_FUNCTION = re.compile(r"(?<!\w)function_name: ([^,\n]*)(, function_type: )?")
_TABLE = re.compile(r"(?<!\w)table_name: ([^,\n]*)")
_TABLE_FUNCTION = re.compile(r"table_function_name: ([^,\n]*)")
_NODES = re.compile(r"^ *(?:LEFT |RIGHT )?(TABLE|TABLE_FUNCTION|FUNCTION) id: ", re.MULTILINE)
_PATHS = re.compile(r"column_name: (data_path|data_paths|metadata_path|path|metadata_dropped_path)\b")
_COLUMN = re.compile(r"(?<!\w)column_name: ([^,\n]*)")
_CATALOG = frozenset({"tables", "columns", "databases"})
_SCHEMA = ("information_schema", "INFORMATION_SCHEMA")
_TEMPORARY = "_temporary_and_external_tables"


def check(
    text: str, functions: Functions, databases: frozenset[str], *, lenient: bool, of_tenant: bool = False
) -> None:
    """Refuse a statement that uses a function or a table that it may not.

    Args:
        text: the resolved tree.
        functions: the engine's.
        databases: whose tables may be read; none for all of them.
        lenient: for an admin's GET, which may also ask what only tells of the host.
        of_tenant: for a tenant's key, to which no number of all tenants' rows is told.

    Raises:
        QueryRejected: 403.
    """
    function_names = [name for name, kind in _FUNCTION.findall(text) if kind]
    tables = _TABLE.findall(text)
    table_functions = _TABLE_FUNCTION.findall(text)
    count = len(function_names) + len(tables) + len(table_functions)
    if count < len(_NODES.findall(text)):
        raise refusal("a statement whose resolved tree cannot be read")
    for name in set(function_names):
        if not functions.may_be_resolved(name, lenient=lenient):
            raise refusal(f"the function {name[:100]}")
    for name in set(table_functions):
        if name.lower() not in allowed().table_functions:
            raise refusal(f"the table function {name[:100]}")
    reads_system = reads_catalog = False
    system_tables = allowed().tenant_system_tables if of_tenant else allowed().system_tables
    for path in set(tables):
        database, dot, name = path.partition(".")
        database = database.strip("`")
        if database == "system":
            reads_system, reads_catalog = True, reads_catalog or name in _CATALOG
            if name not in system_tables and not lenient:
                raise refusal(f"the table {path[:100]}")
        elif databases and (
            not dot or database not in databases | ({_TEMPORARY} if of_tenant else {_TEMPORARY, *_SCHEMA})
        ):
            raise refusal(f"the table {path[:100]}")
    if of_tenant and reads_catalog:
        for name in set(_COLUMN.findall(text)) - allowed().tenant_system_columns:
            raise refusal(f"the column {name[:100]} beside tables of system, with a tenant's key,")
    if reads_system and not lenient and (column := _PATHS.search(text)):
        raise refusal(f"the column {column[1]} of system's tables, which tells where the node keeps its data,")
