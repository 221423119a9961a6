"""Personal data and secrets in a text, with their places: the rules of `sightline.masks` and the national ids."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sightline import masks
from sightline_app.privacy import national_ids

PERSONAL_KINDS: Final = ("email", "phone", "iban", "card", "ip", national_ids.KIND)
"""Kinds that rules recognize; `name` needs an engine."""
ALL_KINDS: Final = (*PERSONAL_KINDS, "secret", "name")
"""Every kind."""

_RULES: Final[Sequence[masks.Rule]] = (
    *(rule for rule in masks.RULES if rule.kind in {"secret", "email", "iban", "card"}),
    *national_ids.RULES,
    *(rule for rule in masks.RULES if rule.kind not in {"secret", "email", "iban", "card"}),
)


@dataclass(frozen=True, slots=True)
class Found:
    """One piece of personal data."""

    kind: str
    start: int
    end: int


NameFinder = Callable[[str], Iterable[Found]]
"""An engine that recognizes names."""


def find(text: str, kinds: Collection[str], names: NameFinder | None = None) -> list[Found]:
    """Return what a text holds of some kinds, by place; no two overlap, and earlier rules win.

    Args:
        text: any text.
        kinds: of `ALL_KINDS`.
        names: recognizes names, where `kinds` has `name`.
    """
    found: list[Found] = []
    for rule in _RULES:
        if rule.kind not in kinds or not rule.may_hold(text):
            continue
        last = 0
        for match in rule.pattern.finditer(text):
            if match.end() < last:
                continue
            for start, end in rule.spans(match):
                if start >= last and end > start:
                    found.append(Found(rule.kind, start, end))
                    last = end
    if names is not None and "name" in kinds:
        found += names(text)
    return _without_overlaps(found)


def _without_overlaps(found: list[Found]) -> list[Found]:
    """Keep the earlier one in the list of two that overlap, then sort by place."""
    if len(found) < 2:
        return found
    order = {id(each): place for place, each in enumerate(found)}
    kept: list[Found] = []
    for each in sorted(found, key=lambda one: (one.start, order[id(one)])):
        if kept and each.start < kept[-1].end:
            if order[id(each)] < order[id(kept[-1])] and (len(kept) < 2 or kept[-2].end <= each.start):
                kept[-1] = each
            continue
        kept.append(each)
    return kept


def same(value: str) -> str:
    """Return a value without what people write differently: separators and case."""
    return "".join(sign for sign in value.casefold() if sign.isalnum() or sign in "@.:")
