"""Words that mean the opposite of each other, and words that deny or end a denial, out of `opposites.json`. English."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Final

from sightline_evals.judges.lexical.languages import ENGLISH, stem


def _stemmed(words: Iterable[str]) -> frozenset[str]:
    return frozenset(stem(word, ENGLISH.stemmer) for word in words)


@dataclass(frozen=True)
class Opposites:
    """The lists of `opposites.json`, as stems.

    Attributes:
        of: the opposites of a stem.
        ordered: stems of comparisons, which mean the same with their opposite when both sides are exchanged.
        prefixes: that deny.
        not_prefixed: stems that begin with such a prefix by chance.
        failing: words that deny what follows them.
        softening: stems that may tell a denial in other words; where one stands, denials are not compared.
        not_denials: phrases with a denial that deny nothing, by their first word.
        links: words after which a denial no longer reaches, as long as it has reached something.
        joints: words that part a sentence into what a denial concerns and what it does not.
    """

    of: Mapping[str, frozenset[str]]
    ordered: frozenset[str]
    prefixes: tuple[str, ...]
    not_prefixed: frozenset[str]
    failing: frozenset[str]
    softening: frozenset[str]
    not_denials: Mapping[str, tuple[tuple[str, ...], ...]]
    links: frozenset[str]
    joints: frozenset[str]


def _read_opposites() -> Opposites:
    data = json.loads(files(__package__).joinpath("opposites.json").read_text(encoding="utf-8"))
    of: dict[str, set[str]] = {}
    for one, other in data["pairs"]:
        first, second = stem(one, ENGLISH.stemmer), stem(other, ENGLISH.stemmer)
        of.setdefault(first, set()).add(second)
        of.setdefault(second, set()).add(first)
    not_denials: dict[str, tuple[tuple[str, ...], ...]] = {}
    for phrase in (tuple(text.split()) for text in data["not_denials"]):
        not_denials[phrase[0]] = (*not_denials.get(phrase[0], ()), phrase)
    return Opposites(
        of={key: frozenset(values) for key, values in of.items()},
        ordered=_stemmed(data["ordered"].split()),
        prefixes=tuple(data["prefixes"].split()),
        not_prefixed=_stemmed(data["not_prefixed"].split()),
        failing=frozenset(data["failing"].split()),
        softening=_stemmed(data["softening"].split()),
        not_denials=not_denials,
        links=frozenset(data["links"].split()) | frozenset(data["joints"].split()),
        joints=frozenset(data["joints"].split()),
    )


OPPOSITES: Final = _read_opposites()
"""The lists."""


def opposites_of(word: str, vocabulary: Mapping[str, object]) -> list[str]:
    """Stems of a vocabulary that mean the opposite of a word: listed, or with or without a prefix that denies.

    Args:
        word: in lower case, as it is written.
        vocabulary: its keys are stems.
    """
    return [other for other in _opposites_of(word) if other in vocabulary]


@lru_cache(maxsize=50_000)
def _opposites_of(word: str) -> tuple[str, ...]:
    """Every stem that would mean the opposite of a word, whether it exists or not."""
    if not (word.isascii() and word.isalpha()):
        return ()
    stemmed = stem(word, ENGLISH.stemmer)
    found = sorted(OPPOSITES.of.get(stemmed, ()))
    for prefix in OPPOSITES.prefixes:
        if len(word) >= 3:
            longer = stem(prefix + word, ENGLISH.stemmer)
            if longer not in OPPOSITES.not_prefixed:
                found.append(longer)
        if word.startswith(prefix) and len(word) >= len(prefix) + 3 and stemmed not in OPPOSITES.not_prefixed:
            found.append(stem(word[len(prefix) :], ENGLISH.stemmer))
    return tuple(found)
