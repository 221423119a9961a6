"""Datasets as JSONL: one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sightline_evals.datasets.lines import NumberedRow, lines
from sightline_evals.errors import DatasetError


def rows(path: Path) -> Iterator[NumberedRow]:
    """The objects of a file; empty lines are skipped.

    Raises:
        DatasetError: a line holds something else.
        OSError: the file cannot be read.
    """
    for number, line in lines(path):
        text = line.strip()
        if text:
            yield number, _object(path, number, text)


def encoded(objects: Iterable[Mapping[str, Any]]) -> bytes:
    """The lines of objects whose texts hold no half surrogate."""
    return b"".join(json.dumps(one, ensure_ascii=False, allow_nan=False).encode() + b"\n" for one in objects)


def _object(path: Path, number: int, text: str) -> dict[str, Any]:
    array = '; write one object a line, as `jq -c ".[]"` does' if text.startswith("[") else ""
    try:
        row = json.loads(text)
    except json.JSONDecodeError as exc:
        one_line = "; an object stands on one line" if text == "{" else array
        raise DatasetError(path, number, f"is not JSON at column {exc.colno}: {exc.msg}{one_line}") from exc
    except RecursionError as exc:
        raise DatasetError(path, number, "is not JSON: nested too deep") from exc
    except ValueError as exc:  # a whole number of thousands of digits
        raise DatasetError(path, number, f"is not JSON: {exc}") from exc
    if not isinstance(row, dict):
        raise DatasetError(path, number, f"holds a JSON {type(row).__name__}; needs an object{array}")
    return row
