"""The engine's functions, and whether a reader may call them.

The allowed names are listed in `reader_allowed.toml`. An alias counts as its function, an aggregate with combinators as
the aggregate. A function that an admin wrote in SQL may be called: its body is checked in the resolved tree, which
contains the body instead of the call.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from typing import TypeAlias

from sightline_node.readers.reader_allowed import allowed

Ask: TypeAlias = Callable[[str, Mapping[str, str], str], bytes]
"""Runs a statement of the node's own: SQL, its parameters, the format of its answer."""

IN_FUNCTIONS = frozenset(
    {
        "in", "notIn", "globalIn", "globalNotIn", "nullIn", "notNullIn", "globalNullIn", "globalNotNullIn",
        "inIgnoreSet", "notInIgnoreSet", "globalInIgnoreSet", "globalNotInIgnoreSet", "nullInIgnoreSet",
        "notNullInIgnoreSet", "globalNullInIgnoreSet", "globalNotNullInIgnoreSet",
    }
)  # fmt: skip
"""Functions whose second argument may name a table."""

AGGREGATES_BY_NAME = frozenset({"arrayReduce", "arrayReduceInRanges", "initializeAggregation"})
"""Functions whose first argument is a string that names an aggregate."""

TABLES_BY_NAME = ("joinget", "dictget", "dicthas", "dictisin")
"""Prefixes, in lower case, of functions whose first argument names a table or a dictionary."""

_SYSTEM_FUNCTIONS = (
    "SELECT name, alias_to, is_aggregate, case_insensitive, ifNull(higher_order, 0) AS higher_order "
    "FROM system.functions WHERE origin = 'System'"
)
_COMBINATORS = "SELECT name FROM system.aggregate_function_combinators"
_SQL_FUNCTION = "SELECT name FROM system.functions WHERE origin = 'SQLUserDefined' AND name = {name:String}"


class Functions:
    """The engine's functions, read once. Any thread may ask."""

    def __init__(self, ask: Ask) -> None:
        """The engine is not asked before the first name."""
        self._ask = ask
        self._lock = threading.Lock()
        self._exact: dict[str, bool] = {}
        self._any_case: dict[str, bool] = {}
        self._for_admin_get: frozenset[str] = frozenset()
        self._higher_order: frozenset[str] = frozenset()
        self._aggregates: frozenset[str] = frozenset()
        self._combinators: tuple[str, ...] = ()

    def verdict(self, name: str, *, lenient: bool = False) -> bool | None:
        """Whether a function may be called; None if the engine has none of that name.

        Args:
            name: as the statement spells it.
            lenient: for an admin's GET, which may also read what describes the host.
        """
        with self._lock:
            self._load()
            if lenient and name.lower() in self._for_admin_get:
                return True
            for may_be_called in (self._exact.get(name), self._any_case.get(name.lower())):
                if may_be_called is not None:
                    return may_be_called
            if self._is_combined(name) or self._is_sql_function(name):
                return True
        return None

    def is_closed_name(self, name: str) -> bool:
        """Whether a name, written without a call, could stand for a function that may not be called.

        The analyzer takes a bare name for a function where a function expects one: `arrayMap(file, …)`.
        """
        with self._lock:
            self._load()
            return self._exact.get(name) is False or self._any_case.get(name.lower()) is False

    def takes_functions(self, name: str) -> bool:
        """Whether a bare name among the arguments may mean a function; so for lambdas and functions written in SQL."""
        with self._lock:
            self._load()
            is_of_the_engine = name in self._exact or name.lower() in self._any_case or self._is_combined(name)
            return name.lower() in self._higher_order or not is_of_the_engine

    def may_be_resolved(self, name: str, *, lenient: bool = False) -> bool:
        """Whether a function may appear in a resolved tree."""
        return name in allowed().resolved_functions or self.verdict(name, lenient=lenient) is True

    def _load(self) -> None:
        if self._exact:
            return
        lists = allowed()
        rows = _rows(self._ask(_SYSTEM_FUNCTIONS, {}, "JSONEachRow"))
        for row in rows:
            may_be_called = (row["alias_to"] or row["name"]) in lists.functions
            self._exact[row["name"]] = may_be_called
            if row["case_insensitive"]:
                self._any_case[row["name"].lower()] = may_be_called
        # Written by the parser: the engine does not list all of them.
        for name in lists.functions - self._exact.keys():
            self._exact[name] = True
        self._for_admin_get = frozenset(
            row["name"].lower() for row in rows if (row["alias_to"] or row["name"]) in lists.admin_get_functions
        )
        self._higher_order = frozenset(row["name"].lower() for row in rows if row["higher_order"])
        self._aggregates = frozenset(row["name"] for row in rows if row["is_aggregate"])
        names = (row["name"] for row in _rows(self._ask(_COMBINATORS, {}, "JSONEachRow")))
        self._combinators = tuple(sorted(names, key=len, reverse=True))

    def _is_combined(self, name: str) -> bool:
        """Whether this is an aggregate that a reader may use, with combinators such as If or OrNull behind its name."""
        for combinator in self._combinators:
            base = name.removesuffix(combinator)
            if base and base != name:
                may_be_called = self._exact.get(base) if base in self._aggregates else self._any_case.get(base.lower())
                if may_be_called or (may_be_called is None and self._is_combined(base)):
                    return True
        return False

    def _is_sql_function(self, name: str) -> bool:
        """Not cached: an admin may create one at any moment."""
        return bool(_rows(self._ask(_SQL_FUNCTION, {"name": name}, "JSONEachRow")))


def _rows(answer: bytes) -> list[dict[str, str]]:
    return [json.loads(line) for line in answer.splitlines() if line]
