"""Judges a sample of live traffic for as long as it runs: within a budget an hour, each trace once.

Each round draws some of the newest traces that have no score, judges them and sends the scores. How many an hour may
be judged is spread over the hour, so that no burst of traffic uses it up. A trace is noted on disk once the collector
has accepted its scores: a watch that was killed judges a trace again only if its scores were not accepted. A store, a
collector or a judge that is away costs rounds and nothing else: traces that failed are tried again while they are
recent.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from sightline_evals.datasets import Sample
from sightline_evals.emit import Emitter
from sightline_evals.errors import RunNotKept, ScoresNotSent
from sightline_evals.judges import Judge
from sightline_evals.judges.budget import Budget
from sightline_evals.runs import samples
from sightline_evals.runs.folder import RunFolder
from sightline_evals.runs.records import whole_sample
from sightline_evals.runs.summary import summarize
from sightline_evals.scoring.scorer import Scorer
from sightline_evals.scoring.scores import SampleScore
from sightline_evals.settings import JudgeSettings
from sightline_store.client import Client
from sightline_store.errors import StoreError

_HOUR_S: Final = 3600.0
_LONGEST_BACKOFF_S: Final = 300.0
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What is watched.

    Attributes:
        metrics: what is measured.
        per_hour: traces that may be judged in an hour.
        window_s: how far back traces are looked for.
        interval_s: from one round to the next.
        concurrency: traces judged at the same time, at most.
        run_id: sent with every score.
    """

    metrics: tuple[str, ...]
    per_hour: int
    window_s: int
    interval_s: float
    concurrency: int
    run_id: str


class Allowance:
    """How many traces may be judged now: `per_hour`, spread evenly, and no more than a tenth of it saved up.

    Args:
        per_hour: traces an hour.
        now: seconds, of any origin.
    """

    def __init__(self, per_hour: int, now: float) -> None:
        self._per_s = per_hour / _HOUR_S
        self._most = max(1.0, per_hour / 10)
        self._saved = 1.0
        self._at = now

    def left(self, now: float) -> int:
        """Traces that may be judged now."""
        self._saved = min(self._most, self._saved + (now - self._at) * self._per_s)
        self._at = now
        return int(self._saved)

    def take(self, traces: int) -> None:
        """Count traces that were judged."""
        self._saved -= traces


