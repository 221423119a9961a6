"""What a metric gave before it becomes a score. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sightline_evals.scoring.scores import Statement

MAX_EXPLANATION: Final = 2000
"""Longest explanation, in characters."""


@dataclass(frozen=True, slots=True)
class Computed:
    """What a metric gave.

    Attributes:
        value: 0 to 1, NaN where there is nothing to judge.
        label: why there is no value; "" where there is one.
        explanation: for a person.
        statements: the evidence.
    """

    value: float
    label: str
    explanation: str
    statements: tuple[Statement, ...] = ()


def bounded_text(lines: Iterable[str]) -> str:
    """Lines as one text of at most `MAX_EXPLANATION` characters."""
    text = "\n".join(lines)
    return text if len(text) <= MAX_EXPLANATION else text[: MAX_EXPLANATION - 1] + "…"
