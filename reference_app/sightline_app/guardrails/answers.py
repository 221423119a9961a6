"""The guard on answers, which works on a stream: secrets and unpermitted personal data are replaced, a leak ends it.

What leaves is always the same as if the whole answer had been guarded at once, however the model cuts it into chunks.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sightline_app.guardrails import personal_data, secrets, system_prompt
from sightline_app.guardrails.decision import PASSED, Decision
from sightline_app.guardrails.segments import Segments
from sightline_app.privacy.finder import Found

REPLACEMENT: Final = "[{}]"
"""What stands in place of a secret or of personal data of a kind."""


class AnswerGuard:
    """Guards one answer.

    Args:
        find_secrets: whether keys and passwords are replaced.
        kinds: personal data that is replaced.
        permitted: values that may stand in the answer, as `finder.same` gives them.
        prompt: system prompt that must not be repeated; empty for no such check.
    """

    def __init__(
        self, *, find_secrets: bool, kinds: Collection[str], permitted: Collection[str] = (), prompt: str = ""
    ) -> None:
        self._find_secrets = find_secrets
        self._kinds = frozenset(kinds)
        self._permitted = frozenset(permitted)
        self._leak = system_prompt.LeakWatch(prompt) if prompt else None
        self._segments = Segments()
        self._taken_chars = 0
        self.ended = False
        """Whether the answer leaked the system prompt: nothing more leaves, and the model can stop."""
        self.decision: Decision = PASSED
        """The first thing that was recognized, with its place in the model's answer."""
        self.replaced: dict[str, int] = {}
        """How many values of each kind were replaced."""
        self.most_held_chars = 0
        """Most characters that waited at one time."""

    def feed(self, piece: str) -> str:
        """Take a piece of the model's answer and return what can leave now."""
        if self.ended:
            return ""
        out = "".join(self._guard(segment) for segment in self._segments.feed(piece))
        self.most_held_chars = max(self.most_held_chars, self._segments.held_chars)
        return out

    def finish(self) -> str:
        """Return what was still held back; the model has ended."""
        if self.ended:
            return ""
        out = "".join(self._guard(segment) for segment in self._segments.finish())
        return out if self.ended or self._leak is None else out + self._leak.finish()

    def _guard(self, segment: str) -> str:
        if self.ended:
            return ""
        start, self._taken_chars = self._taken_chars, self._taken_chars + len(segment)
        found = self._found(segment)
        parts: list[str] = []
        copied = 0
        for each in found:
            if each.start < copied:
                continue
            parts += segment[copied : each.start], REPLACEMENT.format(each.kind)
            copied = each.end
            self.replaced[each.kind] = self.replaced.get(each.kind, 0) + 1
            reason = secrets.REASON if each.kind == secrets.REASON else personal_data.REASON
            self._note(Decision(True, f"answer.{each.kind}", reason, (start + each.start, start + each.end), 1.0))
        text = "".join([*parts, segment[copied:]])
        if self._leak is None:
            return text
        text, leaked = self._leak.feed(text)
        if leaked:
            self.ended = True
            self.decision = Decision(
                True, "answer.system-prompt", system_prompt.REASON, (start, start + len(segment)), 1.0
            )
        return text

    def _found(self, segment: str) -> list[Found]:
        found = secrets.find_secrets(segment) if self._find_secrets else []
        if self._kinds:
            found = [*found, *personal_data.find_unpermitted(segment, self._kinds, self._permitted)]
        return sorted(found, key=lambda each: (each.start, -each.end))

    def _note(self, decision: Decision) -> None:
        if not self.decision.flagged:
            self.decision = decision


def guard_whole(text: str, guard: AnswerGuard) -> str:
    """Return what leaves of a whole answer, or of the rest of one."""
    return guard.feed(text) + guard.finish()
