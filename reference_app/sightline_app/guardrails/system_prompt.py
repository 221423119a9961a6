"""Recognizes the words of the system prompt in an answer while it is written.

An answer leaks when so many words in a row are in the prompt in the same order (`MIN_WORDS`). Once `HELD_WORDS` of them
have come they wait, so that a leak is stopped before its first words have left.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

MIN_WORDS: Final = 8
"""Words in a row that are a leak."""
HELD_WORDS: Final = 3
"""Words in a row that wait for what follows."""
REASON: Final = "system_prompt"
"""Reason of a flagged decision."""

_WORD: Final = re.compile(r"[^\W_]+")


@lru_cache(maxsize=64)
def _runs(prompt: str) -> frozenset[tuple[str, ...]]:
    """Return all runs of up to `MIN_WORDS` words of a prompt."""
    words = [match[0].casefold() for match in _WORD.finditer(prompt)]
    return frozenset(
        tuple(words[at : at + size]) for size in range(1, MIN_WORDS + 1) for at in range(len(words) - size + 1)
    )


class LeakWatch:
    """Follows an answer segment by segment.

    Args:
        prompt: what must not be repeated; a prompt of fewer than `MIN_WORDS` words never leaks.
    """

    def __init__(self, prompt: str) -> None:
        self._runs = _runs(prompt)
        self._run: list[str] = []
        self._held: list[str] = []

    def feed(self, segment: str) -> tuple[str, bool]:
        """Take a segment; return what can leave now, and whether the answer leaks (then nothing more may leave)."""
        self._held.append(segment)
        for match in _WORD.finditer(segment):
            self._run.append(match[0].casefold())
            while self._run and tuple(self._run) not in self._runs:
                self._run.pop(0)
            if len(self._run) >= MIN_WORDS:
                self._held.clear()
                return "", True
        if len(self._run) >= HELD_WORDS:
            return "", False
        return self.finish(), False

    def finish(self) -> str:
        """Return what waits; the answer has ended or its words are no longer the prompt's."""
        text = "".join(self._held)
        self._held.clear()
        return text
