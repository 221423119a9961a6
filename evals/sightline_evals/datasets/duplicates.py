"""Cases that ask the same, found by the similarity of their questions. Pure.

No vector tells `covered` from `not covered`, `Python 2` from `Python 3` or `C#` from `C++` well, so questions with
other numbers, other names that end in such signs, or another number of denials are never duplicates.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sightline_evals.datasets.sample import Sample
from sightline_evals.datasets.similarity import Similarity
from sightline_evals.judges.lexical.languages import language_of
from sightline_evals.judges.lexical.words import words

_SIGNED_NAME = re.compile(r"\w+[#+]+")


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A case that asks what another one asks.

    Attributes:
        sample: the case that goes.
        kept: the case that stays.
        cosine: of their questions, up to 1.
    """

    sample: Sample
    kept: Sample
    cosine: float

    @property
    def references_differ(self) -> bool:
        """Whether both have a reference and these are not the same: a person should look at it."""
        return bool(self.sample.reference and self.kept.reference) and self.sample.reference != self.kept.reference


def comparable(samples: Sequence[Sample]) -> list[Sample]:
    """The cases that may be compared, those that stay first: must_pass, then with a reference, then in file order.

    Cases of a conversation with several of them are left out, because what they ask depends on the turns before.
    """
    turns = Counter(sample.conversation for sample in samples if sample.conversation)
    single = [sample for sample in samples if turns[sample.conversation] < 2]
    return sorted(single, key=lambda sample: (not sample.must_pass, not sample.reference))


def duplicates(
    samples: Sequence[Sample],
    similarity: Similarity,
    threshold: float,
    on_case: Callable[[], object] = lambda: None,
) -> list[Duplicate]:
    """The cases that are at least `threshold` like an earlier one that stays.

    Args:
        samples: cases in the order in which they have the right to stay, as of `comparable`.
        similarity: of their questions.
        threshold: smallest cosine of a duplicate.
        on_case: called after each case.
    """
    found: list[Duplicate] = []
    is_kept = np.zeros(len(samples), dtype=bool)
    marks = [_marks(sample.question) for sample in samples]
    number_of = {mark: number for number, mark in enumerate(dict.fromkeys(marks))}
    mark_numbers = np.array([number_of[mark] for mark in marks])
    for index, sample in enumerate(samples):
        may_be_same = is_kept[:index] & (mark_numbers[:index] == mark_numbers[index])
        cosines = np.where(may_be_same, similarity.to_earlier(index), -np.inf)
        nearest = int(np.argmax(cosines)) if index else 0
        # Sums of rounded products: equal texts may miss 1 by a few units in the last place.
        if index and cosines[nearest] >= threshold - 1e-9:
            found.append(Duplicate(sample, samples[nearest], float(cosines[nearest])))
        else:
            is_kept[index] = True
        on_case()
    return found


def _marks(question: str) -> tuple[tuple[str, ...], tuple[str, ...], int]:
    """(numbers, names that end in signs, count of denials) of a question, the first two sorted."""
    found = words(question, language_of(question))
    numbers = sorted(word.stem for word in found if word.number)
    names = sorted(_SIGNED_NAME.findall(question.casefold()))
    return tuple(numbers), tuple(names), sum(word.negation for word in found)
