"""Writes `[redacted:KIND]` in place of what should not be stored in a text.

The rules are the library's (`sightline.masks.RULES`) and patterns of the user's own (`own_patterns`), which are tried
before they are let in. What is added here bounds the work: a long text is looked at through windows that overlap by as
much as a rule needs to decide on a candidate (`Rule.decided_chars`), so that nothing is left out. An own pattern never
sees more than `window_chars` at once. A match keeps the whole of its window; only one that is longer than the window is
cut. Of a text that may hold something, `value_chars` are looked at; the rest, and what a rule may have seen half of, is
cut off.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable

from sightline.masks import RULES, Rule

_OVERLAP_CHARS = 512  # of the windows of a rule that is decided within so much, and of an own pattern
# Hints are looked for in pieces too: a search is one call, during which no other thread runs. None is as long as this.
_HINT_CHARS = 262_144
_HINT_OVERLAP_CHARS = 512
_REST = "[redacted:rest]"


class Masks:
    """Several rules, one after the other."""

    def __init__(
        self,
        kinds: Iterable[str],
        own: Iterable[re.Pattern[str]] = (),
        window_chars: int = 16384,
        value_chars: int = 1_048_576,
    ) -> None:
        """Choose.

        Args:
            kinds: kinds of the library's rules: secret, email, iban, card, phone, ip.
            own: own patterns, as `own_patterns.load_patterns` gives them; their matches become `[redacted:pattern]`.
            window_chars: what an own pattern sees at once, at least 1024. A rule of the library that is decided later
                sees more by so much.
            value_chars: how much of a text is looked at, several windows.
        """
        chosen = set(kinds)
        self._window_chars = window_chars
        self._value_chars = value_chars
        self._rules = tuple(rule for rule in RULES if rule.kind in chosen)
        self._rules += tuple(Rule("pattern", pattern) for pattern in own)

    def __len__(self) -> int:
        return len(self._rules)

    def that_may_find(self, text: str) -> Masks:
        """Those of the rules that can find anything in the text, or in any part of it."""
        some = copy.copy(self)
        some._rules = tuple(rule for rule in self._rules if _may_find(rule, text))
        return some

    def may_find(self, text: str) -> bool:
        """Whether any rule can find anything in the text, or in any part of it."""
        return any(_may_find(rule, text) for rule in self._rules)

    def apply(self, text: str) -> str:
        """The text without what the rules find; the same object where they find nothing.

        A text longer than may be looked at, that may hold something, ends with `[redacted:rest]`.
        """
        undecided = 0
        if len(text) > self._value_chars:
            undecided = max((rule.decided_chars for rule in self._rules if _may_find(rule, text)), default=0)
        if undecided:
            text = text[: self._value_chars]
        for rule in self._rules:
            if _may_find(rule, text):
                text = _masked(rule, text, self._window_chars)
        if not undecided:
            return text
        # What begins near the cut may go on behind it, where no rule can see that it is a secret.
        return text[: max(0, len(text) - max(self._window_chars, undecided))] + _REST


def _may_find(rule: Rule, text: str) -> bool:
    if len(text) <= _HINT_CHARS:
        return bool(rule.may_hold(text))
    starts = range(0, len(text), _HINT_CHARS - _HINT_OVERLAP_CHARS)
    return any(rule.may_hold(text[start : start + _HINT_CHARS]) for start in starts)


def _masked(rule: Rule, text: str, window_chars: int) -> str:
    replacement = f"[redacted:{rule.kind}]"
    parts: list[str] = []
    copied = start = 0
    overlap_chars = max(_OVERLAP_CHARS, rule.decided_chars)
    window_chars += overlap_chars - _OVERLAP_CHARS
    while start < len(text):
        end = min(start + window_chars, len(text))
        horizon = end if end == len(text) else end - overlap_chars
        after = horizon
        for match in rule.pattern.finditer(text, start, end):
            if match.start() >= horizon:
                break
            if match.end() < copied:  # Inside of a secret: a part of it.
                continue
            spans = [span for span in rule.spans(match) if span[0] >= copied]
            reach = max(match.end(), *(last for _, last in spans)) if spans else match.end()
            if reach == end < len(text) and match.start() > start:
                after = match.start()  # It may go on: look again from where it starts.
                break
            after = max(after, reach)
            for first, last in spans:
                parts += text[copied:first], replacement
                copied = last
        start = after if end < len(text) else end
    return "".join([*parts, text[copied:]]) if parts else text
