# ruff: noqa: RUF001 - marks of other scripts
"""Scripts by code point: which characters make words, and which are written without spaces between words.

Chinese, Japanese, Thai, Lao, Khmer and Burmese do not mark where a word ends, and no dictionary is at hand here, so a
run of their letters is compared by its pairs of neighbouring characters: ``保修不包括`` becomes 保修, 修不, 不包, 包括.
Pairs are the usual unit of search without a dictionary; they know no word boundary, so they match a little too easily.

Sources: https://www.unicode.org/reports/tr29/ (the scripts that its word boundaries leave to a dictionary),
https://www.unicode.org/Public/UCD/latest/ucd/Scripts.txt
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

HAN: Final = r"\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
KANA: Final = r"\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"
HANGUL: Final = r"\u1100-\u11ff\u3131-\u318e\uac00-\ud7af"
THAI: Final = r"\u0e01-\u0e3a\u0e40-\u0e4e"
UNSPACED: Final = rf"{HAN}{KANA}{HANGUL}{THAI}\u0e81-\u0ece\u1000-\u109f\u1780-\u17d3"
"""Character class of scripts that are compared by pairs of characters; Korean has spaces, but endings at its words."""

SENTENCE_STOPS: Final = "。！？｡؟۔।॥။"
"""Ends of sentences that need no space after them (those of Latin script do)."""

_WITH_MARKS: Final = (
    r"\u0300-\u036f\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff"
)
"""Marks that Python's ``\\w`` leaves out, which belong to the letters before them."""

LETTER: Final = rf"(?:[^\W_{UNSPACED}]|[{_WITH_MARKS}])"
"""One letter or digit of a script with spaces, or a mark on it."""

_SCRIPTS: Final = {
    "ja": re.compile(f"[{KANA}]"),
    "zh": re.compile(f"[{HAN}]"),
    "ko": re.compile(f"[{HANGUL}]"),
    "th": re.compile(f"[{THAI}]"),
    "lo": re.compile(r"[\u0e81-\u0ece]"),
    "my": re.compile(r"[\u1000-\u109f]"),
    "km": re.compile(r"[\u1780-\u17d3]"),
    "ru": re.compile(r"[\u0400-\u052f]"),
    "el": re.compile(r"[\u0370-\u03ff\u1f00-\u1fff]"),
    "ar": re.compile(r"[\u0620-\u06ff]"),
    "he": re.compile(r"[\u05d0-\u05ea]"),
    "hi": re.compile(r"[\u0900-\u097f]"),
    "latin": re.compile(r"[A-Za-z\u00c0-\u024f\u1e00-\u1eff]"),
}
_NO_LATIN: Final = re.compile(r"[^\x00-\u024f\u1e00-\u1eff\u2000-\u2bff]")


def main_script(text: str) -> str:
    """Key of the script that most letters are of: a language where the script tells it, ``latin``, or "".

    It is "" for a text without letters. Japanese mixes Chinese characters with its own; one letter of its own in eight
    makes a text Japanese.
    """
    if not _NO_LATIN.search(text):
        return "latin" if _SCRIPTS["latin"].search(text) else ""
    counts = Counter({key: len(pattern.findall(text)) for key, pattern in _SCRIPTS.items()})
    if counts["ja"] * 8 >= counts["zh"] + counts["ja"] > 0:
        counts["ja"] += counts.pop("zh")
    # A word of a script without spaces has about two letters, one of Latin script five.
    counts["latin"] //= 3
    key, count = counts.most_common(1)[0]
    return key if count else ""
