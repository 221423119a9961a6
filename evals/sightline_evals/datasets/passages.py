"""Passages to make questions from: out of text files, files of passages, and datasets.

* `.txt`, `.md`: paragraphs, joined up to 1,500 characters.
* JSONL, CSV, TSV, Parquet with a column `text`, `content`, `page_content` or `passage`: one passage a row.
* a dataset: its contexts and reference_contexts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from sightline_evals.datasets.lines import lines
from sightline_evals.datasets.reading import numbered_rows, read_dataset
from sightline_evals.datasets.schema import QUESTION_NAMES, storable
from sightline_evals.errors import DatasetError

PASSAGE_NAMES: Final = ("text", "content", "page_content", "passage")
"""Columns of a file of passages; the first that a row has counts."""
SHORTEST_CHARS: Final = 80
"""A shorter passage is a heading or a remnant."""
_JOINED_CHARS: Final = 1_500
_PARAGRAPH_END: Final = re.compile(r"\n\s*\n")


def read_passages(path: Path) -> list[str]:
    """The distinct passages of a file that are long enough, in its order.

    Raises:
        DatasetError: the file cannot be read, or has no such passage.
        UsageError: a package that the format needs is not installed.
    """
    if path.is_dir():
        raise DatasetError(path, 0, "is a directory; name a file of passages")
    try:
        found = list(_passages(path))
    except OSError as exc:
        raise DatasetError(path, 0, exc.strerror or str(exc)) from exc
    passages = list(dict.fromkeys(text for text in map(str.strip, found) if len(text) >= SHORTEST_CHARS))
    if not passages:
        raise DatasetError(path, 0, f"has no passage of at least {SHORTEST_CHARS} characters")
    return passages


def _passages(path: Path) -> Iterable[str]:
    if path.suffix.lower() in (".txt", ".md"):
        return _joined(_PARAGRAPH_END.split("".join(line for _, line in lines(path)).replace("\r\n", "\n")))
    first = next(iter(numbered_rows(path, (*PASSAGE_NAMES, *QUESTION_NAMES))), None)
    if first is not None and any(name in first[1] for name in QUESTION_NAMES):
        return (text for sample in read_dataset(path) for text in (*sample.contexts, *sample.reference_contexts))
    return _column(path)


def _column(path: Path) -> Iterator[str]:
    for number, row in numbered_rows(path, PASSAGE_NAMES):
        text = next((row[name] for name in PASSAGE_NAMES if row.get(name) is not None), None)
        if not isinstance(text, str):
            raise DatasetError(path, number, f"has no text in a column {', '.join(PASSAGE_NAMES)}")
        yield storable(text)


def _joined(paragraphs: Iterable[str]) -> Iterator[str]:
    """Paragraphs joined as long as they stay within the length; a longer one stands alone."""
    passage = ""
    for paragraph in map(str.strip, paragraphs):
        if passage and len(passage) + len(paragraph) > _JOINED_CHARS:
            yield passage
            passage = ""
        passage = f"{passage}\n\n{paragraph}" if passage else paragraph
    if passage:
        yield passage
