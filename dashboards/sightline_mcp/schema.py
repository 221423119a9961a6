"""The typed tables in plain words, made from the statements that make them, so that the words cannot grow old. Pure."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Final

from sightline_store.ddl import Column
from sightline_store.schema import declared

TABLES: Final = (
    "requests", "stages", "llm_calls", "embeddings", "retrievals", "errors", "scores", "instances", "model_prices",
)  # fmt: skip
"""In the order in which they are described."""
HEAD: Final = """\
The tables that the tools read, each with what a row is and what its columns hold. Times are UTC; NULL is unknown, never
0. Prompts and answers are in none of them: explain_trace and worst_answers read them from the raw spans. A trace's rows
in all tables have the same TraceId. The cost of calls is in the views llm_calls_priced and embeddings_priced (CostUsd),
computed when asked.
"""

_COMMENT = re.compile(r"((?:^--[^\n]*\n)+)CREATE TABLE (?:IF NOT EXISTS )?(\w+)", re.MULTILINE)
_FILE = re.compile(r" \([\w/]+\.(?:py|sql|md)[^)]*\)")
_UNITS: Final = {
    "Ms": "milliseconds",
    "Usd": "US dollars",
    "PerMtok": "US dollars per million tokens",
    "Tokens": "tokens",
}
_WORDS: Final = (
    (re.compile(r"DateTime(?:64)?(?:\([^)]*\))?"), "moment"),
    (re.compile(r"U?Int\d+"), "whole number"),
    (re.compile(r"Float\d+"), "number"),
    (re.compile(r"\bString\b"), "text"),
    (re.compile(r"\bBool\b"), "yes or no"),
    (re.compile(r"LowCardinality\(([^()]*)\)"), r"\1"),
    (re.compile(r"SimpleAggregateFunction\(\w+, ([^()]*)\)"), r"\1"),
    (re.compile(r"Nullable\(([^()]*)\)"), r"\1, or unknown"),
    (re.compile(r"Tuple\(([^()]*)\)"), r"[\1]"),
    (re.compile(r"Array\(([^()]*)\)"), r"list: \1"),
)
"""A type in words, the innermost first."""


@cache
def text() -> str:
    """All tables."""
    return HEAD + "".join(f"\n{table(name)}" for name in TABLES)


@cache
def table(name: str) -> str:
    """One table: what a row is, then a line a column.

    Raises:
        KeyError: it is none of `TABLES`.
    """
    if name not in TABLES:
        raise KeyError(name)
    columns = declared.tables()[name].columns
    return f"## {name}\n\n{_comments()[name]}\n\n" + "".join(f"- {_described(column)}\n" for column in columns)


@cache
def _comments() -> dict[str, str]:
    """Table to the comment above the statement that makes it."""
    found = {}
    for migration in declared.migrations():
        sql = resources.files("sightline_store").joinpath(migration.file).read_text(encoding="utf-8")
        for comment, name in _COMMENT.findall(sql):
            words = " ".join(line.removeprefix("--").strip() for line in comment.splitlines())
            found[name] = _FILE.sub("", words)
    return found


def _described(column: Column) -> str:
    kind, before = column.type or "computed", ""
    while kind != before:
        before = kind
        for pattern, words in _WORDS:
            kind = pattern.sub(words, kind)
    unit = next((unit for ending, unit in _UNITS.items() if column.name.endswith(ending)), "")
    return f"{column.name}: {kind}" + (f", {unit}" if unit else "")
