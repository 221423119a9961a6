"""Evaluation datasets: their cases, the files that hold them, and what is done with those files."""

from sightline_evals.datasets.identity import fingerprint
from sightline_evals.datasets.reading import read_dataset
from sightline_evals.datasets.sample import Sample
from sightline_evals.datasets.writing import append_to_dataset, write_dataset

__all__ = ["Sample", "append_to_dataset", "fingerprint", "read_dataset", "write_dataset"]
