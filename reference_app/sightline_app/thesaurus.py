"""Everyday words and the words that manuals use for them.

The list itself is ``thesaurus.txt``: general English and computing, from what programmers call things. It is applied to
questions only, at a lower weight than their own words. One line for each idea: the everyday words, a colon, the words
of manuals; an everyday word may stand in several lines, ``a_b`` is a phrase, and ``#`` starts a remark.

When the list was enlarged, one half of the shipped questions (:func:`sightline_app.quality.is_held_out` is false) had
been read; phrases that stood in them word for word were taken out again. The other half is the one to judge by.
"""

from __future__ import annotations

from importlib import resources


def _parse(lines: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for line in lines.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        everyday, _, manual = line.partition(":")
        for word in everyday.split():
            held = found.setdefault(word.replace("_", " "), [])
            held.extend(other for other in manual.split() if other != word and other not in held)
    return {word: tuple(others) for word, others in found.items() if others}


THESAURUS: dict[str, tuple[str, ...]] = _parse(
    resources.files("sightline_app").joinpath("thesaurus.txt").read_text(encoding="utf-8")
)
"""Everyday word or phrase (words with one space between) -> related words of manuals."""
