"""Marks of deploys, of index, embedding and model changes, and of harm done on purpose.

What each says, and which of them are drawn as one. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sightline_store.questions.asking import Filters

SHAPES: Final = {
    "harm": "cross",
    "service": "triangle-down",
    "index": "diamond",
    "embedding": "square",
    "model": "circle",
}
"""Kind of a change to the shape of its mark, as Vega names it."""
SIGNS: Final = {"harm": "✚", "service": "▼", "index": "◆", "embedding": "■", "model": "●"}
"""The same in a text."""

_WORDS: Final = {
    "service": "Deploy of {subject}",
    "index": "Index of {subject}",
    "embedding": "Embedding of {subject}",
    "model": "Model of {subject}",
}
_ORDER: Final = tuple(SHAPES)
_CLOSEST: Final = 1 / 100
"""Part of the axis within which changes share a mark."""
_MOST_TOLD: Final = 6
_MOST_CHARS: Final = 60


@dataclass(frozen=True)
class Mark:
    """One or more changes close to each other.

    Attributes:
        at: of the first of them.
        kind: the one that is drawn: the first of harm, deploy, index, embedding and model.
        texts: what changed, a text each.
    """

    at: datetime
    kind: str
    texts: tuple[str, ...]

    @property
    def sign(self) -> str:
        """Its shape in a text."""
        return SIGNS.get(self.kind, "●")


def text_of(change: Mapping[str, Any]) -> str:
    """Return what changed: Deploy of rag-api: 1.4.0 → 1.5.0."""
    subject = _short(change["subject"]) or "what is not named"
    if change["kind"] == "harm":
        return f"Broken on purpose, {subject}: {change['value']}"
    what = _WORDS.get(change["kind"], "Change of {subject}").format(subject=subject)
    return f"{what}: {_short(change['was'])} → {_short(change['value'])}"


def marks_of(changes: Sequence[Mapping[str, Any]], filters: Filters) -> list[Mark]:
    """Return the marks of a window, in order.

    Args:
        changes: rows of the question `changes`.
        filters: the window of the axis; what lies outside of it is left out.
    """
    closest = filters.duration * _CLOSEST
    groups: list[list[tuple[datetime, Mapping[str, Any]]]] = []
    for change in sorted(changes, key=lambda change: change["at_ms"]):
        at = datetime.fromtimestamp(change["at_ms"] / 1e3, filters.start.tzinfo)
        if not filters.start <= at < filters.end:
            continue
        if groups and at - groups[-1][0][0] <= max(closest, timedelta(seconds=1)):
            groups[-1].append((at, change))
        else:
            groups.append([(at, change)])
    return [_mark(group) for group in groups]


def _mark(group: Sequence[tuple[datetime, Mapping[str, Any]]]) -> Mark:
    ranked = sorted((_ORDER.index(change["kind"]) if change["kind"] in _ORDER else len(_ORDER)) for _, change in group)
    texts = [text_of(change) for _, change in group]
    if len(texts) > _MOST_TOLD:
        texts[_MOST_TOLD:] = [f"and {len(texts) - _MOST_TOLD} more"]
    return Mark(group[0][0], _ORDER[min(ranked[0], len(_ORDER) - 1)], tuple(texts))


def _short(text: str) -> str:
    return text if len(text) <= _MOST_CHARS else f"{text[: _MOST_CHARS - 1]}…"
