"""Personal data in a question or an answer that may not be there, by kind."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sightline_app.guardrails.decision import Decision
from sightline_app.privacy.finder import Found, NameFinder, find, same

REASON: Final = "personal_data"
"""Reason of a flagged decision."""

NOTHING: Final[frozenset[str]] = frozenset()


def find_unpermitted(
    text: str, kinds: Collection[str], permitted: Collection[str] = NOTHING, names: NameFinder | None = None
) -> list[Found]:
    """Return the personal data of some kinds that a text may not hold.

    Args:
        text: a question or an answer.
        kinds: that count.
        permitted: values that may stand there, as `same` gives them.
        names: recognizes names, where `kinds` has `name`.
    """
    if not kinds:
        return []
    found = find(text, kinds, names)
    return [each for each in found if same(text[each.start : each.end]) not in permitted] if permitted else found


def personal_data(text: str, kinds: Collection[str], permitted: Collection[str] = NOTHING) -> Decision:
    """Judge a text; the arguments are those of :func:`find_unpermitted`."""
    found = find_unpermitted(text, kinds, permitted)
    if not found:
        return Decision(False)
    return Decision(True, f"personal-data.{found[0].kind}", REASON, (found[0].start, found[0].end), 1.0)
