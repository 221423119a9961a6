"""Whether a reader may run a statement, decided on the trees of the engine's own parser and analyzer.

First the parser's tree: `parseQueryToJSON` returns it and refuses more than one statement; `statement_judge` checks it.
Nothing is decided on the text, so letter case, comments, quotes and nesting cannot hide anything. Then, on the
connection that the statement will run on, the analyzer's tree, in which every name is resolved; `resolved_tree` checks
it. The analyzer evaluates constants, so a statement reaches it only after the parser's tree has passed.

The engine's `default` database answers for files of its folder as if they were tables (`FROM 'passwords.csv'`), so a
table must be one that `system.tables` lists. A name that is neither is left to the engine, which says so best.

DESCRIBE, EXISTS and SHOW CREATE have no tree in JSON. The engine writes them out in its normal form, of which the first
words are replaced by SELECT * FROM, and that is judged.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sightline_node import sql_lexer
from sightline_node.execution.engine import into_file
from sightline_node.readers import resolved_tree
from sightline_node.readers.reader_allowed import allowed
from sightline_node.readers.reader_functions import Ask, Functions
from sightline_node.readers.statement_judge import Findings, Walk, refusal
from sightline_store.errors import QueryFailed, QueryRejected

_SELECTS = frozenset({"SelectWithUnionQuery", "SelectIntersectExceptQuery"})
_ANSWER_KEYS = frozenset(
    {"format_ast", "out_file", "is_outfile_append", "is_outfile_truncate", "is_into_outfile_with_stdout"}
)
_SETTINGS_KEYS = frozenset({"settings", "settings_ast"})
_SELECT_WORDS = frozenset({"SELECT", "WITH", "FROM"})
_CACHED_STATEMENTS = 512
_CACHED_CHARACTERS = 32 * 1024
_CACHED_TABLES = 512
_CACHED_TABLES_S = 5.0

# The normal form of statements about one table, a subquery or a database.
_OBJECT_STATEMENT = re.compile(
    r"(?:DESCRIBE TABLE|EXISTS (?:TABLE|VIEW|DICTIONARY|DATABASE)|SHOW CREATE (?:TABLE|VIEW|DICTIONARY|DATABASE)) "
    r"(?!TEMPORARY )(.*)",
    re.DOTALL,
)
_ENGINE_STATEMENT = re.compile(r"SHOW (?:FUNCTIONS|ENGINES)(?: I?LIKE '(?:[^'\\]|\\.)*')?(?: FORMAT \w+)?", re.DOTALL)
_PROCESSES_STATEMENT = re.compile(r"SHOW PROCESSLIST(?: FORMAT \w+)?")
_NO_TREE_CODE = 36
_SYNTAX_ERROR_CODE = 62
_IN_PATHS = re.compile(r"[./~\x00]")
_ACCESS_DENIED = 497
_UNKNOWN_CODES = frozenset({60, 81})
_TABLE_ENGINE = "SELECT engine FROM system.tables WHERE database = {database:String} AND name = {name:String}"
_IS_ANYTHING = "EXISTS TABLE {database:Identifier}.{name:Identifier}"
_SCOPE_OF_PARSER = re.compile(r": In scope SELECT parseQueryToJSON\(.*(?= \([A-Z_]+\))", re.DOTALL)


@dataclass(frozen=True)
class Verdict:
    """The result of the first check of a statement that a reader may run.

    Attributes:
        to_resolve: the SELECT in it that the analyzer shall resolve before it runs; '' where it has none, or where that
            was done before.
        closed_names: bare names in it that are columns, or else functions that may not be called.
        may_be_kept: whether the verdict holds for the next statement of the same text.
        missing: a name that must be a table's and is none that the engine lists: one that came with the query, one of
            a session, or none at all.
        only_asks_whether: whether it is an EXISTS: with a reader's grants the engine's `default` database answers yes
            to any name.
    """

    to_resolve: str = ""
    closed_names: frozenset[str] = frozenset()
    may_be_kept: bool = False
    missing: tuple[str, str] | None = None
    only_asks_whether: bool = False


class StatementCheck:
    """Checks statements of readers. Any thread may use it; verdicts are cached by text."""

    def __init__(self, ask: Ask, databases: frozenset[str], limits: Mapping[str, str]) -> None:
        """The engine is not asked before the first statement.

        Args:
            ask: runs questions of the node's own.
            databases: those whose tables a reader may read.
            limits: the caps of a reader's statement.
        """
        self._ask = ask
        self._limits = limits
        self._databases = databases
        self._functions = Functions(ask)
        self._lock = threading.Lock()
        self._passed: OrderedDict[tuple[object, ...], Verdict] = OrderedDict()
        # Tables by database and name, with the time of the last check: pages send many texts about few tables.
        self._tables_seen_s: dict[tuple[str, str], float] = {}

    def check_database(self, name: str) -> None:
        """Refuse a current database whose tables a reader may not read.

        Raises:
            QueryRejected: 403.
        """
        Findings({}, name, databases=self._databases).check_database(name)

    def judge(
        self,
        sql: str,
        database: str,
        params: Mapping[str, str],
        settings: Mapping[str, str],
        *,
        lenient: bool = False,
        of_tenant: bool = False,
    ) -> Verdict:
        """Check the parser's tree of a statement.

        Args:
            sql: one statement.
            database: the one that unqualified names mean.
            params: values of its {name:Type} places.
            settings: that it will run under.
            lenient: allow names that only show the host and other clients' statements, such as system.processes.
            of_tenant: refuse what counts the rows of all tenants.

        Raises:
            QueryRejected: 403, it is not for a reader.
            QueryFailed: it cannot be parsed, or lacks a parameter.
        """
        key = _key(sql, database, settings, lenient, of_tenant)
        with self._lock:
            if key in self._passed:
                self._passed.move_to_end(key)
                return self._passed[key]
        findings = Findings(
            params,
            database,
            lenient=lenient,
            databases=frozenset() if lenient else self._databases,
            limits=self._limits,
        )
        try:
            tree, to_resolve, about = self._tree(sql, lenient)
            if of_tenant and tree is not None and tree["type"] == "ExplainQuery":  # it counts parts of all tenants
                raise refusal("EXPLAIN with a tenant's key")
            if tree is not None:
                Walk(findings, self._functions, self._parsed).statement(tree)
        except RecursionError:
            raise refusal("the statement nests too deeply to be judged") from None
        for name in findings.unknown - findings.lambdas:
            raise QueryRejected(
                404,
                46,
                f"Code: 46. DB::Exception: Function with name `{name[:100]}` does not exist. (UNKNOWN_FUNCTION)",
            )
        missing = self._check_tables(findings, is_read=not about)
        # A verdict on a name in a parameter is valid for its value only; one on an unknown name only for now, since
        # a function with the name of a lambda may be made.
        is_of_its_text = not (missing or findings.unknown or findings.used_params or findings.closed_names)
        if not to_resolve and findings.closed_names:
            raise refusal(f"the function {sorted(findings.closed_names)[0]}")
        verdict = Verdict(
            to_resolve,
            frozenset(findings.closed_names),
            may_be_kept=is_of_its_text and len(sql) <= _CACHED_CHARACTERS,
            missing=next(iter(missing), None),
            only_asks_whether=about == "EXISTS",
        )
        if not to_resolve:
            self._keep(key, verdict)
        return verdict

    def judge_resolved(
        self,
        verdict: Verdict,
        ask: Callable[[str], bytes],
        sql: str,
        database: str,
        settings: Mapping[str, str],
        *,
        lenient: bool = False,
        of_tenant: bool = False,
    ) -> None:
        """Check the analyzer's tree of a statement.

        Args:
            verdict: of `judge`.
            ask: runs a question on the connection that the statement will run on, with its parameters.
            sql: as for `judge`, and so are the rest.
            database: see above.
            settings: see above.
            lenient: see above.
            of_tenant: see above.

        Raises:
            QueryRejected: 403, it is not for a reader.
            QueryFailed: it cannot be analyzed.
        """
        if not verdict.to_resolve:
            return
        try:
            text = ask(f"{resolved_tree.EXPLAIN}{verdict.to_resolve}").decode("utf-8", "replace")
        except QueryFailed as exc:
            if verdict.missing and exc.code == _ACCESS_DENIED:  # `default` would look for a file of that name
                raise _no_table(*verdict.missing) from None
            if verdict.closed_names:  # The analyzer may have evaluated it: its message could contain what it read.
                name = sorted(verdict.closed_names)[0]
                raise refusal(f"the name {name}, which is a closed function's and of no column here,") from None
            raise
        databases = frozenset() if lenient else self._databases
        resolved_tree.check(text, self._functions, databases, lenient=lenient, of_tenant=of_tenant)
        self._keep(_key(sql, database, settings, lenient, of_tenant), replace(verdict, to_resolve=""))

    def _keep(self, key: tuple[object, ...], verdict: Verdict) -> None:
        if verdict.may_be_kept:
            with self._lock:
                self._passed[key] = verdict
                while len(self._passed) > _CACHED_STATEMENTS:
                    self._passed.popitem(last=False)

    def _tree(self, sql: str, lenient: bool) -> tuple[Any, str, str]:
        """The parser's tree, the SELECT for the analyzer, and the first word of a statement about one table.

        There is no tree of a statement that needs no judgement, and no SELECT where nothing in it can be an expression.
        """
        try:
            tree = self._parsed(sql)
        except QueryFailed as exc:
            if exc.code == _SYNTAX_ERROR_CODE and self._normal(f"{sql}\nFORMAT Null").startswith("INSERT "):
                raise refusal("the statement 'INSERT INTO'") from None
            if exc.code != _NO_TREE_CODE:
                raise QueryFailed(exc.code, _SCOPE_OF_PARSER.sub("", exc.message)) from None
        else:
            return tree, self._select_of(sql, tree), ""
        normal = self._normal(sql)
        if _ENGINE_STATEMENT.fullmatch(normal) or (lenient and _PROCESSES_STATEMENT.fullmatch(normal)):
            return None, "", ""
        match = _OBJECT_STATEMENT.fullmatch(normal)
        if match is None:
            raise refusal(f"the statement {' '.join(normal.split()[:2])!r}")
        select = f"SELECT * FROM {match[1]}"  # noqa: S608  (parsed and analyzed, never run)
        try:
            tree = self._parsed(select)
        except QueryFailed:
            raise refusal(f"the statement {' '.join(normal.split()[:2])!r} with what it says") from None
        return tree, self._select_of(select, tree) if match[1].startswith("(") else "", normal.partition(" ")[0]

    def _select_of(self, sql: str, tree: Any) -> str:
        """The SELECT of a statement or of an EXPLAIN, without its format."""
        shape = sql_lexer.shape(sql)
        start, end = shape.format_span
        text = f"{sql[:start]} {sql[end : shape.end]}" if shape.format_name else sql[: shape.end]
        if tree["type"] in _SELECTS:
            self._require_same_tree(sql, text, tree)
            return text
        if tree["type"] != "ExplainQuery" or "query" not in tree:
            return ""
        depth = 0
        for token in sql_lexer.tokens(text):
            if depth == 0 and (token.text == "(" or token.text.upper() in _SELECT_WORDS):
                with contextlib.suppress(QueryFailed):
                    if self._parsed(text[token.start :]) == tree["query"]:
                        return text[token.start :]
            depth += (token.text == "(") - (token.text == ")") if token.kind == "mark" else 0
        raise refusal("an EXPLAIN whose statement cannot be identified")

    def _require_same_tree(self, sql: str, text: str, tree: Any) -> None:
        """Refuse a SELECT whose tree changes when the node removes its format or adds INTO OUTFILE.

        The node finds these places by a lexer of its own. Where the engine reads a text otherwise, what stands in a
        string would become a part of the statement that nobody has judged.
        """
        parts = _parts(tree)
        for changed_sql in (text, into_file(sql, "TabSeparated", "/proc/self/fd/3")):
            try:
                changed_tree = self._parsed(changed_sql)
            except QueryFailed:
                changed_tree = {}
            if _parts(changed_tree) != parts:
                raise refusal("a statement whose end cannot be identified")

    def _normal(self, sql: str) -> str:
        """A statement in the engine's normal form; '' if it cannot be parsed."""
        answer = self._ask("SELECT formatQuerySingleLineOrNull({sql:String})", {"sql": sql}, "JSONCompactEachRow")
        return json.loads(answer)[0] or ""

    def _parsed(self, sql: str) -> Any:
        return json.loads(self._ask("SELECT parseQueryToJSON({sql:String})", {"sql": sql}, "TSVRaw"))

    def _check_tables(self, findings: Findings, *, is_read: bool) -> list[tuple[str, str]]:
        """Refuse names of files, and tables that read something outside the data folder.

        Returns the names of no table, those first that must be tables.
        """
        missing: list[tuple[str, str]] = []
        for (database, name), is_required in findings.tables.items():
            place = {"database": database, "name": name}
            if self._is_table(place, is_read=is_read):
                if is_required:
                    findings.check_database(database)
                continue
            missing.insert(0 if is_required else len(missing), (database, name))
            # Do not reveal whether such a file exists.
            if _IN_PATHS.search(name):
                raise _no_table(database, name)
            try:
                exists = self._ask(_IS_ANYTHING, place, "TSVRaw")
            except QueryFailed as exc:
                if is_required or exc.code not in _UNKNOWN_CODES:
                    raise
                continue
            if exists.strip() != b"0":
                raise _no_table(database, name)
        return missing

    def _is_table(self, place: Mapping[str, str], *, is_read: bool) -> bool:
        key, now_s = (place["database"], place["name"]), time.monotonic()
        if now_s - self._tables_seen_s.get(key, -_CACHED_TABLES_S) < _CACHED_TABLES_S:
            return True
        engine = self._ask(_TABLE_ENGINE, place, "TSVRaw").decode().strip()
        is_table = bool(engine)
        if is_table and engine not in allowed().table_engines:
            if is_read:
                raise refusal(f"a table of the engine {engine}")
            return True
        if is_table:
            with self._lock:
                if len(self._tables_seen_s) >= _CACHED_TABLES:
                    self._tables_seen_s.clear()
                self._tables_seen_s[key] = now_s
        return is_table


