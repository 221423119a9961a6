"""What drift runs found, as `gen_ai.evaluation.result` events, sent through the collector like all telemetry.

One event `drift.SIGNAL` a comparison, without a trace, so that the means of answers' scores do not see them: value is
the effect, label the state, and the explanation JSON with interval, p-value, key and sizes (read by the question
`drift/results`). `drift.verdict` says the whole run in a sentence, `drift.canary` marks the trace of a canary,
`drift.pin` keeps a window.

Source: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-events/#event-gen_aievaluationresult
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import sightline
from sightline_evals.drift import canaries
from sightline_evals.drift.judged import Run
from sightline_evals.emit import SERVICE_NAME
from sightline_evals.errors import ScoresNotSent, UsageError
from sightline_store.questions.drift import Windows

JUDGE: Final = "sightline-drift"
JUDGE_VERSION: Final = "1"
_FLUSH_EVERY: Final = 1000  # well below the size of the library's queue, which drops what does not fit


class Sender:
    """Sends events of drift; `close` waits until the collector has them all.

    Args:
        env: where OTEL_EXPORTER_OTLP_ENDPOINT and its siblings are read.
        timeout_s: seconds that the collector may take.

    Raises:
        UsageError: one of those settings cannot be used.
    """

    def __init__(self, env: Mapping[str, str], timeout_s: float = 15.0) -> None:
        self._timeout_s = timeout_s
        try:
            self._tracing = sightline.configure(service_name=SERVICE_NAME, env=env)
        except sightline.SettingsError as exc:
            raise UsageError(str(exc)) from exc
        self._at_start = self._tracing.score_stats().exported
        self._failed = False
        self.sent = 0

    def run(self, run: Run) -> None:
        """Send what a run found.

        Raises:
            ScoresNotSent: the collector did not accept it in time.
        """
        span = _moments(run.battery.windows)
        for each in run.judged:
            measured = each.measurement
            facts = {
                "key": measured.subject, "low": measured.low, "high": measured.high, "p": measured.p_adjusted,
                "reference_n": measured.reference_n, "current_n": measured.current_n, "kind": measured.kind,
                "reference": measured.reference, "current": measured.current, "sentence": "", **span,
            }  # fmt: skip
            self._send(f"drift.{measured.signal}", measured.effect, each.label, facts, run.id)
        told: dict[str, Any] = {
            "sentence": run.sentence,
            "key": "",
            "changes": [dict(change) for change in run.changes[:5]],
            **span,
        }
        alarms = sum(each.is_drift for each in run.judged) + len(run.battery.planned.mismatches)
        self._send("drift.verdict", float(alarms), run.outcome, told, run.id)

    def canary(self, asked: canaries.Asked, name: str, run_id: str) -> None:
        """Mark the trace of a canary.

        Raises:
            ScoresNotSent: the collector did not accept it in time.
        """
        sightline.score(
            "drift.canary",
            0.0 if asked.error else 1.0,
            label=asked.canary.id,
            explanation=canaries.explanation(asked.canary),
            trace_id=asked.trace_id,
            judge=JUDGE,
            judge_version=JUDGE_VERSION,
            run_id=run_id,
            note=name,
            error=asked.error or None,
        )
        self._count()

    def pin(self, name: str, windows: Windows, run_id: str) -> None:
        """Keep the current window under a name, for `--reference pin:NAME`.

        Raises:
            ScoresNotSent: the collector did not accept it in time.
        """
        self._send("drift.pin", None, name, _moments(windows), run_id)

    def close(self) -> None:
        """Wait until the collector has accepted everything.

        Raises:
            ScoresNotSent: it did not in time.
        """
        try:
            if not self._failed:  # what was told once is not waited for again
                self.flush()
        finally:
            self._tracing.shutdown()

    def flush(self) -> None:
        """Wait until the collector has accepted what was sent so far.

        Raises:
            ScoresNotSent: it did not in time.
        """
        self._tracing.force_flush(self._timeout_s)
        accepted = self._tracing.score_stats().exported - self._at_start
        if accepted < self.sent:
            self._failed = True
            raise ScoresNotSent(
                f"the collector at {self._tracing.settings.logs_endpoint} accepted {accepted} of {self.sent} results "
                f"within {self._timeout_s:g} s. Start one with `sightline up`, set OTEL_EXPORTER_OTLP_ENDPOINT to "
                "yours, or use --no-send; with OTEL_SDK_DISABLED=true nothing is sent"
            )

    def _send(self, name: str, value: float | None, label: str, facts: Mapping[str, Any], run_id: str) -> None:
        sightline.score(
            name,
            value,
            label=label,
            explanation=json.dumps(facts, ensure_ascii=False),
            judge=JUDGE,
            judge_version=JUDGE_VERSION,
            run_id=run_id,
        )
        self._count()

    def _count(self) -> None:
        self.sent += 1
        if self.sent % _FLUSH_EVERY == 0:
            self.flush()


def _moments(windows: Windows) -> dict[str, int]:
    return {
        "from_ms": round(windows.current_from.timestamp() * 1000),
        "to_ms": round(windows.current_to.timestamp() * 1000),
        "reference_from_ms": round(windows.reference_from.timestamp() * 1000),
        "reference_to_ms": round(windows.reference_to.timestamp() * 1000),
    }
