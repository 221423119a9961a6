"""The journal of a run: what a killed process leaves, and what goes on from there."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline_evals.datasets import Sample
from sightline_evals.errors import UsageError
from sightline_evals.runs import Journal, RunFolder
from sightline_evals.runs.folder import delete_old, find
from sightline_evals.runs.records import case_record, sample_of, score_of, score_record, whole_text
from sightline_evals.scoring import SampleScore, Score, Statement

SAMPLE = Sample("a", "Q?", "A.", ("C.",), conversation="talk", must_pass=True, weight=2.5, metadata={"x": 1})
SCORE = Score("faithfulness", 0.5, "l", "e", "", "j", "1", "f" * 64, 0.5, (Statement("s", 0.25, True, "r"),))


def failed(metric: str = "faithfulness") -> Score:
    """A score that could not be had."""
    return Score(metric, math.nan, "judge failed", "gone", "JudgeUnavailable", "j", "1")


def test_records_keep_everything() -> None:
    """A sample and a score come back as they were."""
    assert sample_of(case_record(SAMPLE)) == SAMPLE
    assert score_of(score_record("a", SCORE)) == SCORE
    assert score_record("a", failed())["value"] is None
    assert case_record(Sample("a", "Q", "", ()))["trace_id"] is None


@given(st.text(st.characters()) | st.just("a\ud83d"))
def test_any_text_is_written(text: str) -> None:
    """Half of a surrogate pair becomes U+FFFD, all else stays."""
    whole = whole_text(text)
    assert whole.encode().decode() == whole
    assert whole == text or any(0xD800 <= ord(letter) < 0xE000 for letter in text)


def test_a_journal_is_read_as_it_was_written(tmp_path: Path) -> None:
    """The last score of a case and metric counts; what failed is to be made again."""
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.begin({"id": "r"})
    journal.add_drawn([{"trace_id": "t"}], 9)
    journal.add_case(SAMPLE)
    journal.add_case(Sample("a", "", "", ()))
    journal.add_score(SampleScore(SAMPLE, failed()))
    journal.add_score(SampleScore(SAMPLE, failed("groundedness")))
    journal.note_accepted(2, 2)
    journal.add_score(SampleScore(SAMPLE, SCORE))
    journal.close()
    assert path.stat().st_mode & 0o777 == 0o600

    again = Journal(path)
    assert (again.head, again.drawn, again.drawn_from) == ({"id": "r"}, [{"trace_id": "t"}], 9)
    assert again.is_done("a", "faithfulness")
    assert not again.is_done("a", "groundedness")
    assert (again.sent, again.done, again.cases) == (2, 1, 1)
    assert again.sample("a") == SAMPLE
    assert [each.score for each in again.not_accepted()] == [SCORE]
    assert again.done_cases(["faithfulness"]) == {"a"}
    assert again.done_cases(["faithfulness", "groundedness"]) == set()
    scores = list(again.score_records(["groundedness", "faithfulness"]))
    assert [(score["metric"], score["error"]) for score in scores] == [
        ("groundedness", "JudgeUnavailable"),
        ("faithfulness", None),
    ]
    again.close()


@given(st.integers(0, 400))
def test_a_torn_tail_is_cut_off(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    """Wherever the process was killed, whole lines count, and new ones follow them."""
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    journal = Journal(path)
    journal.begin({"id": "r"})
    journal.add_case(SAMPLE)
    journal.add_score(SampleScore(SAMPLE, SCORE))
    journal.close()
    whole = path.read_bytes()
    path.write_bytes(whole[: max(0, len(whole) - cut)])
    again = Journal(path)
    lines = whole[: max(0, len(whole) - cut)].count(b"\n")
    assert (bool(again.head), again.cases, again.done) == (lines > 0, int(lines > 1), int(lines > 2))
    again.add_case(SAMPLE)
    again.add_score(SampleScore(SAMPLE, SCORE))
    again.close()
    third = Journal(path)
    assert [each.score for each in third.not_accepted()] == [SCORE]
    third.close()


def test_a_run_belongs_to_one_process(tmp_path: Path) -> None:
    """Two that write one journal would score twice; any id is a name of a folder."""
    folder = RunFolder(tmp_path, "main/17 ../x")
    assert folder.path.parent == tmp_path
    with pytest.raises(UsageError, match="another process"):
        RunFolder(tmp_path, "main/17 ../x")
    folder.close()
    RunFolder(tmp_path, "main/17 ../x").close()


def test_runs_are_found_and_old_ones_deleted(tmp_path: Path) -> None:
    """The latest is the one that was written last; a run that is worked on is never deleted."""
    with pytest.raises(UsageError, match="no run is kept"):
        find(tmp_path, "latest")
    held = None
    for place, run_id in enumerate(("old", "held", "new")):
        folder = RunFolder(tmp_path, run_id)
        journal = Journal(folder.journal)
        journal.begin({"id": run_id})
        journal.close()
        if run_id == "held":
            held = folder
        else:
            folder.close()
        os.utime(folder.journal, (1000 + place, 1000 + place))
    assert find(tmp_path, "latest") == "new"
    assert find(tmp_path, "old") == "old"
    with pytest.raises(UsageError, match="there are new, held, old"):
        find(tmp_path, "other")
    assert held is not None
    new = tmp_path / "new" / "journal.jsonl"
    os.utime(new)
    delete_old(tmp_path, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["held", "new"]
    held.close()
