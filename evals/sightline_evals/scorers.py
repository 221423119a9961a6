"""RAGAS metrics behind our own Score, and the workers that compute them.

A score is a number, or NaN with a reason; no number is invented. NaN has two kinds: the judge failed
(`error` is set), or there is nothing to judge, for example an answer that only declines (`error` is empty). Neither
is a pass.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sightline_evals.dataset import Sample
from sightline_evals.errors import JudgeError, JudgeGivenUp, JudgeRefused, JudgeTimeout, JudgeUnavailable, UsageError
from sightline_evals.judges import Judge
from sightline_evals.judges.offline import OfflineJudge, groundedness
from sightline_evals.settings import JudgeSettings

FAITHFULNESS: Final = "faithfulness"
"""Share of the answer's statements that the passages support."""
CONTEXT_PRECISION: Final = "context_precision"
"""How far the useful passages stand before the useless ones: average precision over ranks."""
CONTEXT_RECALL: Final = "context_recall"
"""Share of the reference's statements that the passages support."""
GROUNDEDNESS: Final = "groundedness"
"""Soft form of faithfulness from the offline judge's probabilities: 1 less the mean of the worst and the average."""

METRICS: Final = (FAITHFULNESS, CONTEXT_PRECISION, CONTEXT_RECALL, GROUNDEDNESS)
"""All metrics, in the order of tables."""

_LABELS: Final = {
    FAITHFULNESS: ("unfaithful", "partly faithful", "faithful"),
    CONTEXT_PRECISION: ("useless", "partly useful", "precise"),
    CONTEXT_RECALL: ("nothing found", "partly found", "all found"),
    GROUNDEDNESS: ("ungrounded", "partly grounded", "grounded"),
}
_MAX_EXPLANATION: Final = 2000
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Score:
    """A judge's score of one sample.

    Attributes:
        name: the metric.
        value: 0 to 1, higher is better; NaN where there is none.
        label: the value in words, or why there is none: ``judge failed``, ``no statements``, ``no passages``,
            ``no answer``, ``no reference``.
        explanation: the reasons, for a person; at most 2,000 characters.
        error: class of the failure, for example ``JudgeTimeout``; "" where the judge did not fail.
        judge: name of the judge.
        judge_version: its version.
    """

    name: str
    value: float
    label: str
    explanation: str
    error: str
    judge: str
    judge_version: str

    @property
    def has_value(self) -> bool:
        """Whether there is a value."""
        return not math.isnan(self.value)


@dataclass(frozen=True, slots=True)
class SampleScore:
    """A score and the sample that it is of."""

    sample: Sample
    score: Score


def default_metrics(samples: Iterable[Sample]) -> tuple[str, ...]:
    """Faithfulness and context precision, and context recall where any sample has a reference."""
    with_reference = any(sample.reference for sample in samples)
    return (FAITHFULNESS, CONTEXT_PRECISION, CONTEXT_RECALL) if with_reference else (FAITHFULNESS, CONTEXT_PRECISION)


