"""Samples, and the JSONL files that hold them.

One JSON object a line::

    {"question": "…", "answer": "…", "contexts": ["…", "…"], "reference": "…", "id": "…"}

`question` and `contexts` are needed, and `answer` or `reference`. `contexts` may be empty: then nothing was retrieved.
Further keys are ignored, empty lines too. An absent `id` is made from the question, so that a case keeps its id when
lines are added. Ids are unique.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

from sightline_evals.errors import DatasetError

MAX_LINE_BYTES: Final = 32 * 1024 * 1024
"""Longest line that is read; a longer one is a file of another kind."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One answered question.

    Attributes:
        id: name of the case in a dataset, trace id of a stored one.
        question: the user's question.
        answer: the answer; "" where only the retrieval is to be judged.
        contexts: the retrieved passages that the answer is based on, best first.
        reference: the right answer as a person wrote it; "" where there is none.
        trace_id: 32 hex digits of the trace that holds the answer; "" outside of traces.
        span_id: 16 hex digits of the request's span.
        tenant: tenant of the request; "" where it is unknown.
        model: model that answered.
        note: a remark for readers of its scores, for example "extractive, no LLM".
    """

    id: str
    question: str
    answer: str
    contexts: tuple[str, ...]
    reference: str = ""
    trace_id: str = ""
    span_id: str = ""
    tenant: str = ""
    model: str = ""
    note: str = field(default="", compare=False)


def read_dataset(path: Path, limit: int | None = None) -> list[Sample]:
    """Read the samples of a file, all of them or the first `limit`.

    Raises:
        DatasetError: the file cannot be read, has no sample, or a line is wrong; nothing of it is used then.
    """
    try:
        samples = list(islice(_read(path), limit))
    except OSError as exc:
        raise DatasetError(path, 0, exc.strerror or str(exc)) from exc
    if not samples:
        raise DatasetError(path, 0, "has no sample; needs one JSON object a line with question, contexts and answer")
    return samples


def _read(path: Path) -> Iterator[Sample]:
    line_of_id: dict[str, int] = {}
    with path.open("rb") as file:
        number = 0
        while line := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(line) > MAX_LINE_BYTES:
                raise DatasetError(path, number, f"is longer than {MAX_LINE_BYTES} bytes")
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            except UnicodeDecodeError as exc:
                raise DatasetError(path, number, f"is not UTF-8 at byte {exc.start + 1}") from exc
            if not text:
                continue
            sample = _sample(path, number, text, line_of_id)
            line_of_id[sample.id] = number
            yield sample


def _sample(path: Path, number: int, text: str, line_of_id: dict[str, int]) -> Sample:
    try:
        row = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as exc:
        where = f" at column {exc.colno}: {exc.msg}" if isinstance(exc, json.JSONDecodeError) else ": nested too deep"
        raise DatasetError(path, number, f"is not JSON{where}") from exc
    if not isinstance(row, dict):
        raise DatasetError(path, number, f"holds a JSON {type(row).__name__}; needs an object")
    question = _text(path, number, row, "question")
    answer = _text(path, number, row, "answer")
    reference = _text(path, number, row, "reference")
    if not question:
        raise DatasetError(path, number, "question is missing or empty")
    if not answer and not reference:
        raise DatasetError(path, number, "answer and reference are both missing or empty; needs one of them")
    contexts = row.get("contexts")
    if not isinstance(contexts, list) or not all(isinstance(context, str) for context in contexts):
        raise DatasetError(path, number, 'contexts must be a list of texts, for example ["A passage."]')
    case = row.get("id")
    if case is not None and not isinstance(case, str | int):
        raise DatasetError(path, number, "id must be a text or a whole number")
    return Sample(
        id=_unique(path, number, case, question, line_of_id),
        question=question,
        answer=answer,
        contexts=tuple(context for context in contexts if context.strip()),
        reference=reference,
    )


def _text(path: Path, number: int, row: dict[str, Any], key: str) -> str:
    value = row.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise DatasetError(path, number, f"{key} must be a text, not {type(value).__name__}")
    return value.strip()


def _unique(path: Path, number: int, case: str | int | None, question: str, line_of_id: dict[str, int]) -> str:
    if case is not None and str(case) != "":
        if str(case) in line_of_id:
            raise DatasetError(path, number, f"id {case!r} is already that of line {line_of_id[str(case)]}")
        return str(case)
    digest = hashlib.sha256(question.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    unique_id, repetition = digest, 1
    while unique_id in line_of_id:
        repetition += 1
        unique_id = f"{digest}-{repetition}"
    return unique_id
