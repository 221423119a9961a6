"""Cases out of a report of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sightline_evals.datasets import results
from sightline_evals.errors import ReportError

CASE = {
    "case": "a",
    "trace_id": "0af7651916cd43dd8448eb211c80319c",
    "tenant": None,
    "conversation": "c",
    "question": "Q?",
    "answer": "A.",
    "contexts": ["C."],
    "reference": None,
    "must_pass": True,
    "weight": 2.0,
    "ttft_ms": 12.5,
    "duration_ms": None,
    "cost_usd": 0.001,
    "input_tokens": 7,
    "output_tokens": None,
    "model": "m",
    "note": None,
}
SCORES = [
    {"case": "a", "metric": "faithfulness", "value": 0.25},
    {"case": "a", "metric": "context_precision", "value": None, "error": "JudgeTimeout"},
    {"case": "b", "metric": "faithfulness", "value": 1.0},
]


def report(folder: Path, **changes: Any) -> Path:
    """A report with these parts changed."""
    path = folder / "report.json"
    path.write_text(
        json.dumps(
            {
                "schema": "sightline-evals/2",
                "run": {"dataset": {"rows": 1}},
                "cases": [CASE],
                "scores": SCORES,
                **changes,
            }
        ),
        encoding="utf-8",
    )
    return path


def test_a_case_comes_back_with_its_answer_and_its_scores(tmp_path: Path) -> None:
    """What the run knew of it, and only scores that have a value."""
    (result,) = results.read_results(report(tmp_path))
    sample = result.sample
    assert (sample.id, sample.question, sample.answer, sample.contexts) == ("a", "Q?", "A.", ("C.",))
    assert (sample.trace_id, sample.conversation, sample.must_pass, sample.weight) == (CASE["trace_id"], "c", True, 2)
    assert (sample.ttft_ms, sample.duration_ms, sample.cost_usd, sample.input_tokens) == (12.5, None, 0.001, 7)
    assert result.scores == {"faithfulness": 0.25}


def test_the_share_of_the_traffic_is_no_weight_of_a_case(tmp_path: Path) -> None:
    """A run over traces weighs each by the requests that it stood for; a dataset's cases are alike."""
    (result,) = results.read_results(report(tmp_path, run={"dataset": None}))
    assert result.sample.weight == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"schema": None}, "is no report of this version: it names no schema, needs 'sightline-evals/2'"),
        ({"cases": None}, "cases is missing or no list"),
        ({"cases": [CASE, 7]}, "case 2 cannot be used"),
        ({"cases": [{**CASE, "question": ""}]}, "case 1 cannot be used: question is missing or empty"),
        ({"cases": [{}]}, "case 1 cannot be used"),
        ({"scores": [{"value": 1}]}, "its scores cannot be used"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    """The message says which command writes such a report, or which case is wrong."""
    with pytest.raises(ReportError, match=reason):
        results.read_results(report(tmp_path, **changes))


def test_what_is_no_json_is_told(tmp_path: Path) -> None:
    """Also a file that is not there."""
    path = tmp_path / "report.json"
    with pytest.raises(ReportError, match="No such file"):
        results.read_results(path)
    path.write_text("{", encoding="utf-8")
    with pytest.raises(ReportError, match="is not JSON"):
        results.read_results(path)
