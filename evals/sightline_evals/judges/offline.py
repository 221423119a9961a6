"""The offline judge: lexical groundedness, no model, no network, the same answer every time.

It estimates how probable it is that a statement is *not* supported by a context, from seven features of the words:
missing words, missing rare words, missing word pairs, no part of the context where the words occur together, numbers
and names that the context never mentions, and a negation that the closest part of the context lacks. It cannot
recognise paraphrase, inference, or a false claim made of words of the context; a model judge can. Use it for triage and
trends, compare its scores only with its own, and calibrate `threshold` where a pass or a fail depends on it.

The weights are a logistic regression with non-negative weights, equal weight for each of three public, human-labelled
sets (the FaithDial data audit, WiCE dev and test, the MTRAG human evaluation), rounded. Two were raised by hand: a
negation, which two of the sets hardly have, and a number, so that one wrong number in a sentence otherwise taken from
the context is enough. Fitted on the other two sets only, the fit ranked unfaithful above faithful with an AUROC of 0.84
on MTRAG (450 answers; a median rating of 3 or less of 4 counts as unfaithful), 0.83 on FaithDial (2,191 replies) and
0.81 on WiCE (707 claims); the rounded weights give the same.

Sources: https://github.com/McGill-NLP/FaithDial, https://github.com/ryokamoi/wice,
https://github.com/IBM/mt-rag-benchmark
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final

from sightline_evals.judges.statements import Word, sentences, statements, words

NAME: Final = "offline lexical"
"""Name of the judge in scores."""

VERSION: Final = "lexical-1"
"""Rises with every change that can move a score."""

_INTERCEPT: Final = -2.4
_USEFUL_COVERAGE: Final = 0.24
"""Least share of the answer's and the question's words that a useful context holds. On 1,329 pairs of MTRAG answers
with their own passages or others of the same collection, 97% of the own and 4% of the others are called useful."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Evidence against one statement. Shares are 0 (all found) to 1 (nothing found).

    Attributes:
        missing_words: share of distinct content words that the context lacks.
        missing_rare_words: the same, weighted by how rare a word is in the context.
        missing_pairs: share of neighbouring content words that occur nowhere within two words of each other.
        missing_from_best_place: rarity-weighted share missing from the best two neighbouring sentences of the context.
        unknown_numbers: numbers that the context lacks, counted up to 2.
        unknown_names: capitalised words that the context lacks, counted up to 3.
        denial: 1 where the statement has a negation and the closest part of the context has none, else 0.
    """

    missing_words: float
    missing_rare_words: float
    missing_pairs: float
    missing_from_best_place: float
    unknown_numbers: int
    unknown_names: int
    denial: int

    @property
    def p_unsupported(self) -> float:
        """Probability, 0 to 1, that the statement is not supported, where half of all statements are not."""
        weighted = (
            _INTERCEPT
            + 0.8 * self.missing_words
            + 1.3 * self.missing_rare_words
            + 0.6 * self.missing_pairs
            + 1.9 * self.missing_from_best_place
            + 1.8 * self.unknown_numbers
            + 0.6 * self.unknown_names
            + 0.5 * self.denial
        )
        return 1.0 / (1.0 + math.exp(-weighted))

    def reason(self) -> str:
        """The evidence as a short text for a person."""
        signs = [f"{1 - self.missing_words:.0%} of its words in the context"]
        signs += [f"{self.unknown_numbers} number(s) not in it"] * bool(self.unknown_numbers)
        signs += [f"{self.unknown_names} name(s) not in it"] * bool(self.unknown_names)
        signs += ["denies what the closest passage does not"] * bool(self.denial)
        return f"p(unsupported)={self.p_unsupported:.2f}: " + ", ".join(signs)


class _Context:
    """One context, indexed by word for any number of statements."""

    def __init__(self, text: str) -> None:
        self._sentences_of: dict[str, set[int]] = {}
        self._pairs: set[tuple[str, str]] = set()
        self._has_negation: list[bool] = []
        for index, sentence in enumerate(sentences(text)):
            split = words(sentence)
            content = [word.stem for word in split if not word.stop]
            for stem in content:
                self._sentences_of.setdefault(stem, set()).add(index)
            self._pairs.update(pairwise(content))
            self._pairs.update(zip(content, content[2:], strict=False))
            self._has_negation.append(any(word.negation for word in split))

    def evidence(self, statement: str) -> Evidence:
        """Evidence against one statement; a statement without content words is judged on all its words."""
        split = words(statement)
        content = [word for word in split if not word.stop] or split
        stems = [word.stem for word in content]
        distinct_stems = list(dict.fromkeys(stems))
        if not distinct_stems:
            return Evidence(1.0, 1.0, 1.0, 1.0, 0, 0, 0)
        rarity = {stem: self._rarity(stem) for stem in distinct_stems}
        total = sum(rarity.values())
        missing_words = sum(stem not in self._sentences_of for stem in distinct_stems) / len(distinct_stems)
        pairs = list(pairwise(stems))
        best_window, best_weight = self._best_window(distinct_stems, rarity)
        negated_in_context = any(self._has_negation[max(best_window, 0) : best_window + 2])
        return Evidence(
            missing_words=missing_words,
            missing_rare_words=sum(rarity[stem] for stem in distinct_stems if stem not in self._sentences_of) / total,
            missing_pairs=sum(pair not in self._pairs for pair in pairs) / len(pairs) if pairs else missing_words,
            missing_from_best_place=max(0.0, 1 - best_weight / total),
            unknown_numbers=min(2, self._count_unknown(word for word in content if word.number)),
            unknown_names=min(3, self._count_unknown(word for word in content if word.name)),
            denial=int(any(word.negation for word in split) and not negated_in_context),
        )

    def _rarity(self, stem: str) -> float:
        in_sentences = len(self._sentences_of.get(stem, ()))
        return math.log(1 + (len(self._has_negation) + 0.5) / (in_sentences + 0.5))

    def _count_unknown(self, candidates: Iterable[Word]) -> int:
        return sum(word.stem not in self._sentences_of for word in candidates)

    def _best_window(self, stems: Sequence[str], rarity: dict[str, float]) -> tuple[int, float]:
        """(first sentence, weight) of the two neighbouring sentences that hold most of the statement's words."""
        weights: dict[int, float] = {}
        for stem in stems:
            windows = {start for index in self._sentences_of.get(stem, ()) for start in (index - 1, index)}
            for start in windows:
                weights[start] = weights.get(start, 0.0) + rarity[stem]
        return max(weights.items(), key=lambda window: (window[1], -window[0]), default=(0, 0.0))


