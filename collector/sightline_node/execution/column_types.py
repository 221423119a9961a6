"""The full types of a SELECT's columns, which the engine shortens in the Native format: asked before the SELECT runs.

DESCRIBE takes 1 to 20 milliseconds, and runs the scalar subqueries of the SELECT. Its result is kept by the text of the
statement and all its parameters, until a statement runs that is neither a SELECT nor an INSERT, since that may change a
table.

Pages ask the same text again and again for other moments and numbers. These can change a type: as a condition
(`toDateTime(a, if({n:UInt8}, 'UTC', 'Asia/Tokyo'))`), as an index of a list of zones, or inside `view`, whose columns
no tree resolves. Each text with such parameters is therefore analyzed once: where no type in its tree has a time zone
and no text in it is computed from what may change, no moment and no number can give its answer a time zone.
"""

from __future__ import annotations

import json
import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

from sightline_node import sql_lexer
from sightline_node.execution.engine import Session, Statement
from sightline_node.http.request import Query
from sightline_node.readers.resolved_tree import EXPLAIN
from sightline_store.errors import QueryFailed

_CACHED_STATEMENTS = 512
_CACHED_CHARACTERS = 32 * 1024
_ZONED = b"DateTime('"
_VARIES = "varies"
# Analyzed, not optimized: of `if` with a constant condition both branches are there.
_ANALYZE = "EXPLAIN QUERY TREE dump_tree = 1, dump_ast = 0, dump_passes = 0, passes = 1 SELECT * FROM "
_NO_LIMITS = "SETTINGS max_result_rows = 0, max_result_bytes = 0, limit = 0, offset = 0"
_VALUE_TYPE = re.compile(
    r"U?Int(?:8|16|32|64|128|256)|Float(?:32|64)|Bool|Date(?:32|Time)?|DateTime64\(\d(?:,'[\w/+-]*')?\)", re.ASCII
)
_TEXT_CONSTANT = re.compile(r"( *)CONSTANT id: .*, constant_value_type: (?:Nullable\(|LowCardinality\()*String\)*")
# What may have another value with other moments and numbers: a subquery, or a parameter that is no text.
_VARIABLE = re.compile(r" *(?:QUERY|UNION) id: |.*function_name: _CAST, (?!.*result_type: (?:Nullable\()?String)")
# Took too long, was too slow, was aborted, found no memory or place, was killed, or its client has gone.
_ENDS_THE_STATEMENT = frozenset({159, 160, 236, 241, 243, 394, 735})


class ColumnTypes:
    """The types of recent statements. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._types: OrderedDict[tuple[object, ...], list[str]] = OrderedDict()
        self._version = 0

    def forget(self) -> None:
        """Call after a statement that may have changed a table."""
        with self._lock:
            self._types.clear()
            self._version += 1

    def get(self, key: tuple[object, ...]) -> list[str] | None:
        """The types of a statement, None where they are not known."""
        with self._lock:
            if key in self._types:
                self._types.move_to_end(key)
            return self._types.get(key)

    def put(self, key: tuple[object, ...], types: list[str], version: int) -> None:
        """Keep the types of a statement that was described at `version`."""
        with self._lock:
            if version == self._version:
                self._types[key] = types
                while len(self._types) > _CACHED_STATEMENTS:
                    self._types.popitem(last=False)

    @property
    def version(self) -> int:
        """Changes with `forget`."""
        return self._version


class AnswerTypes:
    """The types of the columns of one answer. They are known before its first byte is written."""

    def __init__(self, cache: ColumnTypes, query: Query) -> None:
        self._cache = cache
        self._query = query
        self.types: list[str] = []
        """Empty where none has a time zone, and where the engine could not describe the statement."""

    def described(self, statement: Statement, session: Session) -> Statement:
        """The statement to run: it is described on its connection, once the rights of its sender have been checked."""
        is_kept = not session.has_own_names and len(statement.sql) <= _CACHED_CHARACTERS
        of_any_value, key = _keys(statement) if is_kept else ((), ())
        for known in (of_any_value, key) if is_kept else ():
            if (types := self._cache.get(known)) is not None:
                self.types = types
                return statement

        def check(ask: Callable[[str], bytes]) -> None:
            trees: list[bytes] = []

            def ask_and_keep_trees(sql: str) -> bytes:
                text = ask(sql)
                if sql.startswith(EXPLAIN):
                    trees.append(text)
                return text

            if statement.check is not None:
                statement.check(ask_and_keep_trees)
            version = self._cache.version
            if is_kept and of_any_value != key and self._cache.get((*of_any_value, _VARIES)) is None:
                tree = _answer(ask, f"{_ANALYZE}({self._select()}\n)")
                if tree and _has_never_a_zone(tree):
                    self._cache.put(of_any_value, [], version)
                    return
                self._cache.put((*of_any_value, _VARIES), [], version)
            if not trees or any(_ZONED in tree for tree in trees):
                described = _answer(ask, f"DESCRIBE TABLE ({self._select()}\n) {_NO_LIMITS} FORMAT JSONCompactEachRow")
                if described is None:
                    return
                self.types = [json.loads(line)[1] for line in described.splitlines()]
            if is_kept:
                self._cache.put(key, self.types, version)

        return replace(statement, check=check)

    def _select(self) -> str:
        start, end = self._query.shape.format_span
        sql = self._query.statement.sql
        return f"{sql[:start]} {sql[end : self._query.shape.end]}" if end else sql[: self._query.shape.end]


def _answer(ask: Callable[[str], bytes], sql: str) -> bytes | None:
    """The answer to a question about a statement; None where there is none, of which the statement itself says why.

    Raises:
        QueryFailed: it was killed, took too long or found no memory: the statement must not run after that.
    """
    try:
        return ask(sql)
    except QueryFailed as exc:
        if exc.code in _ENDS_THE_STATEMENT:
            raise
        return None


def _keys(statement: Statement) -> tuple[tuple[object, ...], tuple[object, ...]]:
    """The keys of a statement with any moments and numbers, and with its own."""
    text = (
        statement.sql,
        statement.database,
        statement.runs_as,
        frozenset((statement.settings or {}).items()),
    )
    params = frozenset((statement.params or {}).items())
    values = _value_names(statement.sql)
    return (*text, frozenset(param for param in params if param[0] not in values)), (*text, params)


@lru_cache(256)
def _value_names(sql: str) -> frozenset[str]:
    """The parameters that are a moment or a number wherever they stand."""
    values: set[str] = set()
    others: set[str] = set()
    if "{" not in sql:
        return frozenset()
    words = list(sql_lexer.tokens(sql))
    for at, token in enumerate(words[:-3]):
        if token.text == "{" and token.kind == "mark":
            end = next((end for end in range(at, len(words)) if words[end].text == "}"), len(words))
            kind = "".join(word.text for word in words[at + 3 : end])
            (values if _VALUE_TYPE.fullmatch(kind) else others).add(words[at + 1].text)
    return frozenset(values - others)


def _has_never_a_zone(text: bytes) -> bool:
    """Whether an answer has no time zone whatever moments and numbers the statement of this tree is asked for."""
    if _ZONED in text or b"TABLE_FUNCTION id: " in text:
        return False
    lines = text.decode("utf-8", "replace").split("\n")
    for at, line in enumerate(lines):
        if match := _TEXT_CONSTANT.fullmatch(line):
            below = f"{match[1]}  "
            for inner in lines[at + 1 :]:
                if not inner.startswith(below):
                    break
                if _VARIABLE.match(inner):
                    return False
    return True
