"""Datasets as CSV (RFC 4180) and TSV: the first row names the columns, a cell may hold line breaks.

Source: https://www.rfc-editor.org/rfc/rfc4180
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sightline_evals.datasets.lines import MAX_LINE_BYTES, NumberedRow, lines
from sightline_evals.datasets.schema import COLUMNS
from sightline_evals.errors import DatasetError


def rows(path: Path, needed: Sequence[str]) -> Iterator[NumberedRow]:
    """The rows of a file as texts by column name, each with the number of its first line; empty rows are skipped.

    Args:
        path: the file.
        needed: names of columns, one of which it must have.

    Raises:
        DatasetError: the file is no CSV (or TSV, by its name), or its first row names no needed column.
        OSError: the file cannot be read.
    """
    records = _records(path, "\t" if path.suffix.lower() == ".tsv" else ",")
    number, header = next(records, (0, []))
    if not header:
        return
    names = [name.strip() for name in header]
    _check_header(path, number, names, needed)
    for number, record in records:
        if len(record) > len(names):
            raise DatasetError(
                path,
                number,
                f"has {len(record)} cells, the first row {len(names)}; put a cell that holds a separator in quotes",
            )
        yield number, dict(zip(names, record, strict=False))


def encoded(objects: Sequence[Mapping[str, Any]], delimiter: str) -> bytes:
    """Rows of JSON values as a file; only columns that any of them has."""
    names = [column.name for column in COLUMNS if any(column.name in one for one in objects)]
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(names)
    writer.writerows([_cell(one.get(name)) for name in names] for one in objects)
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, allow_nan=False)


def _records(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """(number of the first line, cells) of each record with any text."""
    reader = csv.reader((line for _, line in lines(path)), delimiter=delimiter, strict=True)
    longest = csv.field_size_limit(MAX_LINE_BYTES)
    try:
        while True:
            number = reader.line_num + 1
            try:
                record = next(reader, None)
            except csv.Error as exc:
                raise DatasetError(
                    path, number, f"is not {path.suffix[1:].upper()}: {exc}; quotes inside a cell are doubled"
                ) from exc
            if record is None:
                return
            if any(cell.strip() for cell in record):
                yield number, record
    finally:
        csv.field_size_limit(longest)


def _check_header(path: Path, number: int, names: Sequence[str], needed: Sequence[str]) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1 and name]
    if repeated:
        raise DatasetError(path, number, f"names the column {repeated[0]!r} twice")
    if not any(name in needed for name in names):
        other = next((f"; cells are separated by {mark!r} here" for mark in ";\t|" if mark in "".join(names)), "")
        raise DatasetError(
            path,
            number,
            f"names no column {' or '.join(needed)}; the first row must name the columns, and it names "
            f"{', '.join(names)[:200]}{other}",
        )
