"""Which functions and tables a reader may name: allow-lists, so that what a newer engine brings is refused at first.

The engine sorts its functions by subject. Whole subjects are harmless, since they compute from their arguments alone;
those that are not, and the mixed bag `Other`, are listed by name. Aliases count as what they stand for, an aggregate
with combinators as the aggregate. Functions that an admin wrote in SQL pass: what they do is what the admin wrote.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from typing import TypeAlias

Ask: TypeAlias = Callable[[str, Mapping[str, str], str], bytes]
"""Runs a question of the node's own: SQL, its parameters, the format of its answer."""

TABLE_FUNCTIONS = frozenset(
    {
        "numbers", "numbers_mt", "primes", "generateseries", "generate_series", "values", "sqlstandardvalues", "view",
        "null",
    }
)  # fmt: skip
"""Table functions that reach nothing, lower case."""

SYSTEM_TABLES = frozenset(
    {
        "one", "numbers", "numbers_mt", "zeros", "zeros_mt", "tables", "columns", "databases", "parts", "parts_columns",
        "projections", "projection_parts", "data_skipping_indices", "functions", "settings", "data_type_families",
        "formats", "table_functions", "table_engines", "aggregate_function_combinators", "collations", "time_zones",
        "keywords", "contributors", "licenses", "metrics", "events", "asynchronous_metrics", "merge_tree_settings",
        "detached_parts", "completions",
    }
)  # fmt: skip
"""Tables of `system` that tell of the tables and the engine, not of the host or of what others ask."""

IN_FUNCTIONS = frozenset(
    {
        "in", "notIn", "globalIn", "globalNotIn", "nullIn", "notNullIn", "globalNullIn", "globalNotNullIn",
        "inIgnoreSet", "notInIgnoreSet", "globalInIgnoreSet", "globalNotInIgnoreSet", "nullInIgnoreSet",
        "notNullInIgnoreSet", "globalNullInIgnoreSet", "globalNotNullInIgnoreSet",
    }
)  # fmt: skip
"""Functions whose second argument may name a table."""

_SUBJECTS = frozenset(
    {
        "Aggregate Functions", "Arithmetic", "Arrays", "Bit", "Bitmap", "Comparison", "Conditional", "Dates and Times",
        "Dictionary", "Distance", "Encoding", "Encryption", "Financial", "Geo", "Geo Polygon", "Hash", "IP Address",
        "JSON", "Logical", "Map", "Mathematical", "Null", "NumericIndexedVector", "QBit", "Random Number", "Rounding",
        "String", "String Replacement", "String Search", "String Splitting", "Time Series", "Time Window", "Tuple",
        "Type Conversion", "URL", "UUID",
    }
)  # fmt: skip
# formatRow and groupFormat reach for schema files, flameGraph resolves addresses, generateSerialID asks Keeper.
_NOT = frozenset({"formatRow", "formatRowNoNewline", "groupFormat", "flameGraph", "aggThrow", "generateSerialID"})
_BY_NAME = frozenset(
    {
        # written by the parser or the planner where the statement has none of them
        "_CAST", "caseWithExpression", "nested", "lambda", "exists", "grouping", "untuple", "interval",
        # of `Other`
        "authenticatedUser", "bar", "blockNumber", "blockSerializedSize", "blockSize", "byteSize", "colorOKLABToSRGB",
        "colorOKLCHToSRGB", "colorSRGBToOKLAB", "colorSRGBToOKLCH", "connectionId", "countDigits", "currentDatabase",
        "currentProfiles", "currentQueryID", "currentRoles", "currentSchemas", "currentUser", "defaultProfiles",
        "defaultRoles", "defaultValueOfArgumentType", "defaultValueOfTypeName", "digits", "dumpColumnStructure",
        "enabledProfiles", "enabledRoles", "errorCodeToName", "finalizeAggregation", "flipCoordinates", "formatQuery",
        "formatQueryOrNull", "formatQuerySingleLine", "formatQuerySingleLineOrNull", "formatReadableDecimalSize",
        "formatReadableQuantity", "formatReadableSize", "formatReadableTimeDelta", "getSetting", "getSettingOrDefault",
        "getSizeOfEnumType", "getSubcolumn", "globalVariable", "highlightQuery", "identity", "ignore", "indexHint",
        "initialQueryID", "initialQueryStartTime", "initializeAggregation", "isConstant", "isDecimalOverflow",
        "joinGet", "joinGetOrNull", "lowCardinalityIndices", "lowCardinalityKeys", "MACNumToString", "MACStringToNum",
        "MACStringToOUI", "materialize", "minSampleSizeContinuous", "minSampleSizeConversion", "neighbor",
        "normalizedQueryHash", "normalizedQueryHashKeepNames", "normalizeQuery", "normalizeQueryKeepNames",
        "parseISO8601Duration", "parseReadableSize", "parseReadableSizeOrNull", "parseReadableSizeOrZero",
        "parseTimeDelta", "partitionId", "pgGetUserById", "pgTableIsVisible", "queryID", "revision",
        "rowNumberInAllBlocks", "rowNumberInBlock", "runningAccumulate", "runningDifference",
        "runningDifferenceStartingWithFirstValue", "shardCount", "shardNum", "throwIf", "tokenizeQuery",
        "toColumnTypeName", "toTypeName", "transform", "uptime", "variantElement", "variantType", "version",
        "visibleWidth",
    }
)  # fmt: skip
_ALL = (
    "SELECT name, alias_to, categories AS subject, is_aggregate, case_insensitive "
    "FROM system.functions WHERE origin = 'System'"
)
_COMBINATORS = "SELECT name FROM system.aggregate_function_combinators"
_WRITTEN_IN_SQL = "SELECT name FROM system.functions WHERE origin = 'SQLUserDefined' AND name = {name:String}"
# What reaches out, or holds a thread, of all that a reader may not call; the rest only tells of the host.
_REACHING_SUBJECTS = frozenset({"AI", "Embedded Dictionary", "Machine Learning"})
_REACHING = _NOT | {"file", "hasColumnInTable", "sleep", "sleepEachRow", "showCertificate", "fuzzQuery", "logTrace"}


