"""Made-up results of drift runs, as rows of otel_logs: what `sightline-evals drift` sends, for questions and pages."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

KEY = "collection Documents, embedding lexical v3"


def rows(
    end: datetime, runs: int = 24, *, drifting: int = 3, every: timedelta = timedelta(hours=1)
) -> list[dict[str, Any]]:
    """Events of `runs` runs up to `end`; the last `drifting` found drift, one before them suspected it."""
    found = []
    for number in range(runs):
        moment, age = end - every * (runs - 1 - number), runs - 1 - number
        is_drift, is_suspected = age < drifting, age == drifting
        windows = {
            "from_ms": _ms(moment - every), "to_ms": _ms(moment),
            "reference_from_ms": _ms(moment - 9 * every), "reference_to_ms": _ms(moment - 2 * every),
        }  # fmt: skip
        run_id = f"drift-{number:03d}"

        def event(
            name: str,
            value: float | None,
            label: str,
            facts: dict[str, Any],
            at: datetime = moment,
            run: str = run_id,
            stretch: dict[str, int] = windows,
        ) -> None:
            attributes = {
                "gen_ai.evaluation.name": f"drift.{name}",
                "gen_ai.evaluation.score.label": label,
                "gen_ai.evaluation.explanation": json.dumps({**facts, **stretch}),
                "sightline.evaluation.run.id": run,
                "sightline.evaluation.judge": "sightline-drift",
            }
            if value is not None:
                attributes["gen_ai.evaluation.score.value"] = json.dumps(value)
            found.append(
                {
                    "Timestamp": at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
                    "ServiceName": "sightline-evals",
                    "LogAttributes": attributes,
                    "EventName": "gen_ai.evaluation.result",
                }
            )

        wave = 0.05 * math.sin(number)
        size = -0.62 + wave if is_drift else -0.21 if is_suspected else wave
        top_state = "drift" if is_drift else "suspected" if is_suspected else "quiet"
        event("retrieval.top_score", size, top_state, _facts("deviations", KEY, size, 0.11, 2e-6 if is_drift else 0.4))
        event("retrieval.empty", 0.004, "quiet", _facts("share", KEY, 0.004, 0.01, 0.7))
        event("queries.shift", 0.51, "quiet", _facts("auc", KEY, 0.51, 0.02, 0.9))
        event("scores.groundedness", None, "too_little_data", _facts("deviations", "judge offline", None, 0.0, None))
        overlap = -0.3 if is_drift else 0.0
        event(
            "canaries.overlap", overlap, top_state, _facts("overlap", "", overlap, 0.08, 0.0004, 0.97, 0.97 + overlap)
        )
        event(
            "canaries.recall",
            overlap / 2,
            "quiet",
            _facts("overlap", "", overlap / 2, 0.1, 0.2, 0.9, 0.9 + overlap / 2),
        )
        sentence = (
            "Drift: the best score of searches fell from 0.72 to 0.65 (-0.62 standard deviations). "
            "Index and embedding are the same; what is asked is the same."
            if is_drift
            else "No drift in 5 comparisons."
        )
        event(
            "verdict", 2.0 if is_drift else 0.0, "drift" if is_drift else "no drift", {"sentence": sentence, "key": ""}
        )
    return found


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _facts(
    kind: str,
    key: str,
    effect: float | None,
    half: float,
    p: float | None,
    reference: float | None = None,
    current: float | None = None,
) -> dict[str, Any]:
    return {
        "key": key, "kind": kind, "p": p, "reference_n": 840, "current_n": 120,
        "low": None if effect is None else effect - half, "high": None if effect is None else effect + half,
        "reference": reference, "current": current, "sentence": "",
    }  # fmt: skip
