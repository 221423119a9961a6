"""One run from its wishes to its exit code: source, judge, scorer and journal brought together."""

from __future__ import annotations

import asyncio
import contextlib
import math
import signal
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from tqdm import tqdm

from sightline_evals import report_file
from sightline_evals.datasets import Sample
from sightline_evals.emit import Emitter
from sightline_evals.errors import UsageError
from sightline_evals.gate import ExitCode, Verdict, gate_verdict
from sightline_evals.judges import Judge
from sightline_evals.judges.choosing import have_no_model, judge_of
from sightline_evals.judges.panel import members_of
from sightline_evals.judges.remote import RemoteJudge
from sightline_evals.runs import Journal, RunFolder, report, samples
from sightline_evals.runs.asking import Asker
from sightline_evals.runs.folder import delete_old, find
from sightline_evals.runs.results import RunResults
from sightline_evals.runs.sources import DatasetSource, Source, StoredSource, headers_of
from sightline_evals.runs.wishes import Wishes
from sightline_evals.scoring import default_metrics, metric_of
from sightline_evals.scoring.scorer import Scorer
from sightline_evals.scoring.scores import SampleScore
from sightline_evals.settings import JudgeSettings, RunSettings
from sightline_store.client import Client
from sightline_store.errors import StoreError
from sightline_store.moments import duration_s
from sightline_store.questions import sampled
from sightline_store.settings import StoreSettings

_DEFAULT_LIMIT: Final = 100
_INTERRUPTED: Final = {signal.SIGINT: 130, signal.SIGTERM: 143}


def carry_out(wishes: Wishes, env: Mapping[str, str]) -> int:
    """Score, send, report, and return the exit code.

    Raises:
        UsageError: a wish or a setting cannot be used; nothing was scored.
        EvalsError: something that is needed failed.
    """
    settings, places = JudgeSettings.from_env(env), RunSettings.from_env(env)
    report_file.check(wishes.json_path)
    runs = places.folder / "runs"
    run_id = find(runs, wishes.resume) if wishes.resume else wishes.run_id or new_run_id()
    if not wishes.resume:
        # Before anything is read, so that a wrong name is told at once.
        _check_wishes(wishes, settings, places)
    with contextlib.ExitStack() as stack:
        folder = RunFolder(runs, run_id)
        stack.callback(folder.close)
        delete_old(runs, places.keep_days)
        journal = Journal(folder.journal)
        stack.callback(journal.close)
        if wishes.resume:
            wishes = wishes.resumed(journal.head["wishes"], tuple(journal.head["metrics"]))
        elif journal.head:
            raise UsageError(f"--run-id {run_id}: there is such a run; --resume {run_id} goes on with it")
        run = _Running(wishes, env, run_id, journal, settings=settings, places=places)
        stack.callback(run.close)
        return run.carry_out()


