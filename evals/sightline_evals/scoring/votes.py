"""How the scores that a panel's members give one answer become one. Pure.

Members vote on the answer as a whole. A score made of probabilities (`groundedness`) is the mean of all that were
asked, so no probability is thrown away. Any other score is made of verdicts: the majority decides whether the answer
passes (at `PASS_AT`), and the score is the mean of that majority; where there is none, the mean of all. That an answer
makes no statement is a vote of its own. The verdicts of each member stay in the evidence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from sightline_evals.scoring.computed import Computed, bounded_text
from sightline_evals.scoring.metrics import GROUNDEDNESS
from sightline_evals.scoring.scores import Statement

PASS_AT: Final = 0.5
"""Value from which a member's score says that the answer passes."""

Opinion = tuple[str, Computed]
"""A member's name and what it computed."""


def disagree(one: Computed, other: Computed, least: float) -> bool:
    """Whether two opinions are so far apart that others are asked; one without a value is far from any value."""
    if math.isnan(one.value) or math.isnan(other.value):
        return math.isnan(one.value) != math.isnan(other.value)
    return abs(one.value - other.value) > least


def vote(metric: str, opinions: Sequence[Opinion]) -> Computed:
    """One result out of those of the members that were asked, in their order."""
    told = "; ".join(f"{name} {'none' if math.isnan(each.value) else f'{each.value:.3f}'}" for name, each in opinions)
    valued = [each for _, each in opinions if not math.isnan(each.value)]
    if 2 * len(valued) <= len(opinions):
        declined = next(each for _, each in opinions if math.isnan(each.value))
        return Computed(math.nan, declined.label, bounded_text([f"{told}: {declined.explanation}"]))
    passing = [each.value for each in valued if each.value >= PASS_AT]
    failing = [each.value for each in valued if each.value < PASS_AT]
    counted, how = passing + failing, "mean of all"
    if metric != GROUNDEDNESS and len(passing) != len(failing):
        counted = max(passing, failing, key=len)
        how = f"majority of {len(counted)} to {len(valued) - len(counted)}"
    statements = tuple(
        Statement(each.text, each.p_unsupported, each.supported, f"{name}: {each.reason}")
        for name, computed in opinions
        for each in computed.statements
    )
    lines = [f"{how}: {told}", *(f"{name}: {each.explanation}" for name, each in opinions)]
    return Computed(math.fsum(counted) / len(counted), "", bounded_text(lines), statements)
