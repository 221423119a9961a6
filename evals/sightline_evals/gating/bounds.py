"""Floors, ceilings and must-pass cases: what must hold of a run by itself. Pure.

A floor is a bound on the mean over the cases of this run, as that of `sightline-evals run --fail-under`: a statement
about these cases, not about those that they were drawn from, so it needs no test. With missing scores it must hold in
the worst case.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from sightline_evals.errors import ReportError
from sightline_evals.gating.pairing import value_of
from sightline_evals.gating.policy import Policy
from sightline_evals.gating.results import Check, Outcome
from sightline_evals.gating.run_report import MEASURES, RunReport

_ROUNDING: Final = 1e-9


def bound_checks(current: RunReport, case_ids: Sequence[str], policy: Policy) -> list[Check]:
    """One check for each floor and ceiling.

    Raises:
        ReportError: a bound is on a metric that the run does not have.
    """
    for metric in (*policy.floors, *policy.ceilings):
        if metric not in current.scores and metric not in MEASURES:
            known = ", ".join(current.scores) or "no scores"
            raise ReportError(current.path, f"has no {metric}, which has a bound; measured are {known}")
    return [_bound_check(metric, current, case_ids, policy) for metric in (*policy.floors, *policy.ceilings)]


def must_pass_checks(
    current: RunReport, baselines: Sequence[RunReport], metrics: Sequence[str], policy: Policy
) -> list[Check]:
    """Cases of which no failure is tolerated, whether or not they are flaky."""
    ids = dict.fromkeys(
        case.id for report in (current, *baselines[:1]) for case in report.cases.values() if case.must_pass
    )
    return [_must_pass_check(case_id, current, baselines, metrics, policy) for case_id in ids]


def _bound_check(metric: str, current: RunReport, case_ids: Sequence[str], policy: Policy) -> Check:
    """The mean of a metric against its floor or ceiling."""
    is_floor = metric in policy.floors
    bound = policy.floors[metric] if is_floor else policy.ceilings[metric]
    name = f"{'floor' if is_floor else 'ceiling'} of {metric}"
    values, weights, missing_weight = [], [], 0.0
    for case_id in case_ids:
        value = value_of(current, metric, case_id)
        weight = current.cases[case_id].weight if case_id in current.cases else 1.0
        if value is None:
            missing_weight += weight
        else:
            values.append(value)
            weights.append(weight)
    coverage = len(values) / len(case_ids) if case_ids else 0.0
    if not values or coverage < policy.min_coverage(metric) - _ROUNDING:
        needed = f"needs {policy.min_coverage(metric):.0%}"
        return Check(name, Outcome.UNMEASURED, f"{len(values)} of {len(case_ids)} cases have a value, {needed}")
    total = math.fsum(value * weight for value, weight in zip(values, weights, strict=True))
    mean = total / math.fsum(weights)
    sign = 1 if is_floor else -1
    reason = f"mean {mean:.4f} of {len(values)} cases, bound {bound:g}"
    if sign * (mean - bound) < -_ROUNDING:
        return Check(name, Outcome.REGRESSION, reason)
    worst_value = min([0.0, *values]) if is_floor else max([1.0, *values])
    worst = (total + missing_weight * worst_value) / (math.fsum(weights) + missing_weight)
    if metric not in MEASURES and sign * (worst - bound) < -_ROUNDING:
        missing = len(case_ids) - len(values)
        return Check(name, Outcome.INCONCLUSIVE, f"{reason}; {worst:.4f} if the {missing} missing cases are bad")
    return Check(name, Outcome.PASS, reason)


def _must_pass_check(
    case_id: str, current: RunReport, baselines: Sequence[RunReport], metrics: Sequence[str], policy: Policy
) -> Check:
    name = f"must pass: {case_id}"
    if case_id not in current.cases:
        return Check(name, Outcome.UNMEASURED, "is not in the current run")
    failed, unmeasured, passed = [], [], []
    for metric in metrics:
        if metric in MEASURES:
            continue
        score = current.scores.get(metric, {}).get(case_id)
        if score is None or score.error:
            unmeasured.append(f"{metric}: {score.error if score else 'no score'}")
        elif score.value is None:
            if any(value_of(baseline, metric, case_id) is not None for baseline in baselines):
                failed.append(f"{metric}: nothing to judge now")
        elif policy.passes(metric, score.value):
            passed.append(f"{metric} {score.value:.4f}")
        else:
            failed.append(f"{metric} {score.value:.4f}")
    if failed:
        return Check(name, Outcome.REGRESSION, ", ".join(failed))
    if unmeasured or not passed:
        return Check(name, Outcome.UNMEASURED, ", ".join(unmeasured) or "no metric has a value")
    return Check(name, Outcome.PASS, ", ".join(passed))