class _Running:
    """A run that has its journal."""

    def __init__(
        self,
        wishes: Wishes,
        env: Mapping[str, str],
        run_id: str,
        journal: Journal,
        *,
        settings: JudgeSettings,
        places: RunSettings,
    ) -> None:
        self._wishes = wishes
        self._run_id = run_id
        self._journal = journal
        self._judge = _judge_of(wishes, settings, places)
        self._asker = _asker(wishes, places)
        self._source = _source(wishes, env, self._asker, journal)
        metrics = wishes.metrics or default_metrics(
            self._source.outlines() if self._source.has_references else (), is_offline=have_no_model(wishes.judges)
        )
        if not wishes.metrics:
            metrics = (*metrics, *(name for name in wishes.floors if name not in metrics))
        for name in wishes.floors:
            if name not in metrics:
                raise UsageError(f"a floor names {name}, which is not measured; measured are {', '.join(metrics)}")
        self._scorer = Scorer(self._judge, metrics, settings, wishes.concurrency)
        self._begin_or_check()
        self._emitter = Emitter(run_id, env) if wishes.sends and self._source.size else None
        self._results = RunResults(journal, self._emitter)
        self._signal: int | None = None
        self._store_error: StoreError | None = None

    def carry_out(self) -> int:
        """Score what is left, and report all of it."""
        source, journal = self._source, self._journal
        if self._wishes.resume:
            known = None
            if isinstance(source, StoredSource):
                client, run_id = source.client, self._run_id
                known = lambda: sampled.run_scores(client, run_id)  # noqa: E731
            self._results.send_again(known)
        left = journal.done < source.size * len(self._scorer.metrics)
        if left and source.size and any(metric_of(name).needs_llm for name in self._scorer.metrics):
            self._judge.llm()  # imports RAGAS, whose seconds do not count as scoring
        began = time.perf_counter()
        if left:
            self._score()
        duration_s_ = time.perf_counter() - began
        self._results.close()
        return self._report(duration_s_)

    def close(self) -> None:
        """Close what is open."""
        self._source.close()

    def _begin_or_check(self) -> None:
        """Write what the run is; of one that goes on, refuse another judge or another dataset."""
        dataset, head = self._source.dataset, self._journal.head
        facts = {
            "judge": self._judge.name,
            "judge_version": self._judge.version,
            "dataset": dataset and dict(dataset),
            "answers": self._source.answers_sha256,
        }
        if not head:
            started = datetime.now(UTC).isoformat()
            self._journal.begin(
                {
                    "id": self._run_id,
                    **facts,
                    "metrics": list(self._scorer.metrics),
                    "started_at": started,
                    "wishes": self._wishes.kept(),
                }
            )
        if isinstance(self._source, StoredSource) and self._journal.drawn is None:
            self._journal.add_drawn(self._source.drawn.rows, self._source.drawn.drawn_from)
        for name, value in facts.items():
            if head and head.get(name) != value:
                raise UsageError(
                    f"run {self._run_id} has {name.replace('_', ' ')} {head.get(name)}, now it is {value}: scores of "
                    "two kinds do not compare; begin a new run"
                )

    def _score(self) -> None:
        """Score until all is done, or until a signal."""
        try:
            asyncio.run(self._score_all())
        except KeyboardInterrupt:
            self._signal = signal.SIGINT
        except asyncio.CancelledError:
            self._signal = signal.SIGTERM
        except StoreError as exc:  # what was scored is kept and told
            self._store_error = exc

    async def _score_all(self) -> None:
        source, metrics = self._source, self._scorer.metrics
        task = asyncio.current_task()
        assert task is not None
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):  # outside of the main thread
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        # Shown on a terminal only.
        with tqdm(
            total=source.size * len(metrics),
            initial=self._journal.done,
            desc="scoring",
            unit="score",
            disable=None,
            file=sys.stderr,
        ) as bar:
            shown = _Shown(self._results, bar)
            waiting = source.samples(self._journal.done_cases(metrics))
            try:
                await self._scorer.run(
                    _in_thread(waiting) if isinstance(source, StoredSource) else waiting,
                    shown,
                    self._prepared if source.prepare else None,
                    self._wishes.limits.deadline_s,
                    source.outlines,
                )
            finally:
                await self._judge.close()

    async def _prepared(self, sample: Sample) -> Sample:
        """The answer of a question: the one that is kept, else a new one."""
        if self._journal.has_case(sample.id) and (kept := self._journal.sample(sample.id)).answer:
            return kept
        assert self._source.prepare is not None
        return await self._source.prepare(sample)

    def _report(self, took_s: float) -> int:
        wishes, source, results, journal = self._wishes, self._source, self._results, self._journal
        incomplete, notes = source.facts()
        facts = report.Run(
            id=self._run_id,
            source=source.text(),
            judge=self._judge.name,
            judge_version=self._judge.version,
            samples=journal.cases,
            duration_s=took_s,
            notes=notes,
            sent=results.sent,
            metrics=self._scorer.metrics,
            started_at=datetime.fromisoformat(journal.head["started_at"]),
            drawn_from=source.drawn_from,
            incomplete=incomplete,
            dataset=source.dataset,
            sampling=source.sampling,
            usage=_usage(self._judge),
        )
        summaries = results.tally.summaries()
        verdict = gate_verdict(summaries, wishes.floors, wishes.rules)
        if results.not_sent is not None:
            reason = f"{results.not_sent}; the scores are kept, --resume {self._run_id} sends them"
            verdict = Verdict(ExitCode.INFRASTRUCTURE, (reason, *verdict.reasons))
        if self._store_error is not None:
            reason = f"{self._store_error} {journal.done} scores are kept, --resume {self._run_id} goes on"
            verdict = Verdict(ExitCode.INFRASTRUCTURE, (reason, *verdict.reasons))
        code, outcome = int(verdict.code), ""
        if self._signal is not None:
            code, outcome = _INTERRUPTED[signal.Signals(self._signal)], "interrupted"
            wanted = source.size * len(self._scorer.metrics)
            reason = f"{journal.done} of {wanted} scores are kept; --resume {self._run_id} goes on"
            verdict = Verdict(verdict.code, (reason,))
        stream = sys.stderr if wishes.json_path == "-" else sys.stdout
        stream.write(report.table(facts, summaries, verdict, outcome))
        if wishes.json_path is not None:
            with report_file.stream(wishes.json_path) as out:
                report.write_json(
                    out,
                    facts,
                    summaries,
                    verdict,
                    cases=journal.case_records(),
                    scores=journal.score_records(self._scorer.metrics),
                    exit_code=code,
                    outcome=outcome,
                    indent=wishes.json_path != "-",
                )
        return code


