"""Checks the parser's tree of a statement from top to bottom: every name and kind that is on no list is refused.

Every node must be of a known, harmless kind. Four things look harmless and are not:

- A table may be a file: the engine's `default` database answers for files of its folder as if they were tables. Names
  are therefore collected, so that they can be looked for; those that a WITH gives, where it is in scope, are not.
- `x IN name` reads the table `name`, though the tree shows it like a column.
- A name may come as a parameter (`{name:Identifier}`): it is judged with the value that was sent.
- A bare name may mean a function: `arrayMap(file, …)`. Where a function takes a function, the name of one that is
  closed is refused; elsewhere it may be a column, which only the analyzer knows (see `resolved_tree`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sightline_node.readers import roles
from sightline_node.readers.reader_allowed import allowed
from sightline_node.readers.reader_functions import AGGREGATES_BY_NAME, IN_FUNCTIONS, TABLES_BY_NAME, Functions
from sightline_store.errors import QueryFailed, QueryRejected

_STATEMENTS = frozenset(
    {
        "SelectWithUnionQuery", "SelectIntersectExceptQuery", "ExplainQuery", "ShowTablesQuery", "ShowColumnsQuery",
        "ShowIndexesQuery", "UseQuery", "SetQuery",
    }
)  # fmt: skip
_PARTS = frozenset(
    {
        "SelectWithUnionQuery", "SelectIntersectExceptQuery", "SelectQuery", "ExpressionList", "Subquery", "Literal",
        "Identifier", "QueryParameter", "TablesInSelectQuery", "TablesInSelectQueryElement", "TableExpression",
        "TableIdentifier", "TableJoin", "ArrayJoin", "SampleRatio", "WithElement", "WindowDefinition",
        "WindowListElement", "OrderByElement", "InterpolateElement", "Asterisk", "QualifiedAsterisk",
        "ColumnsRegexpMatcher", "ColumnsListMatcher", "QualifiedColumnsRegexpMatcher", "QualifiedColumnsListMatcher",
        "ColumnsTransformerList", "ColumnsApplyTransformer", "ColumnsExceptTransformer", "ColumnsReplaceTransformer",
        "ColumnsReplaceTransformerReplacement", "Function", "SetQuery",
    }
)  # fmt: skip
_EXPLAINS = frozenset(
    {"EXPLAIN", "EXPLAIN AST", "EXPLAIN SYNTAX", "EXPLAIN QUERY TREE", "EXPLAIN PIPELINE", "EXPLAIN ESTIMATE"}
)
_EXPLAIN_SETTINGS = frozenset(
    {
        "header", "description", "indexes", "projections", "actions", "json", "sorting", "graph", "compact", "oneline",
        "optimize", "run_passes", "dump_passes", "dump_tree", "dump_ast", "passes", "run_query_tree_passes",
        "query_tree_passes", "keep_logical_steps", "pretty", "column_structure", "estimates",
    }
)  # fmt: skip
_IN_ANY_CASE = frozenset(name.lower() for name in IN_FUNCTIONS)
_FORMATS = frozenset(name.lower() for name in allowed().output_formats)
_ENGINE_DATABASES = frozenset({"system", "information_schema", "default"})
_FILTERS = "additional_table_filters"
_TEMPORARY_TABLES = "_temporary_and_external_tables"
_UNKNOWN_PARAMETER = 456


@dataclass
class Findings:
    """The inputs of a check, and the names that it collects."""

    params: Mapping[str, str]
    database: str
    tables: dict[tuple[str, str], bool] = field(default_factory=dict)
    """Names to look up, and whether each must be a table; the others may be columns."""
    functions: set[str] = field(default_factory=set)
    closed_names: set[str] = field(default_factory=set)
    """Bare names that are columns, or else functions that may not be called."""
    unknown: set[str] = field(default_factory=set)
    """Names that are called and belong to no function: they must be among `lambdas`."""
    lambdas: set[str] = field(default_factory=set)
    """Names of the statement's own lambdas, whose bodies are checked like everything else."""
    lenient: bool = False
    used_params: bool = False
    databases: frozenset[str] = frozenset()
    """Databases whose tables may be read; empty for an admin's GET, which may read all."""
    limits: Mapping[str, str] = field(default_factory=lambda: roles.READER_LIMITS)
    """The caps of a reader's statement."""

    def check_database(self, name: str) -> None:
        """Refuse a database that is neither the reader's nor one of the engine's own.

        Raises:
            QueryRejected: 403.
        """
        if self.databases and name not in self.databases and name.lower() not in _ENGINE_DATABASES:
            raise refusal(f"the database {name[:200]}, which is none of SIGHTLINE_STORE_READER_DATABASES,")


