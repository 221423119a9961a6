# ruff: noqa: RUF001 - text of other languages
"""Text into sentences, without a model."""

from __future__ import annotations

import re
from typing import Final

from sightline_evals.judges.lexical.scripts import SENTENCE_STOPS

_ABBREVIATION_LIST: Final = """\
e.g i.e etc vs cf al approx dr mr mrs ms prof st no fig eq vol pp inc ltd co corp jr sr u.s u.k a.m p.m
z.b bzw usw ca nr bspw d.h u.a evtl ggf p.ex sra dott np tzw bijv blz"""
_ABBREVIATIONS: Final = frozenset(_ABBREVIATION_LIST.split())
_SENTENCE_END: Final = re.compile(
    rf"""(?P<stop>[.!?…])["')\]»”’]*\s+|[{SENTENCE_STOPS}]+["')\]」』”’》]*\s*|(?<=[\u0e01-\u0e4e])\s+(?=[\u0e01-\u0e4e])"""
)
_LIST_MARK: Final = re.compile(r"^\s*(?:[-*•+]|\d{1,3}[.)]|#{1,6})\s+")
_LINE_ENDS: Final = f".!?:;|{SENTENCE_STOPS}"


def sentences(text: str) -> list[str]:
    """Split prose, lists and headings into sentences; a line break ends a sentence only after a list mark or a stop.

    Passages are often wrapped at a fixed width, so a single line break inside a sentence joins its halves. Full stops
    of Chinese, Japanese, Hindi, Arabic and their like need no space after them; Thai puts a space where a sentence
    ends.
    """
    blocks: list[str] = []
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped:
            blocks.append("")
        elif not blocks or not blocks[-1] or _LIST_MARK.match(line) or blocks[-1][-1] in _LINE_ENDS:
            blocks.append(_LIST_MARK.sub("", stripped))
        else:
            blocks[-1] += " " + stripped
    result: list[str] = []
    for block in blocks:
        start = 0
        for match in _SENTENCE_END.finditer(block):
            last = block[start : match.start()].rsplit(None, 1)[-1:] or [""]
            initial = len(last[0]) == 1 and last[0].isupper()
            word = last[0].lower().lstrip("(\"'")
            numbered = word != "no" or block[match.end() : match.end() + 1].isdigit()
            if match["stop"] == "." and (initial or (word in _ABBREVIATIONS and numbered)):
                continue
            result.append(block[start : match.end()].strip())
            start = match.end()
        result.append(block[start:].strip())
    return [sentence for sentence in result if any(letter.isalnum() for letter in sentence)]
