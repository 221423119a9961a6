r"""The language in which requests are searched for: text to terms, and back. Pure.

::

    how do coroutines        both words, in questions, answers and other steps, or the ids of session, user and trace
    "time limit"             these words as they stand
    tenant:acme              also user, session, model, stage, service, route, trace
    gen_ai.request.top_k:5   any attribute of a span or of its resource; its name has a dot
    cost>0.01  ms>=2000      also ttft (ms), tokens and score.NAME; with < <= > >= =
    error                    requests that failed
    -stage:cache             without what follows

All terms must hold. A value with blanks stands in quotes, in which ``\"`` is a quote and ``\\`` a backslash.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

KEYS: Final = ("tenant", "user", "session", "model", "stage", "service", "route", "trace")
"""Keys that columns answer; any other key is an attribute."""
MEASURES: Final = ("cost", "ms", "ttft", "tokens")
"""What is compared with numbers, beside `SCORE`NAME and attributes: USD, total ms, ms to the first token, tokens."""
SCORE: Final = "score."
"""Beginning of the name of a score in a comparison."""
MAX_TERMS: Final = 12
"""Terms of one search."""

_OPERATORS: Final = (">=", "<=", ">", "<", "=")
_INVERSE: Final = {">": "<=", "<=": ">", "<": ">=", ">=": "<", "=": "!="}
_NAME = re.compile(r"[A-Za-z_][\w.\-/]*", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_BLANK = re.compile(r"\s*")
_WORD = re.compile(r"\S+")
_BARE = re.compile(r'[^\s"]\S*')
_ESCAPE = re.compile(r'\\(["\\])')


class Kind(StrEnum):
    """What a term asks."""

    WORDS = "words"
    FAILED = "failed"
    EQUALS = "equals"
    COMPARES = "compares"


class SearchError(ValueError):
    """A search that cannot be read.

    Attributes:
        at: number of the character, from 1, where something else was expected.
        expected: what was expected there.
    """

    def __init__(self, at: int, expected: str) -> None:
        self.at = at
        self.expected = expected
        super().__init__(f"at character {at}: expected {expected}")


@dataclass(frozen=True, slots=True)
class Term:
    """One condition of a search.

    Attributes:
        kind: what it asks.
        key: of `EQUALS` one of `KEYS` or an attribute; of `COMPARES` one of `MEASURES`, `SCORE`NAME or an attribute.
        operator: of `COMPARES`.
        value: the words, or the value of the key.
        number: of `COMPARES`.
        negated: whether requests without it are wanted.
        at: number of its first character, from 1.
    """

    kind: Kind
    key: str = ""
    operator: str = ""
    value: str = ""
    number: float = 0.0
    negated: bool = False
    at: int = field(default=1, compare=False)

    @property
    def is_attribute(self) -> bool:
        """Whether its key is an attribute of spans."""
        if self.kind is Kind.EQUALS:
            return self.key not in KEYS
        return self.kind is Kind.COMPARES and self.key not in MEASURES and not self.key.startswith(SCORE)

    @property
    def wanted_operator(self) -> str:
        """The operator that holds for what is wanted: a negated comparison is the inverse one of known numbers."""
        return _INVERSE[self.operator] if self.negated else self.operator


def parse(text: str) -> tuple[Term, ...]:
    """Return the terms of a search, in order; none for an empty text.

    Raises:
        SearchError: it cannot be read, or has more than `MAX_TERMS` terms.
    """
    terms: list[Term] = []
    at = _after_blanks(text, 0)
    while at < len(text):
        if len(terms) == MAX_TERMS:
            raise SearchError(at + 1, f"the end: a search has at most {MAX_TERMS} terms")
        term, at = _term(text, at)
        terms.append(term)
        if at < len(text) and not text[at].isspace():
            raise SearchError(at + 1, "a blank between two terms")
        at = _after_blanks(text, at)
    return tuple(terms)


def equals(key: str, value: str) -> str:
    """Return the search for one value of one of `KEYS`, for links."""
    return text_of([Term(Kind.EQUALS, key, value=value)])


def text_of(terms: Sequence[Term]) -> str:
    """Return terms as a text that `parse` reads as the same terms."""
    return " ".join(_text_of(term) for term in terms)


def _text_of(term: Term) -> str:
    sign = "-" if term.negated else ""
    match term.kind:
        case Kind.FAILED:
            return f"{sign}error"
        case Kind.COMPARES:
            return f"{sign}{term.key}{term.operator}{term.number!r}"
        case Kind.EQUALS:
            return f"{sign}{term.key}:{term.value if _BARE.fullmatch(term.value) else _quoted(term.value)}"
        case _:
            return f"{sign}{_quoted(term.value)}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _after_blanks(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at


def _term(text: str, at: int) -> tuple[Term, int]:
    """Read one term that begins at a place of the text; return it and the place behind it."""
    first, negated = at, False
    if text[at] == "-" and text[at + 1 : at + 2] not in {"", "-"} and not text[at + 1].isspace():
        at, negated = at + 1, True
    if text[at] == '"':
        value, end = _in_quotes(text, at)
        return Term(Kind.WORDS, value=value, negated=negated, at=first + 1), end
    name = _NAME.match(text, at)
    if name is not None:
        behind = name.end()
        if text[behind : behind + 1] == ":":
            key = _key(name[0], at)
            value, end = _value(text, behind + 1)
            return Term(Kind.EQUALS, key=key, value=value, negated=negated, at=first + 1), end
        operator = next((each for each in _OPERATORS if text.startswith(each, behind)), "")
        if operator:
            key = _measure(name[0], at)
            number, end = _number(text, behind + len(operator))
            return Term(Kind.COMPARES, key, operator, number=number, negated=negated, at=first + 1), end
    word = _WORD.match(text, at)
    if word is None:
        raise SearchError(at + 1, "a word, key:value or a comparison")
    if word[0] == "error":
        return Term(Kind.FAILED, negated=negated, at=first + 1), word.end()
    return Term(Kind.WORDS, value=word[0], negated=negated, at=first + 1), word.end()


def _key(name: str, at: int) -> str:
    known = name.lower()
    if known in KEYS:
        return known
    if "." not in name.strip("."):
        raise SearchError(at + 1, f"one of {', '.join(KEYS)}, or an attribute with a dot in its name, before the colon")
    return name


def _measure(name: str, at: int) -> str:
    known = name.lower()
    if known in MEASURES:
        return known
    if known.startswith(SCORE) and len(name) > len(SCORE):
        return SCORE + name[len(SCORE) :]
    if "." not in name.strip("."):
        raise SearchError(
            at + 1,
            f"one of {', '.join(MEASURES)}, {SCORE}NAME or an attribute to compare; "
            "words with such a sign stand in quotes",
        )
    return name


def _value(text: str, at: int) -> tuple[str, int]:
    if text[at : at + 1] == '"':
        return _in_quotes(text, at)
    word = _WORD.match(text, at)
    if word is None:
        raise SearchError(at + 1, "a value")
    return word[0], word.end()


def _number(text: str, at: int) -> tuple[float, int]:
    found = _NUMBER.match(text, at)
    if found is None or not math.isfinite(number := float(found[0])):
        raise SearchError(at + 1, "a number, for example 0.01 or 2000")
    return number, found.end()


def _in_quotes(text: str, at: int) -> tuple[str, int]:
    """Read a text in quotes; return it without them and the place behind the second one."""
    place = at + 1
    while place < len(text) and text[place] != '"':
        place += 2 if text[place] == "\\" and text[place + 1 : place + 2] in {'"', "\\"} else 1
    if place >= len(text):
        raise SearchError(len(text) + 1, "a closing quote")
    value = _ESCAPE.sub(r"\1", text[at + 1 : place])
    if not value.strip():
        raise SearchError(at + 2, "something between the quotes")
    return value, place + 1