class Walk:
    """Walks through a tree and refuses every name that is on no list."""

    def __init__(self, findings: Findings, functions: Functions, parse: Callable[[str], Any]) -> None:
        self._findings = findings
        self._functions = functions
        self._parse = parse
        # Trees may be deeper than Python's stack.
        self._todo: list[tuple[Any, frozenset[str]]] = []
        self._special = {
            "SetQuery": lambda node, _: self._settings(node),
            "TableIdentifier": lambda node, scope: self._table(self._name(node), scope),
            "Function": self._function,
            "TableExpression": self._source,
            "SelectQuery": self._select,
            "SelectWithUnionQuery": self._union,
            "ColumnsApplyTransformer": self._apply,
        }

    def statement(self, tree: Any) -> None:
        """Check a whole statement."""
        self._top(tree)
        while self._todo:
            self._part(*self._todo.pop())

    def _top(self, tree: Any) -> None:
        kind = tree["type"]
        if kind not in _STATEMENTS:
            raise refusal(f"the statement {kind.removesuffix('Query')!r}")
        if tree.get("out_file") or tree.get("is_into_outfile_with_stdout"):
            raise refusal("INTO OUTFILE")
        if kind == "ExplainQuery":
            self._explain(tree)
        elif kind == "UseQuery":
            if (database := self._name(tree["database"])[0]) == "system":
                raise refusal("USE system")
            self._findings.check_database(database)
        elif kind == "SetQuery":
            self._settings(tree)
        elif kind.startswith("Show"):
            self._refuse_closed_names({**tree, "from": None})  # they never reach the analyzer
            if database := self._name(tree["from"])[0] if tree.get("from") else tree.get("database"):
                self._findings.check_database(database)
            for part in tree.values():
                self._todo.append((part, frozenset()))
        else:
            self._todo.append((tree, frozenset()))

    def _explain(self, tree: Any) -> None:
        if tree.get("kind") not in _EXPLAINS or "table_function" in tree or "query" not in tree:
            raise refusal(str(tree.get("kind")))
        for change in tree.get("settings", {}).get("changes", ()):
            if change["name"] not in _EXPLAIN_SETTINGS:
                raise refusal(f"EXPLAIN with {change['name']!r}")
        if "settings_ast" in tree:
            self._settings(tree["settings_ast"])
        if tree["query"]["type"] not in {"SelectWithUnionQuery", "SelectIntersectExceptQuery"}:
            raise refusal(f"EXPLAIN of {tree['query']['type'].removesuffix('Query')!r}")
        self._todo.append((tree["query"], frozenset()))

    def _part(self, node: Any, scope: frozenset[str]) -> None:
        """Check a part of a SELECT and queue its children; `scope` holds the names that WITH defines."""
        if isinstance(node, list):
            self._todo.extend((child, scope) for child in node)
            return
        if not isinstance(node, dict):
            return
        kind = node.get("type")
        if kind not in _PARTS:
            raise refusal(f"the part {str(kind)!r} of a statement")
        if node.get("out_file") or node.get("is_into_outfile_with_stdout"):
            raise refusal("INTO OUTFILE")
        if node.get("format_ast"):
            check_format(self._name(node["format_ast"])[0])
        if kind == "Identifier":
            self._column(node)
        if kind in {"Literal", "Identifier", "QueryParameter"}:
            return
        special: Callable[[Mapping[str, Any], frozenset[str]], None] = self._special.get(kind, self._below)
        special(node, scope)

    def _below(self, node: Mapping[str, Any], scope: frozenset[str], *but: str) -> None:
        for key, part in node.items():
            if key not in but and isinstance(part, dict | list):
                self._todo.append((part, scope))

    def _union(self, node: Mapping[str, Any], scope: frozenset[str]) -> None:
        """Names of the first SELECT's WITH are in scope in the following SELECTs; within it, in their order."""
        selects = node.get("list_of_selects", {}).get("children", [])
        self._todo.append((selects[:1], scope))
        self._todo.append((selects[1:], scope | frozenset(_first_names(node))))
        self._below(node, scope, "list_of_selects")

    def _apply(self, node: Mapping[str, Any], scope: frozenset[str]) -> None:
        if "func_name" in node:
            self._called(node["func_name"])
        self._below(node, scope)

    def _select(self, node: Mapping[str, Any], scope: frozenset[str]) -> None:
        elements = node.get("with", {}).get("children", [])
        for element in elements:
            own = {element["name"]} if element["type"] == "WithElement" else set()
            self._todo.append((element, scope | own if node.get("recursive_with") else scope))
            scope |= own
            if node.get("recursive_with"):
                # Without recursion its own name in it means a table, or a file.
                for name in own:
                    self._table([name], frozenset(), is_required=False)
        self._below(node, scope, "with")

    def _source(self, node: Mapping[str, Any], scope: frozenset[str]) -> None:
        function = node.get("table_function")
        if function is not None:
            name = function["name"]
            if name.lower() not in allowed().table_functions:
                raise refusal(f"the table function {name}")
            # Its arguments are analyzed apart, without the names of WITH, and appear in no resolved tree.
            self._refuse_closed_names(function)
            self._below(function, frozenset())
        self._below(node, scope, "table_function")

    def _function(self, node: Mapping[str, Any], scope: frozenset[str]) -> None:
        name = node["name"]
        self._called(name)
        if name == "lambda" and node.get("alias"):
            self._findings.lambdas.add(node["alias"])
        arguments = node.get("arguments", {}).get("children", [])
        if self._functions.takes_functions(name):
            for argument in arguments:
                self._refuse_closed_names(argument, deep=False)
        if name in AGGREGATES_BY_NAME:
            self._aggregate(arguments)
        if name.lower().startswith(TABLES_BY_NAME) and arguments:
            self._named_table(arguments[0], scope)
        if name.lower() in _IN_ANY_CASE and len(arguments) == 2 and arguments[1].get("type") == "Identifier":
            parts = self._name(arguments[1])
            if len(parts) > 1 or parts[0] not in scope:
                self._table(parts[:2], scope, is_required=False)
        self._below(node, scope)

    def _called(self, name: str) -> None:
        if name not in self._findings.functions:
            verdict = self._functions.verdict(name, lenient=self._findings.lenient)
            if verdict is False:
                raise refusal(f"the function {name}")
            (self._findings.functions if verdict else self._findings.unknown).add(name)

    def _aggregate(self, arguments: list[Any]) -> None:
        """Check an aggregate whose name is an argument."""
        aggregate = self._string(arguments[0] if arguments else {})
        if aggregate is None:
            raise refusal("an aggregate whose name is no plain string")
        self._called(aggregate.partition("(")[0].strip())

    def _named_table(self, argument: Any, scope: frozenset[str]) -> None:
        """Check a table or dictionary whose name is an argument."""
        if argument.get("type") == "Identifier":
            self._table(self._name(argument), scope)
            return
        table = self._string(argument)
        if table is None:
            raise refusal("a table or dictionary whose name is no plain string")
        self._table([part.strip("`") for part in table.split(".", 1)], scope)

    def _string(self, node: Mapping[str, Any]) -> str | None:
        """The text of a literal or a parameter; None for anything else."""
        text: Any = None
        if node.get("type") == "Literal":
            text = node.get("value", {}).get("value")
        elif node.get("type") == "QueryParameter":
            self._findings.used_params = True
            text = self._findings.params.get(node["name"])
        return text if isinstance(text, str) else None

    def _refuse_closed_names(self, node: Any, *, deep: bool = True) -> None:
        """Refuse a bare name of a closed function where it could mean that function."""
        pending = [node]
        while pending:
            part = pending.pop()
            if isinstance(part, list):
                pending.extend(part)
            elif isinstance(part, dict):
                if part.get("type") == "Identifier":
                    self._refuse_closed_name(self._name(part))
                elif deep:
                    pending.extend(part.values())

    def _refuse_closed_name(self, parts: list[str]) -> None:
        if len(parts) == 1 and self._functions.is_closed_name(parts[0]):
            raise refusal(f"the function {parts[0]}")

    def _table(self, parts: list[str], scope: frozenset[str], *, is_required: bool = True) -> None:
        if len(parts) == 1:
            if parts[0] in scope:
                return
            parts = [self._findings.database, *parts]
        elif is_required:
            self._findings.check_database(parts[0])
        if len(parts) != 2:
            raise refusal(f"the table {'.'.join(parts)!r}")
        database, name = parts
        if database == "system":
            if name not in allowed().system_tables and not self._findings.lenient:
                raise refusal(f"the table system.{name}")
        elif database == _TEMPORARY_TABLES:
            raise refusal(f"the table {'.'.join(parts)!r}")
        elif database.lower() != "information_schema":
            was_required = self._findings.tables.get((database, name), False)
            self._findings.tables[database, name] = was_required or is_required

    def _column(self, node: Mapping[str, Any]) -> None:
        """Refuse a column with the name of a closed table of `system`, which it could mean."""
        parts = node.get("name_parts") or []
        if parts[:1] == ["system"] and parts[1] not in allowed().system_tables and not self._findings.lenient:
            raise refusal(f"the name {'.'.join(parts)}")
        parts = self._name(node)
        if len(parts) == 1 and self._functions.is_closed_name(parts[0]):
            self._findings.closed_names.add(parts[0])

    def _name(self, node: Mapping[str, Any]) -> list[str]:
        """The parts of a name, with the values of parameters in it."""
        parts = list(node.get("name_parts") or [node["name"]])
        values = iter(node.get("children", ()))
        for place, part in enumerate(parts):
            if part == "":
                parameter: Mapping[str, Any] = next(values, {})
                self._findings.used_params = True
                if parameter.get("type") != "QueryParameter":
                    raise refusal("a name that cannot be read")
                if parameter["name"] not in self._findings.params:
                    raise QueryFailed(
                        _UNKNOWN_PARAMETER,
                        f"Code: {_UNKNOWN_PARAMETER}. DB::Exception: Substitution `{parameter['name']}` is not set. "
                        "(UNKNOWN_QUERY_PARAMETER)",
                    )
                parts[place] = self._findings.params[parameter["name"]]
        return parts

    def _settings(self, node: Mapping[str, Any]) -> None:
        changes = node.get("changes", ())
        for change in changes:
            if change["name"] == _FILTERS:
                self._filters(change["value"])
        names = [(change["name"], _text(change["value"])) for change in changes if change["name"] != _FILTERS]
        for name, value in [*names, *((name, None) for name in node.get("default_settings", ()))]:
            check_setting(name, value, self._findings.limits)

    def _filters(self, value: Any) -> None:
        """Check conditions that are strings: Grafana's ad-hoc filters. They appear in no resolved tree."""
        for pair in value.get("value", ()) if value.get("field_type") == "Map" else [None]:
            texts = [part.get("value") for part in pair["value"]] if pair else []
            if len(texts) != 2 or not isinstance(texts[1], str):
                raise refusal(f"the setting {_FILTERS} whose value is no map of strings")
            condition = self._parse(f"SELECT 1 WHERE {texts[1]}")
            self._refuse_closed_names(condition)
            self._todo.append((condition, frozenset()))


