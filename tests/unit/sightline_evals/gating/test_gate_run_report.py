"""Reports of runs are read whole or refused with what is wrong and where."""

import json
from pathlib import Path
from typing import Any

import pytest
from gate_reports import JUDGE, report, write

from sightline_evals.errors import ReportError, UsageError
from sightline_evals.gating.run_report import NOT_FINITE, ScoredBy, read_report


def changed(path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    """A report of two cases with one value replaced; `...` takes the key away."""
    document = report({"faithfulness": [1.0, 0.5]})
    place: Any = document
    for step in path[:-1]:
        place = place[step]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return document


def test_a_report_is_read_with_its_cases_scores_and_judges(tmp_path: Path) -> None:
    """What the gate needs is there, and what it does not know is ignored."""
    document = report(
        {"faithfulness": [1.0, 0.25]},
        cases={
            "conversation": ["c-1", None],
            "must_pass": [True, False],
            "weight": [2.0, 1.0],
            "ttft_ms": [120.5, None],
        },
    )
    document["unknown"] = 1
    read = read_report(write(tmp_path / "r.json", document))
    first, second = read.cases.values()
    assert (first.conversation, first.must_pass, first.weight, first.measures["ttft_ms"]) == ("c-1", True, 2.0, 120.5)
    assert (second.conversation, second.measures["ttft_ms"]) == ("", None)
    assert read.scores["faithfulness"]["case-1"].value == 0.25
    assert read.scores["faithfulness"]["case-1"].unsupported == ("case-1 is so.: not in the passages",)
    assert read.scored_by["faithfulness"] == {ScoredBy(JUDGE["judge"], "lexical-1", "", 0.5)}
    assert (read.run_id, read.passed, read.dataset) == ("run-1", True, ("cases.jsonl", "a" * 64))


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    """Some editors write one."""
    path = tmp_path / "r.json"
    path.write_text(json.dumps(report({"faithfulness": [1.0]})), encoding="utf-8-sig")
    assert read_report(path).run_id == "run-1"


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999", "1" + "0" * 400])
def test_a_value_that_is_no_finite_number_is_a_failed_score(tmp_path: Path, text: str) -> None:
    """It is neither a pass nor left out."""
    document = json.dumps(report({"faithfulness": [0.123, 0.5]})).replace("0.123", text)
    score = read_report(write(tmp_path / "r.json", document)).scores["faithfulness"]["case-0"]
    assert (score.value, score.error) == (None, NOT_FINITE)


def test_a_failed_score_has_no_value_and_names_no_judge(tmp_path: Path) -> None:
    """Whatever stands beside the error: it was perhaps never judged."""
    document = changed(("scores", 0, "error"), "JudgeTimeout")
    document["scores"][0]["judge_version"] = "another"
    read = read_report(write(tmp_path / "r.json", document))
    assert read.scores["faithfulness"]["case-0"].value is None
    assert len(read.scored_by["faithfulness"]) == 1


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("schema",), ..., "names no schema, needs 'sightline-evals/2'"),
        (("schema",), "sightline-evals/1", "its schema is 'sightline-evals/1'"),
        (("run",), [], "run is a list; needs an object"),
        (("run", "id"), 7, "run.id is a number; needs a text"),
        (("run", "started_at"), ..., "run.started_at is missing"),
        (("run", "dataset"), "x", "run.dataset is a text; needs an object"),
        (("run", "dataset", "sha256"), None, "run.dataset.sha256 is null; needs a text"),
        (("exit_code",), True, "exit_code is true or false; needs a number"),
        (("cases",), ..., "cases is missing; needs a list"),
        (("cases", 1), 5, "cases[1] is a number; needs an object"),
        (("cases", 1, "case"), "case-0", "cases[1].case 'case-0' is there twice"),
        (("cases", 0, "case"), None, "cases[0].case is null; needs a text"),
        (("cases", 0, "weight"), 0, "cases[0].weight is 0; needs more than 0"),
        (("cases", 0, "ttft_ms"), -1, "cases[0].ttft_ms is -1; needs 0 or more"),
        (("cases", 0, "must_pass"), "yes", "cases[0].must_pass is a text; needs true or false"),
        (("scores", 0), None, "scores[0] is null; needs an object"),
        (("scores", 0, "case"), "case-9", "scores[0].case 'case-9' is not among the cases"),
        (("scores", 1, "case"), "case-0", "scores[1] is a second score 'faithfulness' of the case 'case-0'"),
        (("scores", 0, "value"), "0.9", "scores[0].value is a text; needs a number or null"),
        (("scores", 0, "value"), True, "scores[0].value is true or false; needs a number or null"),
        (("scores", 0, "judge"), ..., "scores[0].judge is missing; needs a text"),
        (("scores", 0, "statements"), {}, "scores[0].statements is an object; needs a list"),
        (("scores", 1, "statements", 0), "x", "scores[1].statements[0] is a text; needs an object"),
        (("scores", 1, "statements", 0, "text"), 1, "scores[1].statements[0].text is a number; needs a text"),
    ],
)
def test_a_wrong_form_is_told_with_its_place(
    tmp_path: Path, path: tuple[str | int, ...], value: object, message: str
) -> None:
    """The error names the file, the place, what stands there, and what is needed."""
    file = write(tmp_path / "r.json", changed(path, value))
    with pytest.raises(ReportError) as caught:
        read_report(file)
    assert message in str(caught.value)
    assert str(file) in str(caught.value)
    assert isinstance(caught.value, UsageError)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON at line 1"),
        (b'{"schema": "sightline-evals/2",\n "run": {', "is not JSON at line 2"),
        (b"[1, 2]", "names no schema"),
        (b'"text"', "names no schema"),
        (b"\xff\xfe\x00", "is not UTF-8 at byte 1"),
        (b"[" * 200_000, "nested too deep"),
        (b"1" * 5000, "is not JSON that can be read"),
    ],
)
def test_what_is_no_report_is_refused_in_a_sentence(tmp_path: Path, content: bytes, message: str) -> None:
    """No traceback, whatever the file is."""
    file = tmp_path / "r.json"
    file.write_bytes(content)
    with pytest.raises(ReportError, match=message):
        read_report(file)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """So is a folder."""
    with pytest.raises(ReportError, match="No such file"):
        read_report(tmp_path / "none.json")
    with pytest.raises(ReportError, match="directory"):
        read_report(tmp_path)
