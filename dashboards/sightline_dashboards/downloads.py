"""Tables as files: CSV for spreadsheets, Parquet with typed columns for everything else. Pure.

Rows are those of the questions: epoch milliseconds become moments in UTC under the name of the moment (`started_ms` is
`started`), durations keep their number and their unit in the name. Unknown is empty, never 0.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

import pyarrow as pa  # type: ignore[import-untyped]  # it has no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]

Rows = Sequence[Mapping[str, Any]]

MAX_ROWS: Final = 5_000
"""The most rows of a file."""

_MOMENTS_MS: Final = frozenset(
    {"started_ms", "asked_ms", "first_ms", "last_ms", "at_ms", "found_ms", "from_ms", "to_ms", "told_ms", "given_ms",
     "reference_from_ms", "reference_to_ms"}
)  # fmt: skip
"""Columns of epoch milliseconds; every other column that ends so is a duration."""
_MOMENTS_S: Final = frozenset({"bucket", "last_seen_s"})
_LEFT_OUT: Final = frozenset({"estimate", "matching"})
"""What rows hold beside their columns."""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", *"\uff1d\uff0b\uff0d\uff20")
"""Beginnings that a spreadsheet runs, in both widths. Source: https://owasp.org/www-community/attacks/CSV_Injection"""
_MOMENT_TYPE: Final = pa.timestamp("ms", tz="UTC")


class Format(StrEnum):
    """What a table can be taken as."""

    CSV = "csv"
    PARQUET = "parquet"


LABELS: Final = {Format.CSV: "CSV", Format.PARQUET: "Parquet"}
MEDIA_TYPES: Final = {Format.CSV: "text/csv;charset=utf-8", Format.PARQUET: "application/vnd.apache.parquet"}


@dataclass(frozen=True)
class Offer:
    """What a reader can take of a table.

    Attributes:
        rows: of the file, or what reads them when somebody takes it; at most `MAX_ROWS` go into it.
        matching: rows that there are in all; 0: as many as `rows`.
        content: whether they hold what people and models wrote, so that taking them is logged.
    """

    rows: Rows | Callable[[], Rows]
    matching: int = 0
    content: bool = False

    @property
    def note(self) -> str:
        """How many rows the file holds, where not all."""
        there = self.matching if self.matching or callable(self.rows) else len(self.rows)
        return f"the first {MAX_ROWS:,} of {there:,} rows" if there > MAX_ROWS else ""

    def read(self) -> Rows:
        """The rows of the file."""
        return (self.rows() if callable(self.rows) else self.rows)[:MAX_ROWS]


def file_of(rows: Rows, form: Format) -> bytes:
    """Return rows as a file."""
    return csv_file(rows) if form is Format.CSV else parquet_file(rows)


def csv_file(rows: Rows) -> bytes:
    """Return rows as CSV in UTF-8. Texts that a spreadsheet would run as a formula get an apostrophe in front."""
    table = _table(rows)
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    if table.column_names:
        writer.writerow(map(inert, table.column_names))
    columns = [column.to_pylist() for column in table.columns]
    writer.writerows([[_cell(value) for value in row] for row in zip(*columns, strict=True)])
    return buffer.getvalue().encode()


def parquet_file(rows: Rows) -> bytes:
    """Return rows as Parquet: numbers are numbers, moments are timestamps in UTC, lists are lists."""
    buffer = io.BytesIO()
    pq.write_table(_table(rows), buffer, compression="zstd")
    return buffer.getvalue()


def inert(text: str) -> str:
    """Return a text that no spreadsheet runs; a number is none."""
    if not text.lstrip(" ").startswith(_FORMULA):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text


def _table(rows: Rows) -> pa.Table:
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if name not in _LEFT_OUT]
    return pa.table({_name(name): _column(name, [row.get(name) for row in rows]) for name in names})


def _name(column: str) -> str:
    if column in _MOMENTS_MS:
        return column.removesuffix("_ms")
    return column.removesuffix("_s") if column in _MOMENTS_S else column


def _column(name: str, values: list[Any]) -> pa.Array:
    if name in _MOMENTS_MS | _MOMENTS_S:
        scale = 1 if name in _MOMENTS_MS else 1000
        return pa.array([None if value is None else round(value * scale) for value in values], pa.int64()).cast(
            _MOMENT_TYPE
        )
    known = [None if isinstance(value, float) and math.isnan(value) else value for value in values]
    try:
        return pa.array(known)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        return pa.array([None if value is None else _text(value) for value in known], pa.string())


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if value is None or isinstance(value, int | float):
        return value
    return inert(_text(value))
