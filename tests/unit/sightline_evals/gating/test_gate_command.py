"""`sightline-evals gate`: flags, files, the folder of baselines, and exit codes."""

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from gate_reports import report, write

from sightline_evals.__main__ import main
from sightline_evals.errors import UsageError
from sightline_evals.gating.session import EvalSession

GOOD = [1.0] * 30
BAD = [0.0] * 12 + [1.0] * 18

Run = Callable[..., int]


@pytest.fixture(name="run")
def _run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command in a folder with good.json, bad.json and noisy.json."""
    monkeypatch.chdir(tmp_path)
    for name, values in (("good", GOOD), ("bad", BAD), ("noisy", [0.5, *GOOD[1:]])):
        write(tmp_path / f"{name}.json", report({"faithfulness": values}, run_id=name))

    def run(*arguments: str, env: dict[str, str] | None = None) -> int:
        return main(["gate", *arguments], env or {})

    return run


def test_exit_codes_are_those_of_the_help(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 pass, 1 regression, 3 not measured, 0 or 4 inconclusive."""
    failed = report({"faithfulness": GOOD}, run_id="failed", errors=dict.fromkeys(range(30), "JudgeUnavailable"))
    write(tmp_path / "failed.json", failed)
    assert run("good.json", "--baseline", "good.json") == 0
    assert run("bad.json", "--baseline", "good.json") == 1
    assert run("failed.json", "--baseline", "good.json") == 3
    assert run("noisy.json", "--baseline", "good.json") == 0
    assert run("noisy.json", "--baseline", "good.json", "--strict") == 4
    out = capsys.readouterr().out
    assert "a warning; --strict fails" in out
    assert "30 failed with JudgeUnavailable" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["good.json", "--baseline", "none.json"], "none.json: No such file"),
        (["none.json", "--baseline", "good.json"], "none.json: No such file"),
        (["good.json", "--baseline", "good.json", "--margin", "faithfulness"], "needs METRIC=VALUE"),
        (["good.json", "--baseline", "good.json", "--floor", "faithfulness=high"], "'high' is no number"),
        (["good.json", "--baseline", "good.json", "--floor", "truth=0.5"], "has no truth"),
        (["good.json", "--baseline", "good.json", "--margin", "faithfulness=3"], "needs 0 to 1"),
        (["good.json", "--baseline", "good.json", "--min-coverage", "x"], "'x' is no number"),
        (["good.json", "--baseline", "good.json", "--last", "0"], "--last is 0"),
        (["good.json", "--baseline", "good.json", "--keep"], "--keep needs one folder"),
        (["good.json", "--baseline", "good.json", "--junit", "no/such/folder.xml"], "there is no folder"),
        (["good.json", "--baseline", "good.json", "--metrics", "truth"], "has no metric 'truth'"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(
    run: Run, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, and no traceback."""
    assert run(*arguments) == 2
    err = capsys.readouterr().err
    assert message in err
    assert len(err.splitlines()) == 1


def test_all_outputs_are_written(run: Run, tmp_path: Path) -> None:
    """JUnit, JSON, Markdown, and the job's summary, to which it is added."""
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    code = run(
        *("bad.json", "--baseline", "good.json", "--junit", "gate.xml", "--json", "gate.json", "--markdown", "gate.md"),
        env={"GITHUB_STEP_SUMMARY": str(summary)},
    )
    assert code == 1
    suite = ElementTree.parse(tmp_path / "gate.xml").getroot().find("testsuite")
    assert suite is not None
    assert suite.get("failures") == "1"
    assert json.loads((tmp_path / "gate.json").read_text())["outcome"] == "regression"
    assert summary.read_text() == "before\n" + (tmp_path / "gate.md").read_text()
    assert "| faithfulness | 1.000 | 0.600 |" in summary.read_text()


def test_a_refusal_is_in_the_outputs_too(run: Run, tmp_path: Path) -> None:
    """CI shows why nothing was compared, in place of an old file or none."""
    write(tmp_path / "other.json", report({"faithfulness": GOOD}, dataset="b" * 64))
    summary = tmp_path / "summary.md"
    env = {"GITHUB_STEP_SUMMARY": str(summary)}
    assert run("good.json", "--baseline", "other.json", "--junit", "gate.xml", env=env) == 2
    assert ElementTree.parse(tmp_path / "gate.xml").getroot().find("testsuite/testcase/error") is not None
    assert "another state of the dataset" in summary.read_text()


def test_a_summary_that_cannot_be_written_is_told(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """With the variable's name."""
    assert run("good.json", "--baseline", "good.json", env={"GITHUB_STEP_SUMMARY": "/proc/none/x"}) == 2
    assert "GITHUB_STEP_SUMMARY is /proc/none/x" in capsys.readouterr().err


def test_a_folder_grows_by_runs_that_pass(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first is kept, a pass is kept, a regression and an inconclusive run are not."""
    assert run("good.json", "--baseline", "green", "--keep") == 0
    (first,) = (tmp_path / "green").iterdir()
    assert first.read_bytes() == (tmp_path / "good.json").read_bytes()
    assert run("noisy.json", "--baseline", "green", "--keep") == 0
    assert run("bad.json", "--baseline", "green", "--keep") == 1
    assert [path.name for path in (tmp_path / "green").iterdir()] == [first.name]
    write(
        tmp_path / "next.json", report({"faithfulness": GOOD}, run_id="../../next", started_at="2026-11-29T02:00:00Z")
    )
    assert run("next.json", "--baseline", "green", "--keep") == 0
    assert len(list((tmp_path / "green").glob("*.json"))) == 2
    assert not list(tmp_path.parent.glob("next*"))
    out = capsys.readouterr().out
    assert out.count("kept as ") == 2
    assert out.count("not kept") == 2


def test_a_first_run_below_its_floor_is_not_kept(run: Run, tmp_path: Path) -> None:
    """Nor one that its own run did not pass."""
    assert run("bad.json", "--baseline", "green", "--keep", "--floor", "faithfulness=0.8") == 1
    write(tmp_path / "red.json", report({"faithfulness": GOOD}, run_id="red") | {"exit_code": 1})
    assert run("red.json", "--baseline", "green", "--keep") == 0
    assert not (tmp_path / "green").exists()


def test_the_newest_of_the_same_dataset_are_taken(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Older ones, those of other datasets, failed ones and the run itself are passed over; the remark says so."""
    folder = tmp_path / "green"
    folder.mkdir()
    for day in range(1, 6):
        document = report({"faithfulness": GOOD}, run_id=f"day-{day}", started_at=f"2026-11-0{day}T02:00:00Z")
        write(folder / f"{9 - day}.json", document)
    write(folder / "x.json", report({"faithfulness": GOOD}, run_id="other", dataset="b" * 64, started_at="2026-11-09"))
    write(folder / "y.json", report({"faithfulness": GOOD}, run_id="red") | {"exit_code": 1})
    write(folder / "z.json", report({"faithfulness": GOOD}, run_id="good"))
    assert run("good.json", "--baseline", "green", "--last", "2") == 0
    out = capsys.readouterr().out
    assert "gate: good against day-5, day-4\n" in out
    assert "1 reports of green are of other datasets" in out
    assert "1 reports of green did not pass" in out


def test_a_kept_run_takes_the_place_of_the_oldest(run: Run, tmp_path: Path) -> None:
    """The folder does not grow without end; a report that did not pass is somebody else's, and stays."""
    folder = tmp_path / "green"
    folder.mkdir()
    for day in range(1, 5):
        write(folder / f"{day}.json", report({"faithfulness": GOOD}, run_id=f"day-{day}", started_at=f"2026-10-0{day}"))
    write(folder / "red.json", report({"faithfulness": GOOD}, run_id="red") | {"exit_code": 1})
    assert run("good.json", "--baseline", "green", "--keep", env={"SIGHTLINE_EVALS_KEEP_BASELINES": "3"}) == 0
    left = {path.name for path in folder.iterdir()}
    assert left - {path.name for path in folder.glob("*good.json")} == {"3.json", "4.json", "red.json"}
    assert len(left) == 4


def test_a_folder_of_another_dataset_is_refused(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence, and the way out works."""
    (tmp_path / "green").mkdir()
    write(tmp_path / "green" / "a.json", report({"faithfulness": GOOD}, run_id="a", dataset="b" * 64))
    assert run("good.json", "--baseline", "green") == 2
    assert "--allow-dataset-change" in capsys.readouterr().err
    assert run("good.json", "--baseline", "green", "--allow-dataset-change") == 0


def test_flags_reach_the_policy(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Margins, metrics and coverage given apart or joined by commas; a rerun; several baselines."""
    assert run("bad.json", "--baseline", "good.json", "--margin", "faithfulness=0.5,", "--metrics", "faithfulness") == 0
    assert run("bad.json", "--baseline", "good.json", "good.json") == 1
    assert run("bad.json", "--baseline", "good.json", "--rerun", "good.json") == 0
    assert "quarantined in faithfulness" in capsys.readouterr().out
    short = report({"faithfulness": GOOD[:20]}, run_id="short")
    write(tmp_path / "short.json", short)
    assert run("short.json", "--baseline", "good.json") == 3
    assert run("short.json", "--baseline", "good.json", "--min-coverage", "0.5") == 0
    assert run("short.json", "--baseline", "good.json", "--min-coverage", "0.9,faithfulness=0.5") == 0


@pytest.mark.usefixtures("run")
def test_a_session_keeps_only_into_a_folder(tmp_path: Path) -> None:
    """As `--keep` does, and before anything is compared."""
    session = EvalSession(tmp_path)
    for baseline in ([], ["good.json"], "good.json"):
        with pytest.raises(UsageError, match="keep_passed needs one folder"):
            session.gate("good.json", baseline=baseline, keep_passed=True)
    assert session.gate("good.json", baseline="green", keep_passed=True)
    assert len(list((tmp_path / "green").iterdir())) == 1


def test_help_says_what_the_verdicts_and_codes_are(capsys: pytest.CaptureFixture[str]) -> None:
    """The help is all that a person in CI has."""
    with pytest.raises(SystemExit, match="0"):
        main(["gate", "--help"])
    out = capsys.readouterr().out
    for told in (
        "exit codes:",
        "examples:",
        "--allow-dataset-change",
        "inconclusive",
        "GITHUB_STEP_SUMMARY",
        "McNemar",
    ):
        assert told in out
    assert max(map(len, out.splitlines())) <= 130
