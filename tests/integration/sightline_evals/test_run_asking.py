"""A dataset's questions asked of a running application, whose answers are judged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import answering_app
import pytest
from answering_app import AnsweringApp

from sightline_evals.__main__ import main


@pytest.fixture
def app() -> Iterator[AnsweringApp]:
    """A running application."""
    with answering_app.running() as server:
        yield server


@pytest.fixture
def report_of(app: AnsweringApp, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """A function: the exit code and the report of a run that asks so many questions."""

    def run(cases: int, *flags: str, **env: str) -> tuple[int, dict[str, Any]]:
        path = tmp_path / "cases.jsonl"
        rows = [
            {
                "id": f"c{n}",
                "question": f"which {n}?",
                "answer": "old",
                "contexts": ["old"],
                "reference": "A red house.",
            }
            for n in range(cases)
        ]
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        command = ["run", "--dataset", str(path), "--ask", app.url, "--metrics", "groundedness", "--judge", "offline"]
        places = {"SIGHTLINE_EVALS_CACHE_DIR": str(tmp_path / "cache"), "SIGHTLINE_JUDGE_GIVE_UP_AFTER": "3"}
        code = main([*command, "--no-send", "--json", "-", *flags], {**places, **env})
        return code, json.loads(capsys.readouterr().out)

    return run


def test_what_the_application_says_now_is_judged(app: AnsweringApp, report_of: Any) -> None:
    """Its answer, passages, ids, times and tokens; the dataset's own answer counts for nothing."""
    code, report = report_of(5, "--fail-under", "groundedness=0.3", SIGHTLINE_EVALS_ASK_HEADERS="x-api-key=secret")
    assert code == 0
    assert {headers["x-api-key"] for _, headers in app.asked} == {"secret"}
    assert report["metrics"]["groundedness"]["scored"] == 5
    case = report["cases"][0]
    assert case["answer"].startswith("It is a red house, which")
    assert (case["contexts"], case["reference"]) == (["It is a red house."], "A red house.")
    assert len(case["trace_id"]) == 32
    assert (case["input_tokens"], case["output_tokens"]) == (7, 3)
    assert 0 < case["ttft_ms"] <= case["duration_ms"]
    assert "answered by" in report["run"]["source"]
    assert report["run"]["dataset"]["rows"] == 5


def test_questions_without_an_answer_are_no_pass(app: AnsweringApp, report_of: Any) -> None:
    """The reason is that of the application, not that of the judge."""
    app.before = lambda question: (500, {}, b"out of memory") if "0" in question else None
    code, report = report_of(5, "--fail-under", "groundedness=0.3")
    assert code == 3
    metric = report["metrics"]["groundedness"]
    assert (metric["scored"], metric["errors"]) == (4, {"NotAnswered": 1})
    assert "answered 500: out of memory" in metric["error_reasons"]["NotAnswered"]
    app.before = lambda _: None
    app.ending = [("error", {"type": "overloaded", "message": "no model"})]
    code, report = report_of(1)
    assert (code, "overloaded: no model" in report["scores"][0]["explanation"]) == (3, True)
    app.ending = []
    code, report = report_of(1)
    assert (code, "broke off" in report["scores"][0]["explanation"]) == (3, True)


def test_an_application_that_is_gone_is_given_up(app: AnsweringApp, report_of: Any) -> None:
    """After a few questions in a row."""
    app.before = lambda _: (500, {}, b"gone")
    code, report = report_of(40, "--concurrency", "1")
    assert code == 3
    assert len(app.asked) == 3
    assert report["metrics"]["groundedness"]["errors"] == {"NotAnswered": 40}


def test_a_busy_application_is_asked_again(app: AnsweringApp, report_of: Any) -> None:
    """When it says so."""
    app.before = lambda _: (429, {"retry-after": "0"}, b"") if len(app.asked) < 3 else None
    code, _ = report_of(1)
    assert (code, len(app.asked)) == (0, 3)


def test_an_answer_that_is_kept_is_not_asked_again(app: AnsweringApp, report_of: Any) -> None:
    """A run that goes on asks only what has no answer."""
    app.before = lambda question: (500, {}, b"gone") if "2" in question else None
    code, _ = report_of(4, "--run-id", "r", "--max-error-share", "1")
    assert (code, len(app.asked)) == (0, 4)
    app.before = lambda _: None
    code, report = report_of(4, "--resume", "r")
    assert (code, report["metrics"]["groundedness"]["scored"], len(app.asked)) == (0, 4, 5)


def test_a_wrong_address_is_told_at_once(app: AnsweringApp, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing was asked."""
    path = tmp_path / "cases.jsonl"
    path.write_text(json.dumps({"question": "Q?", "contexts": [], "reference": "R"}), encoding="utf-8")
    assert main(["run", "--dataset", str(path), "--ask", "localhost:8080"], {}) == 2
    assert "--ask localhost:8080" in capsys.readouterr().err
    assert app.asked == []
