"""The report of `sightline-evals run --json FILE`, read back and checked.

A value that is no finite number (NaN, Infinity, 1e999) is no value: it is kept as an error, so that it counts as a case
that was not measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sightline_evals import report_file
from sightline_evals.errors import ReportError

MEASURES: Final = ("ttft_ms", "duration_ms", "cost_usd", "input_tokens", "output_tokens")
"""What cases have beside scores. Lower is better; changes are relative."""
NOT_FINITE: Final = "NotFinite"
"""The error of a value that is no finite number."""

_TYPES = {dict: "an object", list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number"}


@dataclass(frozen=True, slots=True)
class ReportedCase:
    """One case of a run.

    Attributes:
        id: name of the case in the dataset.
        conversation: what it belongs to; "" where it stands alone.
        question: what was asked.
        answer: what the system answered.
        must_pass: no failure of it is tolerated.
        weight: its part in means, above 0.
        measures: value by name of `MEASURES`; None where it was not measured.
    """

    id: str
    conversation: str
    question: str
    answer: str
    must_pass: bool
    weight: float
    measures: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class ReportedScore:
    """One score of one case.

    Attributes:
        value: finite; None where there is none.
        error: class of the failure; "" where the judge did not fail.
        unsupported: the statements that the judge found unsupported, with its reason after a colon.
    """

    value: float | None
    error: str
    unsupported: tuple[str, ...]


@dataclass(frozen=True, slots=True, order=True)
class ScoredBy:
    """What made a score. Scores compare only where all of it is the same.

    Attributes:
        judge: name of the judge.
        version: its version.
        prompt_sha256: hash of its prompts; "" where it has none.
        threshold: above which a statement counts as unsupported; -1 where there is none.
    """

    judge: str
    version: str
    prompt_sha256: str
    threshold: float

    def __str__(self) -> str:
        parts = [f"{self.judge}, version {self.version}"]
        if self.prompt_sha256:
            parts.append(f"prompt {self.prompt_sha256[:12]}")
        if self.threshold >= 0:
            parts.append(f"threshold {self.threshold:g}")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class RunReport:
    """One run.

    Attributes:
        path: the file that it was read from.
        run_id: id of the run.
        started_at: RFC 3339, as it was written.
        dataset: name and SHA-256 of the dataset; None for a run over stored traces.
        passed: the run ended with exit code 0.
        cases: by id, in the order of the file.
        scores: by metric, then by case.
        scored_by: what made the values, by metric; more than one where the file mixes judges, none without a value.
    """

    path: Path
    run_id: str
    started_at: str
    dataset: tuple[str, str] | None
    passed: bool
    cases: Mapping[str, ReportedCase]
    scores: Mapping[str, Mapping[str, ReportedScore]]
    scored_by: Mapping[str, frozenset[ScoredBy]]


def read_report(path: Path) -> RunReport:
    """Read a report.

    Raises:
        ReportError: the file cannot be read, is not JSON, or lacks the form of a report; the message says where.
    """
    return _Reading(path).report(report_file.read(path))


class _Reading:
    """Takes the parts of a document and says where one is wrong."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def report(self, document: dict[str, Any]) -> RunReport:
        run = self._of("run", document, dict, "")
        cases: dict[str, ReportedCase] = {}
        for index, row in enumerate(self._of("cases", document, list, "")):
            case = self._case(row, f"cases[{index}]")
            if case.id in cases:
                raise self._error(f"cases[{index}].case", f"{case.id!r} is there twice")
            cases[case.id] = case
        scores: dict[str, dict[str, ReportedScore]] = {}
        scored_by: dict[str, set[ScoredBy]] = {}
        for index, row in enumerate(self._of("scores", document, list, "")):
            where = f"scores[{index}]"
            if not isinstance(row, dict):
                raise self._error(where, f"is {_kind(row)}; needs an object")
            case_id, metric = self._of("case", row, str, where), self._of("metric", row, str, where)
            if case_id not in cases:
                raise self._error(f"{where}.case", f"{case_id!r} is not among the cases")
            if case_id in scores.setdefault(metric, {}):
                raise self._error(where, f"is a second score {metric!r} of the case {case_id!r}")
            score = self._score(row, where)
            scores[metric][case_id] = score
            judge = self._scored_by(row, where)
            if score.value is not None:  # what has no value was perhaps not judged at all
                scored_by.setdefault(metric, set()).add(judge)
        return RunReport(
            path=self._path,
            run_id=self._of("id", run, str, "run"),
            started_at=self._of("started_at", run, str, "run"),
            dataset=self._dataset(run),
            passed=self._of("exit_code", document, int, "") == 0,
            cases=cases,
            scores=scores,
            scored_by={metric: frozenset(each) for metric, each in scored_by.items()},
        )

    def _dataset(self, run: dict[str, Any]) -> tuple[str, str] | None:
        dataset = self._of("dataset", run, dict, "run", optional=True)
        if dataset is None:
            return None
        where = "run.dataset"
        return self._of("name", dataset, str, where), self._of("sha256", dataset, str, where)

    def _case(self, row: object, where: str) -> ReportedCase:
        if not isinstance(row, dict):
            raise self._error(where, f"is {_kind(row)}; needs an object")
        weight = self._number("weight", row, where)
        if weight is None:
            weight = 1.0
        if weight <= 0:
            raise self._error(f"{where}.weight", f"is {weight:g}; needs more than 0")
        measures = {name: self._number(name, row, where) for name in MEASURES}
        for name, value in measures.items():
            if value is not None and value < 0:
                raise self._error(f"{where}.{name}", f"is {value:g}; needs 0 or more")
        return ReportedCase(
            id=self._of("case", row, str, where),
            conversation=self._of("conversation", row, str, where, optional=True) or "",
            question=self._of("question", row, str, where, optional=True) or "",
            answer=self._of("answer", row, str, where, optional=True) or "",
            must_pass=self._of("must_pass", row, bool, where, optional=True) or False,
            weight=weight,
            measures=measures,
        )

    def _score(self, row: dict[str, Any], where: str) -> ReportedScore:
        raw = row.get("value")
        value = self._number("value", row, where)
        error = self._of("error", row, str, where, optional=True) or ""
        unsupported = []
        for index, statement in enumerate(self._of("statements", row, list, where, optional=True) or []):
            if not isinstance(statement, dict):
                raise self._error(f"{where}.statements[{index}]", f"is {_kind(statement)}; needs an object")
            if statement.get("supported") is False:
                text = self._of("text", statement, str, f"{where}.statements[{index}]")
                reason = self._of("reason", statement, str, f"{where}.statements[{index}]", optional=True)
                unsupported.append(f"{text}: {reason}" if reason else text)
        return ReportedScore(
            value=None if error else value,
            error=error or (NOT_FINITE if value is None and raw is not None else ""),
            unsupported=tuple(unsupported),
        )

    def _scored_by(self, row: dict[str, Any], where: str) -> ScoredBy:
        threshold = self._number("threshold", row, where)
        return ScoredBy(
            judge=self._of("judge", row, str, where),
            version=self._of("judge_version", row, str, where),
            prompt_sha256=self._of("prompt_sha256", row, str, where, optional=True) or "",
            threshold=-1.0 if threshold is None else threshold,
        )

    def _of(self, key: str, values: dict[str, Any], kind: type, where: str, *, optional: bool = False) -> Any:
        """The value of a key, of this type; None where it may be absent."""
        value = values.get(key)
        if value is None and optional:
            return None
        place = f"{where}.{key}" if where else key
        if key not in values:
            raise self._error(place, f"is missing; needs {_TYPES[kind]}")
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self._error(place, f"is {_kind(value)}; needs {_TYPES[kind]}")
        return value

    def _number(self, key: str, values: dict[str, Any], where: str) -> float | None:
        """A finite number; None where it is absent, null, or not finite."""
        value = values.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._error(f"{where}.{key}", f"is {_kind(value)}; needs a number or null")
        try:
            number = float(value)
        except OverflowError:
            return None
        return number if math.isfinite(number) else None

    def _error(self, place: str, reason: str) -> ReportError:
        return ReportError(self._path, f"{place} {reason}")


def _kind(value: object) -> str:
    return "null" if value is None else _TYPES.get(type(value), type(value).__name__)
