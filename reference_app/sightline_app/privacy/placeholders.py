"""Personal data replaced by placeholders such as ``<EMAIL_1>``, and put back in the answer.

One :class:`Placeholders` serves one request: the same value has the same placeholder in the question, the history and
the passages. What looks like a placeholder in a text is replaced too, so that unmasking a masked text always gives the
text. In a stream, only an end of a piece that may be the beginning of a placeholder is held back.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from sightline_app.privacy.finder import Found, NameFinder, find, same

_LOOKALIKE: Final = re.compile(r"<[A-Z]{2,16}(?:_[A-Z]{2,16})?_[0-9]{1,9}>")
_OPEN: Final = re.compile(r"<[A-Z0-9_]{0,48}\Z")
_TEXT: Final = "text"


class Placeholders:
    """The placeholders of one request.

    Args:
        kinds: what is masked, of `finder.ALL_KINDS`.
        names: recognizes names, where `kinds` has `name`.
    """

    def __init__(self, kinds: Collection[str], names: NameFinder | None = None) -> None:
        self._kinds = frozenset(kinds)
        self._names = names
        self._numbers: dict[str, int] = {}
        self._by_value: dict[tuple[str, str], str] = {}
        self._values: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._values)

    @property
    def counts(self) -> dict[str, int]:
        """How many values of each kind were masked."""
        return {kind: count for kind, count in self._numbers.items() if kind != _TEXT}

    def mask(self, text: str) -> str:
        """Return a text with placeholders for what it holds; the same text where it holds nothing."""
        found = find(text, self._kinds, self._names)
        if "<" in text:
            found = _merged(found, [Found(_TEXT, *match.span()) for match in _LOOKALIKE.finditer(text)])
        if not found:
            return text
        parts: list[str] = []
        copied = 0
        for each in found:
            parts += text[copied : each.start], self._placeholder(each.kind, text[each.start : each.end])
            copied = each.end
        return "".join([*parts, text[copied:]])

    def unmask(self, text: str) -> str:
        """Return a text with its values in place of their placeholders; an unknown placeholder stays."""
        if not self._values or "<" not in text:
            return text
        return _LOOKALIKE.sub(lambda match: self._values.get(match[0], match[0]), text)

    def _placeholder(self, kind: str, value: str) -> str:
        # The same value in another spelling must come back in that spelling, so the spelling is part of the key.
        key = (kind, value)
        if key not in self._by_value:
            number = self._numbers[kind] = self._numbers.get(kind, 0) + 1
            placeholder = f"<{kind.upper()}_{number}>"
            self._by_value[key] = placeholder
            self._values[placeholder] = value
        return self._by_value[key]

    def permitted(self) -> frozenset[str]:
        """Return the masked values in the form in which an output guard compares them."""
        return frozenset(same(value) for value in self._values.values())


class Unmasking:
    """A stream of masked pieces to a stream with the values."""

    def __init__(self, placeholders: Placeholders) -> None:
        self._placeholders = placeholders
        self._held = ""

    def feed(self, piece: str) -> str:
        """Take a piece of the answer and return what can leave now."""
        text = self._held + piece
        match = _OPEN.search(text, max(0, len(text) - 49)) if len(self._placeholders) else None
        cut = match.start() if match else len(text)
        self._held = text[cut:]
        return self._placeholders.unmask(text[:cut])

    def finish(self) -> str:
        """Return what was still held back."""
        held, self._held = self._held, ""
        return self._placeholders.unmask(held)


def _merged(found: list[Found], lookalikes: list[Found]) -> list[Found]:
    """Return both in order; a look-alike inside of other data is part of it, and data inside of a look-alike is too."""
    merged: list[Found] = []
    for each in sorted([*found, *lookalikes], key=lambda one: (one.start, -one.end)):
        if merged and each.start < merged[-1].end:
            last = merged[-1]
            if each.end > last.end:  # They overlap: both become one value.
                merged[-1] = Found(last.kind if last.kind != _TEXT else each.kind, last.start, each.end)
            continue
        merged.append(each)
    return merged
