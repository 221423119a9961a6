"""Turned statements: a denial added or taken away, a word changed for its opposite, a number put in another's place.

``The warranty covers batteries.`` has every word of ``The warranty does not cover batteries.``, so counting words
cannot tell the two apart. Here each word of a statement is laid beside the same word, or its opposite, in the sentences
of the context that are most like the statement. Of several such places, those count where most of the neighbouring
words agree. Where all of them deny what the statement affirms, or the reverse, the statement is turned.

What is compared: denials (``not``, ``never``, ``no``, ``without``, ``fails to``) with what they reach, the pairs of
`opposites.json`, words with and without a prefix that denies (``available``, ``unavailable``), and numbers. Two denials
of one thing cancel out. It sees no denial that is told in other words, and no roles exchanged (``the dog bit the
man``).
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Final

from sightline_evals.judges.lexical.languages import ENGLISH, Language
from sightline_evals.judges.lexical.opposites import OPPOSITES, opposites_of
from sightline_evals.judges.lexical.words import Word

_NEIGHBOURS: Final = 3
_PRONOUNS: Final = frozenset({"nothing", "nobody", "none", "never"})
_LEAST_AGREEMENT: Final = 0.4
"""Least share of a place's neighbours that must agree before two places are compared."""
_NEARLY_AS_GOOD: Final = 0.6
_CLOSE_TOGETHER: Final = 3
_FAR_APART: Final = 7
_NEARLY_THE_NUMBER: Final = 0.85
"""Least share of the best likeness from which other places are heard too."""


@dataclass(frozen=True, slots=True)
class Place:
    """One word where it stands.

    Attributes:
        text: the word in lower case.
        clause: number of its clause in the sentence.
        stem: its stem.
        number: whether it is a number.
        content: whether it carries meaning by itself.
        denied_by: number of the denial that reaches it; -1 for none.
        near_denials: numbers of the denials in its part of the sentence, whatever they reach.
        before: stems of content shortly before it.
        after: stems of content shortly after it.
    """

    text: str
    clause: int
    stem: str
    number: bool
    content: bool
    denied_by: int
    near_denials: frozenset[int]
    before: frozenset[str]
    after: frozenset[str]

    def likeness(self, other: Place) -> float:
        """How well the neighbours of two places agree: those on the same side count most."""
        exchanged = len(self.after & other.before) + len(self.before & other.after)
        return 2 * len(self.after & other.after) + 1.5 * len(self.before & other.before) + 0.5 * exchanged

    @property
    def most_likeness(self) -> float:
        """The likeness of a place with all the same neighbours."""
        return 2 * len(self.after) + 1.5 * len(self.before)

    def exchanged(self, other: Place) -> bool:
        """Whether what stood before one stands after the other."""
        swapped = len(self.after & other.before) + len(self.before & other.after)
        return swapped > len(self.after & other.after) + len(self.before & other.before)


def places(words: Sequence[Word], language: Language | None, sentence: int = 0) -> list[Place]:
    """The words of one sentence with their denials and neighbours; stop words only where they have an opposite.

    Args:
        words: of one sentence.
        language: of its denials; English where it is not known.
        sentence: its number, so that denials of several sentences have numbers of their own.
    """
    denied_by = {index: (sentence << 16) + number for index, number in _denials(words, language or ENGLISH).items()}
    segments = _segments(words)
    near: dict[int, set[int]] = {}
    for index, number in denied_by.items():
        near.setdefault(segments[index], set()).add(number)
    content = [index for index, word in enumerate(words) if not word.stop]
    plain = [index for index in content if not words[index].number]
    result: list[Place] = []
    for index, word in enumerate(words):
        if not word.stop or word.stem in OPPOSITES.of:
            at = bisect.bisect_left(plain, index)
            after_at = at + (at < len(plain) and plain[at] == index)
            result.append(
                Place(
                    text=word.text,
                    clause=word.clause,
                    stem=word.stem,
                    number=word.number,
                    content=not word.stop,
                    denied_by=denied_by.get(index, -1),
                    near_denials=frozenset(near.get(segments[index], ())),
                    before=frozenset(words[place].stem for place in plain[max(0, at - _NEIGHBOURS) : at]),
                    after=frozenset(words[place].stem for place in plain[after_at : after_at + _NEIGHBOURS]),
                )
            )
    return result


def _segments(words: Sequence[Word]) -> list[int]:
    """The part of the sentence that each word is in: clauses, and what stands between words that join them."""
    segments: list[int] = []
    for index, word in enumerate(words):
        starts = index > 0 and (word.clause != words[index - 1].clause or word.text in OPPOSITES.joints)
        segments.append((segments[-1] if segments else 0) + starts)
    return segments


def _denials(words: Sequence[Word], language: Language) -> dict[int, int]:
    """Which denial reaches each word, by index; two that reach each other cancel out."""
    excused = _excused(words)
    denying = [
        index
        for index, word in enumerate(words)
        if index not in excused and (word.negation or (language is ENGLISH and word.text in OPPOSITES.failing))
    ]
    reach = {index: _reach(words, index, language) for index in denying}
    cancelled: set[int] = set()
    for first, second in itertools.pairwise(denying):
        texts = {words[first].text, words[second].text}
        reach_of_pair = _FAR_APART if "without" in texts else _CLOSE_TOGETHER
        # ``ne … pas`` and ``neither … nor`` are one denial of one thing; ``not … without`` takes itself back.
        turns = language is ENGLISH and not texts & {"neither", "nor"} and first not in cancelled
        if turns and words[first].clause == words[second].clause and second - first <= reach_of_pair:
            cancelled |= {first, second}
    return {
        reached: number for number, index in enumerate(denying) if index not in cancelled for reached in reach[index]
    }


