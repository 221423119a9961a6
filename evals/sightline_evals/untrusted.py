"""Texts that others wrote (questions, answers, names), made harmless for terminals, XML and Markdown. Pure."""

from __future__ import annotations

import unicodedata

_HARMLESS_IN_A_LINE = " ,;%()'+-="
"""Signs that open nothing in Markdown or HTML where they are not the first of a line."""
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def shown(text: str, longest: int | None = None) -> str:
    """The text without characters that command a terminal, reorder what is read, or that XML forbids.

    Control characters but for tab and newline, marks of writing direction, half surrogates and unassigned code points
    become U+FFFD. A text longer than `longest` characters ends with an ellipsis.
    """
    if longest is not None and len(text) > longest:
        text = text[: longest - 1] + "…"
    return "".join(character if _is_harmless(character) else _REPLACEMENT for character in text)


def on_a_line(text: str, longest: int | None = None) -> str:
    """`shown` with line breaks and tabs as spaces."""
    return shown(" ".join(text.split()), longest)


def markup(text: str, longest: int | None = None) -> str:
    """`shown` for Markdown and HTML alike: what could open, end or link something becomes a character reference.

    A newline becomes one too, so the text stays on one line: it ends no table row and no HTML block. It must follow a
    word: signs that open something at the beginning of a line are left.
    """
    return "".join(
        character if character.isalnum() or character in _HARMLESS_IN_A_LINE else f"&#{ord(character)};"
        for character in shown(text, longest)
    )


def _is_harmless(character: str) -> bool:
    if character in "\t\n":
        return True
    category = unicodedata.category(character)
    # Cc: controls. Cs: half surrogates. Cn: unassigned, among them U+FFFE and U+FFFF. Cf: format, where only the
    # joiners of scripts and emoji are harmless.
    return category not in {"Cc", "Cs", "Cn"} and (category != "Cf" or character in "\u200c\u200d")
