"""What the reference application answers from while it has no documents of its own: the Python standard library.

The application needs none of it: `sightline-app ingest --docs FOLDER` indexes other documents instead. Here are the
reader of the documentation (`standard_library`) and questions whose answers are known (`questions.jsonl`).
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path


def questions_file() -> Path:
    """Return where the questions are: JSON lines that `sightline_app.quality.read_questions` reads."""
    return Path(str(resources.files(__name__).joinpath("questions.jsonl")))