def check_setting(name: str, value: str | None, limits: Mapping[str, str] = roles.READER_LIMITS) -> None:
    """Refuse a setting that a reader may not change.

    Raises:
        QueryRejected: 403.
    """
    why = roles.objection(name, value, limits)
    if why:
        raise refusal(f"the setting {name[:100]} (it {why})")


def check_format(name: str) -> None:
    """Refuse a format that a reader may not name; '' is none.

    Raises:
        QueryRejected: 403.
    """
    if name and name.lower() not in _FORMATS:
        raise refusal(f"the format {name[:100]}")


def refusal(what: str) -> QueryRejected:
    """The refusal of something that only an admin may do."""
    return QueryRejected(
        403,
        497,
        f"Code: 497. DB::Exception: Not enough privileges: {what} is not for the reader role; "
        "it needs an admin's key, and POST. (ACCESS_DENIED)",
    )


def _first_names(union: Mapping[str, Any]) -> Iterator[str]:
    selects = union.get("list_of_selects", {}).get("children", [])
    if not selects:
        return
    if selects[0]["type"] == "SelectQuery":
        for element in selects[0].get("with", {}).get("children", []):
            if element["type"] == "WithElement":
                yield element["name"]
    elif selects[0]["type"] == "SelectWithUnionQuery":
        yield from _first_names(selects[0])


def _text(value: Any) -> str | None:
    """A setting's value as text; None where it is no plain literal."""
    if isinstance(value, dict) and value.get("field_type") in {"UInt64", "Int64", "Float64", "String", "Bool"}:
        return str(value["value"])
    return None
