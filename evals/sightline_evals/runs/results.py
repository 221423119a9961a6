"""Where the scores of a run go: the disk first, then the collector, and the counts of the summary."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from sightline_evals.datasets import Sample
from sightline_evals.emit import Emitter
from sightline_evals.errors import BudgetReached, DeadlineReached, JudgeGivenUp, NotAnswered, ScoresNotSent
from sightline_evals.runs.journal import Journal
from sightline_evals.runs.summary import Tally
from sightline_evals.scoring.scores import SampleScore

_NOT_TRIED: Final = frozenset(kind.__name__ for kind in (BudgetReached, DeadlineReached, JudgeGivenUp, NotAnswered))
"""Errors of scores that nobody tried to make: they tell nothing about the trace, so they are not sent."""
_ARRIVAL_S: Final = 5.0
_POLL_S: Final = 0.25
_logger = logging.getLogger(__name__)


class RunResults:
    """Keeps, sends and counts scores.

    A score is sent after it is on disk, and noted as sent once the collector has accepted it. What a process that was
    killed had not noted is sent by the run that goes on, so a score that was accepted in the moment of the kill may be
    sent twice. Where the collector does not accept scores, the run goes on without sending.

    Args:
        journal: of the run; its scores are counted.
        emitter: sends scores; None where sending is off.
    """

    def __init__(self, journal: Journal, emitter: Emitter | None) -> None:
        self._journal = journal
        self._emitter = emitter
        self._sent_before = journal.sent
        self.tally = Tally()
        self.failed = 0
        """Scores that failed, of this process."""
        self.not_sent: ScoresNotSent | None = None
        """Why the collector has not got all scores."""
        for sample, score in journal.scored_samples():
            self.tally.add_row(score, sample["case"], sample["conversation"] or "", sample["weight"])

    @property
    def sent(self) -> int | None:
        """Scores that the collector accepted, now and before; None where sending is off."""
        return None if self._emitter is None else self._sent_before + self._emitter.accepted

    def is_done(self, case: str, metric: str) -> bool:
        """Whether there is a score that did not fail."""
        return self._journal.is_done(case, metric)

    def add_case(self, sample: Sample) -> None:
        """Keep a sample."""
        self._journal.add_case(sample)

    def add_score(self, scored: SampleScore) -> None:
        """Keep, count and send a score."""
        self._journal.add_score(scored)
        self.tally.add(scored)
        self.failed += bool(scored.score.error)
        self._send(scored)
        if self._emitter is not None and self._emitter.is_flush_due:
            self.flush()

    def send_again(self, known: Callable[[], set[tuple[str, str]]] | None) -> None:
        """Send what was not noted as accepted when the run ended early.

        Args:
            known: asks the store for (trace id, metric) of the run's scores that have arrived.
        """
        waiting = list(self._journal.not_accepted())
        if self._emitter is None or not waiting:
            return
        arrived: set[tuple[str, str]] = set()
        until = time.monotonic() + (_ARRIVAL_S if known is not None else 0)
        while known is not None:
            arrived = known()
            left = [each for each in waiting if (each.sample.trace_id, each.score.name) not in arrived]
            if not left or time.monotonic() >= until:
                break
            time.sleep(_POLL_S)
        for each in waiting:
            if (each.sample.trace_id, each.score.name) not in arrived:
                self._send(each)
        self._sent_before += len(arrived & {(each.sample.trace_id, each.score.name) for each in waiting})
        self.flush()

    def flush(self) -> None:
        """Wait for the collector, and note what it has accepted."""
        if self._emitter is None or self.not_sent is not None:
            return
        try:
            self._emitter.flush()
        except ScoresNotSent as exc:
            self.not_sent = exc
            _logger.warning("scores are not sent any more: %s", exc)
        else:
            self._journal.note_accepted(self._journal.scores, self._sent_before + self._emitter.accepted)

    def close(self) -> None:
        """Send what is left, and end the sending."""
        self.flush()
        if self._emitter is not None:
            self._emitter.close()

    def _send(self, scored: SampleScore) -> None:
        if self._emitter is not None and self.not_sent is None and scored.score.error not in _NOT_TRIED:
            self._emitter.send(scored)
