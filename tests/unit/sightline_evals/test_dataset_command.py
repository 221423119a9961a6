"""`sightline-evals dataset`: what each action writes and says, and which wishes it refuses."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from sightline_evals.cli import dataset
from sightline_evals.datasets import Sample, fingerprint, read_dataset, write_dataset
from sightline_evals.errors import DatasetError, UsageError

CASES = [
    Sample("a", "How do I reset my password?", "Click.", ("Click.",), reference="Click.", metadata={"synthetic": True}),
    Sample("b", "How can I reset my password?", "Click it.", ("Click.",), conversation="c1", tenant="t"),
    Sample("c", "What does the warranty cover?", "Batteries.", (), must_pass=True),
]


def ran(*argv: object, env: Mapping[str, str] | None = None) -> int:
    """The exit code of `dataset` with these arguments."""
    parser = argparse.ArgumentParser()
    dataset.add_parser(parser.add_subparsers(required=True))
    return dataset.run(parser.parse_args(["dataset", *map(str, argv)]), env or {})


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    """A dataset of three cases."""
    path = tmp_path / "cases.jsonl"
    write_dataset(path, CASES)
    return path


def test_help_holds_the_columns(capsys: pytest.CaptureFixture[str]) -> None:
    """The one description of the format stands where people look."""
    with pytest.raises(SystemExit):
        ran("--help")
    text = capsys.readouterr().out
    assert "retrieved_contexts" in text
    assert "number above 0 (default 1)" in text


def test_show_counts_and_lists(cases: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The facts, a line a case, and how many are not shown."""
    assert ran("show", cases, "--limit", 2, "--json", cases.parent / "facts.json") == 0
    text = capsys.readouterr().out
    assert "How can I reset my password?" in text
    assert "… and 1 more" in text
    facts = json.loads((cases.parent / "facts.json").read_text(encoding="utf-8"))
    assert facts["sha256"] == fingerprint(CASES)
    assert (facts["rows"], facts["with_reference"], facts["must_pass"], facts["synthetic"]) == (3, 1, 1, 1)
    assert (facts["without_passages"], facts["conversations"], facts["tenants"], facts["version"]) == (1, 1, 1, None)


def test_show_of_one_case_does_not_move_the_cursor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Questions of users may hold any characters; a terminal is sent none that it obeys."""
    path = tmp_path / "cases.jsonl"
    write_dataset(path, [Sample("a", "Q\x1b[2J\u202e?", "A.\nB.", ("C.",))])
    assert ran("show", path, "--case", "a") == 0
    assert ran("show", path) == 0
    text = capsys.readouterr().out
    assert "Q\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}?" in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    with pytest.raises(UsageError, match="has no case 'z'"):
        ran("show", path, "--case", "z")


def test_diff_tells_each_case(cases: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As a table, and as JSON that holds both values."""
    other = tmp_path / "other.jsonl"
    write_dataset(other, [CASES[0], Sample("c", CASES[2].question, "Screens.", ()), Sample("d", "New?", "A.", ())])
    assert ran("diff", cases, other, "--json", "-") == 0
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert [one["id"] for one in report["added"]] == ["d"]
    assert [one["id"] for one in report["removed"]] == ["b"]
    assert report["changed"] == [
        {"case": "c", "values": {"answer": ["Batteries.", "Screens."], "must_pass": [True, None]}}
    ]
    assert "1 added, 1 removed, 1 changed, 1 unchanged" in err
    assert "different fingerprints" in err


