"""One rule of the masks, and the expressions that several rules share."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

Span = tuple[int, int]


def secret_part(match: re.Match[str]) -> Iterable[Span]:
    """Return the capturing group that took part in the match, or the whole match."""
    return (match.span(match.lastindex or 0),)


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to recognize one kind of secret."""

    kind: str
    """What it recognizes: ``secret``, ``email``, ``iban``, ``card``, ``phone`` or ``ip``."""
    pattern: re.Pattern[str]
    """Candidates. A secret begins at most 64 characters before its candidate."""
    may_hold: Callable[[str], object] = bool
    """A quick check: false where neither a text nor a part of it holds a secret of this kind.

    It gives the same answer for the UTF-8 bytes of the text, each byte outside of ASCII replaced by any one character
    outside of ASCII or by U+007F, and whatever stands before and after them."""
    spans: Callable[[re.Match[str]], Iterable[Span]] = secret_part
    """The secrets of a candidate, as start and end in the text; none where a check fails.

    They depend on no text behind the match's ``endpos``."""
    decided_chars: int = 512
    """How many characters from the start of a candidate decide whether it holds a secret, and where the secret ends
    unless that is their end. A text that is searched in pieces needs pieces that overlap by so much."""

    def __call__(self, text: str) -> str:
        """Return the text with ``[kind]`` in place of each secret; the same object where there is none."""
        if not self.may_hold(text):
            return text
        parts: list[str] = []
        copied = 0
        for match in self.pattern.finditer(text):
            if match.end() < copied:  # Inside of a secret: a part of it.
                continue
            for start, end in self.spans(match):
                if start >= copied:
                    parts += text[copied:start], f"[{self.kind}]"
                    copied = end
        return "".join([*parts, text[copied:]]) if parts else text


def not_behind(touching: str) -> str:
    r"""Return an expression for the place where a secret may start: behind no character of the set `touching`.

    In JSON text the letters and digits of an escape (``\n``, ``\u0022``) stand before what starts a line or a word.
    """
    return rf"(?:(?<!{touching})|(?<=\\[nrtbf])|(?<=\\u[0-9A-Fa-f]{{4}}))"


NOT_BEHIND_WORD: Final = not_behind("[A-Za-z0-9]")
"""Behind no letter and no digit."""


def at(first: str, pattern: str) -> str:
    """Return an expression that matches the first character alone and captures the whole.

    It begins with a set of characters, which is what makes a search fast; and where a check fails, the search goes on
    inside of the candidate.
    """
    return f"{first}(?<=(?=({pattern})){first})"