class _Shown:
    """Results with a bar of what is done."""

    def __init__(self, results: RunResults, bar: tqdm[Any]) -> None:
        self._results = results
        self._bar = bar
        self.is_done = results.is_done
        self.add_case = results.add_case

    def add_score(self, scored: SampleScore) -> None:
        self._results.add_score(scored)
        if self._results.failed:
            self._bar.set_postfix(failed=self._results.failed, refresh=False)
        self._bar.update()


def new_run_id() -> str:
    """A run id that nobody named: date, time and a random suffix."""
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{uuid.uuid4().hex[:6]}"


def _check_wishes(wishes: Wishes, settings: JudgeSettings, places: RunSettings) -> None:
    """Refuse what cannot work before a store, an application or a judge is asked."""
    judge = _judge_of(replace(wishes, limits=replace(wishes.limits, use_cache=False)), settings, places)
    names = wishes.metrics or tuple(wishes.floors)
    if names:
        Scorer(judge, names, settings, wishes.concurrency)
    if wishes.metrics:
        for name in wishes.floors:
            if name not in wishes.metrics:
                raise UsageError(
                    f"a floor names {name}, which is not measured; measured are {', '.join(wishes.metrics)}"
                )
    for name in names:
        if wishes.since and "reference" in metric_of(name).needs:
            raise UsageError(f"{name} needs reference answers, which stored traces do not have; use --dataset")


def _judge_of(wishes: Wishes, settings: JudgeSettings, places: RunSettings) -> Judge:
    return judge_of(
        wishes.judges,
        settings,
        places,
        limits=wishes.limits,
        concurrency=wishes.concurrency,
        disagreement=wishes.disagreement,
    )


def _asker(wishes: Wishes, places: RunSettings) -> Asker | None:
    if wishes.ask is None:
        return None
    return Asker(wishes.ask, headers_of(places.ask_headers), wishes.concurrency, places.ask_timeout_s)


def _source(wishes: Wishes, env: Mapping[str, str], asker: Asker | None, journal: Journal) -> Source:
    if wishes.dataset is not None:
        return DatasetSource.read(wishes.dataset, wishes.limit, asker)
    assert wishes.since is not None
    client = Client(StoreSettings.from_env(env))
    if journal.drawn is not None:
        drawn = samples.Drawn(journal.drawn, journal.drawn_from)
    else:
        try:
            drawn = samples.draw(
                client,
                since_s=duration_s(wishes.since),
                limit=wishes.limit or _DEFAULT_LIMIT,
                rescore=wishes.rescore or wishes.strategy == "low-score",
                strategy=wishes.strategy,
                seed=wishes.seed,
            )
        except BaseException:
            client.close()
            raise
    return StoredSource(client, drawn, wishes.since, {"strategy": wishes.strategy, "seed": wishes.seed})


def _usage(judge: Judge) -> report.Usage:
    spent = [member.budget for member in members_of(judge) if isinstance(member, RemoteJudge)]
    costs = [each.cost_usd for each in spent]
    return report.Usage(
        sum(each.calls for each in spent),
        sum(each.cached_calls for each in spent),
        sum(each.input_tokens for each in spent),
        sum(each.output_tokens for each in spent),
        None if None in costs else math.fsum(cost for cost in costs if cost is not None),
    )


async def _in_thread(waiting: Iterator[Sample]) -> AsyncIterator[Sample]:
    """Samples whose reading waits for a store, without holding up what runs beside it."""
    take: Callable[[], Sample | None] = lambda: next(waiting, None)  # noqa: E731
    while (sample := await asyncio.to_thread(take)) is not None:
        yield sample
