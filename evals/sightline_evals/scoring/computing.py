"""One metric on one sample by any judge: probabilities, RAGAS, or the votes of a panel."""

from __future__ import annotations

import math

from sightline_evals.datasets import Sample
from sightline_evals.judges import Judge
from sightline_evals.judges.offline import groundedness
from sightline_evals.judges.panel import PanelJudge
from sightline_evals.judges.statement_judge import StatementJudge
from sightline_evals.scoring import ragas_scores
from sightline_evals.scoring.computed import Computed, bounded_text
from sightline_evals.scoring.metrics import GROUNDEDNESS
from sightline_evals.scoring.scores import DECLINED, Statement
from sightline_evals.scoring.votes import Opinion, disagree, vote


async def compute(metric: str, sample: Sample, judge: Judge) -> Computed:
    """Compute a metric.

    Args:
        metric: its name, one that the judge can give.
        sample: has what the metric needs.
        judge: whom to ask.

    Raises:
        Exception: whatever the judge raised; `judge.judge_error_of` says what it means.
    """
    if isinstance(judge, PanelJudge):
        return await _by_panel(metric, sample, judge)
    if metric == GROUNDEDNESS:
        assert isinstance(judge, StatementJudge)  # `check_judge`
        return _groundedness(judge, sample)
    return await ragas_scores.compute(metric, sample, judge)


async def _by_panel(metric: str, sample: Sample, panel: PanelJudge) -> Computed:
    """Ask the first two members, and all others where these disagree."""
    opinions: list[Opinion] = []
    for member in panel.members:
        if len(opinions) == 2 and not disagree(opinions[0][1], opinions[1][1], panel.disagreement):
            break
        opinions.append((member.name, await compute(metric, sample, member)))
    return vote(metric, opinions)


def _groundedness(judge: StatementJudge, sample: Sample) -> Computed:
    context = "\n".join(sample.contexts)
    texts = judge.statements(sample.answer)
    found = sorted(zip(texts, judge.evidences(texts, context), strict=True), key=lambda pair: -pair[1].p_unsupported)
    if not found:
        return Computed(math.nan, DECLINED, "the answer makes no checkable statement")
    statements = tuple(
        Statement(text, round(evidence.p_unsupported, 4), judge.supported(evidence), evidence.reason())
        for text, evidence in found
    )
    return Computed(
        groundedness([evidence.p_unsupported for _, evidence in found]),
        "",
        bounded_text(
            f"{'+' if statement.supported else '-'} {statement.text} ({statement.reason})" for statement in statements
        ),
        statements,
    )