class Scorer:
    """Scores samples with one judge, at most `concurrency` scores at a time.

    Args:
        judge: the judge of all scores.
        metrics: names out of `METRICS`.
        settings: the deadline of one score, and after how many failures in a row to stop calling the judge.
        concurrency: scores computed at the same time; each makes one call at a time.

    Raises:
        UsageError: a metric is unknown, or the judge cannot give it.
    """

    def __init__(self, judge: Judge, metrics: Sequence[str], settings: JudgeSettings, concurrency: int = 4) -> None:
        if concurrency < 1:
            raise UsageError(f"concurrency is {concurrency}; needs 1 or more")
        if not metrics:
            raise UsageError(f"no metric is named; there are {', '.join(METRICS)}")
        for metric in metrics:
            if metric not in METRICS:
                raise UsageError(f"there is no metric {metric!r}; there are {', '.join(METRICS)}")
        if GROUNDEDNESS in metrics and not isinstance(judge, OfflineJudge):
            raise UsageError(f"{GROUNDEDNESS} comes from the offline judge only; leave it out or use --judge offline")
        self._judge = judge
        self._metrics = tuple(dict.fromkeys(metrics))
        self._settings = settings
        self._concurrency = concurrency
        self._failures_in_a_row = 0
        self._last_failure = ""

    async def score_all(
        self, samples: Sequence[Sample], on_score: Callable[[SampleScore], None] | None = None
    ) -> list[SampleScore]:
        """Score every sample with every metric.

        Args:
            samples: what to score.
            on_score: called after each score, in order of completion.

        Returns:
            One score for each sample and metric in the order of samples, then metrics, whatever failed.
        """
        jobs = [(sample, metric) for sample in samples for metric in self._metrics]
        results: list[SampleScore | None] = [None] * len(jobs)
        queue: Iterator[tuple[int, tuple[Sample, str]]] = iter(enumerate(jobs))

        async def work() -> None:
            for index, (sample, metric) in queue:
                sample_score = SampleScore(sample, await self.score(sample, metric))
                results[index] = sample_score
                if on_score is not None:
                    on_score(sample_score)
                # The offline judge never waits: without this no other task, and no Ctrl-C, is handled.
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._concurrency, len(jobs))):
                group.create_task(work())
        return [sample_score for sample_score in results if sample_score is not None]

    async def score(self, sample: Sample, metric: str) -> Score:
        """One score of one sample. Failures come back as NaN with their reason; only cancellation is raised."""
        missing = _missing_input(sample, metric)
        if missing:
            return self._nan_score(metric, *missing)
        if self._failures_in_a_row >= self._settings.give_up_after:
            reason = (
                f"not called: the judge failed {self._failures_in_a_row} times in a row, last: {self._last_failure}"
            )
            return self._nan_score(metric, "judge failed", reason, JudgeGivenUp.__name__)
        try:
            async with asyncio.timeout(self._settings.deadline_s):
                value, label, explanation = await self._compute(sample, metric)
        except Exception as exc:
            return self._score_of_exception(metric, sample, exc)
        self._failures_in_a_row = 0
        if math.isnan(value):
            return self._nan_score(metric, label, explanation)
        # RAGAS adds 1e-10 to a denominator: unrounded, a perfect precision would miss a gate of 1.
        value = round(value, 6)
        return Score(metric, value, _label(metric, value), explanation, "", self._judge_of(metric), self._judge.version)

    def _score_of_exception(self, metric: str, sample: Sample, exc: Exception) -> Score:
        if isinstance(exc, TimeoutError):
            reason = f"no score within SIGHTLINE_JUDGE_DEADLINE_S={self._settings.deadline_s:g}"
            return self._score_of_failure(metric, JudgeTimeout(reason))
        failure = exc if isinstance(exc, JudgeError) else self._judge.judge_error_of(exc)
        if failure is not None:
            return self._score_of_failure(metric, failure)
        _logger.error("%s of %s failed", metric, sample.id, exc_info=exc)
        return self._nan_score(metric, "judge failed", f"{type(exc).__name__}: {exc}", type(exc).__name__)

    async def _compute(self, sample: Sample, metric: str) -> tuple[float, str, str]:
        """(value, label of a NaN, explanation)."""
        if metric == GROUNDEDNESS:
            return self._groundedness(sample)
        llm = self._judge.llm()
        from sightline_evals.judges import ragas_adapter as ragas  # noqa: PLC0415 - takes seconds, in this process only

        recorder = ragas.Recorder(llm)
        contexts = list(sample.contexts)
        if metric == FAITHFULNESS:
            result = await ragas.Faithfulness(llm=recorder).ascore(
                user_input=sample.question, response=sample.answer, retrieved_contexts=contexts
            )
        elif metric == CONTEXT_RECALL:
            result = await ragas.ContextRecall(llm=recorder).ascore(
                user_input=sample.question, reference=sample.reference, retrieved_contexts=contexts
            )
        elif sample.reference:
            result = await ragas.ContextPrecisionWithReference(llm=recorder).ascore(
                user_input=sample.question, reference=sample.reference, retrieved_contexts=contexts
            )
        else:
            result = await ragas.ContextPrecisionWithoutReference(llm=recorder).ascore(
                user_input=sample.question, response=sample.answer, retrieved_contexts=contexts
            )
        value = float(result.value)
        return value, "no statements" if math.isnan(value) else "", _explanation(metric, recorder.answers)

    def _groundedness(self, sample: Sample) -> tuple[float, str, str]:
        assert isinstance(self._judge, OfflineJudge)
        context = "\n".join(sample.contexts)
        evidence_by_statement = [
            (text, self._judge.evidence(text, context)) for text in self._judge.statements(sample.answer)
        ]
        evidence_by_statement.sort(key=lambda pair: -pair[1].p_unsupported)
        value = groundedness([evidence.p_unsupported for _, evidence in evidence_by_statement])
        lines = [f"{text} ({evidence.reason()})" for text, evidence in evidence_by_statement]
        return (
            value,
            "no statements" if not evidence_by_statement else "",
            _bounded_text(lines or ["the answer makes no checkable statement"]),
        )

    def _judge_of(self, metric: str) -> str:
        return self._judge.name if metric == GROUNDEDNESS else f"ragas/{self._judge.name}"

    def _score_of_failure(self, metric: str, failure: JudgeError) -> Score:
        # A malformed answer shows that the judge is available; only no answer and refusals count towards giving up.
        if isinstance(failure, JudgeUnavailable | JudgeTimeout | JudgeRefused):
            self._failures_in_a_row += 1
            self._last_failure = str(failure)
        else:
            self._failures_in_a_row = 0
        return self._nan_score(metric, "judge failed", str(failure), type(failure).__name__)

    def _nan_score(self, metric: str, label: str, explanation: str, error: str = "") -> Score:
        text = explanation[:_MAX_EXPLANATION]
        return Score(metric, math.nan, label, text, error, self._judge_of(metric), self._judge.version)


