"""Text into statements, sentences and words, without a model.

Everything here is pure and deterministic, so a score can be computed again years later. English is assumed for the
stop words, the stemmer and the negations; other languages still split into words, with coarser results.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from functools import lru_cache

import snowballstemmer


def _word_set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ABBREVIATIONS = _word_set(
    "e.g i.e etc vs cf al approx dr mr mrs ms prof st no fig eq vol pp inc ltd co corp jr sr u.s u.k a.m p.m"
)
_SENTENCE_END = re.compile(r"[.!?][\"')\]]*\s+")
_WORD = re.compile(r"[^\W_]+(?:[.,]\d+)*(?:'(?:s|t|re|ve|ll|d|m)\b)?")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_CITATION = re.compile(r"\s*\[\d+(?:\s*,\s*\d+)*\]|【[^】]*】")
_LIST_MARK = re.compile(r"^\s*(?:[-*•+]|\d{1,3}[.)]|#{1,6})\s+")
_MARKUP = re.compile(r"[*`]{1,3}")
_CURLY = str.maketrans({"\u2019": "'", "\u2018": "'", "\u201c": '"', "\u201d": '"'})
_STOP_WORDS = _word_set(
    """a about above after again against all also am an and any are as at be because been before being below between
    both but by can could did do does doing down during each few for from further had has have having he her here hers
    him his how i if in into is it its itself just like may me might more most much must my of off on once only or
    other our out over own s same shall she should so some such t than that the their theirs them then there these
    they this those through to too under until up upon us use used using very via was we well were what when where
    whether which while who whom whose why will with within would yes you your yours d ll m re ve one ones etc however
    therefore additionally furthermore moreover"""
)
_NEGATIONS = _word_set("no not never none neither nor nothing nobody without cannot")
_NUMBER_WORDS = {
    word: str(number)
    for number, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    )
}
# Only phrases that clearly state that the sources hold no answer: a claim mistaken for a refusal would not be checked.
_SOURCES = r"(?:context|passage|document|source|text|documentation|search result)s?"
_REFUSAL = re.compile(
    r"\b(?:i|we) (?:do not|don't) (?:know|have (?:\w+ ){0,2}(?:information|answer|context|details|data)\b)"
    r"|\b(?:i|we)(?:'m| am| are)? (?:cannot|can't|could not|couldn't|unable to|not able to|did not|didn't)"
    r" (?:find|answer|determine|locate|provide|help|assist)\b"
    r"|\b(?:i|we) found (?:nothing|no )|\b(?:i am|i'm) not sure\b"
    rf"|\b{_SOURCES} (?:provided |given )?(?:do not|does not|don't|doesn't)"
    r" (?:contain|mention|provide|specify|say|answer)\b"
    rf"|\bnot (?:mentioned|specified|provided|stated|found) in the (?:\w+ )?{_SOURCES}\b"
    rf"|\b(?:nothing|no \w+(?: \w+)?) (?:was |were )?(?:found )?in the (?:\w+ )?{_SOURCES}\b"
    r"|\bthere is (?:no|not enough) (?:\w+ )?(?:information|mention) (?:about|on|of|regarding|in|to)\b",
    re.IGNORECASE,
)


class _Stemmer(threading.local):
    """One stemmer a thread: it keeps the word that it works on in itself."""

    def __init__(self) -> None:
        self.stem_word = snowballstemmer.stemmer("english").stemWord


_stemmer = _Stemmer()


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a text.

    Attributes:
        stem: lower-case Porter2 stem; numbers keep their digits without thousands separators.
        number: it has a digit or is a number word up to twelve.
        name: it is capitalised inside a sentence, or has capitals after its first letter (``ClickHouse``, ``RAG``).
        stop: it carries little meaning by itself.
        negation: it denies (``not``, ``never``, ``don't``).
    """

    stem: str
    number: bool
    name: bool
    stop: bool
    negation: bool


@lru_cache(maxsize=100_000)
def _stem(word: str) -> str:
    return str(_stemmer.stem_word(word))


@lru_cache(maxsize=100_000)
def _plain_word(text: str) -> tuple[str, bool, bool, bool]:
    """(stem, number, stop, negation) of one lower-case word."""
    negation = text in _NEGATIONS or text.endswith("n't")
    base = re.sub(r"'(?:s|re|ve|ll|d|m|t)$", "", text)
    if base[:1].isdigit():
        return base.replace(",", ""), True, False, False
    if base in _NUMBER_WORDS and base != "one":
        return _NUMBER_WORDS[base], True, False, False
    stop = negation or base in _STOP_WORDS or len(base) == 1
    return _stem(base), any(letter.isdigit() for letter in base), stop, negation


def words(sentence: str) -> list[Word]:
    """Split one sentence into words; ``snake_case``, ``camelCase`` and dotted names are split into their words."""
    result: list[Word] = []
    for match in _WORD.finditer(sentence.translate(_CURLY)):
        raw = match.group()
        parts = [raw] if raw.isupper() or raw.islower() else _CAMEL.split(raw)
        for index, part in enumerate(parts):
            stem, number, stop, negation = _plain_word(part.lower())
            name = (
                not number and part[0].isupper() and (bool(result) or index > 0 or len(parts) > 1 or part[1:].isupper())
            )
            result.append(Word(stem, number, name and not stop, stop, negation))
    return result


def sentences(text: str) -> list[str]:
    """Split prose, lists and headings into sentences; a line break ends a sentence only after a list mark or a stop.

    Passages are often wrapped at a fixed width, so a single line break inside a sentence joins its halves.
    """
    blocks: list[str] = []
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped:
            blocks.append("")
        elif not blocks or not blocks[-1] or _LIST_MARK.match(line) or blocks[-1][-1] in ".!?:;|":
            blocks.append(_LIST_MARK.sub("", stripped))
        else:
            blocks[-1] += " " + stripped
    result: list[str] = []
    for block in blocks:
        start = 0
        for match in _SENTENCE_END.finditer(block):
            last = block[start : match.start()].rsplit(None, 1)[-1:] or [""]
            initial = len(last[0]) == 1 and last[0].isupper()
            if block[match.start()] == "." and (initial or last[0].lower().lstrip("(\"'") in _ABBREVIATIONS):
                continue
            result.append(block[start : match.end()].strip())
            start = match.end()
        result.append(block[start:].strip())
    return [sentence for sentence in result if any(letter.isalnum() for letter in sentence)]


def is_refusal(sentence: str) -> bool:
    """Whether a sentence only says that there is no answer, which is no claim about the world.

    A sentence that goes on to claim something (``…, but the limit is 5``) is none.
    """
    straight_quoted = sentence.translate(_CURLY)
    refusal = _REFUSAL.search(straight_quoted)
    return refusal is not None and not re.search(
        r"\b(?:but|however|though|yet)\b", straight_quoted[refusal.end() :], re.IGNORECASE
    )


def statements(answer: str) -> list[str]:
    """The checkable statements of an answer, in order, without citation marks and markup.

    Questions, refusals, lead-ins (``Here is how:``) and fragments with fewer than two words of content are left out;
    an answer made only of such things has no statement and so no faithfulness.
    """
    claims: list[str] = []
    fragments: list[str] = []
    for sentence in sentences(_MARKUP.sub("", _CITATION.sub("", answer))):
        if sentence.endswith("?") or is_refusal(sentence):
            continue
        content = sum(not word.stop for word in words(sentence))
        if content >= 2 and not (sentence.endswith(":") and content < 8):
            claims.append(sentence)
        elif content and not sentence.endswith(":"):
            fragments.append(sentence)
    return claims or fragments
