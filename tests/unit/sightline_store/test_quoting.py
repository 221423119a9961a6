"""Text as SQL: no text leaves its quotes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sightline_store.quoting import quote_identifier, quote_string, quote_strings


def test_quotes_and_backslashes_are_escaped() -> None:
    """What would end the literal, or escape its end, is escaped itself."""
    assert quote_string("it's a \\") == r"'it\'s a \\'"
    assert quote_identifier("a`b\\") == r"`a\`b\\`"
    assert quote_strings(["a", "b'c"]) == r"'a', 'b\'c'"


@given(st.text(alphabet="ab'`\\\n;-"))
def test_only_the_last_quote_ends_a_literal(text: str) -> None:
    """Read as ClickHouse reads it, the literal ends at its last character and is the text again."""
    for quoted, quote in ((quote_string(text), "'"), (quote_identifier(text), "`")):
        read, at = "", 1
        while quoted[at] != quote:
            at += quoted[at] == "\\"
            read += quoted[at]
            at += 1
        assert at == len(quoted) - 1
        assert read == text
