"""Values of attributes that hold JSON, as it should be or nearly so.

Attributes are strings. What is in them may be plain text, JSON, a JSON string that holds JSON, Python's `repr` of a
list, or JSON whose end a limit on the length of attributes cut off. Nothing that stands in them can raise.
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass, replace
from typing import Any

REDACTED = "__REDACTED__"
"""What OpenInference writes in place of content that it hides."""

MAX_VALUE_CHARS = 1_000_000
"""Characters of a value that the questions to the store return; a longer one has lost its end."""

MAX_DEPTH = 24
"""Levels of a value that are read; what lies deeper is shown as JSON."""

MAX_ITEMS = 5000
"""Items of a list that are told apart; a longer list is data, such as a vector."""

_MAX_LITERAL_CHARS = 200_000
_MAX_COMPLETED_CHARS = 2_000_000
_MAX_BRACKETS = 64
_NESTED_STRINGS = 3
_SHOWN_OBJECT = re.compile(r"<[\w.]+(?: object\b.*|[(].*[)]|.* at 0x[0-9a-f]+)>", re.DOTALL)
_HALF_ESCAPE = re.compile(r"(?<!\\)((?:\\\\)*)\\(?:u[0-9a-fA-F]{0,3})?$")
_INCOMPLETE_MEMBER = re.compile(
    r',?\s*(?:"(?:[^"\\]|\\.)*(?:"\s*:?)?\s*)?'
    r"(?:[-+.0-9eE]*|tr?u?e?|fa?l?s?e?|nu?l?l?|Na?N?|-?In?f?i?n?i?t?y?)",
    re.DOTALL,
)
"""What may stand at the end of JSON that was cut off: a key, a colon, a part of a number or of `true`."""
_STRINGS = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Value:
    """What an attribute holds."""

    content: Any
    """What the JSON says; the text itself where it is none."""
    is_cut: bool = False
    """Whether the end of the JSON is missing."""


def is_nothing(text: str) -> bool:
    """Whether a text is no content: blank, `null`, redacted, or Python's repr of an object."""
    short = text.strip() if len(text) < 400 else text
    return short in {"", "null", REDACTED} or (len(short) < 2000 and _SHOWN_OBJECT.fullmatch(short) is not None)


def loaded(text: str) -> Value:
    """Read an attribute's value."""
    value = _loaded(text)
    return replace(value, is_cut=True) if len(text) >= MAX_VALUE_CHARS else value


def _loaded(text: str) -> Value:
    content: Any = text
    for _ in range(_NESTED_STRINGS):
        if not (isinstance(content, str) and content.lstrip()[:1] in {"{", "[", '"'}):
            break
        try:
            content = json.loads(content)
        except (ValueError, RecursionError):
            return _loaded_otherwise(content)
    return Value(content)


def dumped(content: Any) -> str:
    """A value as JSON; a string is itself."""
    if isinstance(content, str):
        return content
    try:
        return json.dumps(content, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        return "(nested too deeply to show)"


def _loaded_otherwise(text: str) -> Value:
    if text.lstrip()[:1] == '"':
        return _string_without_end(text)
    if (literal := _literal(text)) is not None:
        return Value(literal)
    completed = _completed(text)
    return Value(text) if completed is None else Value(completed, is_cut=True)


def _string_without_end(text: str) -> Value:
    """A JSON string whose end is missing; a text that merely begins with a quotation is itself."""
    if len(re.findall(r'(?<!\\)"', text)) > 1:
        return Value(text)
    try:
        return Value(json.loads(f'{_HALF_ESCAPE.sub("", text)}"', strict=False), is_cut=True)
    except (ValueError, RecursionError):
        return Value(text)


def _literal(text: str) -> Any:
    """Python's repr of a list or dict of plain values; None where it is none. Too deep a nesting is not tried."""
    if len(text) > _MAX_LITERAL_CHARS or "'" not in text:
        return None
    depth = deepest = 0
    for bracket in re.findall(r"[\[\]{}()]", _STRINGS.sub("", text)):
        depth += 1 if bracket in "[{(" else -1
        deepest = max(deepest, depth)
    if deepest > _MAX_BRACKETS:
        return None
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None


def _completed(text: str) -> Any:
    """The value of JSON whose end is missing: what is open is closed, an incomplete last member left out.

    None for a text that merely begins with a bracket, as `[Note: see below`.
    """
    if len(text) > _MAX_COMPLETED_CHARS:
        return None
    text = _HALF_ESCAPE.sub(r"\1", text)
    stack: list[str] = []
    end, closers = 0, ""
    is_string = False
    for match in re.finditer(r'\\.|["\[\]{},]', text, re.DOTALL):
        mark = match[0]
        if mark == '"':
            is_string = not is_string
        elif is_string or mark[0] == "\\":
            continue
        elif mark in "[{":
            stack.append("]" if mark == "[" else "}")
            end, closers = match.end(), "".join(reversed(stack))
        elif mark in "]}":
            if not stack or stack.pop() != mark:
                return None
        elif mark == ",":
            end, closers = match.start(), "".join(reversed(stack))
        if len(stack) > _MAX_BRACKETS:
            return None
    if not stack:
        return None
    closing = "".join(reversed(stack))
    tries = [text + ('"' if is_string else "") + closing]
    tries += [text[:end] + closers] if _INCOMPLETE_MEMBER.fullmatch(text, end) else []
    for candidate in tries:
        try:
            return json.loads(candidate)
        except (ValueError, RecursionError):
            continue
    return None
