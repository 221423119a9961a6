"""The tables that a SELECT reads and the functions that it calls; and the same SELECT over others. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from sightline_store.ddl.tokens import Token, commas, tokens

_QUERY_STARTS = frozenset({"SELECT", "WITH", "FROM", "("})
_READS = frozenset({"FROM", "JOIN"})


def sources(select: str) -> list[str]:
    """The tables and views behind FROM and JOIN, without their databases, each once; no CTEs, no table functions."""
    pieces = list(tokens(select))
    common = _common_tables(pieces)
    return list(dict.fromkeys(pieces[last].name for _, last in _source_places(pieces, common)))


def with_sources(select: str, renamed: Callable[[str], str]) -> str:
    """The SELECT in which each table's name, with its database, is replaced by `renamed(name)`."""
    pieces = list(tokens(select))
    parts, at = [], 0
    for first, last in _source_places(pieces, _common_tables(pieces)):
        parts += [select[at : pieces[first].start], renamed(pieces[last].name)]
        at = pieces[last].end
    return "".join([*parts, select[at:]])


def calls(text: str) -> list[str]:
    """The names that stand before a `(`, each once, in order; keywords such as IN are among them."""
    pieces = list(tokens(text))
    return list(dict.fromkeys(pieces[at].text for at in _call_places(pieces)))


def with_calls(text: str, renamed: Callable[[str], str]) -> str:
    """The text in which each called function's name is replaced by `renamed(name)`."""
    pieces = list(tokens(text))
    parts, at = [], 0
    for place in _call_places(pieces):
        parts += [text[at : pieces[place].start], renamed(pieces[place].text)]
        at = pieces[place].end
    return "".join([*parts, text[at:]])


def reads_all_columns(select: str) -> bool:
    """Whether a SELECT has a `*` in a list of columns, so that its own columns follow those of its sources."""
    pieces = list(tokens(select))
    return any(
        token.text == "*" and before.text in {"SELECT", "DISTINCT", ",", "."} for before, token in pairwise(pieces)
    )


def assignments(text: str) -> list[tuple[str, str]]:
    """`name = value, name = value` as pairs."""
    pairs = []
    for part in commas(list(tokens(text))):
        if len(part) < 3 or part[1].text != "=":
            raise ValueError(f"expected name = value: {text[part[0].start : part[-1].end]}")
        pairs.append((part[0].text, text[part[2].start : part[-1].end]))
    return pairs


def type_text(pieces: Sequence[Token]) -> str:
    """A type as ClickHouse prints it, however it was spaced: `Map(LowCardinality(String), String)`."""
    text = ""
    for before, token in zip((None, *pieces), pieces, strict=False):
        spelled = "Bool" if token.keyword == "BOOLEAN" else token.text
        if before is None or spelled in {")", ",", "("} or before.text in {"(", "-"}:
            text += spelled
        else:
            text += f" {spelled}"
    return text


def nested_fields(kind: str) -> list[tuple[str, str]] | None:
    """Name and type of each field of a `Nested(...)`; None for any other type."""
    pieces = list(tokens(kind))
    if not pieces or pieces[0].text != "Nested":
        return None
    return [(part[0].name, type_text(part[1:])) for part in commas(pieces[2:-1])]


def _source_places(pieces: list[Token], common: set[str]) -> Iterator[tuple[int, int]]:
    """First and last token of each table's path behind FROM or JOIN.

    A FROM reads a table only in a query's own brackets: that of `trim(BOTH ' ' FROM text)` does not.
    """
    queries = [True]
    for at, token in enumerate(pieces):
        if token.text == "(":
            queries.append(at + 1 < len(pieces) and pieces[at + 1].text.upper() in _QUERY_STARTS)
        elif token.text == ")":
            queries.pop()
        if token.keyword not in _READS or not queries[-1]:
            continue
        if token.keyword == "JOIN" and at and pieces[at - 1].keyword == "ARRAY":
            continue
        path = _path(pieces, at + 1)
        if path is None:
            continue
        first, last = path
        is_function = last + 1 < len(pieces) and pieces[last + 1].text == "("
        if not is_function and not (first == last and pieces[last].name in common):
            yield path


def _path(pieces: list[Token], at: int) -> tuple[int, int] | None:
    if at >= len(pieces) or not pieces[at].name:
        return None
    if at + 2 < len(pieces) and pieces[at + 1].text == "." and pieces[at + 2].name:
        return at, at + 2
    return at, at


def _common_tables(pieces: list[Token]) -> set[str]:
    """Names that WITH gives to subqueries."""
    found = set()
    for before, name, word, bracket, select in zip(
        pieces, pieces[1:], pieces[2:], pieces[3:], pieces[4:], strict=False
    ):
        is_named = before.text.upper() in {"WITH", ",", "RECURSIVE"} and word.keyword == "AS"
        if is_named and bracket.text == "(" and select.keyword in {"SELECT", "WITH"}:
            found.add(name.name)
    return found


def _call_places(pieces: list[Token]) -> Iterator[int]:
    for at, (token, following) in enumerate(pairwise(pieces)):
        if token.kind == "word" and following.text == "(":
            yield at
