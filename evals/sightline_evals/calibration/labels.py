"""Answers that a person checked against their passages: the lines of a labels file. Pure but for reading it.

One JSON object a line, with ``answer``, ``contexts`` (a list of texts) and either ``supported`` (true or false, of the
whole answer) or ``statements`` (a list of ``{"text": …, "label": "supported" | "unsupported" | "no claim"}``). A
labelled statement counts like an answer of one statement; those that claim nothing are left out. Other fields, such as
``question`` and ``id``, are not looked at.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sightline_evals.errors import DatasetError

_LABELS: Final = ("supported", "unsupported", "no claim")


@dataclass(frozen=True, slots=True)
class Labelled:
    """One answer, or one statement of an answer, with a person's verdict.

    Attributes:
        text: the answer, or the statement.
        is_statement: whether it is a statement, which is judged as it is.
        context: the answer's passages, joined by line breaks.
        unsupported: whether something in it is not supported by them.
        line: of the file, from 1; what comes from one line is never split between fitting and measuring.
    """

    text: str
    is_statement: bool
    context: str
    unsupported: bool
    line: int


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of a file.

    Attributes:
        labelled: answers and statements with a verdict.
        lines: how many lines were read.
        without_claim: how many statements claim nothing, by the label.
    """

    labelled: list[Labelled]
    lines: int
    without_claim: int


def read_labels(path: Path) -> Labels:
    """The labels of a JSON Lines file.

    Raises:
        DatasetError: the file cannot be read, or lines of it cannot be used; the first five are told with their
        numbers.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as exc:
        raise DatasetError(path, 0, exc.strerror or str(exc)) from exc
    except UnicodeDecodeError as exc:
        raise DatasetError(path, 0, f"not UTF-8 at byte {exc.start}") from exc
    labelled: list[Labelled] = []
    used = without_claim = first_wrong = 0
    wrong: list[str] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found, unclaiming = _labelled(json.loads(line), number)
        except json.JSONDecodeError as exc:
            reason = f"not JSON: {exc.msg} at column {exc.colno}"
        except ValueError as exc:
            reason = str(exc)
        else:
            labelled += found
            without_claim += unclaiming
            used += 1
            continue
        first_wrong = first_wrong or number
        wrong.append(reason if number == first_wrong else f"line {number}: {reason}")
    if wrong:
        more = f"; and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise DatasetError(path, first_wrong, "; ".join(wrong[:5]) + more)
    return Labels(labelled, used, without_claim)


def _labelled(row: Any, line: int) -> tuple[list[Labelled], int]:
    """(what has a verdict, number of statements that claim nothing) of one line.

    Raises:
        ValueError: the line cannot be used.
    """
    if not isinstance(row, Mapping):
        raise ValueError("needs a JSON object")  # noqa: TRY004 - told as any other wrong line
    answer, contexts = row.get("answer"), row.get("contexts")
    if not isinstance(answer, str) or not answer.strip():
        raise ValueError("answer is missing or empty")
    if not isinstance(contexts, list) or not contexts or not all(isinstance(text, str) for text in contexts):
        raise ValueError("contexts needs a list of texts")
    context = "\n".join(contexts)
    if "statements" in row:
        verdicts = _verdicts(row["statements"])
        claims = [Labelled(text, True, context, label == "unsupported", line) for text, label in verdicts if label]
        return claims, len(verdicts) - len(claims)
    if isinstance(row.get("supported"), bool):
        return [Labelled(answer, False, context, not row["supported"], line)], 0
    raise ValueError("needs supported (true or false) or statements with labels")


def _verdicts(statements: Any) -> list[tuple[str, str]]:
    """(text, label) of each statement; the label of one that claims nothing is "".

    Raises:
        ValueError: a label is none of the known ones.
    """
    if not isinstance(statements, list) or not all(isinstance(each, Mapping) for each in statements):
        raise ValueError("statements needs a list of objects with text and label")
    found: list[tuple[str, str]] = []
    for each in statements:
        text, label = each.get("text"), each.get("label")
        if not isinstance(text, str) or not text.strip():
            raise ValueError("a statement has no text")
        if label not in _LABELS:
            raise ValueError(f"label {label!r} is none of {', '.join(_LABELS)}")
        found.append((text, "" if label == "no claim" else str(label)))
    return found
