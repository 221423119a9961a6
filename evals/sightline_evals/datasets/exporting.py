"""Write a dataset in the forms of other tools.

* RAGAS: `DIR/datasets/NAME.jsonl` with RAGAS's names of columns, where its `local/jsonl` backend with `root_dir=DIR`
  looks; `ragas.EvaluationDataset.from_jsonl` reads the file too.
* Hugging Face: the folder that `datasets.load_from_disk(DIR)` reads.
* jsonl, csv, tsv, parquet: `DIR/NAME.END` with the columns of the schema.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from sightline_evals.datasets import jsonl, parquet
from sightline_evals.datasets.sample import Sample
from sightline_evals.datasets.schema import row_of
from sightline_evals.datasets.writing import make_folder, write_bytes, write_dataset
from sightline_evals.errors import DatasetError, UsageError

FILE_FORMATS: Final = ("jsonl", "csv", "tsv", "parquet")
FORMATS: Final = ("ragas", "huggingface", *FILE_FORMATS)
"""What a dataset can be written as."""


def export(samples: Sequence[Sample], form: str, folder: Path, name: str) -> Path:
    """Write a dataset into a folder, which is made where it is missing.

    Args:
        samples: the cases.
        form: one of `FORMATS`.
        folder: where to write.
        name: of the dataset.

    Returns:
        What was written.

    Raises:
        DatasetError: it cannot be written, or is there already.
        UsageError: a package that the form needs is not installed.
    """
    if form == "huggingface":
        return _huggingface(samples, folder)
    target = folder / "datasets" / f"{name}.jsonl" if form == "ragas" else folder / f"{name}.{form}"
    if target.exists():
        raise DatasetError(target, 0, "is there already; name another folder, or remove it")
    make_folder(target.parent)
    if form == "ragas":
        write_bytes(target, jsonl.encoded(ragas_row(sample) for sample in samples))
    else:
        write_dataset(target, samples)
    return target


def ragas_row(sample: Sample) -> dict[str, Any]:
    """A sample with RAGAS's names of columns; what RAGAS has no name for keeps ours, and RAGAS ignores it.

    Source: https://github.com/vibrantlabsai/ragas, ``dataset_schema.py`` of v0.4.3
    """
    names = {"question": "user_input", "answer": "response", "contexts": "retrieved_contexts"}
    return {names.get(name, name): value for name, value in row_of(sample).items()}


def _huggingface(samples: Sequence[Sample], folder: Path) -> Path:
    try:
        from datasets import Dataset, disable_progress_bars  # type: ignore[import-untyped]  # noqa: PLC0415 - a second, and for this form only
    except ImportError as exc:
        raise UsageError('this form needs the package datasets: pip install "sightline-platform[evals]"') from exc
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DatasetError(folder, 0, "is there already and not an empty folder; name another one")
    disable_progress_bars()
    try:
        Dataset(parquet.table([row_of(sample) for sample in samples])).save_to_disk(str(folder))
    except OSError as exc:
        raise DatasetError(folder, 0, f"cannot be written: {exc.strerror or exc}") from exc
    return folder
