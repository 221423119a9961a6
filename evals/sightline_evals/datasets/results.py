"""Cases out of the report that `sightline-evals run --json FILE` wrote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sightline_evals import report_file
from sightline_evals.datasets.sample import Sample
from sightline_evals.datasets.schema import RowInvalid, sample_of
from sightline_evals.errors import ReportError


@dataclass(frozen=True, slots=True)
class Result:
    """A case of a report and its scores.

    Attributes:
        sample: the case, with the answer that was judged.
        scores: values by metric, without those that a judge failed to give.
    """

    sample: Sample
    scores: Mapping[str, float]


def read_results(path: Path) -> list[Result]:
    """Read the cases of a report, in its order.

    A case of a run over traces has the weight 1: there its weight is how many requests of the traffic it stood for.

    Raises:
        ReportError: the file is no such report, or a case of it cannot be used.
    """
    report = report_file.read(path)
    if not isinstance(report.get("cases"), list):
        raise ReportError(path, "cases is missing or no list")
    try:
        scores = _scores(report.get("scores") or ())
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise ReportError(path, f"its scores cannot be used: {exc!r}") from exc
    results = [_result(path, number, case, scores) for number, case in enumerate(report["cases"], start=1)]
    run = report.get("run")
    if isinstance(run, dict) and run.get("dataset"):
        return results
    return [replace(result, sample=replace(result.sample, weight=1.0)) for result in results]


def _scores(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Values by case and metric."""
    scores: dict[str, dict[str, float]] = {}
    for row in rows:
        if row.get("value") is not None:
            scores.setdefault(str(row["case"]), {})[str(row["metric"])] = float(row["value"])
    return scores


def _result(path: Path, number: int, case: Any, scores: Mapping[str, Mapping[str, float]]) -> Result:
    try:
        row = {"id": case["case"], **{name: value for name, value in case.items() if name != "case"}}
        sample = sample_of(row)
    except (AttributeError, KeyError, TypeError, RowInvalid) as exc:
        raise ReportError(path, f"case {number} cannot be used: {exc}") from exc
    return Result(sample, scores.get(sample.id, {}))
