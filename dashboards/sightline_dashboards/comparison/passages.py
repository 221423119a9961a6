"""The passages that two answers were written from: found by both, or by one only. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sightline_store.contents.parts import Passage


@dataclass(frozen=True)
class PassageRow:
    """A passage, and where each trace has it; at least one has.

    Attributes:
        passage: as the first trace that has it captured it.
        first: its place in the first trace, from 1; None where it is not there.
        second: its place in the second trace.
        first_score: its score there; None where it has none.
        second_score: the same in the second trace.
    """

    passage: Passage
    first: int | None
    second: int | None
    first_score: float | None
    second_score: float | None


def matched(first: Sequence[Passage], second: Sequence[Passage]) -> list[PassageRow]:
    """Match passages by their id, else by title and text; those of the first trace come first, in their order.

    A passage that a trace has twice counts at its first place.
    """
    ones, others = _placed(first), _placed(second)
    rows = []
    for key in dict.fromkeys((*ones, *others)):
        one, other = ones.get(key), others.get(key)
        passage = (one or other or (0, Passage("", "", None, "")))[1]
        rows.append(
            PassageRow(
                passage,
                one[0] if one else None,
                other[0] if other else None,
                one[1].score if one else None,
                other[1].score if other else None,
            )
        )
    return rows


def _placed(passages: Sequence[Passage]) -> dict[tuple[str, ...], tuple[int, Passage]]:
    placed: dict[tuple[str, ...], tuple[int, Passage]] = {}
    for place, passage in enumerate(passages, 1):
        key = (passage.identity,) if passage.identity else (passage.title, passage.content)
        placed.setdefault(key, (place, passage))
    return placed
