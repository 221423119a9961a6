"""Two texts, word by word: what both say, what only the first says, and what only the second says. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from html import escape
from typing import Final, Literal

MAX_WORDS: Final = 1500
"""Words of one text that are compared word by word; of a longer one, lines are."""

_PIECE = re.compile(r"\s*\S+|\s+$")


@dataclass(frozen=True)
class Run:
    """Words that stand in one text or in both.

    Attributes:
        of: whose they are.
        text: they, with the blanks before them.
    """

    of: Literal["both", "first", "second"]
    text: str


def compared(first: str, second: str) -> list[Run]:
    """Compare two texts; the runs that are not of the second text are the first one, and the other way about."""
    ones, others = _pieces(first, second)
    matcher = SequenceMatcher(None, [each.strip() for each in ones], [each.strip() for each in others], autojunk=False)
    runs: list[Run] = []
    for tag, begin, end, begin_other, end_other in matcher.get_opcodes():
        if tag == "equal":
            runs.append(Run("both", "".join(others[begin_other:end_other])))
            continue
        runs += [Run("first", "".join(ones[begin:end]))] if end > begin else []
        runs += [Run("second", "".join(others[begin_other:end_other]))] if end_other > begin_other else []
    return runs


def shared_share(runs: list[Run]) -> float | None:
    """The share of both texts' characters that stands in both; None where there is no text."""
    both = 2 * sum(len(run.text.strip()) for run in runs if run.of == "both")
    whole = both + sum(len(run.text.strip()) for run in runs if run.of != "both")
    return both / whole if whole else None


def as_html(runs: list[Run]) -> str:
    """The runs as HTML: <del> is only in the first text, <ins> only in the second; every text is escaped."""
    return f'<p class="sl-answer sl-compared">{"".join(_marked(runs))}</p>'


def _marked(runs: list[Run]) -> Iterator[str]:
    for run in runs:
        tag = {"both": "", "first": "del", "second": "ins"}[run.of]
        words = run.text.lstrip()
        blank, text = run.text[: len(run.text) - len(words)], escape(words)
        yield f"{blank}<{tag}>{text}</{tag}>" if tag else f"{blank}{text}"


def _pieces(first: str, second: str) -> tuple[list[str], list[str]]:
    """Both texts in words, or in lines where one has too many words: the comparison's time grows with their square."""
    words = _PIECE.findall(first), _PIECE.findall(second)
    return words if max(map(len, words)) <= MAX_WORDS else (first.splitlines(True), second.splitlines(True))
