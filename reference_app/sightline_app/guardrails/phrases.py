"""Phrases: words of some concepts in an order, not too far apart.

One pass over the known words of a reading; each word costs a constant time for each phrase that holds one of its
concepts. Of several beginnings of a phrase the last one counts, which is the one nearest to what follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sightline_app.guardrails.decision import PASSED, Decision
from sightline_app.guardrails.reading import Reading, read
from sightline_app.guardrails.vocabulary import mask_of

DEFAULT_THRESHOLD: Final = 0.5
"""Score from which a text is flagged."""
_HOW: Final = mask_of("HOW")
_HOW_WORDS: Final = 6


@dataclass(frozen=True, slots=True)
class Phrase:
    """A sequence of concepts."""

    name: str
    score: float
    """How sure a match alone is, from 0 to 1."""
    steps: tuple[int, ...]
    """Concepts of each word, any one of them."""
    gaps: tuple[int, ...]
    """Most words between a step and the one before it; 0 for the first step."""


@dataclass(frozen=True, slots=True)
class Match:
    """A phrase that was found."""

    phrase: Phrase
    first: int
    """Number of its first known word in the reading."""
    last: int


def phrase(name: str, score: float, text: str) -> Phrase:
    """Build a phrase from a text such as ``OVERRIDE 4 PRIOR|YOUR 2 INSTRUCTION``: concepts, and the gaps between."""
    parts = text.split()
    steps = tuple(mask_of(*part.split("|")) for part in parts[::2])
    return Phrase(name, score, steps, (0, *map(int, parts[1::2])))


class Phrases:
    """Phrases that are searched for together."""

    def __init__(self, phrases: Iterable[Phrase]) -> None:
        self._phrases = tuple(phrases)
        self._by_bit: dict[int, list[int]] = {}
        for number, each in enumerate(self._phrases):
            mask = 0
            for step in each.steps:
                mask |= step
            while mask:
                bit = mask & -mask
                self._by_bit.setdefault(bit, []).append(number)
                mask ^= bit
        self._by_mask: dict[int, tuple[int, ...]] = {}

    def _concerned(self, mask: int) -> tuple[int, ...]:
        known = self._by_mask.get(mask)
        if known is None:
            numbers: set[int] = set()
            left = mask
            while left:
                bit = left & -left
                numbers.update(self._by_bit.get(bit, ()))
                left ^= bit
            known = self._by_mask[mask] = tuple(sorted(numbers))
        return known

    def find(self, reading: Reading) -> Iterator[Match]:
        """Yield the matches in a reading; of a phrase each time that its last step is reached."""
        # For each phrase and step: the place of the last word that reached it, and where that match began.
        reached: list[list[tuple[int, int] | None]] = [[None] * len(each.steps) for each in self._phrases]
        for at, mask in enumerate(reading.concepts):
            place = reading.places[at]
            for number in self._concerned(mask):
                each = self._phrases[number]
                state = reached[number]
                for step in range(len(each.steps) - 1, -1, -1):
                    if not mask & each.steps[step]:
                        continue
                    if step == 0:
                        state[0] = (place, at)
                        continue
                    before = state[step - 1]
                    if before is not None and 0 < place - before[0] <= each.gaps[step] + 1:
                        state[step] = (place, before[1])
                        if step == len(each.steps) - 1:
                            yield Match(each, before[1], at)


Evidence = tuple[str, float, tuple[int, int]]
"""A match of an expression on the text itself: name, score and place."""


def _unchanged(text: str, reading: Reading, match: Match) -> float:
    del text, reading, match
    return 1.0


def _no_evidence(text: str) -> Iterable[Evidence]:
    del text
    return ()


@dataclass(frozen=True)
class PhraseRule:
    """A family of phrases as a rule: call it with a text.

    Scores of different phrases add up as chances that none is right: 0.4 and 0.4 are 0.64.
    """

    family: str
    """Beginning of the rule's name."""
    reason: str
    """Of a flagged decision."""
    phrases: Phrases
    adjust: Callable[[str, Reading, Match], float] = _unchanged
    """A factor for the score of a match, by what stands around it in the text or the reading."""
    evidence: Callable[[str], Iterable[Evidence]] = _no_evidence
    """More matches, from the text itself."""

    def __call__(
        self, text: str, threshold: float = DEFAULT_THRESHOLD, readings: Sequence[Reading] | None = None
    ) -> Decision:
        """Judge a text.

        Args:
            text: of a user or of a passage.
            threshold: score from which it is flagged.
            readings: of the text, where the caller has them.
        """
        found: dict[str, tuple[float, tuple[int, int], str]] = {}

        def note(name: str, score: float, span: tuple[int, int], how: str) -> None:
            if score > found.get(name, (0.0,))[0]:
                found[name] = (score, span, how)

        for name, score, span in self.evidence(text):
            note(name, score, span, "plain")
        for reading in read(text) if readings is None else readings:
            for match in self.phrases.find(reading):
                score = match.phrase.score * self.adjust(text, reading, match)
                note(match.phrase.name, score, reading.span(match.first, match.last), reading.how)
        if not found:
            return PASSED
        doubt = 1.0
        for score, _, _ in found.values():
            doubt *= 1.0 - score
        total = round(1.0 - doubt, 4)
        name, (_, span, how) = max(found.items(), key=lambda item: item[1][0])
        rule = f"{self.family}.{name}" + ("" if how == "plain" else f".{how}")
        flagged = total >= threshold
        return Decision(flagged, rule, self.reason if flagged else "", span, total)


def asked_how(reading: Reading, match: Match, addressed: int) -> float:
    """A factor for a match shortly behind "how do I": such a question is about the words, unless they address a model.

    Args:
        reading: with the match.
        match: a phrase.
        addressed: concepts of words that address a model.
    """
    if not stands_before(reading, match.first, _HOW, _HOW_WORDS):
        return 1.0
    inside = any(reading.concepts[at] & addressed for at in range(match.first, match.last + 1))
    return 0.8 if inside else 0.4


def stands_before(reading: Reading, first: int, mask: int, words: int) -> bool:
    """Whether a known word of some concepts stands at most so many words before a match."""
    place = reading.places[first]
    at = first - 1
    while at >= 0 and place - reading.places[at] <= words:
        if reading.concepts[at] & mask:
            return True
        at -= 1
    return False


def stands_near(reading: Reading, match: Match, mask: int, words: int) -> bool:
    """Whether a known word of some concepts stands at most so many words before, behind or inside of a match."""
    if stands_before(reading, match.first, mask, words):
        return True
    place = reading.places[match.last]
    for at in range(match.first, len(reading.concepts)):
        if reading.places[at] - place > words:
            return False
        if reading.concepts[at] & mask:
            return True
    return False
