"""One metric of two runs: its inference, and what follows from it. Pure.

A metric is a **regression** if its drop is significant (one-sided 5%, after Holm over all gated metrics) and exceeds
the margin. It **passes** if the lower bound of the change, with every missing case taken for the worst, is not below
the margin, or if no case has changed. Else the comparison is **inconclusive**: the runs are too small, too noisy or too
incomplete to tell. Where too few cases could be compared it is **not measured**.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from sightline_evals.gating.inference import ALPHA, Inference, holm, infer, p_text
from sightline_evals.gating.pairing import Pairs
from sightline_evals.gating.policy import Policy
from sightline_evals.gating.power import detectable_drop
from sightline_evals.gating.results import Check, MetricComparison, Outcome
from sightline_evals.gating.run_report import MEASURES

_ROUNDING: Final = 1e-9
_LARGEST_RELATIVE: Final = math.log(100)
"""Largest change of a measure that is looked at for the detectable one: a hundredfold."""


def compare(matched: Sequence[Pairs], policy: Policy) -> list[MetricComparison]:
    """Compare all gated metrics, which Holm's procedure takes together."""
    inferences = [infer(pairs.summed()) if pairs.case_ids else None for pairs in matched]
    tested = [inference.p_worse for inference in inferences if inference is not None]
    adjusted = iter(holm(tested))
    return [
        _comparison(pairs, inference, next(adjusted) if inference is not None else 1.0, len(tested), policy)
        for pairs, inference in zip(matched, inferences, strict=True)
    ]


def _comparison(
    pairs: Pairs, inference: Inference | None, adjusted_p: float, tests: int, policy: Policy
) -> MetricComparison:
    margin = policy.margin(pairs.metric)
    lower = detectable = None
    if inference is not None:
        changes = pairs.summed()
        lower = pairs.worst_case(inference.lower if changes.changed else 0.0)
        detectable = detectable_drop(
            changes,
            inference.method,
            level=ALPHA / tests,
            margin=margin,
            largest=pairs.full_step or _LARGEST_RELATIVE,
        )
    outcome, reason = _outcome(pairs, inference, adjusted_p, -math.inf if lower is None else lower, policy)
    return MetricComparison(
        pairs=pairs,
        inference=inference,
        adjusted_p=adjusted_p,
        margin=margin,
        worst_case_lower=-math.inf if lower is None else lower,
        detectable=detectable,
        lower_is_better=policy.is_lower_better(pairs.metric),
        check=Check(pairs.metric, outcome, reason),
    )


def _outcome(
    pairs: Pairs, inference: Inference | None, adjusted_p: float, lower: float, policy: Policy
) -> tuple[Outcome, str]:
    told = f" ({pairs.missing})" if pairs.missing.total else ""
    if inference is None or pairs.coverage < policy.min_coverage(pairs.metric) - _ROUNDING:
        return _outcome_of_coverage(pairs, policy.min_coverage(pairs.metric), told)
    margin = policy.margin(pairs.metric)
    limit = _size(pairs.metric, margin)
    if adjusted_p <= ALPHA and -inference.change > margin + _ROUNDING:
        worse = _size(pairs.metric, -inference.change)
        return (
            Outcome.REGRESSION,
            f"worse by {worse}, more than {limit}; p {p_text(adjusted_p)} after Holm, {inference.method}{told}",
        )
    if lower < -margin - _ROUNDING:
        return Outcome.INCONCLUSIVE, _doubt(pairs, inference, margin) + told
    if not np.any(pairs.changes):
        return Outcome.PASS, f"no case has changed{told}"
    return Outcome.PASS, f"worse by at most {_size(pairs.metric, max(0.0, -lower))}, within {limit}{told}"


def _outcome_of_coverage(pairs: Pairs, least: float, told: str) -> tuple[Outcome, str]:
    """Too few cases were compared: because answers have nothing to judge any more, are flaky, or were not measured."""
    missing = pairs.missing
    compared = f"{len(pairs.case_ids)} of {pairs.expected} cases were compared, needs {least:.0%}{told}"
    needed = least * pairs.expected - _ROUNDING
    with_a_verdict = len(pairs.case_ids) + missing.not_judged
    if missing.not_judged and with_a_verdict >= needed:
        return Outcome.REGRESSION, f"answers became such that there is nothing to judge: {compared}"
    if missing.quarantined and with_a_verdict + missing.quarantined >= needed:
        return Outcome.INCONCLUSIVE, f"too many cases are flaky: {compared}"
    return Outcome.UNMEASURED, compared


def _doubt(pairs: Pairs, inference: Inference, margin: float) -> str:
    """Why a change for the worse beyond the margin cannot be ruled out."""
    limit = _size(pairs.metric, margin)
    if inference.lower >= -margin - _ROUNDING or not np.any(pairs.changes):
        return f"the missing cases could hide a change for the worse of more than {limit}"
    if math.isinf(inference.lower):
        return "one conversation shows nothing"
    could = _size(pairs.metric, -inference.lower)
    return f"could be worse by {could}, and {limit} is tolerated: too few or too noisy cases"


def _size(metric: str, change: float) -> str:
    """A change for the worse in the unit of its metric."""
    return f"{math.expm1(change):.1%}" if metric in MEASURES else f"{change:.4f}"