@lru_cache(maxsize=64)
def _context_index(text: str) -> _Context:
    return _Context(text)


class OfflineJudge:
    """Judges statements and contexts by their words alone.

    Args:
        threshold: a statement counts as unsupported from this probability on; above 0, at most 1.
    """

    def __init__(self, threshold: float = 0.5) -> None:
        self.threshold = threshold
        self._llm: Any = None

    @property
    def name(self) -> str:
        """`NAME`."""
        return NAME

    @property
    def version(self) -> str:
        """`VERSION`, with the threshold where it is not the default: scores of two thresholds do not compare."""
        return VERSION if self.threshold == 0.5 else f"{VERSION}@{self.threshold:g}"

    def llm(self) -> Any:
        """The judge as RAGAS model."""
        if self._llm is None:
            from sightline_evals.judges.ragas_adapter import OfflineRagasLLM  # noqa: PLC0415 - imports RAGAS

            self._llm = OfflineRagasLLM(self)
        return self._llm

    def judge_error_of(self, exc: BaseException) -> None:
        """None: no service is involved, so every failure is a defect and keeps its own type."""
        del exc

    async def close(self) -> None:
        """Nothing to close."""

    def statements(self, text: str) -> list[str]:
        """The checkable statements of an answer; none for an answer that only declines."""
        return statements(text)

    def evidence(self, statement: str, context: str) -> Evidence:
        """Evidence against one statement in one context."""
        return _context_index(context).evidence(statement)

    def supported(self, evidence: Evidence) -> bool:
        """The verdict at this judge's threshold."""
        return evidence.p_unsupported < self.threshold

    def useful(self, question: str, context: str, answer: str) -> tuple[bool, str]:
        """Whether a context helped to arrive at an answer, and why, for a person.

        It did where it holds enough of the answer's and the question's words, or supports one whole statement.
        """
        context_index = _context_index(context)
        answer_evidence = context_index.evidence(answer)
        coverage = (
            1
            - (
                2 * answer_evidence.missing_words
                + answer_evidence.missing_pairs
                + context_index.evidence(question).missing_words
            )
            / 4
        )
        if coverage >= _USEFUL_COVERAGE:
            return True, f"holds {coverage:.0%} of the answer's and the question's words and pairs"
        if any(self.supported(context_index.evidence(statement)) for statement in self.statements(answer)):
            return True, "supports a statement of the answer"
        return False, f"holds only {coverage:.0%} of the answer's and the question's words and pairs"


def groundedness(probabilities: Sequence[float]) -> float:
    """One soft score of an answer, 0 to 1: 1 less the mean of the highest and the average p(unsupported).

    It keeps the probabilities that a count of verdicts discards, so it ranks answers better and suits a gate. NaN
    without statements.
    """
    if not probabilities:
        return math.nan
    return 1 - (max(probabilities) + sum(probabilities) / len(probabilities)) / 2
