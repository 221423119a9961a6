"""The JSONL dataset: what is read, and that every wrong line is told by its number."""

import json
from pathlib import Path

import pytest

from sightline_evals import dataset
from sightline_evals.dataset import read_dataset
from sightline_evals.errors import DatasetError, UsageError

GOOD = {"question": "Q?", "answer": "A.", "contexts": ["C."]}


def written(folder: Path, *lines: str | bytes) -> Path:
    """A dataset of these lines."""
    path = folder / "cases.jsonl"
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines))
    return path


def test_all_fields_are_read(tmp_path: Path) -> None:
    """A full line becomes a sample with the same texts."""
    row = {**GOOD, "reference": " R. ", "id": 7, "contexts": ["one", "  ", "two"], "more": {"is": "ignored"}}
    (sample,) = read_dataset(written(tmp_path, json.dumps(row), ""))
    assert (sample.id, sample.question, sample.answer, sample.reference) == ("7", "Q?", "A.", "R.")
    assert sample.contexts == ("one", "two")


def test_a_byte_order_mark_windows_line_ends_and_empty_lines_do_not_matter(tmp_path: Path) -> None:
    """Files from other systems read the same."""
    path = tmp_path / "cases.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(GOOD).encode() + b"\r\n\r\n" + json.dumps(GOOD).encode() + b"\r\n")
    assert len(read_dataset(path)) == 2


def test_ids_come_from_questions_and_stay_when_lines_are_added(tmp_path: Path) -> None:
    """A case keeps its id, and a question asked twice has two."""
    other = json.dumps({**GOOD, "question": "Other?"})
    before = read_dataset(written(tmp_path, json.dumps(GOOD)))
    after = read_dataset(written(tmp_path, other, json.dumps(GOOD), json.dumps(GOOD)))
    assert after[1].id == before[0].id
    assert len({sample.id for sample in after}) == 3


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "is not JSON at column 2"),
        ("[" * 100_000, "is not JSON"),
        ("[1]", "holds a JSON list; needs an object"),
        (b"\xff", "is not UTF-8 at byte 1"),
        (json.dumps({**GOOD, "question": "  "}), "question is missing or empty"),
        (json.dumps({**GOOD, "question": 3}), "question must be a text, not int"),
        (json.dumps({**GOOD, "answer": None}), "answer and reference are both missing or empty"),
        (json.dumps({**GOOD, "contexts": "C."}), "contexts must be a list of texts"),
        (json.dumps({**GOOD, "contexts": [1]}), "contexts must be a list of texts"),
        (json.dumps({"question": "Q", "answer": "A"}), "contexts must be a list of texts"),
        (json.dumps({**GOOD, "id": [1]}), "id must be a text or a whole number"),
    ],
)
def test_an_invalid_line_is_reported_with_its_number(tmp_path: Path, line: str | bytes, reason: str) -> None:
    """The message names file, line and what was expected; nothing of the file is used."""
    path = written(tmp_path, json.dumps(GOOD), "", line)
    with pytest.raises(DatasetError) as caught:
        read_dataset(path)
    assert caught.value.line == 3
    assert str(caught.value).startswith(f"{path}:3: ")
    assert reason in str(caught.value)


def test_two_lines_with_one_id_are_refused(tmp_path: Path) -> None:
    """Cases are matched by id, so an id twice would mix two of them."""
    line = json.dumps({**GOOD, "id": "a"})
    with pytest.raises(DatasetError, match="id 'a' is already that of line 1"):
        read_dataset(written(tmp_path, line, line))


def test_an_empty_file_is_no_dataset(tmp_path: Path) -> None:
    """A dataset that lost its lines must not look like one that passes."""
    with pytest.raises(DatasetError, match="has no sample"):
        read_dataset(written(tmp_path, "", "  "))


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    """The path is in the message."""
    with pytest.raises(UsageError, match=r"nowhere\.jsonl"):
        read_dataset(tmp_path / "nowhere.jsonl")


def test_the_limit_stops_reading_before_later_lines(tmp_path: Path) -> None:
    """A huge file is not read past what was asked for, so a wrong line behind the limit does not matter."""
    path = written(tmp_path, *[json.dumps({**GOOD, "question": f"Q{n}"}) for n in range(3)], "broken")
    assert [sample.question for sample in read_dataset(path, limit=3)] == ["Q0", "Q1", "Q2"]


def test_a_line_beyond_the_size_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without line breaks does not fill the memory."""
    monkeypatch.setattr(dataset, "MAX_LINE_BYTES", 1000)
    with pytest.raises(DatasetError, match="is longer than 1000 bytes"):
        read_dataset(written(tmp_path, json.dumps({**GOOD, "answer": "x" * 1000})))
