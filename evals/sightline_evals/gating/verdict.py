"""The gate: a run and those before it in, an outcome with its reasons out. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sightline_evals.errors import ReportError
from sightline_evals.gating.bounds import bound_checks, must_pass_checks
from sightline_evals.gating.comparison import compare
from sightline_evals.gating.pairing import expected_cases, flaky_cases, pair, require_comparable
from sightline_evals.gating.policy import Policy
from sightline_evals.gating.results import NO_BASELINE, Check, GateResult, MetricComparison, Outcome, WorseCase
from sightline_evals.gating.run_report import MEASURES, RunReport

WORST_SHOWN: Final = 10
"""Cases that are shown side by side."""
_ROUNDING: Final = 1e-9


def gate(
    current: RunReport,
    baselines: Sequence[RunReport],
    policy: Policy | None = None,
    rerun: RunReport | None = None,
    notes: Sequence[str] = (),
) -> GateResult:
    """Compare a run with one or more before it.

    Args:
        current: the run to judge.
        baselines: runs to compare it with, the newest first; none checks floors and must-pass cases only.
        policy: margins, floors and so on; None takes what `Policy()` says.
        rerun: a second run of the same code as `current`: cases whose verdict differs are quarantined.
        notes: remarks of the caller, shown with the others.

    Raises:
        ReportError: the runs cannot be compared (another judge, another dataset), or a metric is not there.
    """
    policy = policy or Policy()
    metrics = _gated_metrics(current, baselines, policy)
    for baseline in baselines:
        require_comparable(current, baseline, metrics, any_dataset=policy.allow_dataset_change)
    if rerun is not None:
        require_comparable(current, rerun, metrics, any_dataset=False)
    common_only = policy.allow_dataset_change and bool(baselines)
    case_ids = expected_cases(current, baselines, common_only=common_only)
    quarantined = {
        metric: tuple(flaky)
        for metric in metrics
        if rerun is not None and metric not in MEASURES and (flaky := flaky_cases(metric, current, rerun, policy))
    }
    comparisons: list[MetricComparison] = []
    checks: list[Check] = []
    if not current.cases:
        checks.append(Check("cases", Outcome.UNMEASURED, "the current run has no case"))
    elif not metrics:
        checks.append(Check("metrics", Outcome.UNMEASURED, "the runs have no score"))
    elif not case_ids:
        checks.append(Check("cases", Outcome.UNMEASURED, "the runs have no case in common"))
    elif not baselines:
        checks.append(
            Check(NO_BASELINE, Outcome.INCONCLUSIVE, "there is none yet: only floors and must-pass cases were checked")
        )
    else:
        matched = [
            pair(
                metric, current, baselines, case_ids, policy=policy, quarantined=frozenset(quarantined.get(metric, ()))
            )
            for metric in metrics
        ]
        comparisons = compare(matched, policy)
        checks += [comparison.check for comparison in comparisons]
    # A bound is about this run: cases that the baseline does not have count too.
    checks += bound_checks(current, list(current.cases) if common_only else case_ids, policy)
    checks += must_pass_checks(current, baselines, metrics, policy)
    return GateResult(
        current=current,
        baselines=tuple(baselines),
        comparisons=tuple(comparisons),
        checks=tuple(checks),
        worst=_worst_cases(comparisons, current, baselines),
        quarantined=quarantined,
        notes=(*notes, *_notes(current, baselines, metrics, case_ids, policy)),
        strict=policy.strict,
    )


def _gated_metrics(current: RunReport, baselines: Sequence[RunReport], policy: Policy) -> list[str]:
    """Those that are named; else every score of the baselines (or of the run alone), and measures with a margin."""
    known = dict.fromkeys(metric for report in (*baselines, current) for metric in report.scores)
    for metric in (*policy.metrics, *policy.margins, *policy.coverage, *policy.pass_at):
        if metric not in known and metric not in MEASURES:
            raise ReportError(
                current.path, f"has no metric {metric!r}; there are {', '.join((*known, *MEASURES)) or 'none'}"
            )
    if policy.metrics:
        return list(dict.fromkeys(policy.metrics))
    scored = dict.fromkeys(metric for report in (baselines or (current,)) for metric in report.scores)
    return [*scored, *(metric for metric in MEASURES if metric in policy.margins)]


def _notes(
    current: RunReport, baselines: Sequence[RunReport], metrics: Sequence[str], case_ids: Sequence[str], policy: Policy
) -> list[str]:
    """Remarks that change no outcome."""
    if not baselines:
        return []
    notes = []
    if policy.allow_dataset_change:
        before = len({case for baseline in baselines for case in baseline.cases})
        notes.append(
            f"{len(case_ids)} common cases are compared, of {len(current.cases)} in the current run and {before} before"
        )
    unknown = [metric for metric in current.scores if metric not in metrics]
    if unknown and not policy.metrics:
        notes.append(f"not gated, because the baseline has no score of it: {', '.join(unknown)}")
    return notes


def _worst_cases(
    comparisons: Sequence[MetricComparison], current: RunReport, baselines: Sequence[RunReport]
) -> tuple[WorseCase, ...]:
    """The cases whose largest loss in a score is largest."""
    losses: dict[str, tuple[float, MetricComparison, int]] = {}
    for comparison in comparisons:
        if comparison.is_relative:
            continue
        for index, case_id in enumerate(comparison.pairs.case_ids):
            change = float(comparison.pairs.changes[index])
            if change < -_ROUNDING and (case_id not in losses or change < losses[case_id][0]):
                losses[case_id] = (change, comparison, index)
    worst = sorted(losses.items(), key=lambda item: (item[1][0], item[0]))[:WORST_SHOWN]
    return tuple(
        WorseCase(
            case_id=case_id,
            metric=comparison.metric,
            base=float(comparison.pairs.base[index]),
            new=float(comparison.pairs.new[index]),
            question=current.cases[case_id].question,
            base_answer=next(each.cases[case_id].answer for each in baselines if case_id in each.cases),
            new_answer=current.cases[case_id].answer,
            unsupported=current.scores[comparison.metric][case_id].unsupported,
        )
        for case_id, (_, comparison, index) in worst
    )
