"""The JSONL dataset: what is read, and that every wrong line is told by its number."""

import json
from pathlib import Path

import pytest

from sightline_evals.datasets import lines, read_dataset
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
        ("{", "an object stands on one line"),
        ('{"question": "Q",', "is not JSON at column 18"),
        ('{"n": ' + "9" * 5000 + "}", "is not JSON: "),
        ('{"question": "Q", "weight": ' + "[" * 800 + "]" * 800 + "}", "weight is a list; needs a number above 0"),
        ("[" * 100_000, "is not JSON"),
        ("[1]", 'holds a JSON list; needs an object; write one object a line, as `jq -c ".[]"` does'),
        (b"\xff", "is not UTF-8 at byte 1; save the file as UTF-8"),
        (b'{"question": "Q\0"}', "holds a NUL byte at byte 16"),
        (json.dumps({**GOOD, "question": "  "}), "question is missing or empty"),
        (json.dumps({**GOOD, "question": 3}), "question must be a text, not int"),
        (json.dumps({**GOOD, "answer": None}), "answer and reference are both missing or empty"),
        (json.dumps({**GOOD, "contexts": "C."}), "contexts must be a list of texts"),
        (json.dumps({**GOOD, "contexts": [1]}), "contexts must be a list of texts"),
        (json.dumps({"question": "Q", "answer": "A"}), "contexts must be a list of texts"),
        (json.dumps({**GOOD, "id": [1]}), "id must be a text or a whole number"),
        (json.dumps({**GOOD, "id": True}), "id must be a text or a whole number"),
        (json.dumps({**GOOD, "must_pass": "yes"}), "must_pass is 'yes'; needs true or false"),
        (json.dumps({**GOOD, "weight": True}), "weight is True; needs a number above 0"),
        (json.dumps({**GOOD, "weight": 10**400}), "needs a number above 0"),
        (json.dumps({**GOOD, "weight": float("inf")}), "weight is inf; needs a number above 0"),
        (json.dumps({**GOOD, "output_tokens": 1.5}), "output_tokens is 1.5; needs a whole number of at least 0"),
        (json.dumps({**GOOD, "cost_usd": -1}), "cost_usd is -1; needs a number of at least 0"),
        (json.dumps({**GOOD, "metadata": [1]}), "metadata must be a JSON object"),
        (json.dumps({**GOOD, "question": ["a"]}), "question must be a text, not list; a case is one turn"),
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
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 1000)
    with pytest.raises(DatasetError, match="is longer than 1000 bytes"):
        read_dataset(written(tmp_path, json.dumps({**GOOD, "answer": "x" * 1000})))


@pytest.mark.parametrize(
    "names",
    [
        ("user_input", "response", "retrieved_contexts", "reference"),
        ("question", "answer", "contexts", "ground_truth"),
    ],
)
def test_names_of_ragas_present_and_former_are_understood(tmp_path: Path, names: tuple[str, ...]) -> None:
    """A file that RAGAS reads is one that this reads."""
    row = dict(zip(names, ("Q?", "A.", ["C."], "R."), strict=True))
    (sample,) = read_dataset(written(tmp_path, json.dumps(row)))
    assert (sample.question, sample.answer, sample.contexts, sample.reference) == ("Q?", "A.", ("C.",), "R.")
    assert sample.metadata == {}


def test_a_test_set_without_answers_is_a_dataset(tmp_path: Path) -> None:
    """What RAGAS generates has the passages that a right retrieval finds, and no retrieved ones yet."""
    row = {"user_input": "Q?", "reference": "R.", "reference_contexts": ["C."], "synthesizer_name": "one_hop"}
    (sample,) = read_dataset(written(tmp_path, json.dumps(row)))
    assert (sample.answer, sample.contexts, sample.reference_contexts) == ("", (), ("C.",))
    assert sample.metadata == {"synthesizer_name": "one_hop"}


def test_two_names_of_one_thing_must_agree(tmp_path: Path) -> None:
    """Which of two different questions counts is not guessed."""
    assert read_dataset(written(tmp_path, json.dumps({**GOOD, "user_input": "Q?"})))
    with pytest.raises(DatasetError, match="question and user_input mean the same and differ; keep one of them"):
        read_dataset(written(tmp_path, json.dumps({**GOOD, "user_input": "Other?"})))


def test_half_a_surrogate_pair_is_replaced(tmp_path: Path) -> None:
    """JavaScript writes it where it cuts inside a character; whole pairs stay."""
    line = r'{"question": "Q\ud83d", "answer": "\ud83d\ude00", "contexts": ["\ude00C"], "tags": {"\ud83d": "\u0000"}}'
    (sample,) = read_dataset(written(tmp_path, line))
    assert (sample.question, sample.answer, sample.contexts) == ("Q\ufffd", "\U0001f600", ("\ufffdC",))
    assert sample.metadata == {"tags": {"\ufffd": "\ufffd"}}


def test_values_nested_deeper_than_can_be_read_are_told(tmp_path: Path) -> None:
    """What the parser takes may be too deep for those who write it again."""
    row = '{"question": "Q", "answer": "A", "contexts": [], "x": ' + "[" * 200 + "]" * 200 + "}"
    with pytest.raises(DatasetError, match="nested more than 100 levels deep") as caught:
        read_dataset(written(tmp_path, row))
    assert caught.value.line == 1


def test_nan_is_an_absent_value(tmp_path: Path) -> None:
    """Pandas and Python write it where a text or number is missing."""
    row = {**GOOD, "reference": float("nan"), "ttft_ms": float("nan"), "metadata": {"a": float("inf")}}
    (sample,) = read_dataset(written(tmp_path, json.dumps(row)))
    assert (sample.reference, sample.ttft_ms, sample.metadata) == ("", None, {"a": None})


def test_other_files_are_told_apart(tmp_path: Path) -> None:
    """A folder and a file in UTF-16 are named as what they are."""
    with pytest.raises(DatasetError, match=r"is a directory; name a \.jsonl"):
        read_dataset(tmp_path)
    path = tmp_path / "cases.jsonl"
    path.write_bytes(json.dumps(GOOD).encode("utf-16"))
    with pytest.raises(DatasetError, match=r"cases\.jsonl:1: is UTF-16; save the file as UTF-8"):
        read_dataset(path)
