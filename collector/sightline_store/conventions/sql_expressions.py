"""The expressions that the generated SQL is made of: a span's value of a canonical column, and tables of names.

`canonical.py` and `typed_tables.py` write statements with these. A value is looked up by the column's number in the map
`column_values` that `canonical.py` makes of a span's attributes.
"""

from __future__ import annotations

from sightline_store.conventions import aliases
from sightline_store.quoting import string_array

STORED_AT = "now64(6) AS StoredAt"
"""The moment of the INSERT. Views compute it one after the other, so `spans_canonical` has it for all typed tables."""

SAME_CLOCK_NS, OTHER_CLOCK_NS = 2_000_000, 500_000_000
"""By how much a span may begin or end outside of the span around it: of one service, and of two, each with a clock."""


def value_of(column: str) -> str:
    """A span's value of a column, '' where it has none."""
    return f"column_values[{aliases.column_number(column)}]"


def has(*columns: str) -> str:
    """Whether a span has a value of the column, or of one of several."""
    numbers = [str(aliases.column_number(column)) for column in columns]
    return (
        f"mapContains(column_values, {numbers[0]})"
        if len(numbers) == 1
        else f"hasAny(mapKeys(column_values), [{', '.join(numbers)}])"
    )


def token_count(column: str) -> str:
    """A span's value of a column as a number of tokens, NULL where it has none or where it cannot be one."""
    return f"counts[{aliases.column_number(column)}]"


def canonical_name(table: dict[str, tuple[str, ...]], value: str, default: str) -> str:
    """The name that `table` (name to synonyms) has for `value`, `default` where it is no synonym in it."""
    pairs = [(synonym, name) for name, synonyms in table.items() for synonym in synonyms]
    synonyms, names = string_array(synonym for synonym, _ in pairs), string_array(name for _, name in pairs)
    return f"transform({value}, {synonyms}, {names}, {default})"
