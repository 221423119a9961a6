"""Whether a reader may run a statement, decided on the tree that the engine's own parser makes of it.

`parseQueryToJSON` gives the tree and refuses more than one statement; see `tree` for what is done with it. Nothing is
decided on the text, so letter case, comments, quotes and nesting cannot hide anything.

The engine's `default` database answers for files of its folder as if they were tables (`FROM 'passwords.csv'`), so a
table must be one that `system.tables` lists. A name that is neither is left to the engine, which says so best.

DESCRIBE, EXISTS and SHOW CREATE have no tree in JSON. The engine writes them out in its normal form, of which the first
words are replaced by SELECT * FROM, and that is judged.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sightline_store.errors import QueryFailed, QueryRejected
from sightline_store.node.functions import Ask, Functions
from sightline_store.node.tree import Findings, Walk, refusal

_CACHED_STATEMENTS = 512
_CACHED_CHARACTERS = 32 * 1024
_KNOWN_TABLES = 512
_KNOWN_S = 5.0

# What the engine writes for statements that ask about one table, a subquery or a database.
_ABOUT = re.compile(
    r"(?:DESCRIBE TABLE|EXISTS (?:TABLE|VIEW|DICTIONARY|DATABASE)|SHOW CREATE (?:TABLE|VIEW|DICTIONARY|DATABASE)) "
    r"(?!TEMPORARY )(.*)",
    re.DOTALL,
)
_ABOUT_THE_ENGINE = re.compile(r"SHOW (?:FUNCTIONS|ENGINES)(?: I?LIKE '(?:[^'\\]|\\.)*')?(?: FORMAT \w+)?", re.DOTALL)
_ABOUT_OTHERS = re.compile(r"SHOW PROCESSLIST(?: FORMAT \w+)?")
_HAS_NO_TREE = 36
_SYNTAX_ERROR = 62
_IN_PATHS = re.compile(r"[./~\x00]")
_NOT_THERE = frozenset({60, 81})
_IS_TABLE = "SELECT count() FROM system.tables WHERE database = {database:String} AND name = {name:String}"
_IS_ANYTHING = "EXISTS TABLE {database:Identifier}.{name:Identifier}"
_SCOPE_OF_PARSER = re.compile(r": In scope SELECT parseQueryToJSON\(.*(?= \([A-Z_]+\))", re.DOTALL)


@dataclass(frozen=True)
class Verdict:
    """What was found out about a statement that a reader may run.

    Attributes:
        sets: whether it changes settings itself, so that it cannot run where no setting may change.
    """

    sets: bool


class Statements:
    """Judges what a reader sends. Any thread may ask; verdicts are kept by text."""

    def __init__(self, ask: Ask) -> None:
        """Nothing is asked before the first statement."""
        self._ask = ask
        self._functions = Functions(ask)
        self._lock = threading.Lock()
        self._passed: OrderedDict[tuple[str, str, bool], Verdict] = OrderedDict()
        # Tables by database and name, and when each was last seen: pages send many texts about few tables.
        self._seen: dict[tuple[str, str], float] = {}

    def judge(self, sql: str, database: str, params: Mapping[str, str], *, lenient: bool = False) -> Verdict:
        """Let a reader's statement pass, or refuse it.

        Args:
            sql: one statement.
            database: the one that unqualified names mean.
            params: values of its {name:Type} places.
            lenient: let pass what only tells of the host and of what others ask, such as system.processes.

        Raises:
            QueryRejected: 403, it is not for a reader.
            QueryFailed: it cannot be parsed, or lacks a parameter.
        """
        key = (database, sql, lenient)
        with self._lock:
            if key in self._passed:
                self._passed.move_to_end(key)
                return self._passed[key]
        findings = Findings(params, database, lenient=lenient)
        try:
            tree = self._tree(sql, lenient)
            if tree is not None:
                Walk(findings, self._call).statement(tree)
        except RecursionError:
            raise refusal("the statement nests too deeply to be judged") from None
        for name in findings.unknown - findings.lambdas:
            raise QueryRejected(
                404,
                46,
                f"Code: 46. DB::Exception: Function with name `{name[:100]}` does not exist. (UNKNOWN_FUNCTION)",
            )
        are_tables = self._look_for_tables(findings)
        verdict = Verdict(findings.sets)
        # A verdict on a name that came as a parameter holds for its value only, one on a name of nothing for now: a
        # function may be made that is called like a lambda.
        if are_tables and not findings.unknown and not findings.used_params and len(sql) <= _CACHED_CHARACTERS:
            with self._lock:
                self._passed[key] = verdict
                while len(self._passed) > _CACHED_STATEMENTS:
                    self._passed.popitem(last=False)
        return verdict

    def _tree(self, sql: str, lenient: bool) -> Any:
        """The tree; None for a statement that has none and needs no judgement."""
        try:
            return self._parsed(sql)
        except QueryFailed as exc:
            if exc.code == _SYNTAX_ERROR and self._normal(f"{sql}\nFORMAT Null").startswith("INSERT "):
                raise refusal("the statement 'INSERT INTO'") from None
            if exc.code != _HAS_NO_TREE:
                raise QueryFailed(exc.code, _SCOPE_OF_PARSER.sub("", exc.message)) from None
        normal = self._normal(sql)
        if _ABOUT_THE_ENGINE.fullmatch(normal) or (lenient and _ABOUT_OTHERS.fullmatch(normal)):
            return None
        found = _ABOUT.fullmatch(normal)
        if found is None:
            raise refusal(f"the statement {' '.join(normal.split()[:2])!r}")
        try:
            return self._parsed(f"SELECT * FROM {found[1]}")  # noqa: S608  (parsed, never run)
        except QueryFailed:
            raise refusal(f"the statement {' '.join(normal.split()[:2])!r} with what it says") from None

    def _normal(self, sql: str) -> str:
        """A statement as the engine writes it; '' where it cannot be parsed."""
        answer = self._ask("SELECT formatQuerySingleLineOrNull({sql:String})", {"sql": sql}, "JSONCompactEachRow")
        return json.loads(answer)[0] or ""

    def _parsed(self, sql: str) -> Any:
        return json.loads(self._ask("SELECT parseQueryToJSON({sql:String})", {"sql": sql}, "TSVRaw"))

    def _call(self, name: str, lenient: bool) -> bool:
        """Refuse a function that is not for readers; returns whether there is one of that name."""
        verdict = self._functions.verdict(name)
        if verdict is None:
            return False
        if not verdict and (not lenient or self._functions.reaches_out(name)):
            raise refusal(f"the function {name}")
        return True

    def _look_for_tables(self, findings: Findings) -> bool:
        """Refuse names of files; returns whether all are names of tables."""
        are_tables = True
        for (database, name), must_be_one in findings.tables.items():
            place = {"database": database, "name": name}
            if self._is_table(place):
                continue
            are_tables = False
            # No word on whether such a file is there.
            if _IN_PATHS.search(name):
                raise _no_table(database, name)
            try:
                exists = self._ask(_IS_ANYTHING, place, "TSVRaw")
            except QueryFailed as exc:
                if must_be_one or exc.code not in _NOT_THERE:
                    raise
                continue
            if exists.strip() != b"0":
                raise _no_table(database, name)
        return are_tables

    def _is_table(self, place: Mapping[str, str]) -> bool:
        key, now_s = (place["database"], place["name"]), time.monotonic()
        if now_s - self._seen.get(key, -_KNOWN_S) < _KNOWN_S:
            return True
        is_table = self._ask(_IS_TABLE, place, "TSVRaw").strip() != b"0"
        if is_table:
            with self._lock:
                if len(self._seen) >= _KNOWN_TABLES:
                    self._seen.clear()
                self._seen[key] = now_s
        return is_table


def _no_table(database: str, name: str) -> QueryRejected:
    return QueryRejected(
        404, 60, f"Code: 60. DB::Exception: Table {database}.{name[:200]} does not exist. (UNKNOWN_TABLE)"
    )
