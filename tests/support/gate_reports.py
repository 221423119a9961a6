"""Reports of runs as `sightline-evals run --json` writes them, for tests of the gate."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

JUDGE = {"judge": "ragas/offline lexical", "judge_version": "lexical-1", "prompt_sha256": None, "threshold": 0.5}


def report(
    values: Mapping[str, Sequence[float | None]],
    *,
    run_id: str = "run-1",
    dataset: str | None = "a" * 64,
    judge: Mapping[str, Any] = JUDGE,
    errors: Mapping[int, str] | None = None,
    cases: Mapping[str, Sequence[Any]] | None = None,
    started_at: str = "2026-11-28T02:00:00Z",
) -> dict[str, Any]:
    """A report with one list of values a metric.

    Args:
        values: by metric, one for each case; None is "nothing to judge".
        run_id: its id.
        dataset: hash of the dataset; None for a run over traces.
        judge: what each score says about its judge.
        errors: class of the failure by number of the case, for every metric.
        cases: further fields of the cases by name, one for each case.
        started_at: when the run began.
    """
    count = len(next(iter(values.values()), ()))
    ids = [f"case-{number}" for number in range(count)]
    failures = dict(errors or {})
    return {
        "schema": "sightline-evals/2",
        "run": {
            "id": run_id,
            "started_at": started_at,
            "dataset": {"name": "cases.jsonl", "sha256": dataset, "rows": count} if dataset else None,
        },
        "exit_code": 0,
        "outcome": "pass",
        "cases": [
            {
                "case": case_id,
                "conversation": None,
                "question": f"What is {case_id}?",
                "answer": f"{case_id} by {run_id}.",
                "must_pass": False,
                "weight": 1.0,
                **{name: column[number] for name, column in (cases or {}).items()},
            }
            for number, case_id in enumerate(ids)
        ],
        "scores": [
            {
                "case": case_id,
                "metric": metric,
                "value": None if number in failures else value,
                "label": "",
                "explanation": "",
                "error": failures.get(number),
                "statements": [{"text": f"{case_id} is so.", "supported": value == 1, "reason": "not in the passages"}],
                **judge,
            }
            for metric, column in values.items()
            for number, (case_id, value) in enumerate(zip(ids, column, strict=True))
        ],
    }


def write(path: Path, document: Mapping[str, Any] | str) -> Path:
    """Write a report, or a text in its place, and return the path."""
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    return path
