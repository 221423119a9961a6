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

from sightline_evals.drift import canaries
from sightline_evals.drift.judged import Run
from sightline_evals.emit import Emitter
from sightline_store.questions.drift import Windows

JUDGE: Final = "sightline-drift"
JUDGE_VERSION: Final = "1"


class Sender:
    """Sends events of drift; `close` waits until the collector has them all.

    Args:
        env: where OTEL_EXPORTER_OTLP_ENDPOINT and its siblings are read.
        timeout_s: seconds that the collector may take.

    Raises:
        UsageError: one of those settings cannot be used.
    """

    def __init__(self, env: Mapping[str, str], timeout_s: float = 15.0) -> None:
        self._emitter = Emitter("", env, timeout_s)
        self._failed = False

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
        self._emitter.result(
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
        self._flush_if_due()

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
            self._emitter.close()

    def flush(self) -> None:
        """Wait until the collector has accepted what was sent so far.

        Raises:
            ScoresNotSent: it did not in time.
        """
        self._failed = True
        self._emitter.flush()
        self._failed = False

    def forget_lost(self) -> None:
        """Expect no longer what the collector has refused, so that a later `flush` is about what came after."""
        self._emitter.forget_lost()

    def _send(self, name: str, value: float | None, label: str, facts: Mapping[str, Any], run_id: str) -> None:
        self._emitter.result(
            name,
            value,
            label=label,
            explanation=json.dumps(facts, ensure_ascii=False),
            judge=JUDGE,
            judge_version=JUDGE_VERSION,
            run_id=run_id,
        )
        self._flush_if_due()

    def _flush_if_due(self) -> None:
        if self._emitter.is_flush_due:
            self.flush()


def _moments(windows: Windows) -> dict[str, int]:
    return {
        "from_ms": round(windows.current_from.timestamp() * 1000),
        "to_ms": round(windows.current_to.timestamp() * 1000),
        "reference_from_ms": round(windows.reference_from.timestamp() * 1000),
        "reference_to_ms": round(windows.reference_to.timestamp() * 1000),
    }
