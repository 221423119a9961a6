"""Text as ClickHouse SQL: the one quoting of strings and of names.

Values of questions travel as parameters; this is for generated SQL and for statements where no parameter may stand.

Source: https://clickhouse.com/docs/sql-reference/syntax#string
"""

from __future__ import annotations

from collections.abc import Iterable

_SHORT_ARRAY = 8


def quote_string(text: str) -> str:
    """A ClickHouse string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def quote_strings(texts: Iterable[str]) -> str:
    """ClickHouse string literals with commas between."""
    return ", ".join(quote_string(text) for text in texts)


def quote_identifier(name: str) -> str:
    """A ClickHouse identifier in backticks."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def string_array(values: Iterable[str]) -> str:
    """A constant array of strings. A long one is split out of one text, which ClickHouse analyses much faster."""
    texts = list(values)
    if len(texts) < _SHORT_ARRAY or any("," in text for text in texts):
        return f"[{quote_strings(texts)}]"
    return f"splitByChar(',', {quote_string(','.join(texts))})"
