"""Runs on disk: what was judged is kept as it comes, and a run that ended early goes on."""

from sightline_evals.runs.folder import RunFolder
from sightline_evals.runs.journal import Journal

__all__ = ["Journal", "RunFolder"]
