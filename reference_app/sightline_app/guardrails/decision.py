"""What a rule says of a text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer of one rule, or of several for one text."""

    flagged: bool
    """Whether the text must not pass as it is."""
    rule: str = ""
    """Which rule decided, such as ``injection.override``; empty where nothing was recognized."""
    reason: str = ""
    """Why, as one word for programs, such as ``prompt_injection``; empty where nothing was flagged."""
    span: tuple[int, int] | None = None
    """Start and end of what was recognized, in the text that was given."""
    score: float = 0.0
    """How sure the rule is, from 0 to 1."""


PASSED = Decision(False)
"""Nothing was recognized."""


def strongest(decisions: Iterable[Decision]) -> Decision:
    """Return the decision that counts: the first one that is flagged, else the one with the highest score."""
    best = PASSED
    for decision in decisions:
        if decision.flagged:
            return decision
        if decision.score > best.score:
            best = decision
    return best
