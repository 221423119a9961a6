"""Topic limits: what may be asked, as words that a team lists.

A topic is a name and its words; a word may end with a star (``invest*``), and several words are a phrase. With `deny`,
a question that has a listed topic is refused. With `allow`, a question without any listed topic is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sightline_app.guardrails.decision import PASSED, Decision
from sightline_app.guardrails.vocabulary import plain

DENIED: Final = "denied_topic"
"""Reason where the question has a topic of the deny list."""
NOT_ALLOWED: Final = "not_an_allowed_topic"
"""Reason where the question has no topic of the allow list."""

_WORD: Final = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class TopicLimits:
    """Which topics are refused, and which are the only ones that are answered.

    Args:
        deny: topic -> its words and phrases.
        allow: topic -> its words and phrases; empty means all topics.
    """

    deny: Mapping[str, Sequence[str]] = field(default_factory=dict)
    allow: Mapping[str, Sequence[str]] = field(default_factory=dict)


def topics(text: str, limits: TopicLimits) -> Decision:
    """Judge a question by its topic."""
    if not limits.deny and not limits.allow:
        return PASSED
    words = [(plain(match[0]), match.span()) for match in _WORD.finditer(text)]
    for topic, listed in limits.deny.items():
        if span := _first(words, listed):
            return Decision(True, f"topics.deny.{topic}", DENIED, span, 1.0)
    if limits.allow and not any(_first(words, listed) for listed in limits.allow.values()):
        return Decision(True, "topics.allow", NOT_ALLOWED, None, 1.0)
    return PASSED


def _first(words: Sequence[tuple[str, tuple[int, int]]], listed: Iterable[str]) -> tuple[int, int] | None:
    """Return the place of the first listed word or phrase; linear in the text for each listed one."""
    for entry in listed:
        parts = [plain(part) for part in entry.split()]
        for at in range(len(words) - len(parts) + 1):
            if all(_is(words[at + place][0], part) for place, part in enumerate(parts)):
                return words[at][1][0], words[at + len(parts) - 1][1][1]
    return None


def _is(word: str, wanted: str) -> bool:
    return word.startswith(wanted[:-1]) if wanted.endswith("*") else word == wanted


def parse_topics(text: str) -> dict[str, tuple[str, ...]]:
    """Read topics as settings have them: ``politics: election*, prime minister; weapons: gun*``."""
    found: dict[str, tuple[str, ...]] = {}
    for part in text.split(";"):
        name, _, words = part.partition(":")
        if name.strip():
            found[name.strip()] = tuple(word.strip() for word in words.split(",") if word.strip())
    return found
