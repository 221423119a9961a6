"""Two runs, case by case: what may be compared, and what is missing from it. Pure.

Cases are matched by id. No case is dropped: one without a value on either side stays a case that was not compared, with
its reason, and widens what can be claimed.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sightline_evals.errors import ReportError
from sightline_evals.gating.changes import Changes, Floats
from sightline_evals.gating.policy import Policy
from sightline_evals.gating.run_report import MEASURES, ReportedCase, RunReport


@dataclass(frozen=True, slots=True)
class Missing:
    """Why cases were not compared, by number of cases.

    Attributes:
        absent: cases of the baseline that the current run does not have.
        failed: cases whose current score failed, by class of the failure.
        not_judged: the current answer has nothing to judge (it declines, for example), the baseline's had.
        not_in_baseline: the current run has a value, the baseline has none.
        never_judged: neither run has a value, and the current one did not fail.
        quarantined: left out because a rerun of the same code gave another verdict.
    """

    absent: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    not_judged: int = 0
    not_in_baseline: int = 0
    never_judged: int = 0
    quarantined: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        parts = (self.absent, self.not_judged, self.not_in_baseline, self.never_judged, self.quarantined)
        return sum(parts) + sum(self.failed.values())

    def __str__(self) -> str:
        told = [
            (self.absent, "not in the current run"),
            *((count, f"failed with {error}") for error, count in self.failed.items()),
            (self.not_judged, "with nothing to judge now"),
            (self.not_in_baseline, "without a value in the baseline"),
            (self.never_judged, "without a value in either run"),
            (self.quarantined, "quarantined as flaky"),
        ]
        return ", ".join(f"{count} {reason}" for count, reason in told if count)


@dataclass(frozen=True, slots=True)
class Pairs:
    """One metric of two runs.

    Attributes:
        metric: its name.
        case_ids: cases that have a value in both runs.
        base: value in the baseline, float64[pairs].
        new: value in the current run, float64[pairs].
        changes: change of each case for the better, float64[pairs]; of `MEASURES` the logarithm of base by new.
        clusters: number of each case's conversation, int64[pairs].
        weights: weight of each case, float64[pairs].
        expected: cases that should have been compared.
        missing: why others were not.
        worst_missing: weighted sum of the worst changes that the missing cases can have, but for those that are
            quarantined or have no value in either run.
        missing_weight: the weight of those cases.
    """

    metric: str
    case_ids: tuple[str, ...]
    base: Floats
    new: Floats
    changes: Floats
    clusters: npt.NDArray[np.int64]
    weights: Floats
    expected: int
    missing: Missing
    worst_missing: float
    missing_weight: float

    @property
    def coverage(self) -> float:
        """Share of the expected cases that were compared."""
        return len(self.case_ids) / self.expected if self.expected else 0.0

    def summed(self) -> Changes:
        """The changes by conversation; needs at least one pair."""
        return Changes.of(self.changes, self.clusters, self.weights, self.full_step)

    @property
    def full_step(self) -> float | None:
        """The largest change that a case can have; None for `MEASURES`, which have no end."""
        if self.metric in MEASURES:
            return None
        return max(1.0, float(np.ptp(np.concatenate((self.base, self.new)))))

    def worst_case(self, mean_change: float) -> float:
        """A mean change of the pairs as it would be if every missing case had changed for the worst."""
        weight = float(self.weights.sum())
        return (mean_change * weight + self.worst_missing) / (weight + self.missing_weight)


def require_comparable(current: RunReport, other: RunReport, metrics: Collection[str], *, any_dataset: bool) -> None:
    """Refuse what would compare two things at once.

    Args:
        current: the run.
        other: what it is compared with.
        metrics: metrics that are compared; those of `MEASURES` need no judge.
        any_dataset: datasets may differ.

    Raises:
        ReportError: the datasets differ or are unknown, or a metric was not scored by the same judge; `path` is of
            `other`.
    """
    if not any_dataset:
        for report in (current, other):
            if report.dataset is None:
                raise ReportError(
                    report.path, "is a run over stored traces, whose cases are never the same; needs --dataset"
                )
        assert current.dataset is not None
        assert other.dataset is not None
        if current.dataset[1] != other.dataset[1]:
            raise ReportError(
                other.path,
                f"was run on another state of the dataset ({_named(other.dataset)}) than {current.path} "
                f"({_named(current.dataset)}); --allow-dataset-change compares the cases that both have",
            )
    for metric in metrics:
        ours, theirs = current.scored_by.get(metric, frozenset()), other.scored_by.get(metric, frozenset())
        for report, judges in ((current, ours), (other, theirs)):
            if len(judges) > 1:
                raise ReportError(
                    report.path, f"mixes judges in {metric}: {'; '.join(map(str, sorted(judges)))}; needs one"
                )
        if ours and theirs and ours != theirs:
            raise ReportError(
                other.path,
                f"has {metric} by {next(iter(theirs))}, {current.path} by {next(iter(ours))}; scores of two judges do "
                "not compare: judge the baseline's answers again, or begin a new baseline",
            )


def expected_cases(current: RunReport, baselines: Sequence[RunReport], *, common_only: bool) -> list[str]:
    """Ids of the cases to compare, in the order of the current run: all that any run has, or those that all have."""
    if common_only:
        return [case for case in current.cases if all(case in baseline.cases for baseline in baselines)]
    ids = dict.fromkeys(current.cases)
    for baseline in baselines:
        ids.update(dict.fromkeys(baseline.cases))
    return list(ids)


def pair(
    metric: str,
    current: RunReport,
    baselines: Sequence[RunReport],
    case_ids: Sequence[str],
    *,
    policy: Policy,
    quarantined: Collection[str] = (),
) -> Pairs:
    """Match the cases of one metric.

    Args:
        metric: a score or one of `MEASURES`.
        current: the run.
        baselines: one or more runs before it, the newest first.
        case_ids: cases that should be compared.
        policy: which end of the metric is the good one.
        quarantined: cases to leave out.
    """
    lower_is_better = policy.is_lower_better(metric)
    old = {case_id: _baseline_value(metric, baselines, case_id) for case_id in case_ids}
    new = {case_id: value_of(current, metric, case_id) for case_id in case_ids}
    paired: list[str] = []
    changes: list[float] = []
    lost: list[str] = []
    counts = {"absent": 0, "not_judged": 0, "not_in_baseline": 0, "never_judged": 0, "quarantined": 0}
    failed: dict[str, int] = {}
    for case_id in case_ids:
        before, after = old[case_id], new[case_id]
        if case_id in quarantined:
            counts["quarantined"] += 1
            continue
        change = None if before is None or after is None else _change(metric, before, after, lower_is_better)
        if change is not None:
            paired.append(case_id)
            changes.append(change)
            continue
        score = current.scores.get(metric, {}).get(case_id)
        if case_id not in current.cases or (score is None and metric not in MEASURES):
            counts["absent"] += 1
        elif score is not None and score.error:
            failed[score.error] = failed.get(score.error, 0) + 1
        elif after is None:
            counts["not_judged" if before is not None else "never_judged"] += 1
            if before is None:
                continue
        else:
            counts["not_in_baseline"] += 1
        lost.append(case_id)
    worst, lost_weight = _worst(
        metric, lost, old, new, weights=_weights(lost, current, baselines), lower_is_better=lower_is_better
    )
    conversations = [_case(case_id, current, baselines).conversation or f"\0{case_id}" for case_id in paired]
    number = {name: index for index, name in enumerate(dict.fromkeys(conversations))}
    return Pairs(
        metric=metric,
        case_ids=tuple(paired),
        base=np.array([old[case_id] for case_id in paired], dtype=np.float64),
        new=np.array([new[case_id] for case_id in paired], dtype=np.float64),
        changes=np.array(changes, dtype=np.float64),
        clusters=np.array([number[name] for name in conversations], dtype=np.int64),
        weights=_weights(paired, current, baselines),
        expected=len(case_ids),
        missing=Missing(failed=dict(sorted(failed.items())), **counts),
        worst_missing=worst,
        missing_weight=lost_weight,
    )


def value_of(report: RunReport, metric: str, case_id: str) -> float | None:
    """A value of a case; None where there is none."""
    if metric in MEASURES:
        case = report.cases.get(case_id)
        return case.measures[metric] if case else None
    score = report.scores.get(metric, {}).get(case_id)
    return score.value if score else None


def flaky_cases(metric: str, current: RunReport, rerun: RunReport, policy: Policy) -> list[str]:
    """Cases that pass in one of two runs of the same code and fail in the other."""
    flaky = []
    for case_id in current.cases:
        first, second = value_of(current, metric, case_id), value_of(rerun, metric, case_id)
        if first is not None and second is not None and policy.passes(metric, first) != policy.passes(metric, second):
            flaky.append(case_id)
    return flaky


def _change(metric: str, before: float, after: float, lower_is_better: bool) -> float | None:
    """The change for the better; None where two measures have no ratio."""
    if metric not in MEASURES:
        return before - after if lower_is_better else after - before
    if before == after:
        return 0.0
    return math.log(before / after) if before > 0 and after > 0 else None


def _baseline_value(metric: str, baselines: Sequence[RunReport], case_id: str) -> float | None:
    """The mean of a case's values: unlike their median, it does not take a case that passes often for a certain one."""
    values = [value for report in baselines if (value := value_of(report, metric, case_id)) is not None]
    return math.fsum(values) / len(values) if values else None


