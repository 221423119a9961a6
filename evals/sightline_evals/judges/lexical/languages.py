"""Which language a text is in, by its script and its stop words, and what the judge knows of that language.

Stop words tell the eight languages of Latin script that the judge knows apart within one or two sentences; they are
needed for judging anyway, so no library that identifies languages is asked. A text of too few words stays undecided.
"""

from __future__ import annotations

import json
import re
import threading
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

import snowballstemmer

from sightline_evals.judges.lexical.scripts import LETTER, main_script

_WORD: Final = re.compile(rf"{LETTER}+(?:'(?:s|t|re|ve|ll|d|m)\b)?")
_SAMPLE_CHARS: Final = 4000
_FEWEST_STOP_WORDS: Final = 2
_SHORT_WORDS: Final = 8
_NAMES: Final = {
    "ru": "Cyrillic script",
    "el": "Greek",
    "ar": "Arabic script",
    "he": "Hebrew",
    "hi": "Devanagari script",
    "lo": "Lao",
    "my": "Burmese",
    "km": "Khmer",
}


@dataclass(frozen=True, slots=True)
class Language:
    """What the judge knows of one language.

    Attributes:
        code: ISO 639-1.
        name: English name, or the script's where the language is not known.
        stop: words that carry little meaning by themselves.
        negations: words, or parts of words in scripts without spaces, that deny.
        stemmer: name of its Snowball stemmer; "" for none.
        scope: how many words of content before and after a denial it reaches at most.
    """

    code: str
    name: str
    stop: frozenset[str]
    negations: frozenset[str]
    stemmer: str
    scope: tuple[int, int] = (0, 3)


class _Stemmers(threading.local):
    """Stemmers of one thread: each keeps the word that it works on in itself."""

    def __init__(self) -> None:
        self.by_name: dict[str, Any] = {}

    def stem(self, word: str, name: str) -> str:
        if name not in self.by_name:
            self.by_name[name] = snowballstemmer.stemmer(name)
        return str(self.by_name[name].stemWord(word))


_stemmers = _Stemmers()


@lru_cache(maxsize=200_000)
def stem(word: str, stemmer: str) -> str:
    """Stem of one lower-case word; the word itself without a stemmer."""
    return _stemmers.stem(word, stemmer) if stemmer else word


def _known_languages() -> dict[str, Language]:
    text = files(__package__).joinpath("languages.json").read_text(encoding="utf-8")
    return {
        code: Language(
            code,
            facts["name"],
            frozenset(facts["stop"].split()),
            frozenset(facts["negations"].split()),
            facts.get("stemmer", ""),
            (facts["scope"][0], facts["scope"][1]),
        )
        for code, facts in json.loads(text).items()
    }


LANGUAGES: Final = _known_languages()
"""Languages that the judge knows something of, by code."""

ENGLISH: Final = LANGUAGES["en"]
"""The language of all sets that the weights were fitted on."""

_LATIN: Final = tuple(language for language in LANGUAGES.values() if language.stemmer)


def language_of(text: str) -> Language | None:
    """The language of a text; None where too little of it tells.

    Args:
        text: any text; its first 4,000 characters are looked at.
    """
    return _language_of(text[:_SAMPLE_CHARS])


@lru_cache(maxsize=512)
def _language_of(sample: str) -> Language | None:
    script = main_script(sample)
    if not script:
        return None
    if script != "latin":
        return LANGUAGES.get(script) or Language(script, _NAMES[script], frozenset(), frozenset(), "")
    found = [match.group().lower() for match in _WORD.finditer(sample.replace("\u2019", "'"))]
    counts = sorted(
        ((sum(word in language.stop or word in language.negations for word in found), language) for language in _LATIN),
        key=lambda pair: -pair[0],
    )
    (most, language), (second, _) = counts[:2]
    # A short text may have a single such word; it tells where no other language has one.
    enough = most >= _FEWEST_STOP_WORDS or (most == 1 and second == 0 and len(found) <= _SHORT_WORDS)
    return language if enough and most > second else None
