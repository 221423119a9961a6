"""Scores as `gen_ai.evaluation.result` events, sent through the collector like all telemetry.

A score of a stored trace carries that trace's id and its request span's, so that pages show it with the answer. A score
without a value is sent too, with its reason: a judge that fails is visible on the pages.

Source: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-events/#event-gen_aievaluationresult
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

import sightline
from sightline_evals.errors import ScoresNotSent, UsageError
from sightline_evals.scoring.scores import SampleScore

SERVICE_NAME: Final = "sightline-evals"
"""`service.name` of the scores."""
FLUSH_EVERY: Final = 500
"""Scores between two waits for the collector; far fewer than the library's queue holds, which drops what exceeds it."""


class Emitter:
    """Sends scores of one run.

    Args:
        run_id: sent with every score that names no other.
        env: where OTEL_EXPORTER_OTLP_ENDPOINT and its siblings are read.
        timeout_s: seconds that the collector may take to accept what was sent.

    Raises:
        UsageError: one of those settings cannot be used.
    """

    def __init__(self, run_id: str, env: Mapping[str, str] = os.environ, timeout_s: float = 15.0) -> None:
        self._run_id = run_id
        self._timeout_s = timeout_s
        try:
            self._tracing = sightline.configure(service_name=SERVICE_NAME, env=env)
        except sightline.SettingsError as exc:
            raise UsageError(str(exc)) from exc
        self._stats_at_start = self._tracing.score_stats()
        self.handed_over = 0
        """Scores that the library got."""
        self.accepted = 0
        """Scores that the collector has accepted."""

    def send(self, scored: SampleScore) -> None:
        """Hand one score to the library; after `FLUSH_EVERY` of them, `flush` is due."""
        sample, score = scored.sample, scored.score
        self.result(
            score.name,
            score.value if score.has_value else None,
            label=score.label,
            explanation=score.explanation,
            trace_id=sample.trace_id or None,
            span_id=sample.span_id or None,
            judge=score.judge,
            judge_version=score.judge_version,
            source="ragas" if score.judge.startswith("ragas/") else "code",
            note=sample.note or None,
            error=score.error or None,
        )

    def result(
        self,
        name: str,
        value: float | None,
        *,
        label: str,
        explanation: str,
        judge: str,
        judge_version: str,
        trace_id: str | None = None,
        span_id: str | None = None,
        run_id: str | None = None,
        source: str = "code",
        note: str | None = None,
        error: str | None = None,
    ) -> None:
        """Hand one result to the library; see `sightline.score`. Without a trace it is in no mean of answers.

        `run_id` is of this result alone; None is the emitter's own.
        """
        sightline.score(
            name,
            value,
            label=label,
            explanation=explanation,
            trace_id=trace_id,
            span_id=span_id,
            judge=judge,
            judge_version=judge_version,
            run_id=self._run_id if run_id is None else run_id,
            source=source,
            note=note,
            error=error,
        )
        self.handed_over += 1

    @property
    def is_flush_due(self) -> bool:
        """Whether so many scores wait that the next ones might be dropped."""
        return self.handed_over - self.accepted >= FLUSH_EVERY

    def flush(self) -> None:
        """Wait until the collector has accepted all scores.

        Raises:
            ScoresNotSent: it did not accept them all in time.
        """
        self._tracing.force_flush(self._timeout_s)
        self.accepted = self._tracing.score_stats().exported - self._stats_at_start.exported
        if self.accepted < self.handed_over:
            raise ScoresNotSent(
                f"the collector at {self._tracing.settings.logs_endpoint} accepted {self.accepted} of "
                f"{self.handed_over} scores within {self._timeout_s:g} s. Start one with `sightline up`, set "
                "OTEL_EXPORTER_OTLP_ENDPOINT to yours, or use --no-send; with OTEL_SDK_DISABLED=true nothing is sent"
            )

    def forget_lost(self) -> int:
        """Expect no longer what the collector has refused, once nothing waits any more; returns how many scores."""
        stats = self._tracing.score_stats()
        if stats.queued:
            return 0
        self.accepted = stats.exported - self._stats_at_start.exported
        lost, self.handed_over = self.handed_over - self.accepted, self.accepted
        return lost

    def close(self) -> None:
        """End the sending; what was not accepted is lost."""
        self._tracing.shutdown()
