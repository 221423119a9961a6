"""Datasets as Parquet, by pyarrow, which comes with RAGAS.

Lists are Arrow lists of texts and metadata is JSON text, so that files of different cases have one schema.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sightline_evals.datasets.lines import NumberedRow
from sightline_evals.datasets.schema import COLUMNS, Kind
from sightline_evals.errors import DatasetError, UsageError

_BATCH_ROWS = 256


def rows(path: Path, needed: Sequence[str]) -> Iterator[NumberedRow]:
    """The rows of a file as Python values, numbered from 1.

    Args:
        path: the file.
        needed: names of columns, one of which it must have.

    Raises:
        DatasetError: the file is no Parquet, has no needed column, or a text of it is not UTF-8.
        OSError: the file cannot be read.
        UsageError: pyarrow is not installed.
    """
    pa, pq = _pyarrow()
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if not any(name in needed for name in names):
                raise DatasetError(
                    path, 0, f"has no column {' or '.join(needed)}; it has {', '.join(names)[:200] or 'none'}"
                )
            number = 0
            for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                for row in range(batch.num_rows):
                    number += 1
                    yield number, _values(path, number, batch.slice(row, 1))
    except (pa.lib.ArrowException, UnicodeDecodeError) as exc:
        raise DatasetError(path, 0, f"is not a Parquet file that can be read: {' '.join(str(exc).split())}") from exc


def encoded(objects: Sequence[Mapping[str, Any]]) -> bytes:
    """Rows of JSON values as a file with all columns.

    Raises:
        UsageError: pyarrow is not installed.
    """
    _, pq = _pyarrow()
    file = io.BytesIO()
    pq.write_table(table(objects), file)
    return file.getvalue()


def table(objects: Sequence[Mapping[str, Any]]) -> Any:
    """Rows of JSON values as an Arrow table with all columns."""
    pa, _ = _pyarrow()
    kinds = {
        Kind.TEXTS: pa.list_(pa.string()),
        Kind.FLAG: pa.bool_(),
        Kind.WEIGHT: pa.float64(),
        Kind.AMOUNT: pa.float64(),
        Kind.COUNT: pa.int64(),
    }
    columns = [
        pa.array([_arrow_value(one.get(column.name)) for one in objects], kinds.get(column.kind, pa.string()))
        for column in COLUMNS
    ]
    return pa.Table.from_arrays(columns, names=[column.name for column in COLUMNS])


def _arrow_value(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False, allow_nan=False) if isinstance(value, dict) else value


def _values(path: Path, number: int, row: Any) -> dict[str, Any]:
    try:
        values: dict[str, Any] = row.to_pylist()[0]
    except UnicodeDecodeError as exc:
        raise DatasetError(path, number, "holds a text that is not UTF-8") from exc
    return values


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa  # type: ignore[import-untyped]  # noqa: PLC0415 - 170 MB on disk, for this format only
        import pyarrow.parquet as pq  # type: ignore[import-untyped]  # noqa: PLC0415
    except ImportError as exc:
        raise UsageError('Parquet needs pyarrow: pip install "sightline-platform[evals]"') from exc
    return pa, pq
