"""The metrics: what each measures, what it needs, and who can give it. Pure.

All but `groundedness` are metrics of RAGAS 0.4.3, under its names; `context_precision` takes the reference where a
sample has one and the answer where it has none.

Source: https://docs.ragas.io/en/stable/concepts/metrics/available_metrics/
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from sightline_evals.datasets import Sample
from sightline_evals.errors import UsageError


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        name: as scores carry it.
        about: what it measures, in one line.
        labels: words for a value of 0, one between, and one of 1.
        needs: what a sample must have: ``answer``, ``contexts``, ``reference``.
        by_offline: the offline judge can give it.
        by_model: a model can give it.
        with_embeddings: an embedding model is needed.
        lower_is_better: 0 is the good end.
    """

    name: str
    about: str
    labels: tuple[str, str, str]
    needs: frozenset[str]
    by_offline: bool = False
    by_model: bool = True
    with_embeddings: bool = False
    lower_is_better: bool = False
    is_ragas: bool = field(default=True)

    @property
    def needs_llm(self) -> bool:
        """Whether a model that writes text is asked."""
        return self.is_ragas and self.name != SEMANTIC_SIMILARITY


GROUNDEDNESS: Final = "groundedness"
FAITHFULNESS: Final = "faithfulness"
CONTEXT_PRECISION: Final = "context_precision"
CONTEXT_PRECISION_WITH_REFERENCE: Final = "context_precision_with_reference"
CONTEXT_PRECISION_WITHOUT_REFERENCE: Final = "context_precision_without_reference"
CONTEXT_RECALL: Final = "context_recall"
RESPONSE_GROUNDEDNESS: Final = "response_groundedness"
ANSWER_RELEVANCY: Final = "answer_relevancy"
NOISE_SENSITIVITY: Final = "noise_sensitivity"
FACTUAL_CORRECTNESS: Final = "factual_correctness"
SEMANTIC_SIMILARITY: Final = "semantic_similarity"

_ANSWERED: Final = frozenset({"answer", "contexts"})
_USEFUL: Final = ("useless", "partly useful", "precise")
_TABLE: Final = (
    Metric(
        GROUNDEDNESS,
        "soft faithfulness out of probabilities: keeps what a count of verdicts discards",
        ("ungrounded", "partly grounded", "grounded"),
        _ANSWERED,
        by_offline=True,
        by_model=False,
        is_ragas=False,
    ),
    Metric(
        FAITHFULNESS,
        "share of the answer's statements that the passages support",
        ("unfaithful", "partly faithful", "faithful"),
        _ANSWERED,
        by_offline=True,
    ),
    Metric(
        CONTEXT_PRECISION,
        "how far useful passages rank above useless ones, by the reference or else the answer",
        _USEFUL,
        frozenset({"contexts"}),
        by_offline=True,
    ),
    Metric(
        CONTEXT_PRECISION_WITH_REFERENCE,
        "the same, by the reference alone",
        _USEFUL,
        frozenset({"contexts", "reference"}),
        by_offline=True,
    ),
    Metric(
        CONTEXT_PRECISION_WITHOUT_REFERENCE,
        "the same, by the answer alone",
        _USEFUL,
        _ANSWERED,
        by_offline=True,
    ),
    Metric(
        CONTEXT_RECALL,
        "share of the reference's statements that the passages support",
        ("nothing found", "partly found", "all found"),
        frozenset({"contexts", "reference"}),
        by_offline=True,
    ),
    Metric(
        RESPONSE_GROUNDEDNESS,
        "the mean of two ratings of how far the passages support the answer as a whole",
        ("ungrounded", "partly grounded", "grounded"),
        _ANSWERED,
    ),
    Metric(
        ANSWER_RELEVANCY,
        "how close the questions that the answer would answer are to the one that was asked",
        ("irrelevant", "partly relevant", "relevant"),
        frozenset({"answer"}),
        with_embeddings=True,
    ),
    Metric(
        NOISE_SENSITIVITY,
        "share of the answer's statements that are wrong and taken from a relevant passage; lower is better",
        ("not misled", "partly misled", "misled"),
        frozenset({"answer", "contexts", "reference"}),
        lower_is_better=True,
    ),
    Metric(
        FACTUAL_CORRECTNESS,
        "F1 of the answer's claims against those of the reference",
        ("wrong", "partly correct", "correct"),
        frozenset({"answer", "reference"}),
    ),
    Metric(
        SEMANTIC_SIMILARITY,
        "cosine of the embeddings of answer and reference",
        ("different", "similar", "same"),
        frozenset({"answer", "reference"}),
        with_embeddings=True,
    ),
)
_BY_NAME: Final = {metric.name: metric for metric in _TABLE}

METRICS: Final = tuple(_BY_NAME)
"""All metrics, in the order of tables."""


def metric_of(name: str) -> Metric:
    """The metric of a name.

    Raises:
        UsageError: there is none.
    """
    if name not in _BY_NAME:
        raise UsageError(f"there is no metric {name!r}; there are {', '.join(METRICS)}")
    return _BY_NAME[name]


def check_judge(name: str, *, is_offline: bool, has_embeddings: bool) -> None:
    """Refuse a metric that the judge cannot give, with the way out.

    Raises:
        UsageError: it needs another judge, or embeddings.
    """
    metric = metric_of(name)
    if is_offline and not metric.by_offline:
        raise UsageError(
            f"{name} needs a model as judge: set SIGHTLINE_JUDGE_MODEL and use --judge remote, or leave it out"
        )
    if not is_offline and not metric.by_model:
        raise UsageError(f"{name} comes from judges that give probabilities only; leave it out or use --judge offline")
    if metric.with_embeddings and not has_embeddings:
        raise UsageError(f"{name} needs embeddings: set SIGHTLINE_JUDGE_EMBEDDING_MODEL, or leave it out")


def default_gated_metric(*, is_offline: bool) -> str:
    """The metric of a floor that names none: what the judge measures best."""
    return GROUNDEDNESS if is_offline else FAITHFULNESS


def default_metrics(samples: Iterable[Sample], *, is_offline: bool = True) -> tuple[str, ...]:
    """What a run measures that names no metric.

    The offline judge's groundedness, faithfulness and context precision, and context recall where any sample has a
    reference.
    """
    names = (GROUNDEDNESS, FAITHFULNESS, CONTEXT_PRECISION) if is_offline else (FAITHFULNESS, CONTEXT_PRECISION)
    return (*names, CONTEXT_RECALL) if any(sample.reference for sample in samples) else names


def missing_input(sample: Sample, name: str) -> tuple[str, str] | None:
    """(label, explanation) where a sample lacks what a metric needs."""
    needs = metric_of(name).needs
    if "contexts" in needs and not sample.contexts:
        return "no passages", "nothing was retrieved, so there are no passages to compare with"
    if "reference" in needs and not sample.reference:
        return "no reference", f"{name} needs a reference answer"
    if ("answer" in needs or (name == CONTEXT_PRECISION and not sample.reference)) and not sample.answer:
        return "no answer", f"{name} needs an answer"
    return None


def label_of(name: str, value: float) -> str:
    """A value in words."""
    lowest, middle, highest = metric_of(name).labels
    return lowest if value <= 0 else highest if value >= 1 else middle