def _excused(words: Sequence[Word]) -> set[int]:
    """Indexes of denials inside phrases that deny nothing (``not only``), and of ``No,`` at the beginning."""
    texts = [word.text for word in words]
    excused: set[int] = set()
    if len(words) > 1 and texts[0] == "no" and (words[1].clause != words[0].clause or texts[1] == "but"):
        excused.add(0)
    excused.update(at for at, text in enumerate(texts[:-1]) if text == "no" and words[at + 1].number)  # No. 5
    for start, text in enumerate(texts):
        for phrase in OPPOSITES.not_denials.get(text, ()):
            if tuple(texts[start : start + len(phrase)]) == phrase:
                excused.update(range(start, start + len(phrase)))
    return excused


def _reach(words: Sequence[Word], index: int, language: Language) -> list[int]:
    """Indexes of the words of content that the denial at `index` reaches, within its clause."""
    before, after = language.scope
    reached: list[int] = []
    for step, most in ((1, after), (-1, before)):
        at, count = index + step, 0
        while 0 <= at < len(words) and count < most and words[at].clause == words[index].clause:
            if words[at].text == "but" or (count and words[at].text in OPPOSITES.links):
                break
            if not words[at].stop:
                reached.append(at)
                count += 1
            at += step
    if not reached and words[index].text in _PRONOUNS:  # ``costs nothing``: it denies what stands before it
        return [at for at in range(index) if words[at].clause == words[index].clause and not words[at].stop][-2:]
    return reached


def turned(statement: Sequence[Place], context: Sequence[Place]) -> str:
    """How a statement says the opposite of the places of the context that are most like it.

    Returns:
        ``denial`` where one of the two denies what the other affirms, ``opposite`` where a word stands for its
        opposite, "" where neither was found.
    """
    by_stem: dict[str, list[Place]] = {}
    for place in context:
        by_stem.setdefault(place.stem, []).append(place)
    softened = _softened(statement) or _softened(context)
    agreeing: set[tuple[str, int]] = set()
    opposed: list[tuple[Place, Place]] = []
    own = {place.stem for place in statement}
    for place in statement:
        best, compare = ([], False) if place.number else _best_places(place, by_stem)
        same = [other for other, is_opposite in best if not is_opposite]
        for other in same:
            agreeing.update(_denials_of(place, other))
        # ``No file is copied`` and ``files are not copied`` reach different words and say the same.
        for other, _ in best:
            if place.near_denials and other.near_denials:
                agreeing.update(("statement", number) for number in place.near_denials)
                agreeing.update(("context", number) for number in other.near_denials)
        if compare and best and not same:
            opposed.append((place, best[0][0]))
    found = ""
    for place, other in opposed:
        denials = _denials_of(place, other)
        # A denial that agrees in one of the words that it reaches is the same denial in other words.
        if any(denial in agreeing for denial in denials):
            continue
        if not denials and not (place.stem != other.stem and other.stem in own):
            return "opposite"
        if denials and not softened:
            found = "denial"
    return found


def _softened(places_: Sequence[Place]) -> bool:
    return any(place.stem in OPPOSITES.softening for place in places_)


def _denials_of(place: Place, other: Place) -> list[tuple[str, int]]:
    denials = [("statement", place.denied_by), ("context", other.denied_by)]
    return [denial for denial in denials if denial[1] >= 0]


def _best_places(place: Place, by_stem: Mapping[str, list[Place]]) -> tuple[list[tuple[Place, bool]], bool]:
    """Those places of the context whose neighbours agree best, each with whether it says the opposite.

    The second result is whether they agree well enough to be called opposed.
    """
    found: list[tuple[float, Place, bool]] = []
    denied = place.denied_by >= 0
    for other in by_stem.get(place.stem, ()):
        found.append((place.likeness(other), other, denied != (other.denied_by >= 0)))
    for opposite in opposites_of(place.text, by_stem):
        for other in by_stem[opposite]:
            is_opposite = denied == (other.denied_by >= 0)
            if place.stem in OPPOSITES.ordered and place.exchanged(other):
                is_opposite = not is_opposite
            found.append((place.likeness(other), other, is_opposite))
    # Words such as ``more`` stand everywhere: they count only among the same neighbours.
    found = [entry for entry in found if place.content or entry[0] >= 2]
    most = max((likeness for likeness, _, _ in found), default=0.0)
    best = [(other, is_opposite) for likeness, other, is_opposite in found if likeness >= _NEARLY_AS_GOOD * most]
    return best, most >= _LEAST_AGREEMENT * place.most_likeness


def misplaced_numbers(statement: Sequence[Place], context: Sequence[Place], told: Set[str]) -> int:
    """How many numbers of a statement stand where the most similar places of the context have others.

    Args:
        statement: places of the statement, or of one of its clauses.
        context: places of the sentences that are most like it.
        told: all numbers of the whole statement; one that stands elsewhere in it is not counted.
    """
    numbers = [place for place in context if place.number]
    count = 0
    for place in statement:
        if not place.number or not numbers:
            continue
        most = max(place.likeness(other) for other in numbers)
        best = {other.stem for other in numbers if place.likeness(other) >= _NEARLY_THE_NUMBER * most}
        count += most >= max(2, _LEAST_AGREEMENT * place.most_likeness) and not best & told
    return count
