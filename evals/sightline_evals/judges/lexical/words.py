# ruff: noqa: RUF001 - text of other languages
"""Words of a sentence: their stems, and whether each is a number, a name, a stop word or a denial."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from sightline_evals.judges.lexical.languages import ENGLISH, LANGUAGES, Language, stem
from sightline_evals.judges.lexical.scripts import LETTER, UNSPACED

_TOKEN: Final = re.compile(
    rf"(?P<word>{LETTER}+(?:[.,]\d+)*(?:'(?:s|t|re|ve|ll|d|m)\b)?)|(?P<run>[{UNSPACED}]+)|(?P<break>[,;:()!?—–，、；：。])"
)
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_ENDING: Final = re.compile(r"'(?:s|re|ve|ll|d|m|t)$")
_ZERO_CENTS: Final = re.compile(r"\.0+$")
_CURLY: Final = str.maketrans({"\u2019": "'", "\u2018": "'", "\u201c": '"', "\u201d": '"'})
_NUMBER_WORDS: Final = {
    word: str(number)
    for number, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    )
}


class Word(NamedTuple):
    """One word of a text, or one pair of characters of a script without spaces.

    Attributes:
        stem: lower-case Snowball stem; numbers keep their digits without thousands separators.
        number: it has a digit or is an English number word from two to twelve.
        name: it is capitalised inside a sentence, or has capitals after its first letter (``ClickHouse``, ``RAG``).
        stop: it carries little meaning by itself.
        negation: it denies (``not``, ``never``, ``don't``).
        text: the word in lower case.
        clause: number of its clause in the sentence, counted by commas, colons, brackets and dashes.
    """

    stem: str
    number: bool
    name: bool
    stop: bool
    negation: bool
    text: str = ""
    clause: int = 0


def straightened(text: str) -> str:
    """A text with straight quotes, and with compatible characters (full-width digits) in their usual form."""
    straight = text.translate(_CURLY)
    return straight if straight.isascii() else unicodedata.normalize("NFKC", straight)


def words(sentence: str, language: Language | None = None) -> tuple[Word, ...]:
    """Split one sentence into words; ``snake_case``, ``camelCase`` and dotted names are split into their words.

    Args:
        sentence: the text.
        language: of its stop words, negations and stemmer; English where it is not known.
    """
    return _words(sentence, language or ENGLISH)


# One statement is compared with several contexts, and one passage stands in several contexts.
@lru_cache(maxsize=1024)
def _words(sentence: str, known: Language) -> tuple[Word, ...]:
    result: list[Word] = []
    clause = 0
    for match in _TOKEN.finditer(straightened(sentence)):
        kind = match.lastgroup
        if kind == "break":
            clause += 1
        elif kind == "run":
            result.extend(_pairs(match.group(), known, clause))
        else:
            _add_parts(match.group(), known, clause, result)
    return tuple(result)


def _add_parts(raw: str, language: Language, clause: int, result: list[Word]) -> None:
    parts = [raw] if raw.isupper() or raw.islower() else _CAMEL.split(raw)
    for index, part in enumerate(parts):
        text = part.lower()
        stemmed, number, stop, negation = _plain_word(text, language.code)
        name = not number and part[0].isupper() and (bool(result) or index > 0 or len(parts) > 1 or part[1:].isupper())
        # German writes every noun with a capital.
        name = name and not stop and language.code != "de"
        result.append(Word(stemmed, number, name, stop, negation, text, clause))


def _pairs(run: str, language: Language, clause: int) -> Iterator[Word]:
    """Pairs of neighbouring characters; a run of one character is itself.

    Pairs that touch a denial carry no meaning by themselves, so that a denied statement has the words of its opposite.
    """
    denials = _denials_in_run(language.code)
    denial_at: dict[int, int] = {}
    touched: set[int] = set()
    for match in denials.finditer(run) if denials else ():
        denial_at[match.start()] = match.end()
        touched.update(range(match.start() - 1, match.end()))
    for place in range(max(1, len(run) - 1)):
        text = run[place : place + 2]
        stop = place in touched or text in language.stop
        yield Word(text, False, False, stop, place in denial_at, text, clause)


@lru_cache(maxsize=16)
def _denials_in_run(language_code: str) -> re.Pattern[str] | None:
    language = LANGUAGES.get(language_code)
    if language is None or language.stemmer or not language.negations:
        return None
    return re.compile("|".join(sorted(map(re.escape, language.negations), key=lambda text: (-len(text), text))))


@lru_cache(maxsize=200_000)
def _plain_word(text: str, language_code: str) -> tuple[str, bool, bool, bool]:
    """(stem, number, stop, negation) of one lower-case word."""
    language = LANGUAGES.get(language_code)
    base = _ENDING.sub("", text)
    if base[:1].isdigit():
        return _ZERO_CENTS.sub("", base.replace(",", "")), True, False, False
    if language is ENGLISH and base in _NUMBER_WORDS and base != "one":
        return _NUMBER_WORDS[base], True, False, False
    has_digit = any(letter.isdigit() for letter in base)
    if language is None:
        return base, has_digit, len(base) == 1, False
    negation = text in language.negations or text.endswith("n't")
    stop = negation or base in language.stop or len(base) == 1
    return stem(base, language.stemmer), has_digit, stop, negation
