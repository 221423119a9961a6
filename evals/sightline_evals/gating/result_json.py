"""The gate's result as JSON values, for a program. Pure."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any, Final

from sightline_evals.gating.inference import RESAMPLES, SEED
from sightline_evals.gating.results import GateResult, MetricComparison

SCHEMA: Final = "sightline-evals-gate/1"


def as_json(result: GateResult) -> dict[str, Any]:
    """The result; NaN and infinite numbers are null, because JSON has none. `change` is new less base, or a share."""
    return {
        "schema": SCHEMA,
        "outcome": str(result.outcome),
        "exit_code": int(result.code),
        "strict": result.strict,
        "run": result.current.run_id,
        "baselines": [report.run_id for report in result.baselines],
        "bounds": f"one-sided 95%; cluster bootstrap with {RESAMPLES} resamples and seed {SEED}, or exact",
        "metrics": {comparison.metric: _metric(comparison) for comparison in result.comparisons},
        "checks": [
            {"name": check.name, "outcome": str(check.outcome), "reason": check.reason} for check in result.checks
        ],
        "worst": [asdict(case) for case in result.worst],
        "quarantined": {metric: list(case_ids) for metric, case_ids in result.quarantined.items()},
        "notes": list(result.notes),
    }


def _metric(comparison: MetricComparison) -> dict[str, Any]:
    inference, pairs = comparison.inference, comparison.pairs
    changes = pairs.summed() if inference is not None else None
    low, high = comparison.interval
    detectable = comparison.detectable
    return {
        "verdict": str(comparison.check.outcome),
        "reason": comparison.check.reason,
        "base": _or_none(comparison.base_mean),
        "new": _or_none(comparison.new_mean),
        "change": _or_none(comparison.delta),
        "relative": comparison.is_relative,
        "lower_is_better": comparison.lower_is_better,
        "low": _or_none(low),
        "high": _or_none(high),
        "p_worse": inference.p_worse if inference else None,
        "p_holm": comparison.adjusted_p if inference else None,
        "method": str(inference.method) if inference else None,
        "margin": abs(comparison.shown(-comparison.margin)),
        "detectable": None if detectable is None else abs(comparison.shown(-detectable)),
        "pairs": len(pairs.case_ids),
        "expected": pairs.expected,
        "coverage": pairs.coverage,
        "missing": asdict(pairs.missing),
        "conversations": changes.clusters if changes else 0,
        "changed": changes.changed if changes else 0,
        "sd": _or_none(changes.sd) if changes else None,
        "worst_case": _or_none(comparison.shown(comparison.worst_case_lower)),
    }


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