def _no_table(database: str, name: str) -> QueryRejected:
    return QueryRejected(
        404, 60, f"Code: 60. DB::Exception: Table {database}.{name[:200]} does not exist. (UNKNOWN_TABLE)"
    )


def _key(sql: str, database: str, settings: Mapping[str, str], lenient: bool, of_tenant: bool) -> tuple[object, ...]:
    """The cache key of a verdict: settings can change the meaning of a name."""
    return database, sql, lenient, of_tenant, frozenset(settings.items())


def _parts(tree: Any) -> tuple[list[object], list[str]]:
    """A tree without its output clauses, and its settings: SETTINGS after FORMAT are in another place of the tree.

    The tree comes flat, since it may be deeper than Python's stack: each node's names and length, then what is in it.
    """
    flat: list[object] = []
    settings: list[str] = []
    pending: list[Any] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            flat.append(("list", len(node)))
            pending.extend(reversed(node))
        elif isinstance(node, dict):
            settings.extend(json.dumps(node[name], sort_keys=True) for name in _SETTINGS_KEYS if name in node)
            names = sorted(node.keys() - _ANSWER_KEYS - _SETTINGS_KEYS)
            flat.append(("dict", tuple(names)))
            pending.extend(node[name] for name in reversed(names))
        else:
            flat.append(node)
    return flat, sorted(settings)
