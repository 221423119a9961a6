"""SQL as tokens: enough of ClickHouse's lexer to not be misled by strings, comments and quoted names. Pure.

Source: https://github.com/ClickHouse/ClickHouse/blob/master/src/Parsers/Lexer.cpp
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|\#[!\ ][^\n]*|/\*.*?\*/)
    |(?P<string>'(?:[^'\\]|\\.|'')*'|\u2018[^\u2019]*\u2019|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
    |(?P<quoted>`(?:[^`\\]|\\.|``)*`|"(?:[^"\\]|\\.|"")*"|\u201c[^\u201d]*\u201d)
    |(?P<word>[^\W\d]\w*)
    |(?P<number>\d[\w]*(?:\.\d\w*)?)
    |(?P<mark>::|->|!=|<>|<=|>=|==|\|\||.)""",
    re.VERBOSE | re.DOTALL,
)
_COMMENT = re.compile(r"--|#[! ]|/\*")
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")


@dataclass(frozen=True)
class Token:
    """A piece of SQL that is neither space nor comment.

    Attributes:
        kind: string, quoted (a quoted name), word, number or mark.
        text: as it stands in the source.
        start: index of its first character.
        end: index behind its last character.
    """

    kind: str
    text: str
    start: int
    end: int

    @property
    def keyword(self) -> str:
        """The word in upper case; '' for what is no word."""
        return self.text.upper() if self.kind == "word" else ""

    @property
    def name(self) -> str:
        """The identifier that it spells, without quotes; '' for what is no identifier."""
        if self.kind == "quoted":
            return self.text[1:-1].replace(self.text[0] * 2, self.text[0])
        return self.text if self.kind == "word" else ""


def tokens(sql: str) -> Iterator[Token]:
    """The tokens of a text, in order."""
    for match in _TOKEN.finditer(sql):
        kind = match.lastgroup
        if kind == "tag":
            kind = "string"
        if kind != "space":
            yield Token(str(kind), match[0], match.start(), match.end())


def depths(pieces: Iterable[Token]) -> Iterator[tuple[Token, int]]:
    """Each token with the number of brackets that are open around it; a bracket counts as outside of itself."""
    depth = 0
    for token in pieces:
        if token.kind == "mark" and token.text in _CLOSING:
            depth -= 1
        yield token, depth
        if token.kind == "mark" and token.text in _OPENING:
            depth += 1


def without_comments(sql: str) -> str:
    """The text without its comments; a line that held nothing else goes, other lines stay as they are."""
    pieces = list(_TOKEN.finditer(sql))
    kept = "".join(
        ("\n" * match[0].count("\n") if not match[0].startswith("/*") else " ")
        if match.lastgroup == "space" and _COMMENT.match(match[0])
        else match[0]
        for match in pieces
    )
    lines, originals = kept.split("\n"), sql.split("\n")
    if len(lines) != len(originals):  # a comment of several lines is one space
        return "\n".join(line.rstrip() for line in lines if line.strip())
    return "\n".join(
        line.rstrip() if line != original else line
        for line, original in zip(lines, originals, strict=True)
        if line.strip() or not original.strip()
    )


def split(sql: str) -> list[str]:
    """The statements of a text, each without its closing `;`, comments before it and space around it.

    A `;` in a string, a quoted name or a comment ends no statement.
    """
    statements: list[str] = []
    start: int | None = None
    end = 0
    for token in tokens(sql):
        if token.kind == "mark" and token.text == ";":
            if start is not None:
                statements.append(sql[start:end])
            start = None
            continue
        start = token.start if start is None else start
        end = token.end
    if start is not None:
        statements.append(sql[start:end])
    return statements


def commas(pieces: Sequence[Token]) -> list[list[Token]]:
    """A list at the commas that stand in no brackets; [] for an empty list."""
    parts: list[list[Token]] = [[]]
    for token, depth in depths(pieces):
        if depth == 0 and token.text == "," and token.kind == "mark":
            parts.append([])
        else:
            parts[-1].append(token)
    return [part for part in parts if part]


def compact(sql: str) -> str:
    """A text on one line that two texts share which differ in spaces and comments only."""
    return " ".join(token.text for token in tokens(sql))


def bare(name: str) -> bool:
    """Whether a name needs no quotes."""
    return re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) is not None


def quoted(name: str) -> str:
    """A name as SQL spells it: in backquotes where it needs them."""
    return name if bare(name) else f"`{name.replace(chr(92), chr(92) * 2).replace('`', '``')}`"