def _worst(
    metric: str,
    lost: Sequence[str],
    old: dict[str, float | None],
    new: dict[str, float | None],
    *,
    weights: Floats,
    lower_is_better: bool,
) -> tuple[float, float]:
    """(weighted sum of the worst changes of the missing cases, their weight); a measure has no worst value."""
    if metric in MEASURES:
        return 0.0, 0.0
    seen = [value for value in (*old.values(), *new.values()) if value is not None]
    low, high = min([0.0, *seen]), max([1.0, *seen])
    bad, good = (high, low) if lower_is_better else (low, high)
    total = 0.0
    for case_id, weight in zip(lost, weights, strict=True):
        before, after = old[case_id], new[case_id]
        total -= float(weight) * abs((good if before is None else before) - (bad if after is None else after))
    return total, float(weights.sum())


def _weights(case_ids: Sequence[str], current: RunReport, baselines: Sequence[RunReport]) -> Floats:
    return np.array([_case(case_id, current, baselines).weight for case_id in case_ids], dtype=np.float64)


def _case(case_id: str, current: RunReport, baselines: Sequence[RunReport]) -> ReportedCase:
    """A case as the current run has it, or else the newest baseline."""
    return next(report.cases[case_id] for report in (current, *baselines) if case_id in report.cases)


def _named(dataset: tuple[str, str]) -> str:
    return f"{dataset[0]}, {dataset[1][:12]}"
