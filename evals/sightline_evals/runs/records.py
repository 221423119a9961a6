"""Samples and scores as JSON values, in the journal of a run and in its report. Pure.

NaN is null and an empty text that means "none" is null, because JSON has no NaN and readers tell null from "".
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from sightline_evals.datasets import Sample
from sightline_evals.scoring.scores import Score, Statement

_NULL_IF_EMPTY = frozenset({"trace_id", "span_id", "tenant", "conversation", "reference", "model", "note"})


def case_record(sample: Sample) -> dict[str, Any]:
    """A sample as the report has it."""
    record: dict[str, Any] = {"case": sample.id}
    for field in fields(Sample):
        value = getattr(sample, field.name)
        if field.name == "id":
            continue
        if isinstance(value, tuple):
            value = list(value)
        record[field.name] = dict(value) if isinstance(value, Mapping) else value
    return {name: None if name in _NULL_IF_EMPTY and not value else value for name, value in record.items()}


def sample_of(record: Mapping[str, Any]) -> Sample:
    """The sample of a record; fields that it lacks keep their default."""
    known = {field.name for field in fields(Sample)}
    values = {name: value for name, value in record.items() if name in known and value is not None}
    for name in ("contexts", "reference_contexts"):
        values[name] = tuple(values.get(name, ()))
    return Sample(id=str(record["case"]), **values)


def score_record(case: str, score: Score) -> dict[str, Any]:
    """A score as the report has it."""
    return {
        "case": case,
        "metric": score.name,
        "value": none_if_nan(score.value),
        "label": score.label,
        "explanation": score.explanation,
        "error": score.error or None,
        "judge": score.judge,
        "judge_version": score.judge_version,
        "prompt_sha256": score.prompt_sha256 or None,
        "threshold": score.threshold,
        "statements": [
            {
                "text": statement.text,
                "p_unsupported": statement.p_unsupported,
                "supported": statement.supported,
                "reason": statement.reason,
            }
            for statement in score.statements
        ],
    }


def score_of(record: Mapping[str, Any]) -> Score:
    """The score of a record."""
    value = record["value"]
    return Score(
        name=str(record["metric"]),
        value=math.nan if value is None else float(value),
        label=str(record["label"]),
        explanation=str(record["explanation"]),
        error=str(record["error"] or ""),
        judge=str(record["judge"]),
        judge_version=str(record["judge_version"]),
        prompt_sha256=str(record.get("prompt_sha256") or ""),
        threshold=record.get("threshold"),
        statements=tuple(
            Statement(each["text"], each["p_unsupported"], each["supported"], each["reason"])
            for each in record.get("statements", ())
        ),
    )


def none_if_nan(value: float) -> float | None:
    """A number for JSON."""
    return None if math.isnan(value) else value


def line_of(value: Any) -> str:
    """JSON on one line that any UTF-8 reader takes."""
    return whole_text(json.dumps(value, ensure_ascii=False, allow_nan=False))


def whole_text(text: str) -> str:
    """A text with U+FFFD for each half of a surrogate pair, which is no character and cannot be written as UTF-8."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def whole_sample(sample: Sample) -> Sample:
    """A sample whose texts can be written, sent and hashed; see `whole_text`."""
    return replace(
        sample,
        question=whole_text(sample.question),
        answer=whole_text(sample.answer),
        reference=whole_text(sample.reference),
        note=whole_text(sample.note),
        contexts=tuple(map(whole_text, sample.contexts)),
        reference_contexts=tuple(map(whole_text, sample.reference_contexts)),
    )
