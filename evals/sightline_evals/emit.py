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
from sightline_evals.scorers import SampleScore

SERVICE_NAME: Final = "sightline-evals"
"""`service.name` of the scores."""
_FLUSH_EVERY: Final = 2000  # well below the size of the library's queue, which drops what does not fit


class Emitter:
    """Sends scores of one run.

    Args:
        run_id: sent with every score.
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
        self.sent = 0

    def send(self, scored: SampleScore) -> None:
        """Hand one score to the library.

        Raises:
            ScoresNotSent: the collector does not accept scores.
        """
        sample, score = scored.sample, scored.score
        sightline.score(
            score.name,
            score.value if score.has_value else None,
            label=score.label,
            explanation=score.explanation,
            trace_id=sample.trace_id or None,
            span_id=sample.span_id or None,
            judge=score.judge,
            judge_version=score.judge_version,
            run_id=self._run_id,
            source="ragas" if score.judge.startswith("ragas/") else "code",
            note=sample.note or None,
            error=score.error or None,
        )
        self.sent += 1
        if self.sent % _FLUSH_EVERY == 0:
            self._flush()

    def close(self) -> None:
        """Wait until the collector has accepted all scores.

        Raises:
            ScoresNotSent: it did not accept them all in time; the others are lost.
        """
        try:
            self._flush()
        finally:
            self._tracing.shutdown()

    def _flush(self) -> None:
        self._tracing.force_flush(self._timeout_s)
        accepted = self._tracing.score_stats().exported - self._stats_at_start.exported
        if accepted < self.sent:
            raise ScoresNotSent(
                f"the collector at {self._tracing.settings.logs_endpoint} accepted {accepted} of {self.sent} scores "
                f"within {self._timeout_s:g} s. Start one with `sightline up`, set OTEL_EXPORTER_OTLP_ENDPOINT to "
                "yours, or use --no-send; with OTEL_SDK_DISABLED=true nothing is sent"
            )
