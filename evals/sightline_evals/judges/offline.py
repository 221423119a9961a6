"""The offline judge: lexical groundedness, no model, no network, the same answer every time.

It estimates how probable it is that a statement is *not* supported by a context, from features of the words: words and
pairs of words that are missing, no part of the context where the words stand together, numbers and names that the
context never mentions, and statements that say the opposite of the sentence that they resemble. It cannot recognise
paraphrase, inference, or a false claim made of words of the context; a model judge can. Use it for triage and trends,
compare its scores only with its own, and calibrate it with labels of your own (`sightline-evals calibrate`) where a
pass or a fail depends on it.

``docs/judge.md`` says what it was fitted on, how it compares with plain overlap of words, and where it is weaker.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from sightline_evals.calibration.fitting import soft
from sightline_evals.calibration.maps import Calibration
from sightline_evals.judges.lexical.context import Features, context_index
from sightline_evals.judges.lexical.weakness import weakness
from sightline_evals.judges.lexical.weights import WEIGHTS
from sightline_evals.judges.statement_judge import DEFAULT_THRESHOLD, StatementJudge

NAME: Final = "offline lexical"
"""Name of the judge in scores."""

VERSION: Final = "lexical-2"
"""Rises with every change that can move a score."""

_USEFUL_COVERAGE: Final = 0.24
"""Least share of the answer's and the question's words that a useful context holds, chosen on answers of MTRAG with
their own passages and with others of the same collection."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Evidence against one statement.

    Attributes:
        features: what was found, by kind.
        found_words: share, 0 to 1, of the statement's content words that the context holds.
        p_unsupported: probability, 0 to 1, that the statement is not supported; calibrated where the judge is.
        weakness: why the judge is weaker here, such as ``weaker: German``; "" for English prose.
    """

    features: Features
    found_words: float
    p_unsupported: float
    weakness: str = ""

    def reason(self) -> str:
        """The evidence as a short text for a person."""
        found = self.features
        signs = [f"{self.found_words:.0%} of its words in the context"]
        signs += [f"{found.unknown_numbers:.0f} number(s) not in it"] * bool(found.unknown_numbers)
        signs += [f"{found.unknown_names:.0f} name(s) not in it"] * bool(found.unknown_names)
        signs += ["says the opposite of the closest passage"] * bool(found.turned)
        signs += ["a number stands where the closest passage has another"] * bool(found.misplaced_numbers)
        signs += ["speaks of the speaker, the context does not"] * bool(found.first_person)
        signs += [self.weakness] * bool(self.weakness)
        return f"p(unsupported)={self.p_unsupported:.2f}: " + ", ".join(signs)


class OfflineJudge(StatementJudge):
    """Judges statements and contexts by their words alone.

    Args:
        threshold: a statement counts as unsupported from this probability on; above 0, at most 1. None for the
            calibration's, or `DEFAULT_THRESHOLD` without one.
        calibration: maps the judge's probabilities to those of labels; None to leave them as they are.
    """

    def __init__(self, threshold: float | None = None, calibration: Calibration | None = None) -> None:
        default = DEFAULT_THRESHOLD if calibration is None else calibration.threshold
        self.threshold = default if threshold is None else threshold
        self._calibration = calibration
        self._kept_evidence = lru_cache(maxsize=128)(self._evidence)

    @property
    def name(self) -> str:
        """`NAME`."""
        return NAME

    @property
    def version(self) -> str:
        """`VERSION`, with calibration and threshold where there is one: scores of two of them do not compare."""
        calibrated = VERSION if self._calibration is None else f"{VERSION}+{self._calibration.digest}"
        default = DEFAULT_THRESHOLD if self._calibration is None else self._calibration.threshold
        return calibrated if self.threshold == default else f"{calibrated}@{self.threshold:g}"

    def evidence(self, statement: str, context: str) -> Evidence:
        """Evidence against one statement in one context; kept, since several metrics ask for it."""
        return self._kept_evidence(statement, context)

    def _evidence(self, statement: str, context: str) -> Evidence:
        index = context_index(context)
        features = index.features(statement)
        found_words = index.coverage(statement)[0]
        return Evidence(features, found_words, self._p_unsupported(features), weakness(statement, context))

    def _p_unsupported(self, features: Features) -> float:
        raw = WEIGHTS.p_unsupported(features)
        return raw if self._calibration is None else self._calibration.calibrated(raw)

    def useful(self, question: str, context: str, answer: str) -> tuple[bool, str]:
        """Whether a context helped to arrive at an answer, and why, for a person.

        It did where it holds enough of the answer's and the question's words, or supports one whole statement.
        """
        index = context_index(context)
        answer_words, answer_pairs = index.coverage(answer)
        coverage = (2 * answer_words + answer_pairs + index.coverage(question)[0]) / 4
        if coverage >= _USEFUL_COVERAGE:
            return True, f"holds {coverage:.0%} of the answer's and the question's words and pairs"
        if any(self._p_unsupported(index.features(each)) < self.threshold for each in self.statements(answer)):
            return True, "supports a statement of the answer"
        return False, f"holds only {coverage:.0%} of the answer's and the question's words and pairs"

    async def close(self) -> None:
        """Nothing to close."""


def groundedness(probabilities: Sequence[float]) -> float:
    """One soft score of an answer, 0 to 1: 1 less `soft`, the mean of the highest and the average p(unsupported).

    It keeps the probabilities that a count of verdicts discards, so it ranks answers better and suits a gate. NaN
    without statements.
    """
    return 1 - soft(probabilities) if probabilities else math.nan
