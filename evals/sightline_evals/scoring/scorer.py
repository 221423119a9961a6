"""The workers that score samples with one judge, and what stops them."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Protocol

from sightline_evals.datasets import Sample
from sightline_evals.errors import (
    BudgetReached,
    DeadlineReached,
    JudgeError,
    JudgeGivenUp,
    JudgeTimeout,
    NotAnswered,
    ScoreError,
    UsageError,
)
from sightline_evals.judges import Judge, deadlines
from sightline_evals.judges.panel import members_of
from sightline_evals.judges.remote import RemoteJudge
from sightline_evals.judges.statement_judge import StatementJudge
from sightline_evals.scoring.computed import MAX_EXPLANATION
from sightline_evals.scoring.computing import compute
from sightline_evals.scoring.metrics import METRICS, check_judge, label_of, metric_of, missing_input
from sightline_evals.scoring.ragas_scores import prompts_sha256
from sightline_evals.scoring.scores import SampleScore, Score
from sightline_evals.settings import JudgeSettings

_logger = logging.getLogger(__name__)


class Results(Protocol):
    """Where scores go, and what is known already."""

    def is_done(self, case: str, metric: str) -> bool:
        """Whether there is a score that need not be made again."""

    def add_case(self, sample: Sample) -> None:
        """Keep a sample, before its scores."""

    def add_score(self, scored: SampleScore) -> None:
        """Keep a score."""


class Scorer:
    """Scores samples with one judge, at most `concurrency` samples at a time.

    Args:
        judge: the judge of all scores.
        metrics: names out of `METRICS`.
        settings: the deadline of one score, and after how many failures in a row to stop calling the judge.
        concurrency: samples that are scored at the same time; each makes one call at a time.

    Raises:
        UsageError: a metric is unknown, or the judge cannot give it.
    """

    def __init__(self, judge: Judge, metrics: Sequence[str], settings: JudgeSettings, concurrency: int = 4) -> None:
        if concurrency < 1:
            raise UsageError(f"concurrency is {concurrency}; needs 1 or more")
        if not metrics:
            raise UsageError(f"no metric is named; there are {', '.join(METRICS)}")
        for metric in metrics:
            for member in members_of(judge):
                has_embeddings = isinstance(member, RemoteJudge) and bool(settings.embedding_model)
                check_judge(metric, is_offline=isinstance(member, StatementJudge), has_embeddings=has_embeddings)
        self._judge = judge
        self.metrics = tuple(dict.fromkeys(metrics))
        self._settings = settings
        self._concurrency = concurrency
        self._failures_in_a_row = self._unanswered_in_a_row = 0
        self._failures_of: Counter[str] = Counter()
        self._last_failure = ""
        self._stopped: ScoreError | None = None
        self._deadline_at: float | None = None
        self._deadline_s = 0.0
        self._hash_of: dict[str, str] = {}

    def stop(self, reason: ScoreError) -> None:
        """Score nothing more; what is left gets a NaN with this reason."""
        self._stopped = self._stopped or reason

    async def score_all(
        self, samples: Iterable[Sample], on_score: Callable[[SampleScore], None] | None = None
    ) -> list[SampleScore]:
        """Score every sample with every metric.

        Args:
            samples: what to score.
            on_score: called after each score, in order of completion.

        Returns:
            One score for each sample and metric in the order of samples, then metrics, whatever failed.
        """
        kept = _InOrder(samples, self.metrics, on_score)
        await self.run(kept.samples, kept)
        return kept.scores()

    async def run(
        self,
        samples: Iterable[Sample] | AsyncIterator[Sample],
        results: Results,
        prepare: Callable[[Sample], Awaitable[Sample]] | None = None,
        deadline_s: float | None = None,
        outlines: Callable[[], Iterable[Sample]] | None = None,
    ) -> None:
        """Score samples as they come, without keeping them.

        Where the scorer stops early (budget, deadline, a judge that was given up), what is left gets a NaN with that.

        Args:
            samples: what to score; taken one by one.
            results: gets every sample and every score.
            prepare: gives a sample its answer; a `ScoreError` of it is the result of all its metrics.
            deadline_s: seconds for all of it; None for no limit.
            outlines: gives all samples, as far as they are known without effort, for those that are left when the
                scorer stops early; without it they are taken from `samples`.
        """
        if deadline_s is not None:
            self._deadline_at, self._deadline_s = asyncio.get_running_loop().time() + deadline_s, deadline_s
        waiting = samples if isinstance(samples, AsyncIterator) else _as_async(samples)
        one_at_a_time = asyncio.Lock()
        begun: set[str] = set()

        async def work() -> None:
            while self._stopped is None:
                async with one_at_a_time:
                    sample = await anext(waiting, None)
                if sample is None:
                    return
                begun.add(sample.id)
                await self._score_sample(sample, results, prepare)
                # The offline judge never waits: without this no other task, and no Ctrl-C, is handled.
                await asyncio.sleep(0)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._concurrency):
                    group.create_task(work())
        except BaseExceptionGroup as failed:  # of the source or the results: the workers themselves raise nothing
            raise failed.exceptions[0] from None
        if self._stopped is not None:
            async for sample in waiting if outlines is None else _as_async(outlines()):
                if sample.id not in begun:
                    self._leave_out(sample, results, self._stopped)

    async def score(self, sample: Sample, metric: str) -> Score:
        """One score of one sample. Failures come back as NaN with their reason; only cancellation is raised."""
        missing = missing_input(sample, metric)
        if missing:
            return self._nan_score(metric, *missing)
        self._check_time()
        if self._stopped is not None:
            return self._score_of_failure(metric, self._stopped, counts=False)
        if self._failures_of[metric] >= self._settings.give_up_after:
            reason = f"not called: {self._failures_of[metric]} scores of it in a row failed, last: {self._last_failure}"
            return self._score_of_failure(metric, JudgeGivenUp(reason), counts=False)
        try:
            async with asyncio.timeout_at(self._deadline_at), deadlines.within(self._settings.deadline_s):
                computed = await compute(metric, sample, self._judge)
        except Exception as exc:
            return self._score_of_exception(metric, sample, exc)
        self._failures_in_a_row = self._failures_of[metric] = 0
        if math.isnan(computed.value):
            return self._nan_score(metric, computed.label, computed.explanation)
        # RAGAS adds 1e-10 to a denominator: unrounded, a perfect precision would miss a gate of 1. A cosine may be
        # below 0 or, by rounding, above 1.
        value = round(min(1.0, max(0.0, computed.value)), 6)
        return Score(
            metric,
            value,
            label_of(metric, value),
            computed.explanation,
            "",
            self.judge_of(metric),
            self._judge.version,
            self._prompt_sha256(metric),
            self._threshold,
            computed.statements,
        )

    async def _score_sample(
        self, sample: Sample, results: Results, prepare: Callable[[Sample], Awaitable[Sample]] | None
    ) -> None:
        wanted = [metric for metric in self.metrics if not results.is_done(sample.id, metric)]
        if not wanted:
            return
        self._check_time()
        if prepare is not None and self._stopped is None:
            try:
                async with asyncio.timeout_at(self._deadline_at):
                    sample = await prepare(sample)
                self._unanswered_in_a_row = 0
            except ScoreError as exc:
                self._unanswered_in_a_row += 1
                if self._unanswered_in_a_row >= self._settings.give_up_after:
                    self.stop(NotAnswered(f"not asked: {self._unanswered_in_a_row} in a row failed, last: {exc}"))
                self._leave_out(sample, results, exc)
                return
            except TimeoutError:
                self._check_time()
        if self._stopped is not None:
            self._leave_out(sample, results, self._stopped)
            return
        results.add_case(sample)
        for metric in wanted:
            results.add_score(SampleScore(sample, await self.score(sample, metric)))

    def _leave_out(self, sample: Sample, results: Results, failure: ScoreError) -> None:
        """Give a sample that is not judged its NaN scores."""
        wanted = [metric for metric in self.metrics if not results.is_done(sample.id, metric)]
        if wanted:
            results.add_case(sample)
        for metric in wanted:
            results.add_score(SampleScore(sample, self._score_of_failure(metric, failure, counts=False)))

    def _check_time(self) -> None:
        if self._deadline_at is not None and asyncio.get_running_loop().time() >= self._deadline_at:
            self.stop(DeadlineReached(f"--deadline of {self._deadline_s:g} s is over"))

    def _score_of_exception(self, metric: str, sample: Sample, exc: Exception) -> Score:
        self._check_time()
        if isinstance(exc, TimeoutError) and self._stopped is not None:
            return self._score_of_failure(metric, self._stopped, counts=False)
        if isinstance(exc, TimeoutError):
            reason = f"no score within SIGHTLINE_JUDGE_DEADLINE_S={self._settings.deadline_s:g}"
            return self._score_of_failure(metric, JudgeTimeout(reason))
        failure = exc if isinstance(exc, ScoreError) else self._judge.judge_error_of(exc)
        if isinstance(failure, BudgetReached | DeadlineReached):
            self.stop(failure)
            return self._score_of_failure(metric, failure, counts=False)
        if failure is not None:
            return self._score_of_failure(metric, failure)
        _logger.error("%s of %s failed", metric, sample.id, exc_info=exc)
        self._count_failure(metric, exc)
        return self._nan_score(metric, "judge failed", f"{type(exc).__name__}: {exc}", type(exc).__name__)

    @property
    def _threshold(self) -> float | None:
        return self._judge.threshold if isinstance(self._judge, StatementJudge) else None

    def _prompt_sha256(self, metric: str) -> str:
        if not any(isinstance(member, RemoteJudge) for member in members_of(self._judge)):
            return ""
        if metric not in self._hash_of:
            self._hash_of[metric] = prompts_sha256(metric)
        return self._hash_of[metric]

    def judge_of(self, metric: str) -> str:
        """Name of the judge in the scores of a metric."""
        kind, name = metric_of(metric), self._judge.name
        if kind.with_embeddings:
            name = f"{name}+{self._settings.embedding_model}" if kind.needs_llm else self._settings.embedding_model
        return f"ragas/{name}" if kind.is_ragas else name

    def _score_of_failure(self, metric: str, failure: ScoreError, *, counts: bool = True) -> Score:
        if counts:
            self._count_failure(metric, failure)
        label = "judge failed" if isinstance(failure, JudgeError) else "not scored"
        return self._nan_score(metric, label, str(failure), type(failure).__name__)

    def _count_failure(self, metric: str, failure: Exception) -> None:
        self._failures_in_a_row += 1
        self._failures_of[metric] += 1
        self._last_failure = str(failure) or type(failure).__name__
        if self._failures_in_a_row >= self._settings.give_up_after:
            reason = f"not called: {self._failures_in_a_row} in a row failed, last: {self._last_failure}"
            self.stop(JudgeGivenUp(reason))

    def _nan_score(self, metric: str, label: str, explanation: str, error: str = "") -> Score:
        return Score(
            metric,
            math.nan,
            label,
            explanation[:MAX_EXPLANATION],
            error,
            self.judge_of(metric),
            self._judge.version,
            self._prompt_sha256(metric),
            self._threshold,
        )


class _InOrder:
    """Results in memory, in the order of samples, then metrics."""

    def __init__(
        self, samples: Iterable[Sample], metrics: Sequence[str], on_score: Callable[[SampleScore], None] | None
    ) -> None:
        self.samples = list(samples)
        self._metrics = metrics
        self._on_score = on_score
        self._found: dict[tuple[str, str], SampleScore] = {}

    def is_done(self, case: str, metric: str) -> bool:
        return (case, metric) in self._found

    def add_case(self, sample: Sample) -> None:
        pass

    def add_score(self, scored: SampleScore) -> None:
        self._found[scored.sample.id, scored.score.name] = scored
        if self._on_score is not None:
            self._on_score(scored)

    def scores(self) -> list[SampleScore]:
        return [self._found[sample.id, metric] for sample in self.samples for metric in self._metrics]


async def _as_async(samples: Iterable[Sample]) -> AsyncIterator[Sample]:
    for sample in samples:
        yield sample
