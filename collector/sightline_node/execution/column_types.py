"""The full types of a SELECT's columns, which the engine shortens in the Native format: asked before the SELECT runs.

DESCRIBE takes 1 to 20 milliseconds, and runs the scalar subqueries of the SELECT. Its result is kept by the text of the
statement, and by those of its parameters that may name a time zone, until a statement runs that is neither a SELECT nor
an INSERT, since that may change a table. Where the rights of a reader have just been checked on the resolved tree and
no type in that tree has a time zone, nothing is asked.
"""

from __future__ import annotations

import json
import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

from sightline_node.execution.engine import Session, Statement
from sightline_node.http.request import Query
from sightline_node.readers.resolved_tree import EXPLAIN
from sightline_store.errors import QueryFailed

_CACHED_STATEMENTS = 512
_CACHED_CHARACTERS = 32 * 1024
_ZONED = b"DateTime('"
_NO_ZONE = re.compile(r"[\d\-+:. TZe]*", re.ASCII)
"""Values of parameters that name no time zone: numbers and moments. Pages ask the same again with another window."""


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
        key = (
            statement.sql,
            statement.database,
            statement.is_readers,
            frozenset((statement.settings or {}).items()),
            frozenset(item for item in (statement.params or {}).items() if not _NO_ZONE.fullmatch(str(item[1]))),
        )
        is_kept = not session.has_own_names and len(statement.sql) <= _CACHED_CHARACTERS
        if is_kept and (types := self._cache.get(key)) is not None:
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
            if not trees or any(_ZONED in tree for tree in trees):
                try:
                    described = ask(self._sql())
                except QueryFailed:  # the statement itself fails with a better message
                    return
                self.types = [json.loads(line)[1] for line in described.splitlines()]
            if is_kept:
                self._cache.put(key, self.types, version)

        return replace(statement, check=check)

    def _sql(self) -> str:
        start, end = self._query.shape.format_span
        sql = self._query.statement.sql
        select = f"{sql[:start]} {sql[end : self._query.shape.end]}" if end else sql[: self._query.shape.end]
        return f"DESCRIBE TABLE ({select}\n) FORMAT JSONCompactEachRow"
