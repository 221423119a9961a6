"""Conditions that narrow nothing are left out of a statement before it is sent. Pure.

The texts of `sql` hold for every narrowing: a condition is written `AND ({model:String} = '' OR …)`, which is true of
all rows where nothing is narrowed to a model. The engine analyses what stands behind the OR all the same, and a
subquery there takes as long to analyse as one that is needed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

_GUARD = re.compile(r"\bAND \(\{(\w+):\w+\} (=|!=) (?:'([^'\\]*)'|(\d+)) OR\b")
_TOKEN = re.compile(r"--[^\n]*|'(?:[^'\\]|\\.|'')*'|`[^`]*`|[()]")


@dataclass(frozen=True, slots=True)
class _Guard:
    """One such condition: from its AND to its last parenthesis, and for which values of its parameter it is true."""

    start: int
    end: int
    name: str
    is_equal: bool
    value: str

    def is_idle(self, params: Mapping[str, Any]) -> bool:
        given = params.get(self.name)
        return isinstance(given, str | int) and (str(given) == self.value) is self.is_equal


def needed(text: str, params: Mapping[str, Any]) -> str:
    """Return a statement without the conditions that are true of all rows for these parameters.

    Args:
        text: of the statement.
        params: by the names of their places.
    """
    kept, at = [], 0
    for guard in _guards(text):
        if guard.start >= at and guard.is_idle(params):
            kept.append(text[at : guard.start])
            at = guard.end
    return "".join(kept) + text[at:]


@lru_cache(maxsize=1024)
def _guards(text: str) -> tuple[_Guard, ...]:
    """The conditions of a text, in the order of their beginnings; one may lie in another."""
    return tuple(
        _Guard(match.start(), _closing(text, match.start()), match[1], match[2] == "=", match[3] or match[4] or "")
        for match in _GUARD.finditer(text)
    )


def _closing(text: str, at: int) -> int:
    """The place behind the parenthesis that closes the first one from a place on."""
    depth = 0
    for match in _TOKEN.finditer(text, at):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if depth == 0 and match[0] == ")":
            return match.end()
    raise ValueError(f"a parenthesis is not closed: {text[at : at + 80]}")
