"""Read datasets from JSONL, CSV, TSV and Parquet files; the columns are those of `sightline_evals.datasets.schema`.

The end of the name decides: `.csv`, `.tsv`, `.parquet`; all else is JSONL, one JSON object a line. Empty lines and rows
are skipped. A row that cannot be used refuses the whole file, with its number: of a line in JSONL, of the row's first
line in CSV and TSV, of the row in Parquet.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final

from sightline_evals.datasets import cells, jsonl, parquet
from sightline_evals.datasets.identity import id_of_question
from sightline_evals.datasets.lines import NumberedRow
from sightline_evals.datasets.sample import Sample
from sightline_evals.datasets.schema import QUESTION_NAMES, RowInvalid, sample_of
from sightline_evals.errors import DatasetError

CELL_FORMATS: Final = (".csv", ".tsv")
"""Ends of names of files whose values are texts of cells."""


def read_dataset(path: Path, limit: int | None = None) -> list[Sample]:
    """Read the samples of a file, all of them or the first `limit`.

    Raises:
        DatasetError: the file cannot be read, has no sample, or a row is wrong; nothing of it is used then.
        UsageError: a package that the format needs is not installed.
    """
    if path.is_dir():
        raise DatasetError(path, 0, "is a directory; name a .jsonl, .csv, .tsv or .parquet file")
    try:
        with closing(_samples(path)) as read:
            samples = list(islice(read, limit))
    except OSError as exc:
        raise DatasetError(path, 0, exc.strerror or str(exc)) from exc
    if not samples:
        raise DatasetError(path, 0, "has no sample; needs one case a row, with question, contexts and answer")
    return samples


def numbered_rows(path: Path, needed: Sequence[str]) -> Iterator[NumberedRow]:
    """The rows of a file in any of the formats.

    Args:
        path: the file.
        needed: names of columns; a file of a format with columns must have one of them.

    Raises:
        DatasetError: a row cannot be read.
        OSError: the file cannot be read.
        UsageError: a package that the format needs is not installed.
    """
    match path.suffix.lower():
        case ".parquet":
            return parquet.rows(path, needed)
        case ".csv" | ".tsv":
            return cells.rows(path, needed)
        case _:
            return jsonl.rows(path)


def _samples(path: Path) -> Generator[Sample, None, None]:
    number_of_id: dict[str, int] = {}
    for number, row in numbered_rows(path, QUESTION_NAMES):
        try:
            sample = sample_of(row, from_cells=path.suffix.lower() in CELL_FORMATS)
        except RowInvalid as exc:
            raise DatasetError(path, number, str(exc)) from exc
        if sample.id in number_of_id:
            raise DatasetError(
                path, number, f"id {sample.id!r} is already that of line {number_of_id[sample.id]}; ids are unique"
            )
        if not sample.id:
            sample = replace(sample, id=id_of_question(sample.question, number_of_id))
        number_of_id[sample.id] = number
        yield sample
