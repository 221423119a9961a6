"""The positions of a statement's parts in its text. Pure.

As much of ClickHouse's lexer as is needed to skip strings, comments and quoted names. Whether a statement *may* run is
never decided here, but on the engine's own trees (`readers`).

Source: https://github.com/ClickHouse/ClickHouse/blob/master/src/Parsers/Lexer.cpp
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|\#[!\ ][^\n]*|/\*.*?\*/)
    |(?P<string>'(?:[^'\\]|\\.|'')*'|\u2018[^\u2019]*\u2019|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
    |(?P<quoted>`(?:[^`\\]|\\.|``)*`|"(?:[^"\\]|\\.|"")*"|\u201c[^\u201d]*\u201d)
    |(?P<word>[^\W\d]\w*)
    |(?P<number>\d[\w.]*(?:[\s,]+\d[\w.]*)*)
    |(?P<mark>.)""",
    re.VERBOSE | re.DOTALL,
)
_LONG_STATEMENT = 4096
_SELECTING = frozenset({"SELECT", "WITH", "FROM"})
# A column may have one of these in the place of its type.
_DEFAULT_WORDS = frozenset({"DEFAULT", "MATERIALIZED", "ALIAS", "EPHEMERAL", "AUTO_INCREMENT"})


@dataclass(frozen=True)
class Token:
    """A piece of SQL that is neither space nor comment."""

    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Shape:
    """A statement's parts.

    Attributes:
        kind: its first word in upper case; INSERT also behind a WITH. '' where it has none.
        end: where it ends, before a closing semicolon, spaces and comments.
        is_alone: no second statement follows.
        format_name: of its FORMAT clause, else ''.
        format_span: the clause from FORMAT to its name's end.
        has_outfile: whether it says INTO OUTFILE.
    """

    kind: str
    end: int
    is_alone: bool
    format_name: str = ""
    format_span: tuple[int, int] = (0, 0)
    has_outfile: bool = False

    @property
    def is_read(self) -> bool:
        """Whether this is a SELECT, whose answer may be long."""
        return self.kind in _SELECTING


def tokens(sql: str, start: int = 0) -> Iterator[Token]:
    """The tokens of a text from `start`."""
    for match in _TOKEN.finditer(sql, start):
        kind = match.lastgroup
        if kind == "tag":
            kind = "string"
        if kind != "space":
            yield Token(str(kind), match[0], match.start(), match.end())


def shape(sql: str) -> Shape:
    """The parts of a statement."""
    return _short_shape(sql) if len(sql) <= _LONG_STATEMENT else _shape(sql)


def _shape(sql: str) -> Shape:
    kind, depth, end = "", 0, 0
    is_alone, ended, has_outfile = True, False, False
    before: list[Token] = [Token("mark", "", 0, 0)] * 2  # the last two at depth 0
    name, span, span_end = "", (0, 0), -1
    for token in tokens(sql):
        upper = token.text.upper() if token.kind == "word" else ""
        if ended:
            is_alone = is_alone and token.text == ";"
            continue
        if token.text == ";" and token.kind == "mark":
            ended = True
            continue
        if not kind and upper:
            kind = upper
        end = token.end
        if token.kind == "mark":
            depth += (token.text in "([{") - (token.text in ")]}")
        if depth:
            continue
        if kind == "WITH" and upper == "INSERT":
            kind = "INSERT"
        if upper == "OUTFILE" and before[1].text.upper() == "INTO":
            has_outfile = True
        if token.kind in {"word", "quoted"} and before[1].kind == "word" and before[1].text.upper() == "FORMAT":
            name, span, span_end = token.text.strip('`"'), (before[1].start, token.end), token.end
        elif span_end >= 0 and before[1].end == span_end and upper != "SETTINGS":
            name, span, span_end = "", (0, 0), -1  # it was an alias or a column called format
        before = [before[1], token]
    return Shape(kind, end, is_alone, name, span, has_outfile)


_short_shape = lru_cache(256)(_shape)