class Judged:
    """The traces that were judged, on disk: one JSON line each, with the moment; old ones are forgotten.

    Args:
        path: the file.
        keep_s: how long a trace is remembered.
    """

    def __init__(self, path: Path, keep_s: float) -> None:
        self._path = path
        self._keep_s = keep_s
        self._at: dict[str, float] = {}
        oldest = time.time() - keep_s
        try:
            if path.exists():
                for line in path.read_text(encoding="utf-8").splitlines():
                    with contextlib.suppress(ValueError):  # torn by a kill
                        trace_id, at = json.loads(line)
                        if at >= oldest:
                            self._at[trace_id] = at
            kept = path.with_suffix(".new")
            kept.write_text("".join(f"{json.dumps(pair)}\n" for pair in self._at.items()), encoding="utf-8")
            kept.replace(path)
            self._file = path.open("a", encoding="utf-8")
        except OSError as exc:
            raise RunNotKept(f"{path}: {exc.strerror}") from exc

    def __contains__(self, trace_id: str) -> bool:
        """Whether a trace was judged."""
        return trace_id in self._at

    def add(self, trace_ids: set[str]) -> None:
        """Remember traces; on disk when this returns."""
        now = time.time()
        for trace_id in trace_ids:
            self._at[trace_id] = now
            self._file.write(f"{json.dumps([trace_id, now])}\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        for trace_id in [each for each, at in self._at.items() if at < now - self._keep_s]:
            del self._at[trace_id]

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Watcher:
    """The rounds of one watch.

    Args:
        watch: what is watched.
        client: the store.
        judge: of all scores.
        settings: of the judge.
        emitter: sends the scores.
        folder: remembers what was judged.
    """

    def __init__(  # noqa: PLR0917 - the parts of a watch
        self,
        watch: Watch,
        client: Client,
        judge: Judge,
        settings: JudgeSettings,
        emitter: Emitter,
        folder: RunFolder,
    ) -> None:
        self._watch = watch
        self._client = client
        self._judge = judge
        self._settings = settings
        self._emitter = emitter
        self._judged = Judged(folder.path / "judged.jsonl", 2 * watch.window_s + _HOUR_S)
        self._allowance = Allowance(watch.per_hour, time.monotonic())
        self._waiting: set[str] = set()
        """Judged, and not yet accepted by the collector."""
        self._hour_ends = time.monotonic() + _HOUR_S
        self._rounds = 0
        Scorer(judge, watch.metrics, settings, watch.concurrency)  # refuses what cannot be measured

    async def run(self, stop: asyncio.Event, out: TextIO = sys.stdout) -> None:
        """Go round until `stop` is set; what is being judged then is given up, what is judged is sent."""
        failures = 0
        while not stop.is_set():
            round_ = asyncio.create_task(self._round(out))
            stopped = asyncio.create_task(stop.wait())
            await asyncio.wait({round_, stopped}, return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            round_.cancel()
            try:
                await round_
                failures = 0
            except asyncio.CancelledError:
                pass
            except StoreError as exc:
                failures += 1
                _logger.warning("no traces can be read, trying again: %s", exc)
            wait_s = self._watch.interval_s
            if failures:
                wait_s = max(wait_s, min(_LONGEST_BACKOFF_S, wait_s * 2 ** min(failures - 1, 8)))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), wait_s)
        await asyncio.to_thread(self._flush)
        await self._judge.close()
        self._judged.close()

    async def _round(self, out: TextIO) -> None:
        watch, now = self._watch, time.monotonic()
        if now >= self._hour_ends and isinstance(budget := getattr(self._judge, "budget", None), Budget):
            budget.renew()
            self._hour_ends = now + _HOUR_S
        left = self._allowance.left(now)
        if not left:
            return
        waiting = await asyncio.to_thread(self._draw, left)
        self._rounds += 1
        scorer = Scorer(self._judge, watch.metrics, self._settings, watch.concurrency)
        results = _Round(self._emitter)
        try:
            if waiting:
                await scorer.run(waiting, results, outlines=lambda: ())
        finally:
            self._allowance.take(len(results.done(watch.metrics)))
            self._waiting |= results.done(watch.metrics)
            await asyncio.shield(asyncio.to_thread(self._flush))
            if results.scores:
                out.write(_line(results, getattr(self._judge, "budget", None)))
                out.flush()

    def _draw(self, left: int) -> list[Sample]:
        """Up to `left` traces that were not judged."""
        watch = self._watch
        # More than are wanted: of some the scores are under way, others have no content.
        limit = left + len(self._waiting) + 50
        drawn = samples.draw(
            self._client, since_s=watch.window_s, limit=limit, strategy="stratified", seed=self._rounds
        )
        rows = [
            row for row in drawn.rows if row["trace_id"] not in self._judged and row["trace_id"] not in self._waiting
        ]
        found = samples.read(self._client, rows, samples.Completeness())
        return [whole_sample(sample) for sample, _ in zip(found, range(left), strict=False)]

    def _flush(self) -> None:
        """Wait for the collector, and remember what it has accepted."""
        try:
            self._emitter.flush()
        except ScoresNotSent as exc:
            _logger.warning("scores wait: %s", exc)
            if self._emitter.forget_lost():
                # Whose scores they were is not known: traces that have none in the store are drawn again.
                self._waiting = set()
            return
        if self._waiting:
            self._judged.add(self._waiting)
            self._waiting = set()


class _Round:
    """The scores of one round: sent at once."""

    def __init__(self, emitter: Emitter) -> None:
        self._emitter = emitter
        self.scores: list[SampleScore] = []

    def is_done(self, case: str, metric: str) -> bool:
        del case, metric
        return False

    def add_case(self, sample: Sample) -> None:
        pass

    def add_score(self, scored: SampleScore) -> None:
        self.scores.append(scored)
        if not scored.score.error:
            self._emitter.send(scored)

    def done(self, metrics: tuple[str, ...]) -> set[str]:
        """The traces that need not be judged again: those with a score of each metric."""
        made: dict[str, int] = {}
        for scored in self.scores:
            made[scored.sample.id] = made.get(scored.sample.id, 0) + (not scored.score.error)
        return {trace_id for trace_id, number in made.items() if number == len(metrics)}


def _line(results: _Round, budget: object) -> str:
    means = ", ".join(
        f"{summary.name} {summary.mean:.3f} of {summary.scored}" if summary.scored else f"{summary.name} none"
        for summary in summarize(results.scores)
    )
    failed = sum(bool(scored.score.error) for scored in results.scores)
    reason = next((scored.score.explanation for scored in results.scores if scored.score.error), "")
    text = f"{time.strftime('%H:%M:%S')} {len({scored.sample.id for scored in results.scores})} traces: {means}"
    text += f"; {failed} scores failed: {reason}" if failed else ""
    if isinstance(budget, Budget) and budget.cost_usd is not None:
        text += f"; ${budget.cost_usd:.4f} so far"
    return f"{text}\n"


def watch_until_signal(watcher: Watcher) -> None:
    """Watch until SIGTERM or SIGINT, which end it cleanly."""

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await watcher.run(stop)

    asyncio.run(main())
