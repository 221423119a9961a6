"""Text to search terms: the same rules for passages, questions, the lexical embedding and the rerank stage.

Words are lower-cased and stemmed (Snowball English). Identifiers count both whole and in parts, so ``os.path.join``,
``readLines`` and ``run_coroutine_threadsafe`` are found by the words that people use for them. Question words and
other words without meaning of their own are dropped. A small thesaurus maps everyday words to the ones that manuals
use ("folder" -> "directory"); it is applied to questions only, at a lower weight.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from functools import lru_cache

import snowballstemmer

from sightline_app.thesaurus import THESAURUS

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9]*|\d+")
_CAMEL = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_DOTTED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)+|[A-Za-z]+_[A-Za-z0-9_]+")

_STOP_WORDS = """
a about above after again all also always am an and any are as at away be because been before being both but by
can cannot could couldn did didn do does doesn doing don done down each easiest easily easy else ever every few
for from further get gets getting give given gives go good got had has have having he her here him his how i if in
into is isn it its itself just know let like ll look lot make makes many may maybe me might more most much must my
myself need needs never no nor not now of off on once one only or other our out over own part please python quick
quickest quickly re really right s said same see seem shall she should show simple simplest so some someone
something standard still such sure t take tell than that the their them then there these they thing things this
those through to too try trying under until up upon us use used useful user uses using ve very want wants was way
ways we well were what when where whether which while who whole whom whose why will wish with within without won
would yet you your
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())


class _Stemmer(threading.local):
    """One stemmer a thread: it keeps the word that it works on in itself."""

    def __init__(self) -> None:
        self.stem_word = snowballstemmer.stemmer("english").stemWord


_stemmer = _Stemmer()


@lru_cache(maxsize=200_000)
def stem(word: str) -> str:
    """Return the Snowball stem of one lower-case word."""
    return str(_stemmer.stem_word(word))


_BY_STEM = {stem(word): others for word, others in reversed(THESAURUS.items()) if " " not in word}
_PHRASES = [(phrase, others) for phrase, others in THESAURUS.items() if " " in phrase]


def split_identifier(name: str) -> list[str]:
    """Split a name into its words: ``readLines`` -> read, lines; ``os.path`` -> os, path.

    >>> split_identifier("xml.etree.ElementTree.parse_file")
    ['xml', 'etree', 'element', 'tree', 'parse', 'file']
    """
    return [part.lower() for part in _CAMEL.findall(name)]


def words(text: str) -> list[str]:
    """Return lower-case words in order; camelCase and snake_case give their parts and the whole."""
    found: list[str] = []
    for match in _WORD.finditer(text):
        word = match.group()
        parts = split_identifier(word)
        if len(parts) > 1:
            found.extend(parts)
        found.append(word.lower())
    for match in _DOTTED.finditer(text):
        found.append(match.group().replace(".", "").replace("_", "").lower())
    return found


def terms(text: str) -> list[str]:
    """Return the stems of the words that carry meaning, in order and with repeats."""
    return [stem(word) for word in words(text) if len(word) > 1 and word not in STOP_WORDS]


def name_terms(names: list[str]) -> list[str]:
    """Return the stems of dotted names: each part, its words, and the last two parts joined."""
    found: list[str] = []
    for name in names:
        parts = name.split(".")
        for part in parts:
            found.extend(stem(word) for word in split_identifier(part))
            if "_" in part or part.lower() != part:
                found.append(stem(part.replace("_", "").lower()))
        if len(parts) > 1:
            found.append("".join(parts[-2:]).replace("_", "").lower())
    return found


@lru_cache(maxsize=1024)
def related(question: str) -> Mapping[str, Sequence[str]]:
    """Return each stem of a question with the stems of related words, in order.

    The stages of one answer ask this several times. A phrase of the thesaurus belongs to its first word that carries
    meaning; one of stop words only stands by itself.
    """
    found: dict[str, list[str]] = {}
    for word in words(question):
        if len(word) > 1 and word not in STOP_WORDS:
            others = [stem(other) for key in dict.fromkeys((word, word.removesuffix("s"))) for other in _thesaurus(key)]
            found.setdefault(stem(word), []).extend(others)
    plain = f" {' '.join(re.findall(r'[a-z0-9]+', question.lower()))} "
    for phrase, meant in _PHRASES:
        if f" {phrase} " in plain:
            owner = next((stem(word) for word in phrase.split() if stem(word) in found), phrase.replace(" ", ""))
            found.setdefault(owner, []).extend(stem(other) for other in meant)
    return {term: [other for other in dict.fromkeys(others) if other != term] for term, others in found.items()}


def expansions(question: str) -> list[str]:
    """Return stems of related words for a question, without those that it already has."""
    found = related(question)
    return [term for term in dict.fromkeys(other for others in found.values() for other in others) if term not in found]


@lru_cache(maxsize=10_000)
def _thesaurus(word: str) -> tuple[str, ...]:
    """Look a word up as it is, else by its stem ("copying" finds "copy")."""
    return THESAURUS.get(word) or _BY_STEM.get(stem(word), ())


_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[A-Z`\"'(\[])|\n\s*\n")


def sentences(text: str) -> list[str]:
    """Split prose into sentences; blank lines end one too. Line breaks inside become spaces."""
    return [cleaned for part in _SENTENCE_END.split(text) if (cleaned := " ".join(part.split()))]
