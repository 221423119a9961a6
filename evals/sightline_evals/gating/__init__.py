"""The gate: is this run worse than those before it, and could the comparison have seen it?

`read_report` reads what `sightline-evals run --json` wrote, `gate` compares; all between is pure.
"""

from sightline_evals.gating.policy import Policy
from sightline_evals.gating.results import Check, GateResult, MetricComparison, Outcome, WorseCase
from sightline_evals.gating.run_report import RunReport, read_report
from sightline_evals.gating.verdict import gate

__all__ = [
    "Check",
    "GateResult",
    "MetricComparison",
    "Outcome",
    "Policy",
    "RunReport",
    "WorseCase",
    "gate",
    "read_report",
]