def _missing_input(sample: Sample, metric: str) -> tuple[str, str] | None:
    """(label, explanation) where a sample lacks what a metric needs."""
    if not sample.contexts:
        return "no passages", "nothing was retrieved, so there are no passages to compare the answer with"
    if metric == CONTEXT_RECALL and not sample.reference:
        return "no reference", "context recall needs a reference answer"
    if metric in {FAITHFULNESS, GROUNDEDNESS} and not sample.answer:
        return "no answer", f"{metric} needs an answer"
    return None


def _label(metric: str, value: float) -> str:
    lowest, middle, highest = _LABELS[metric]
    return lowest if value <= 0 else highest if value >= 1 else middle


def _explanation(metric: str, answers: Sequence[dict[str, Any]]) -> str:
    """The judge's verdicts and reasons, the bad ones first."""
    if metric == CONTEXT_PRECISION:
        return _bounded_text(
            f"passage {rank} {'useful' if answer['verdict'] else 'not useful'}: {answer['reason']}"
            for rank, answer in enumerate(answers, start=1)
        )
    last = answers[-1] if answers else {}
    rows = last.get("classifications", last.get("statements", []))
    verdicts = [(row.get("attributed", row.get("verdict")), row) for row in rows if isinstance(row, dict)]
    if not verdicts:
        return "the text makes no checkable statement"
    verdicts.sort(key=lambda verdict: bool(verdict[0]))
    supported = sum(bool(verdict) for verdict, _ in verdicts)
    lines = [f"{supported} of {len(verdicts)} statements supported"]
    lines += [f"{'+' if verdict else '-'} {row['statement']} ({row['reason']})" for verdict, row in verdicts]
    return _bounded_text(lines)


def _bounded_text(lines: Iterable[str]) -> str:
    text = "\n".join(lines)
    return text if len(text) <= _MAX_EXPLANATION else text[: _MAX_EXPLANATION - 1] + "…"