def test_dedupe_shows_first_and_writes_when_told(cases: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The input stays as it is, and nothing is written over."""
    assert ran("dedupe", cases) == 0
    assert "nothing is written without --output FILE" in capsys.readouterr().out
    unique = cases.parent / "unique.csv"
    assert ran("dedupe", cases, "--output", unique, "--json", cases.parent / "d.json") == 0
    assert [sample.id for sample in read_dataset(unique)] == ["a", "c"]
    report = json.loads((cases.parent / "d.json").read_text(encoding="utf-8"))
    assert (report["rows"], report["kept"], report["threshold"]) == (3, 2, 0.75)
    assert [(one["case"], one["kept"]) for one in report["duplicates"]] == [("b", "a")]
    assert read_dataset(cases) == CASES
    with pytest.raises(UsageError, match="is there already"):
        ran("dedupe", cases, "--output", unique)
    with pytest.raises(UsageError, match="--threshold is 2; needs more than 0, at most 1"):
        ran("dedupe", cases, "--threshold", 2)
    assert ran("dedupe", cases, "--threshold", 1) == 0
    assert "0 of 3 cases ask what another asks" in capsys.readouterr().out


def test_split_writes_a_file_a_part(cases: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Beside the dataset or elsewhere, all or none."""
    folder = cases.parent / "parts"
    assert ran("split", cases, "one=0.5", "two=0.5", "--output-dir", folder) == 0
    parts = [read_dataset(folder / f"cases.{name}.jsonl") for name in ("one", "two")]
    assert sorted(sample.id for part in parts for sample in part) == ["a", "b", "c"]
    assert "cases.two.jsonl" in capsys.readouterr().out
    with pytest.raises(UsageError, match="is there already"):
        ran("split", cases, "two=0.5", "one=0.5", "--output-dir", folder)
    for parts_given, reason in (
        (["a=0.5", "a=0.5"], "stands once"),
        (["../a=0.5", "b=0.5"], "part of a file's name"),
        (["a", "b=0.5"], "needs NAME=SHARE with a number"),
    ):
        with pytest.raises(UsageError, match=reason):
            ran("split", cases, *parts_given)


def test_version_is_recorded_and_listed(cases: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And told by `show`, also when the file has changed since."""
    assert ran("version", cases, "--list") == 0
    assert "has no recorded version" in capsys.readouterr().out
    assert ran("version", cases, "--version", "v1", "--name", "golden") == 0
    assert "version v1 of golden recorded in" in capsys.readouterr().out
    assert ran("version", cases) == 0
    assert "is version v1 of golden" in capsys.readouterr().out
    write_dataset(cases, CASES[:2])
    assert ran("show", cases) == 0
    assert "changed since v1" in capsys.readouterr().out
    with pytest.raises(UsageError, match="never changed"):
        ran("version", cases, "--version", "v1")
    assert ran("version", cases) == 0
    assert ran("version", cases, "--list") == 0
    assert capsys.readouterr().out.count("golden") == 1


@pytest.mark.parametrize("form", ["jsonl", "csv", "tsv", "parquet"])
def test_export_of_a_file_reads_the_same(cases: Path, form: str) -> None:
    """In each format, once."""
    folder = cases.parent / "out"
    assert ran("export", cases, folder, "--format", form, "--name", "other") == 0
    assert read_dataset(folder / f"other.{form}") == CASES
    with pytest.raises(DatasetError, match="is there already"):
        ran("export", cases, folder, "--format", form, "--name", "other")


def test_cases_come_out_of_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The lowest first, marked as wished, with their scores; what is there already stays as it is."""
    report = tmp_path / "report.json"
    cases = [{"case": name, "question": f"{name}?", "answer": "A.", "contexts": []} for name in "abcd"]
    scores = [
        {"case": name, "metric": "faithfulness", "value": value}
        for name, value in zip("abcd", (0.4, 0.9, 0.1, None), strict=True)
    ]
    report.write_text(json.dumps({"schema": "sightline-evals/2", "cases": cases, "scores": scores}), encoding="utf-8")
    target = tmp_path / "hard.jsonl"
    wishes = ("add", target, "--results", report, "--below", "faithfulness=0.5")
    assert ran(*wishes, "--limit", 1, "--must-pass", "--weight", 3) == 0
    assert capsys.readouterr().out == f"1 case added to {target}, which has 1\n"
    assert ran(*wishes, "--limit", 1) == 0
    assert "already there: 1" in capsys.readouterr().out
    first, second = read_dataset(target)
    assert (first.id, first.must_pass, first.weight) == ("c", True, 3)
    assert first.metadata == {"scores": {"faithfulness": 0.1}}
    assert (second.id, second.must_pass, second.weight) == ("a", False, 1)
    assert ran("add", tmp_path / "all.jsonl", "--results", report) == 0
    assert len(read_dataset(tmp_path / "all.jsonl")) == 4
    with pytest.raises(UsageError, match="has no score of 'groundedness'; it has faithfulness"):
        ran("add", target, "--results", report, "--below", "groundedness=0.5")


@pytest.mark.parametrize(
    ("wishes", "reason"),
    [
        (["--trace", "12"], "--trace '12': a trace's id has 32 hexadecimal digits"),
        (["--trace", "0" * 32, "--feedback", "down"], "--feedback narrows --since"),
        (["--results", "r.json", "--feedback", "down"], "--feedback needs --since"),
        (["--since", "1h", "--feedback", "down", "--below", "a=1"], "exclude each other"),
        (["--since", "1h", "--feedback", "down", "--reviewed"], "--feedback and --reviewed exclude each other"),
        (["--trace", "0" * 32, "--reviewed"], "--reviewed narrows --since"),
        (["--since", "1h", "--tenant", "t"], "--tenant needs --since with"),
        (["--since", "1h", "--below", "faithfulness"], "needs METRIC=VALUE with a number"),
        (["--since", "soon"], "is no duration"),
        (["--since", "1h", "--limit", "0"], "--limit is 0; needs more than 0"),
        (["--since", "1h", "--weight", "nan"], "--weight is nan; needs more than 0"),
    ],
)
def test_wishes_that_cannot_be_fulfilled_are_refused(tmp_path: Path, wishes: list[str], reason: str) -> None:
    """Before the store is asked."""
    with pytest.raises((UsageError, ValueError), match=reason):
        ran("add", tmp_path / "cases.jsonl", *wishes, env={"SIGHTLINE_STORE_URL": "http://127.0.0.1:9"})


@pytest.mark.parametrize(
    ("wishes", "env", "reason"),
    [
        (["--output", "q.csv"], {}, r"needs a name that ends in \.jsonl"),
        (["--output", "q.jsonl"], {}, "needs a model: set SIGHTLINE_JUDGE_MODEL"),
        (["--output", "q.jsonl"], {"SIGHTLINE_JUDGE_MODEL": "m"}, "and SIGHTLINE_JUDGE_BASE_URL"),
        (["--output", "q.jsonl", "--budget-tokens", "0"], {}, "--budget-tokens is 0; needs more than 0"),
    ],
)
def test_synthesize_needs_a_model_and_a_place(cases: Path, wishes: list[str], env: dict[str, str], reason: str) -> None:
    """Before any passage is read."""
    with pytest.raises(UsageError, match=reason):
        ran("synthesize", cases, *wishes, env=env)


def test_json_that_cannot_be_written_is_told(cases: Path) -> None:
    """With the flag and the path."""
    with pytest.raises(UsageError, match=r"--json .*nowhere/x\.json: No such file"):
        ran("show", cases, "--json", cases.parent / "nowhere" / "x.json")
