"""CSV, TSV and Parquet: what is read, what is refused with its place, and that what is written reads the same."""

from __future__ import annotations

import csv
import json
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline_evals.datasets import Sample, append_to_dataset, lines, parquet, read_dataset, write_dataset
from sightline_evals.errors import DatasetError, UsageError

_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40).map(str.strip)
_PASSAGES = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")).filter(str.strip), max_size=3).map(
    tuple
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=6,
)
_AMOUNT = st.none() | st.floats(0, 1e12)
_COUNT = st.none() | st.integers(0, 2**53)
_SAMPLES = st.builds(
    Sample,
    id=_TEXT.filter(bool),
    question=_TEXT.filter(bool),
    answer=_TEXT.filter(bool),
    contexts=_PASSAGES,
    reference=_TEXT,
    reference_contexts=_PASSAGES,
    conversation=_TEXT,
    must_pass=st.booleans(),
    weight=st.floats(1e-6, 1e6),
    trace_id=st.sampled_from(["", "0af7651916cd43dd8448eb211c80319c"]),
    span_id=st.sampled_from(["", "b7ad6b7169203331"]),
    tenant=_TEXT,
    model=_TEXT,
    note=_TEXT,
    ttft_ms=_AMOUNT,
    duration_ms=_AMOUNT,
    cost_usd=_AMOUNT,
    input_tokens=_COUNT,
    output_tokens=_COUNT,
    metadata=st.dictionaries(_TEXT, _JSON, max_size=3),
)
_DATASETS = st.lists(_SAMPLES, min_size=1, max_size=4, unique_by=lambda sample: sample.id)
_CASES = [Sample("a", "Q?", "A.", ("C.",)), Sample("b", "R?", "B.", (), must_pass=True)]


def csv_of(folder: Path, *rows: list[str], name: str = "cases.csv", **dialect: Any) -> Path:
    """A CSV file of these rows."""
    path = folder / name
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, **dialect).writerows(rows)
    return path


@pytest.mark.parametrize("end", ["jsonl", "csv", "tsv", "parquet"])
@settings(max_examples=30)
@given(samples=_DATASETS)
def test_what_is_written_reads_the_same(end: str, samples: list[Sample]) -> None:
    """Every field survives, whatever characters it holds, and the notes too, which equality leaves out."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"cases.{end}"
        write_dataset(path, samples)
        read = read_dataset(path)
    assert read == samples
    assert [sample.note for sample in read] == [sample.note for sample in samples]


@pytest.mark.parametrize("end", ["jsonl", "csv", "parquet"])
def test_what_no_format_holds_is_replaced(tmp_path: Path, end: str) -> None:
    """Half a surrogate pair and NUL of a program's own samples are written as U+FFFD."""
    path = tmp_path / f"cases.{end}"
    write_dataset(path, [Sample("a", "Q\ud83d?", "A\0.", ("C\udc00",), metadata={"k\ud83d": ["v\0"]})])
    (sample,) = read_dataset(path)
    assert (sample.question, sample.answer, sample.contexts) == ("Q\ufffd?", "A\ufffd.", ("C\ufffd",))
    assert sample.metadata == {"k\ufffd": ["v\ufffd"]}


def test_a_csv_of_ragas_is_read(tmp_path: Path) -> None:
    """RAGAS writes lists as Python prints them; pandas adds a column of row numbers without a name."""
    header = ["", "user_input", "response", "retrieved_contexts", "reference", "persona_name"]
    row = ["0", "Q?", "A.", str(["it's", "two"]), "R.", "a librarian"]
    (sample,) = read_dataset(csv_of(tmp_path, header, row))
    assert (sample.question, sample.answer, sample.contexts, sample.reference) == ("Q?", "A.", ("it's", "two"), "R.")
    assert sample.metadata == {"persona_name": "a librarian"}


def test_cells_become_the_values_that_they_stand_for(tmp_path: Path) -> None:
    """Flags in capitals as spreadsheets write them, numbers, objects; an empty cell is no value."""
    header = ["question", "answer", "contexts", "must_pass", "weight", "ttft_ms", "input_tokens", "metadata", "tenant"]
    row = ["Q?", "A.", "[]", "TRUE", "2.5", "", "7.0", '{"a": [1]}', ""]
    (sample,) = read_dataset(csv_of(tmp_path, header, row))
    assert (sample.must_pass, sample.weight, sample.ttft_ms, sample.input_tokens) == (True, 2.5, None, 7)
    assert (sample.metadata, sample.tenant) == ({"a": [1]}, "")


