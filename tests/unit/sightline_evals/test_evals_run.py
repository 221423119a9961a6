"""The command line: flags, reports and exit codes, with the metric that needs neither RAGAS nor network."""

import json
from pathlib import Path
from typing import Any

import pytest

from sightline_evals.__main__ import main

GOOD = {"question": "Which house?", "answer": "It is a red house.", "contexts": ["It is a red house."]}
BAD = {"question": "Which car?", "answer": "Volcanoes erupt molten rock.", "contexts": ["It is a red house."]}


def cases(folder: Path, *rows: dict[str, Any]) -> str:
    """The path of a dataset of these rows."""
    path = folder / "cases.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return str(path)


def run(*flags: str) -> int:
    """The exit code of a run with the offline judge's own metric."""
    return main(["run", "--metrics", "groundedness", "--judge", "offline", *flags], {})


def test_a_run_prints_a_table_and_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Mean, interval, counts, judge and version are on the page."""
    code = run("--dataset", cases(tmp_path, GOOD, BAD), "--fail-under", "groundedness=0.4")
    out = capsys.readouterr().out
    assert code == 0
    assert "judge: offline lexical, version lexical-1" in out
    assert "groundedness" in out
    assert "95% interval" in out
    assert "pass: groundedness: mean" in out


def test_a_mean_below_its_floor_exits_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The reason is printed."""
    assert run("--dataset", cases(tmp_path, GOOD, BAD), "--fail-under", "groundedness=0.9") == 1
    assert "is below 0.9" in capsys.readouterr().out


def test_nothing_measured_exits_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Answers that only decline have no groundedness; that is no pass."""
    declined = {**GOOD, "answer": "I could not find that."}
    assert run("--dataset", cases(tmp_path, declined), "--fail-under", "groundedness=0.1") == 3
    assert "nothing measured is no pass" in capsys.readouterr().out


def test_the_json_report_goes_alone_to_standard_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A pipe reads JSON, a person still sees the table on standard error; NaN is null."""
    declined = {**GOOD, "question": "What?", "answer": "I could not find that."}
    assert run("--dataset", cases(tmp_path, GOOD, declined), "--json", "-", "--run-id", "r1") == 0
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert report["run"]["id"] == "r1"
    assert report["exit_code"] == 0
    assert report["metrics"]["groundedness"]["scored"] == 1
    assert report["metrics"]["groundedness"]["nothing_to_judge"] == 1
    assert [one["value"] is None for one in report["scores"]] == [False, True]
    assert "groundedness" in captured.err


def test_the_json_report_goes_to_a_file(tmp_path: Path) -> None:
    """Its folder must exist."""
    out = tmp_path / "report.json"
    assert run("--dataset", cases(tmp_path, GOOD), "--json", str(out), "--fail-under", "groundedness=0.1,") == 0
    assert json.loads(out.read_text())["outcome"] == "pass"
    assert run("--dataset", cases(tmp_path, GOOD), "--json", str(tmp_path / "no" / "r.json")) == 2


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--since", "yesterday"], "no duration"),
        (["--dataset", "nowhere.jsonl"], "nowhere.jsonl"),
        (["--since", "1h", "--metrics", "context_recall"], "reference"),
        (["--since", "1h", "--limit", "0"], "--limit is 0"),
        (["--since", "1h", "--fail-under", "faithfulness"], "METRIC=MEAN"),
        (["--since", "1h", "--fail-under", "truth=0.5"], "METRIC=MEAN"),
        (["--since", "1h", "--fail-under", "faithfulness=nan"], "METRIC=MEAN"),
        (["--since", "1h", "--max-error-share", "2"], "--max-error-share"),
        (["--since", "1h", "--judge", "remote", "--metrics", "faithfulness"], "SIGHTLINE_JUDGE_MODEL"),
    ],
)
def test_wrong_flags_exit_2_with_what_is_wrong(
    flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """No store and no judge is asked first."""
    assert run(*flags) == 2
    assert message in capsys.readouterr().err


def test_a_floor_for_what_is_not_measured_exits_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A gate on a metric that nobody computes would never fail."""
    assert run("--dataset", cases(tmp_path, GOOD), "--fail-under", "faithfulness=0.5") == 2
    assert "not measured" in capsys.readouterr().err


def test_a_store_that_does_not_answer_exits_3(capsys: pytest.CaptureFixture[str]) -> None:
    """The message names the setting and the way out."""
    assert main(["run", "--since", "1h", "--judge", "offline"], {"SIGHTLINE_STORE_URL": "http://127.0.0.1:9"}) == 3
    assert "SIGHTLINE_STORE_URL" in capsys.readouterr().err


def test_help_shows_exit_codes_and_examples(capsys: pytest.CaptureFixture[str]) -> None:
    """The help is all that a person in CI has."""
    with pytest.raises(SystemExit, match="0"):
        main(["run", "--help"])
    out = capsys.readouterr().out
    for told in ("exit codes:", "examples:", "--fail-under", "SIGHTLINE_JUDGE_MODEL", "NaN:"):
        assert told in out
