"""Write datasets: whole files at once, so that a file is the old one or the new one whatever happens."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from sightline_evals.datasets import cells, jsonl, parquet
from sightline_evals.datasets.reading import read_dataset
from sightline_evals.datasets.sample import Sample
from sightline_evals.datasets.schema import row_of
from sightline_evals.errors import DatasetError


def write_dataset(path: Path, samples: Iterable[Sample]) -> None:
    """Write samples in the format that the end of the name says, as `read_dataset` reads them.

    Raises:
        DatasetError: the file cannot be written.
        UsageError: a package that the format needs is not installed.
    """
    write_bytes(path, _encoded(path, list(samples)))


def append_to_dataset(path: Path, samples: Sequence[Sample]) -> None:
    """Add samples to a dataset, which begins with them where the file is missing.

    Lines that stand in a JSONL file stay as they are. Other formats are written anew with the columns of the schema.

    Raises:
        DatasetError: the file cannot be read or written.
        UsageError: a package that the format needs is not installed.
    """
    if not path.exists():
        write_dataset(path, samples)
    elif path.suffix.lower() in (".csv", ".tsv", ".parquet"):
        write_dataset(path, [*read_dataset(path), *samples])
    else:
        present = path.read_bytes()
        separator = b"" if not present or present.endswith(b"\n") else b"\n"
        write_bytes(path, present + separator + _encoded(path, samples))


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file, or make it; its permissions stay.

    Raises:
        DatasetError: it cannot be written.
    """
    target = path.resolve()
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
    try:
        try:
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            if target.exists():
                shutil.copymode(target, temporary)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as exc:
        raise DatasetError(path, 0, f"cannot be written: {exc.strerror or exc}") from exc


def make_folder(folder: Path) -> None:
    """Make a folder where it is missing.

    Raises:
        DatasetError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise DatasetError(folder, 0, f"cannot be made: {exc.strerror or exc}") from exc


def _encoded(path: Path, samples: Sequence[Sample]) -> bytes:
    rows = [row_of(sample) for sample in samples]
    match path.suffix.lower():
        case ".parquet":
            return parquet.encoded(rows)
        case ".csv" | ".tsv":
            return cells.encoded(rows, "\t" if path.suffix.lower() == ".tsv" else ",")
        case _:
            return jsonl.encoded(rows)
