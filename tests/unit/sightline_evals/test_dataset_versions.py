"""Versions of a dataset: recorded once, in order, never changed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sightline_evals.datasets import Sample, fingerprint, versions, write_dataset
from sightline_evals.errors import DatasetError, UsageError

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def cases(*questions: str) -> list[Sample]:
    """A case for each question."""
    return [Sample(question, question, "A.", ()) for question in questions]


def recorded(path: Path, *questions: str, **wishes: str) -> versions.Version:
    """The version of a dataset of these questions."""
    write_dataset(path, cases(*questions))
    return versions.record(path, cases(*questions), now=NOW, **wishes)[0]


def test_versions_count_up_and_know_their_parent(tmp_path: Path) -> None:
    """Each has the one before as its parent, the fingerprint of its cases and the number of rows."""
    path = tmp_path / "cases.jsonl"
    first, second = recorded(path, "Q?"), recorded(path, "Q?", "R?")
    assert (first.name, first.version, first.rows, first.parent) == ("cases", "1", 1, None)
    assert (second.version, second.rows, second.parent) == ("2", 2, "1")
    assert second.sha256 == fingerprint(cases("R?", "Q?"))
    assert second.created == "2026-01-31T12:00:00Z"
    assert versions.recorded(path) == [first, second]
    assert versions.current(path) == second


def test_the_same_bytes_are_recorded_once(tmp_path: Path) -> None:
    """A nightly job that records what did not change succeeds and adds nothing; a second name is refused."""
    path = tmp_path / "cases.jsonl"
    first = recorded(path, "Q?", version="v1", name="golden")
    assert versions.record(path, cases("Q?")) == (first, False)
    assert versions.record(path, cases("Q?"), version="v1") == (first, False)
    with pytest.raises(UsageError, match="has not changed since version v1"):
        versions.record(path, cases("Q?"), version="v2")
    assert versions.recorded(path) == [first]


def test_a_version_is_never_overwritten(tmp_path: Path) -> None:
    """The name of other bytes is taken."""
    path = tmp_path / "cases.jsonl"
    recorded(path, "Q?", version="v1")
    with pytest.raises(UsageError, match="version v1 is recorded with other bytes; a version is never changed"):
        recorded(path, "R?", version="v1")
    assert versions.current(path) is None


def test_a_parent_must_be_there(tmp_path: Path) -> None:
    """A branch may go out from any earlier version, not from one that nobody recorded."""
    path = tmp_path / "cases.jsonl"
    recorded(path, "Q?")
    recorded(path, "R?")
    assert recorded(path, "S?", parent="1").parent == "1"
    with pytest.raises(UsageError, match="there is no version '9' to be the parent; recorded are 1, 2, 3"):
        recorded(path, "T?", parent="9")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "is not JSON"),
        ('{"schema": "other/9", "versions": []}', "has the schema 'other/9'"),
        ("[]", "is no manifest of versions"),
        (json.dumps({"schema": versions.SCHEMA, "versions": [{"name": "x"}]}), "is no manifest of versions"),
    ],
)
def test_a_damaged_manifest_is_not_written_over(tmp_path: Path, content: str, reason: str) -> None:
    """What was recorded is not lost to a new beginning."""
    path = tmp_path / "cases.jsonl"
    versions.manifest_path(path).write_text(content, encoding="utf-8")
    with pytest.raises(DatasetError, match=rf"cases\.jsonl\.versions\.json: {reason}"):
        recorded(path, "Q?")
    assert versions.manifest_path(path).read_text(encoding="utf-8") == content


def test_a_dataset_that_is_not_there_has_no_version(tmp_path: Path) -> None:
    """The path is in the message."""
    with pytest.raises(DatasetError, match=r"nowhere\.jsonl: No such file"):
        versions.current(tmp_path / "nowhere.jsonl")
