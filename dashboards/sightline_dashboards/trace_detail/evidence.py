"""What a judge says of each statement of an answer, and where in the answer the unsupported ones stand. Pure.

The explanation of a groundedness or a faithfulness holds a line a statement: ``+`` or ``-``, its text and, in brackets
behind it, why; of a panel, the name of a judge stands before its first line. A line without its end was cut and says
nothing. A statement is the text of the answer without citations and markup, or, by a judge that is a model, words of
its own, which then stand nowhere in the answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

NAMES: Final = ("groundedness", "faithfulness")
"""Scores whose explanations hold statements, the one to show first."""

_P = re.compile(r"p\(unsupported\)=\d(?:\.\d+)?(?:: )?")
_VERDICT = re.compile(r"(?:\S.*?: )??([+-]) ")
_LEFT_OUT = re.compile(r"\s*\[\d+(?:\s*,\s*\d+)*\]|【[^】]*】|[*`]{1,3}")
_BLANKS = re.compile(r"\s+")


@dataclass(frozen=True)
class Statement:
    """One statement of an answer.

    Attributes:
        text: its words.
        is_supported: the judge's verdict.
        why: the judge's reason.
    """

    text: str
    is_supported: bool
    why: str


def statements(score: Mapping[str, Any]) -> list[Statement]:
    """Return what a score says of each statement, in the judge's order; [] where it says nothing of statements.

    Args:
        score: a row of `queries.trace_scores` or `queries.score_list`; its name and explanation.
    """
    if score["name"] not in NAMES:
        return []
    read = (_statement(line.strip()) for line in (score["explanation"] or "").splitlines())
    return [statement for statement in read if statement is not None]


def judged(scores: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], list[Statement]] | None:
    """Return the score that says most of an answer's statements, and these; None where no score does.

    Args:
        scores: rows of `queries.trace_scores`, the newest first.
    """
    for name in NAMES:
        newest = next((score for score in scores if score["name"] == name), None)
        if newest is not None and (told := statements(newest)):
            return newest, told
    return None


def unsupported(told: Sequence[Statement]) -> list[Statement]:
    """Return the statements that the passages do not support."""
    return [statement for statement in told if not statement.is_supported]


def places(answer: str, told: Sequence[Statement]) -> list[tuple[int, int, Statement]]:
    """Return where in an answer unsupported statements stand: first character, the one behind the last, statement.

    They come in order and do not overlap; a statement that stands nowhere word by word is left out.
    """
    plain, origin = _plain(answer)
    found: list[tuple[int, int, Statement]] = []
    for statement in unsupported(told):
        words = _plain(statement.text)[0].strip()
        begin = plain.find(words) if words else -1
        if begin >= 0:
            found.append((origin[begin], origin[begin + len(words) - 1] + 1, statement))
    ordered: list[tuple[int, int, Statement]] = []
    for begin, end, statement in sorted(found, key=lambda each: each[:2]):
        if not ordered or begin >= ordered[-1][1]:
            ordered.append((begin, end, statement))
    return ordered


def marked_html(answer: str, told: Sequence[Statement]) -> str:
    """Return an answer with its unsupported statements marked, as HTML; every text in it is escaped."""
    parts, at = [], 0
    for begin, end, statement in places(answer, told):
        parts.append(escape(answer[at:begin]))
        parts.append(f'<mark title="{escape(statement.why, quote=True)}">{escape(answer[begin:end])}</mark>')
        at = end
    return f'<p class="sl-answer">{"".join(parts)}{escape(answer[at:])}</p>'


def legend_html(answer: str, told: Sequence[Statement], judge: str) -> str:
    """Return what the marks mean, and the unsupported statements that stand nowhere in the answer, as HTML."""
    bad = unsupported(told)
    shown = {statement.text for _, _, statement in places(answer, told)}
    hidden = [statement for statement in bad if statement.text not in shown]
    count = f"{len(bad)} of {len(told)}"
    text = (
        f'<p class="sl-note"><mark>marked</mark> {count} statements are not supported by the passages, says the judge '
    )
    text += f"{escape(judge)}. The reason stands where the pointer rests.</p>"
    if hidden:
        items = "".join(
            f"<li>{escape(statement.text)} <span>{escape(statement.why)}</span></li>" for statement in hidden
        )
        text += (
            f'<p class="sl-note">Not supported, in the judge\'s own words:</p><ul class="sl-statements">{items}</ul>'
        )
    return text


def _statement(line: str) -> Statement | None:
    verdict, opening = _VERDICT.match(line), _opening(line)
    if verdict is None or opening <= verdict.end():
        return None
    text = line[verdict.end() : opening].strip()
    return Statement(text, verdict[1] == "+", _P.sub("", line[opening + 1 : -1]).strip()) if text else None


def _opening(line: str) -> int:
    """Place of the bracket that the last one of a line closes; of the last opened where they do not pair; -1: none."""
    if not line.endswith(")"):
        return -1
    depth = 0
    for place in range(len(line) - 1, -1, -1):
        depth += (line[place] == ")") - (line[place] == "(")
        if depth == 0:
            return place
    return line.rfind("(")


def _plain(text: str) -> tuple[str, list[int]]:
    """A text without citations and markup, in small letters, blanks made one; and where each of its characters was."""
    kept: list[str] = []
    origin: list[int] = []
    at = 0
    while at < len(text):
        if left_out := _LEFT_OUT.match(text, at):
            at = left_out.end()
        elif blanks := _BLANKS.match(text, at):
            if not _LEFT_OUT.match(text, at):
                kept.append(" ")
                origin.append(at)
            at = blanks.end()
        else:
            small = text[at].lower()
            kept.append(small if len(small) == 1 else text[at])
            origin.append(at)
            at += 1
    return "".join(kept), origin
