"""A control set scored again: has the judge moved since its scores were pinned?

The answers of a control set never change, so a change of their scores is one of the judge: another model behind the
same name, another version of a library. The scores of the first run are pinned: one JSON file for each judge, version,
prompt, metric and content of the control set, since scores of two of these do not compare. Pinned scores change only by
`--pin`: a judge that moves a little each night moves away from them, not along with them.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from sightline_evals import report_file
from sightline_evals.datasets import Sample
from sightline_evals.errors import ReportError, UsageError
from sightline_evals.runs.records import line_of, none_if_nan
from sightline_evals.scoring.scores import SampleScore, Score

SCHEMA: Final = "sightline-evals-control/1"
"""Version of the file of pinned scores."""
FEWEST_PAIRS: Final = 10
"""Answers with a value then and now, below which no shift is told."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """Scores of a control set by one judge.

    Attributes:
        at: when they were made, UTC.
        values: value by case; None where the answer made no statement. Cases whose judge failed are not among them.
    """

    at: datetime
    values: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Shift:
    """How far the scores of the same answers moved, from then to now.

    Attributes:
        mean: mean of now less then, of the answers with a value both times; NaN with none.
        low: lower end of its two-sided 95% interval; -inf below `FEWEST_PAIRS`.
        high: upper end.
        answers: with a value both times.
        then: their mean then.
        now: their mean now.
        flipped: whose verdict is another one now.
        appeared: without a value then, with one now.
        vanished: with a value then, without one now.
        failed: whose judge failed now.
    """

    mean: float
    low: float
    high: float
    answers: int
    then: float
    now: float
    flipped: int
    appeared: int
    vanished: int
    failed: int


def control_sha256(samples: Iterable[Sample]) -> str:
    """Hash of what is judged: ids, questions, answers, passages and references; independent of the order."""
    lines = sorted(line_of([each.id, each.question, each.answer, each.contexts, each.reference]) for each in samples)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def shift(pinned: Pinned, scored: Sequence[SampleScore], pass_at: float) -> Shift:
    """Compare scores with the pinned ones of the same control set.

    The interval is that of the mean of paired differences by Student's t.

    Args:
        pinned: scores then.
        scored: scores now.
        pass_at: value from which an answer passes.
    """
    then, now = [], []
    appeared = vanished = failed = 0
    for each in scored:
        before = pinned.values.get(each.sample.id)
        if each.score.error:
            failed += 1
        elif before is None:
            appeared += each.score.has_value and each.sample.id in pinned.values
        elif not each.score.has_value:
            vanished += 1
        else:
            then.append(before)
            now.append(each.score.value)
    from scipy import stats  # noqa: PLC0415  a second of every start

    old, new = np.array(then), np.array(now)
    moved = new - old
    mean = float(moved.mean()) if len(moved) else math.nan
    half = math.inf
    if len(moved) >= FEWEST_PAIRS:
        half = float(stats.t.ppf(0.975, len(moved) - 1) * moved.std(ddof=1) / math.sqrt(len(moved)))
    return Shift(
        mean=mean,
        low=mean - half,
        high=mean + half,
        answers=len(moved),
        then=float(old.mean()) if len(moved) else math.nan,
        now=float(new.mean()) if len(moved) else math.nan,
        flipped=int(np.sum((old < pass_at) != (new < pass_at))),
        appeared=appeared,
        vanished=vanished,
        failed=failed,
    )


def identity(score: Score, sha256: str) -> dict[str, str]:
    """What pinned scores belong to: judge, version, prompt, metric, and what the control set holds."""
    return {
        "judge": score.judge,
        "judge_version": score.judge_version,
        "prompt_sha256": score.prompt_sha256,
        "metric": score.name,
        "control_sha256": sha256,
    }


def read_pinned(folder: Path, wanted: Mapping[str, str]) -> Pinned | None:
    """The pinned scores of an identity, None where there are none.

    Raises:
        ReportError: the file cannot be used.
    """
    path = _path(folder, wanted)
    if not path.exists():
        return None
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
        if found["schema"] != SCHEMA or any(found[name] != value for name, value in wanted.items()):
            raise ReportError(path, "holds pinned scores of something else; delete it")
        values = {str(case): None if value is None else float(value) for case, value in found["values"].items()}
        return Pinned(datetime.fromisoformat(found["at"]), values)
    except OSError as exc:
        raise ReportError(path, exc.strerror or str(exc)) from exc
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise ReportError(path, f"holds no pinned scores: {exc!r}; delete it") from exc


def pin(folder: Path, wanted: Mapping[str, str], scored: Sequence[SampleScore]) -> Path:
    """Pin the scores of a run.

    Raises:
        UsageError: the folder cannot be written.
    """
    path = _path(folder, wanted)
    values = {each.sample.id: none_if_nan(each.score.value) for each in scored if not each.score.error}
    record = {"schema": SCHEMA, **wanted, "at": datetime.now(UTC).isoformat(), "values": values}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise UsageError(f"{folder}: {exc.strerror}; --pins names another folder") from exc
    with report_file.stream(str(path)) as out:
        out.write(json.dumps(record, indent=1) + "\n")
    return path


def _path(folder: Path, wanted: Mapping[str, str]) -> Path:
    digest = hashlib.sha256(json.dumps(dict(wanted), sort_keys=True).encode()).hexdigest()[:16]
    return folder / f"{digest}.json"
