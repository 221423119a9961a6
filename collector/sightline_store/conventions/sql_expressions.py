"""The words that the generated SQL is made of: what a span tells for a column, and tables of names.

`canonical.py` and `typed.py` write statements with these. A column's value is looked up by its number in the map `told`
that `canonical.py` makes of a span's attributes.
"""

from __future__ import annotations

from collections.abc import Iterable

from sightline_store.conventions import aliases


def text(value: str) -> str:
    """A string as SQL."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def listed(values: Iterable[str]) -> str:
    """Strings as SQL, with commas between."""
    return ", ".join(text(value) for value in values)


def told(column: str) -> str:
    """The value that a span tells for a column, '' where it tells none."""
    return f"told[{aliases.number(column)}]"


def has(*columns: str) -> str:
    """Whether a span tells a column, or one of several."""
    numbers = [str(aliases.number(column)) for column in columns]
    return f"mapContains(told, {numbers[0]})" if len(numbers) == 1 else f"hasAny(mapKeys(told), [{', '.join(numbers)}])"


def tokens(column: str) -> str:
    """A number of tokens, NULL where none is told or what is told cannot be one."""
    return f"counts[{aliases.number(column)}]"


def named(table: dict[str, tuple[str, ...]], value: str, default: str) -> str:
    """`value` by a table of names to other names of them, `default` where it is none of those."""
    pairs = [(other, name) for name, others in table.items() for other in others]
    others, names = listed(other for other, _ in pairs), listed(name for _, name in pairs)
    return f"transform({value}, [{others}], [{names}], {default})"
