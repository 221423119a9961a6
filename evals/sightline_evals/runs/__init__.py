"""Runs: what is asked for, where samples come from, what is kept as it comes, and what is reported."""

from sightline_evals.runs.folder import RunFolder
from sightline_evals.runs.journal import Journal

__all__ = ["Journal", "RunFolder"]