def test_rows_of_several_lines_and_empty_rows_keep_their_numbers(tmp_path: Path) -> None:
    """A wrong row is told by its first line in the file, where an editor finds it."""
    path = tmp_path / "cases.csv"
    path.write_text('question,answer,contexts\n"Q\n1?",A.,[]\n\n,,\nQ2?,,[]\n', encoding="utf-8")
    with pytest.raises(DatasetError, match="answer and reference are both missing") as caught:
        read_dataset(path)
    assert caught.value.line == 6


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        ("a,b\n1,2\n", 1, "names no column question or user_input; the first row must name the columns"),
        ("question;answer;contexts\nQ;A;[]\n", 1, "cells are separated by ';' here"),
        ("question,answer,answer\nQ,A,B\n", 1, "names the column 'answer' twice"),
        ("question,answer,contexts\nQ,A,[],x\n", 2, "has 4 cells, the first row 3"),
        ('question,answer,contexts\nQ,"A"b,[]\n', 2, "is not CSV: "),
        ('question,answer,contexts\nQ,"A,[]\n', 2, "is not CSV: unexpected end of data"),
        ("question,answer,contexts\nQ,A,one passage\n", 2, "contexts is 'one passage'; needs a list of texts"),
        ("question,answer,contexts\nQ,A,\n", 2, "write [] where nothing was retrieved"),
        ("question,answer,contexts,must_pass\nQ,A,[],maybe\n", 2, "must_pass is 'maybe'; needs true or false"),
        ("question,answer,contexts,weight\nQ,A,[],0\n", 2, "weight is 0.0; needs a number above 0"),
        ("question,answer,contexts,weight\nQ,A,[],heavy\n", 2, "weight is 'heavy'; needs a number above 0"),
        ("question,answer,contexts,trace_id\nQ,A,[],12\n", 2, "trace_id is '12'; needs 32 hexadecimal digits"),
        ("question,answer,contexts,metadata\nQ,A,[],[1]\n", 2, "metadata must be a JSON object"),
        ("question,user_input,answer,contexts\nQ,R,A,[]\n", 2, "question and user_input mean the same and differ"),
        ("", 0, "has no sample"),
        ("question,answer,contexts\n", 0, "has no sample"),
    ],
)
def test_a_wrong_csv_is_reported_with_its_place(tmp_path: Path, content: str, line: int, reason: str) -> None:
    """The message names the line and what was expected."""
    path = tmp_path / "cases.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DatasetError) as caught:
        read_dataset(path)
    assert caught.value.line == line
    assert reason in str(caught.value)


def test_reading_csv_leaves_the_process_as_it_was(tmp_path: Path) -> None:
    """The limit of the csv module is the process's: a long cell is read, and the limit is back afterwards."""
    before = csv.field_size_limit()
    path = csv_of(tmp_path, ["question", "answer", "contexts"], ["Q?", "x" * 200_000, "[]"])
    assert len(read_dataset(path)[0].answer) == 200_000
    assert csv.field_size_limit() == before


def test_parquet_of_other_tools_is_read(tmp_path: Path) -> None:
    """Pandas and RAGAS write other types of the same: large strings, structs, NaN for what is absent."""
    path = tmp_path / "cases.parquet"
    table = pa.table(
        {
            "user_input": pa.array(["Q?"], pa.large_string()),
            "response": ["A."],
            "retrieved_contexts": pa.array([["one", "two"]], pa.large_list(pa.large_string())),
            "reference": pa.array([float("nan")]),
            "metadata": [{"a": 1}],
            "input_tokens": pa.array([3.0]),
            "__index_level_0__": [0],
            "topic": ["paths"],
        }
    )
    pq.write_table(table, path)
    (sample,) = read_dataset(path)
    assert (sample.question, sample.answer, sample.contexts) == ("Q?", "A.", ("one", "two"))
    assert (sample.reference, sample.input_tokens) == ("", 3)
    assert sample.metadata == {"a": 1, "topic": "paths"}


def test_a_wrong_parquet_is_reported_with_its_row(tmp_path: Path) -> None:
    """Not Parquet at all, without questions, a wrong row, and bytes that are no text."""
    path = tmp_path / "cases.parquet"
    path.write_bytes(b"PAR1 not really")
    with pytest.raises(DatasetError, match="is not a Parquet file that can be read"):
        read_dataset(path)
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(DatasetError, match="has no column question or user_input; it has a"):
        read_dataset(path)
    pq.write_table(pa.table({"question": ["Q?", "R?"], "answer": ["A.", None], "contexts": [["C"], ["C"]]}), path)
    with pytest.raises(DatasetError, match="answer and reference are both missing") as caught:
        read_dataset(path)
    assert caught.value.line == 2
    broken = pa.StringArray.from_buffers(1, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff"))
    pq.write_table(pa.table({"question": broken, "answer": ["A."], "contexts": [["C"]]}), path)
    with pytest.raises(DatasetError, match="holds a text that is not UTF-8") as caught:
        read_dataset(path)
    assert caught.value.line == 1


def test_parquet_without_its_package_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the extra to install."""
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r'pip install "sightline-platform\[evals\]"'):
        parquet.encoded([])


@pytest.mark.parametrize("end", ["jsonl", "csv", "parquet"])
def test_cases_are_added_behind_those_that_are_there(tmp_path: Path, end: str) -> None:
    """A missing file begins with them."""
    path = tmp_path / f"cases.{end}"
    for case in _CASES:
        append_to_dataset(path, [case])
    assert read_dataset(path) == _CASES


def test_lines_that_are_there_stay_as_they_are(tmp_path: Path) -> None:
    """Adding to a JSONL file changes no byte of it, also where its last line has no end."""
    path = tmp_path / "cases.jsonl"
    line = json.dumps({"user_input": "Q?", "response": "A.", "retrieved_contexts": [], "mine": 1})
    path.write_text(line, encoding="utf-8")
    path.chmod(0o640)
    append_to_dataset(path, _CASES[1:])
    assert path.read_text(encoding="utf-8").startswith(line + "\n")
    assert len(read_dataset(path)) == 2
    assert path.stat().st_mode & 0o777 == 0o640
    assert [file.name for file in tmp_path.iterdir()] == ["cases.jsonl"]


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """The path is in the message, and nothing is left behind."""
    with pytest.raises(DatasetError, match=r"nowhere/cases\.csv: cannot be written: No such file"):
        write_dataset(tmp_path / "nowhere" / "cases.csv", _CASES)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DatasetError, match="cannot be written"):
        write_dataset(tmp_path / "folder.csv", _CASES)
    assert [file.name for file in tmp_path.iterdir()] == ["folder.csv"]


def test_a_csv_cell_beyond_the_size_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quote that nobody closed does not take the file for one cell."""
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 1000)
    with pytest.raises(DatasetError, match="is longer than 1000 bytes"):
        read_dataset(csv_of(tmp_path, ["question", "answer"], ["Q?", "x" * 2000]))
