"""The command line: flags, reports and exit codes, with the metric that needs neither RAGAS nor network."""

import json
from pathlib import Path
from typing import Any

import pytest

from sightline_evals import report_file
from sightline_evals.__main__ import main
from sightline_evals.gating.run_report import read_report
from sightline_evals.runs import samples
from sightline_evals.scoring.scorer import Scorer
from sightline_store.errors import StoreUnavailable
from sightline_store.questions import request_lists, sampled

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
    assert "judge: offline lexical, version lexical-" in out
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
    assert not list(tmp_path.glob(".report*"))


def test_a_report_that_cannot_be_written_is_told_before_the_scoring(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was paid for then."""
    monkeypatch.setattr(Scorer, "run", None)
    for path in (tmp_path / "no" / "r.json", tmp_path):
        assert run("--dataset", cases(tmp_path, GOOD), "--json", str(path)) == 2
        assert f"--json {path}" in capsys.readouterr().err


def test_a_report_that_breaks_off_leaves_no_file(tmp_path: Path) -> None:
    """Neither the report nor the draft beside it."""
    with pytest.raises(TypeError), report_file.stream(str(tmp_path / "report.json")) as out:
        json.dump([1, object()], out)
    assert list(tmp_path.iterdir()) == []


def test_the_report_has_the_form_that_other_commands_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Question, answer and evidence stand with the scores; each part names its case."""
    row = {**GOOD, "id": "house", "reference": "A red house."}
    assert run("--dataset", cases(tmp_path, row), "--json", "-") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["schema"] == "sightline-evals/2"
    assert report["run"]["dataset"].keys() == {"name", "sha256", "rows"}
    assert report["run"]["usage"] == {
        "judge_calls": 0,
        "cached_calls": 0,
        "input_tokens": 0,
        "output_tokens": 0,
        "cost_usd": 0,
    }
    assert (report["run"]["metrics"], report["run"]["drawn_from"]) == (["groundedness"], None)
    assert report["run"]["started_at"].endswith("Z")
    (case,) = report["cases"]
    assert (case["case"], case["question"], case["answer"]) == ("house", "Which house?", "It is a red house.")
    assert (case["contexts"], case["reference"], case["must_pass"]) == (["It is a red house."], "A red house.", False)
    (score,) = report["scores"]
    assert (score["case"], score["metric"], score["prompt_sha256"]) == ("house", "groundedness", None)
    assert score["threshold"] == 0.5
    (statement,) = score["statements"]
    assert statement["text"] == "It is a red house."
    assert 0 <= statement["p_unsupported"] < 0.5
    assert statement["supported"] is True
    assert read_report(_written(tmp_path, report)).scores["groundedness"]["house"].value == score["value"]


def _written(folder: Path, report: dict[str, Any]) -> Path:
    path = folder / "report.json"
    path.write_text(json.dumps(report))
    return path


def test_refusals_without_floors_are_not_a_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing was judged; that is fine only where somebody says so."""
    declined = {**GOOD, "answer": "I don't know."}
    assert run("--dataset", cases(tmp_path, declined)) == 3
    assert "nothing measured is no pass" in capsys.readouterr().out
    assert run("--dataset", cases(tmp_path, declined), "--allow-empty") == 0


def test_a_floor_covers_nearly_all_samples(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One good answer and nine refusals are no good run, and a refusal is the answer's fault."""
    rows = [GOOD] + [{**GOOD, "id": str(n), "answer": "I don't know."} for n in range(9)]
    flags = ("--dataset", cases(tmp_path, *rows), "--fail-under", "groundedness=0.5")
    assert run(*flags) == 1
    assert "1 of 10 samples have a value" in capsys.readouterr().out
    assert run(*flags, "--min-coverage", "groundedness=0.1") == 0


def test_a_floor_without_a_name_is_for_what_the_judge_measures_best(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Groundedness is the offline judge's."""
    assert run("--dataset", cases(tmp_path, BAD), "--fail-under", "0.9") == 1
    assert "groundedness: mean" in capsys.readouterr().out


def test_half_a_surrogate_is_judged_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A text that was cut inside a character is text all the same."""
    row = {**GOOD, "answer": "It is a red house \ud83d"}
    assert run("--dataset", cases(tmp_path, row), "--json", "-") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["cases"][0]["answer"] == "It is a red house \ufffd"
    assert report["scores"][0]["error"] is None


def test_a_finished_run_can_be_told_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is scored twice; another floor may be asked."""
    flags = ("--dataset", cases(tmp_path, GOOD, BAD), "--run-id", "r1", "--json", "-")
    assert run(*flags) == 0
    first = json.loads(capsys.readouterr().out)
    assert main(["run", "--resume", "latest", "--judge", "offline", "--json", "-", "--fail-under", "0.95"], {}) == 1
    again = json.loads(capsys.readouterr().out)
    assert again["scores"] == first["scores"]
    assert again["metrics"] == first["metrics"]
    assert run(*flags) == 2
    assert "--resume r1 goes on with it" in capsys.readouterr().err


def test_a_run_goes_on_with_the_same_cases_and_the_same_judge_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Scores of two kinds do not compare."""
    assert run("--dataset", cases(tmp_path, GOOD), "--run-id", "r1") == 0
    strict = {"SIGHTLINE_JUDGE_THRESHOLD": "0.4"}
    assert main(["run", "--resume", "r1", "--judge", "offline"], strict) == 2
    assert "judge version" in capsys.readouterr().err
    cases(tmp_path, BAD)
    assert main(["run", "--resume", "r1", "--judge", "offline"], {}) == 2
    assert "dataset" in capsys.readouterr().err
    cases(tmp_path, {**GOOD, "answer": "It is another answer."})
    assert main(["run", "--resume", "r1", "--judge", "offline"], {}) == 2
    assert "answers" in capsys.readouterr().err
    assert main(["run", "--resume", "r2", "--judge", "offline"], {}) == 2
    assert "no such run" in capsys.readouterr().err


def test_many_cases_are_kept_once_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever finishes first, the report has every case and score once, in the order of the file."""
    rows = [{**GOOD, "id": f"c{number}"} for number in range(50)]
    assert run("--dataset", cases(tmp_path, *rows), "--concurrency", "7", "--json", "-") == 0
    report = json.loads(capsys.readouterr().out)
    assert [case["case"] for case in report["cases"]] == [row["id"] for row in rows]
    assert [score["case"] for score in report["scores"]] == [row["id"] for row in rows]


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
        (["--since", "1h", "--metrics", "answer_relevancy"], "needs a model as judge"),
        (["--since", "1h", "--fail-under", "noise_sensitivity=0.1"], "use --fail-over"),
        (["--since", "1h", "--fail-over", "faithfulness=0.1"], "use --fail-under"),
        (["--since", "1h", "--min-coverage", "2"], "--min-coverage"),
        (["--since", "1h", "--budget-tokens", "0"], "--budget-tokens is 0"),
        (["--since", "1h", "--ask", "http://127.0.0.1:1"], "--ask needs --dataset"),
        (["--since", "1h", "--deadline", "soon"], "no duration"),
        (["--resume", "latest"], "no run is kept"),
        ([], "needs --since, --dataset or --resume"),
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


def test_a_store_that_goes_away_costs_nothing_that_was_scored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report tells what there is, and the run goes on with the traces that were drawn."""
    requests = [
        {
            "trace_id": f"{n:032x}",
            "span_id": f"{n:016x}",
            "started_ms": 1,
            "tenant": "a",
            "conversation": "",
            "ttft_ms": None,
            "duration_ms": 1.0,
            "drawn_from": 3,
            "drawn_from_tenant": 3,
        }
        for n in range(3)
    ]
    content = {**GOOD, "model": "m", "note": "", "sampling_weight": 0.0, "trace_state": ""}
    drawn, is_away = [], True

    def requests_of(_client: object, **_: object) -> list[dict[str, Any]]:
        drawn.append(1)
        return requests

    def contents_of(_client: object, page: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if is_away and page[0]["trace_id"].endswith("1"):
            raise StoreUnavailable("http://127.0.0.1:9", "refused")
        return [{**row, **content} for row in page]

    monkeypatch.setattr(samples, "PAGE", 1)
    monkeypatch.setattr(sampled, "requests", requests_of)
    monkeypatch.setattr(sampled, "contents", contents_of)
    monkeypatch.setattr(request_lists, "trace_totals", lambda _client, _page: [])
    monkeypatch.setattr(sampled, "run_scores", lambda _client, _run: set())
    assert run("--since", "1h", "--no-send", "--run-id", "r", "--json", "-") == 3
    report = json.loads(capsys.readouterr().out)
    assert "1 scores are kept, --resume r goes on" in report["reasons"][0]
    is_away = False
    assert main(["run", "--resume", "r", "--json", "-"], {}) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["metrics"]["groundedness"]["scored"], len(drawn)) == (3, 1)
    assert (report["run"]["drawn_from"], report["run"]["sent"]) == (3, None)