class Functions:
    """What the engine calls a function, and whether a reader may. Any thread may ask."""

    def __init__(self, ask: Ask) -> None:
        """Nothing is asked before the first name."""
        self._ask = ask
        self._lock = threading.Lock()
        self._exact: dict[str, bool] = {}
        self._any_case: dict[str, bool] = {}
        self._reaching: frozenset[str] = frozenset()
        self._aggregates: frozenset[str] = frozenset()
        self._combinators: tuple[str, ...] = ()

    def reaches_out(self, name: str) -> bool:
        """Whether calling a function of the engine's own can reach the host or the network, or do more than compute."""
        with self._lock:
            if not self._exact:
                self._load()
            return name.lower() in self._reaching

    def verdict(self, name: str) -> bool | None:
        """Whether a reader may call a function; None where the engine has none of that name."""
        with self._lock:
            if not self._exact:
                self._load()
            for known in (self._exact.get(name), self._any_case.get(name.lower())):
                if known is not None:
                    return known
            if self._is_combined(name):
                return True
            if self._is_written_in_sql(name):
                return True
        return None

    def _load(self) -> None:
        rows = _rows(self._ask(_ALL, {}, "JSONEachRow"))
        subjects = {row["name"]: row["subject"].strip() for row in rows}
        reaching = set()
        for row in rows:
            meant = row["alias_to"] or row["name"]
            allowed = meant in _BY_NAME or (subjects.get(meant, "") in _SUBJECTS and meant not in _NOT)
            allowed = allowed or bool(row["is_aggregate"] and meant not in _NOT)
            self._exact[row["name"]] = allowed
            if meant in _REACHING or subjects.get(meant, "") in _REACHING_SUBJECTS:
                reaching.add(row["name"].lower())
            if row["case_insensitive"]:
                self._any_case[row["name"].lower()] = allowed
        for name in _BY_NAME - self._exact.keys():
            self._exact[name] = True
        self._reaching = frozenset(reaching)
        self._aggregates = frozenset(row["name"] for row in rows if row["is_aggregate"])
        names = (row["name"] for row in _rows(self._ask(_COMBINATORS, {}, "JSONEachRow")))
        self._combinators = tuple(sorted(names, key=len, reverse=True))

    def _is_combined(self, name: str) -> bool:
        """Whether this is an aggregate that a reader may use, with combinators such as If or OrNull behind its name."""
        for combinator in self._combinators:
            base = name.removesuffix(combinator)
            if base and base != name:
                known = self._exact.get(base) if base in self._aggregates else self._any_case.get(base.lower())
                if known or (known is None and self._is_combined(base)):
                    return True
        return False

    def _is_written_in_sql(self, name: str) -> bool:
        """Asked anew each time: an admin may write one at any moment."""
        return bool(_rows(self._ask(_WRITTEN_IN_SQL, {"name": name}, "JSONEachRow")))


def _rows(answer: bytes) -> list[dict[str, str]]:
    return [json.loads(line) for line in answer.splitlines() if line]