@dataclass(frozen=True)
class Insert:
    """The head of an INSERT that is followed by data.

    Attributes:
        head: the statement up to where FORMAT or VALUES stand.
        fmt: the input format.
        data_at: where the data begin.
    """

    head: str
    fmt: str
    data_at: int


def insert_with_data(text: str) -> Insert | None:
    """Find where the data of an INSERT begin; None if this is no INSERT, or has no data of its own.

    Args:
        text: the statement and the first of its data, one character a byte, since data may be anything.
    """
    stream = tokens(text)
    first = next(stream, None)
    if first is None or first.text.upper() != "INSERT":
        return None
    depth, selects, reads_input = 0, False, False
    before = first
    for token in stream:
        upper = token.text.upper() if token.kind == "word" else ""
        if token.kind == "mark":
            depth += (token.text in "([{") - (token.text in ")]}")
        reads_input = reads_input or upper == "INPUT"
        # `SELECT`, or `(SELECT`: no data follow, unless it reads input().
        selects = selects or (upper in {"SELECT", "WITH"} and (depth == 0 or (depth == 1 and before.text == "(")))
        if depth == 0:
            if token.text == ";" or upper == "INFILE":
                break
            takes_data = not selects or reads_input
            if before.kind == "word" and before.text.upper() == "FORMAT" and takes_data:
                return Insert(text[: before.start], token.text.strip('`"'), _data_at(text, token.end))
            if upper == "VALUES" and not selects:
                return Insert(text[: token.start], "Values", token.end)
        before = token
    return None


def _data_at(text: str, start: int) -> int:
    match = re.compile(r"[ \t\f]*;?[ \t\f]*\r?\n?").match(text, start)
    return match.end() if match else start


def replace_call(sql: str, name: str, replacement: str) -> str:
    """`name(...)` with `replacement` in place of `name(`, wherever the name is a word of the statement."""
    parts, at, pending = [], 0, None
    for token in tokens(sql):
        if pending is not None and token.text == "(":
            parts += [sql[at : pending.start], replacement]
            at = token.end
        pending = token if token.kind == "word" and token.text.lower() == name else None
    return "".join([*parts, sql[at:]])


def replace_table(sql: str, path: tuple[str, str], replacement: str) -> str:
    """A table, by database and name, with `replacement` in its place wherever it stands behind FROM or JOIN."""
    parts, at = [], 0
    window: list[Token] = []
    for token in tokens(sql):
        window = [*window[-3:], token]
        if len(window) < 4 or window[0].text.upper() not in {"FROM", "JOIN"}:
            continue
        database, dot, name = window[1:]
        if (database.text.strip('`"').lower(), dot.text, name.text.strip('`"').lower()) == (path[0], ".", path[1]):
            parts += [sql[at : database.start], replacement]
            at = token.end
    return "".join([*parts, sql[at:]])


def replace_name(sql: str, name: str, replacement: str) -> str:
    """A name of one part, with `replacement` in its place wherever it stands in the statement."""
    parts, at, before = [], 0, ""
    for token in tokens(sql):
        if token.kind in {"word", "quoted"} and token.text.strip('`"').lower() == name and before != ".":
            parts += [sql[at : token.start], replacement]
            at = token.end
        before = token.text
    return "".join([*parts, sql[at:]])


def is_column_list(text: str) -> bool:
    """Whether a text is `name Type, name Type, …` and nothing else: no default, no end of the list, no statement."""
    depth, words = 0, 0
    for token in tokens(text):
        if token.text in {"(", ")"} and token.kind == "mark":
            depth += 1 if token.text == "(" else -1
            if depth < 0 or words != 2:
                return False
        elif depth == 0:
            if token.text == ",":
                if words != 2:
                    return False
                words = 0
            elif token.kind in {"word", "quoted"} and token.text.upper() not in _DEFAULT_WORDS:
                words += 1
            else:
                return False
        elif token.text.upper() in {"SELECT", "WITH", "FROM"} or token.text == ";":
            return False
    return depth == 0 and words == 2
