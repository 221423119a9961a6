"""The passages of an answer, indexed by word, and the evidence against a statement that they give."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from sightline_evals.judges.lexical.languages import Language, language_of
from sightline_evals.judges.lexical.opposites import opposites_of
from sightline_evals.judges.lexical.polarity import Place, misplaced_numbers, places, turned
from sightline_evals.judges.lexical.sentences import sentences
from sightline_evals.judges.lexical.words import Word, words

_FIRST_PERSON = frozenset(["i", "me", "my", "mine", "myself", "i'm", "i've", "i'd", "i'll"])
_LEAST_LIKENESS = 0.45
_LEAST_LIKENESS_OF = {"denial": 0.55, "opposite": 0.75, "number": 0.85}
_COMPARED_SENTENCES = 4
_FEW_WORDS = 1.5


class Features(NamedTuple):
    """Evidence against one statement.

    Shares are 0 (all found) to 1 (nothing found); the first two are drawn towards 0 where a statement has few words,
    since a word or two tell little.

    Attributes:
        missing_tokens: share of all words, as they are written, that the context lacks.
        missing_words: share of distinct content words that the context lacks.
        missing_rare_words: the same, weighted by how rare a word is in the context.
        missing_pairs: share of neighbouring content words that occur nowhere within two words of each other.
        missing_from_best_place: rarity-weighted share missing from the best two neighbouring sentences of the context.
        unknown_numbers: numbers in digits that the context lacks, up to 2.
        unknown_names: capitalised words that the context lacks, up to 3.
        first_person: 1 where the statement speaks of its speaker and the context does not, else 0.
        turned: how much the statement is like the sentence whose opposite it says; 0 where it says no opposite.
        misplaced_numbers: numbers that stand where the context has others, up to 2.
    """

    missing_tokens: float
    missing_words: float
    missing_rare_words: float
    missing_pairs: float
    missing_from_best_place: float
    unknown_numbers: float
    unknown_names: float
    first_person: float
    turned: float
    misplaced_numbers: float


_NOTHING_FOUND = Features(1.0, 1.0, 1.0, 1.0, 1.0, 0, 0, 0, 0, 0)


class Context:
    """One context, indexed by word for any number of statements.

    Args:
        text: the passages, joined by line breaks.
    """

    def __init__(self, text: str) -> None:
        self.language: Language | None = language_of(text)
        self._sentences: list[Sequence[Word]] = []
        self._sentences_of: dict[str, set[int]] = {}
        self._texts: set[str] = set()
        self._pairs: set[tuple[str, str]] = set()
        self._places: dict[int, list[Place]] = {}
        for index, sentence in enumerate(sentences(text)):
            split = words(sentence, self.language)
            self._sentences.append(split)
            self._texts.update(word.text for word in split)
            content = [word.stem for word in split if not word.stop]
            for stem in content:
                self._sentences_of.setdefault(stem, set()).add(index)
            self._pairs.update(pairwise(content))
            self._pairs.update(zip(content, content[2:], strict=False))

    def features(self, statement: str) -> Features:
        """Evidence against one statement; a statement without content words is judged on all its words."""
        split = words(statement, self.language)
        content = [word for word in split if not word.stop] or list(split)
        stems = [word.stem for word in content]
        distinct_stems = list(dict.fromkeys(stems))
        if not distinct_stems:
            return _NOTHING_FOUND
        rarity = {stem: self._rarity(stem) for stem in distinct_stems}
        total = sum(rarity.values())
        missing = [stem for stem in distinct_stems if stem not in self._sentences_of]
        pairs = list(pairwise(stems))
        likeness, misplaced = self._oppositions(split, _statement_places(statement, self.language))
        return Features(
            missing_tokens=sum(word.text not in self._texts for word in split) / (len(split) + _FEW_WORDS),
            missing_words=len(missing) / (len(distinct_stems) + _FEW_WORDS),
            missing_rare_words=sum(rarity[stem] for stem in missing) / total,
            missing_pairs=sum(pair not in self._pairs for pair in pairs) / len(pairs)
            if pairs
            else float(bool(missing)),
            missing_from_best_place=max(0.0, 1 - self._best_window_weight(distinct_stems, rarity) / total),
            unknown_numbers=min(
                2, self._count_unknown(word for word in content if word.number and not word.text.isalpha())
            ),
            unknown_names=min(3, self._count_unknown(word for word in content if word.name)),
            first_person=float(any(word.text in _FIRST_PERSON for word in split) and not _FIRST_PERSON & self._texts),
            turned=likeness,
            misplaced_numbers=min(2, misplaced),
        )

    def coverage(self, text: str) -> tuple[float, float]:
        """(share of a text's distinct content words, share of its pairs of neighbouring ones) that the context holds.

        Shares are 0 to 1; a text of one word has the same for both, one without words 0.
        """
        split = words(text, self.language)
        stems = [word.stem for word in split if not word.stop] or [word.stem for word in split]
        if not stems:
            return 0.0, 0.0
        distinct = set(stems)
        of_words = sum(stem in self._sentences_of for stem in distinct) / len(distinct)
        pairs = list(pairwise(stems))
        return of_words, sum(pair in self._pairs for pair in pairs) / len(pairs) if pairs else of_words

    def holds(self, stem: str) -> bool:
        """Whether a word of content with this stem occurs."""
        return stem in self._sentences_of

    def _rarity(self, stem: str) -> float:
        in_sentences = len(self._sentences_of.get(stem, ()))
        return math.log(1 + (len(self._sentences) + 0.5) / (in_sentences + 0.5))

    def _count_unknown(self, candidates: Iterable[Word]) -> int:
        return sum(word.stem not in self._sentences_of for word in candidates)

    def _best_window_weight(self, stems: Sequence[str], rarity: dict[str, float]) -> float:
        """Weight of the statement's words in the two neighbouring sentences that hold most of them."""
        weights: dict[int, float] = {}
        for stem in stems:
            windows = {start for index in self._sentences_of.get(stem, ()) for start in (index - 1, index)}
            for start in windows:
                weights[start] = weights.get(start, 0.0) + rarity[stem]
        return max(weights.values(), default=0.0)

    def _oppositions(self, split: Sequence[Word], statement_places: Sequence[Place]) -> tuple[float, int]:
        """(likeness to the sentences whose opposite a statement says or 0, misplaced numbers)."""
        likest: float = 0.0
        misplaced = 0
        told = {word.stem for word in split if word.number}
        for clause in _clauses(split):
            likeness, indexes = self._likest_sentences(clause)
            if not indexes:
                continue
            numbers = {word.clause for word in clause}
            own = [place for place in statement_places if place.clause in numbers]
            context_places = [place for index in indexes for place in self._places_in(index)]
            least = _LEAST_LIKENESS_OF.get(turned(own, context_places), math.inf)
            if likeness >= least:
                likest = max(likest, likeness)
            if likeness >= _LEAST_LIKENESS_OF["number"]:
                misplaced += misplaced_numbers(own, context_places, told)
        return likest, misplaced

    def _likest_sentences(self, clause: Sequence[Word]) -> tuple[float, list[int]]:
        """(likeness, sentences) of those sentences that hold most of a clause's words or their opposites."""
        weights: dict[int, float] = {}
        total = 0.0
        # A wrong number must not make a sentence less like the one that has the right number.
        for stem, text in {word.stem: word.text for word in clause if not (word.stop or word.number)}.items():
            found = set(self._sentences_of.get(stem, ()))
            for opposite in opposites_of(text, self._sentences_of):
                found |= self._sentences_of[opposite]
            rarity = self._rarity(stem)
            total += rarity
            for index in found:
                weights[index] = weights.get(index, 0.0) + rarity
        most = max(weights.values(), default=0.0)
        if not total or most / total < _LEAST_LIKENESS:
            return 0.0, []
        ranked = sorted(weights, key=lambda index: (-weights[index], index))[:_COMPARED_SENTENCES]
        return most / total, [index for index in ranked if weights[index] >= 0.85 * most]

    def _places_in(self, index: int) -> list[Place]:
        if index not in self._places:
            self._places[index] = places(self._sentences[index], self.language, index)
        return self._places[index]


def _clauses(split: Sequence[Word]) -> list[list[Word]]:
    """The clauses of a statement with three words of content or more, numbers apart; all of it where there is none."""
    by_number: dict[int, list[Word]] = {}
    for word in split:
        by_number.setdefault(word.clause, []).append(word)
    long_enough = [
        clause for clause in by_number.values() if sum(not (word.stop or word.number) for word in clause) >= 3
    ]
    return long_enough or [list(split)]


# One statement is compared with several contexts.
@lru_cache(maxsize=128)
def _statement_places(statement: str, language: Language | None) -> tuple[Place, ...]:
    return tuple(places(words(statement, language), language))


@lru_cache(maxsize=64)
def context_index(text: str) -> Context:
    """The index of a context; kept, since an answer's statements come one after another."""
    return Context(text)
