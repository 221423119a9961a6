"""Tables as files."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from asked_store import data
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from sightline_dashboards.downloads import MAX_ROWS, Format, Offer, csv_file, file_of, inert, parquet_file
from sightline_store.questions.estimates import estimate

AT = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
ROW: dict[str, Any] = {
    "trace_id": "ab", "started_ms": int(AT.timestamp() * 1000), "total_ms": 12.5, "failed": 1, "cost_usd": None,
    "models": ["a", "b"], "note": "=1+1", "matching": 7, "estimate": estimate(0.5, 0.1, 9), "bucket": 60,
}  # fmt: skip


def read_csv(file: bytes) -> list[dict[str, str]]:
    """The rows of a file."""
    return list(csv.DictReader(io.StringIO(file.decode())))


def test_parquet_has_typed_columns() -> None:
    """Moments are timestamps under the name of the moment; durations keep their unit; unknown is null."""
    table = pq.read_table(pa.BufferReader(parquet_file([ROW, {**ROW, "cost_usd": 0.25}])))
    types = {field.name: field.type for field in table.schema}
    assert types["started"] == pa.timestamp("ms", tz="UTC")
    assert types["bucket"] == pa.timestamp("ms", tz="UTC")
    assert (types["total_ms"], types["failed"]) == (pa.float64(), pa.int64())
    assert types["models"] == pa.list_(pa.string())
    assert not {"matching", "estimate", "started_ms"} & set(types)
    assert table["started"].to_pylist() == [AT, AT]
    assert table["cost_usd"].to_pylist() == [None, 0.25]
    assert table["note"].to_pylist()[0] == "=1+1"


def test_csv_is_for_spreadsheets() -> None:
    """Moments are ISO 8601 in UTC; lists are JSON; a formula is text; unknown is empty and never 0."""
    (row,) = read_csv(csv_file([ROW]))
    assert row["started"] == "2026-03-01T12:00:00.250Z"
    assert (row["total_ms"], row["failed"], row["cost_usd"]) == ("12.5", "1", "")
    assert (row["models"], row["note"]) == ('["a", "b"]', "'=1+1")


@pytest.mark.parametrize(
    "text", ["=A1", "+1-1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1dA1", " =A1", "-", "+", "=HYPERLINK()"]
)
def test_texts_that_a_spreadsheet_runs_are_neutralised(text: str) -> None:
    """An apostrophe in front keeps them texts."""
    assert inert(text) == f"'{text}"
    assert read_csv(csv_file([{"text": text}]))[0]["text"] == f"'{text}"
    assert next(csv.reader(io.StringIO(csv_file([{text: 1}]).decode())))[0] == f"'{text}"


@pytest.mark.parametrize("text", ["-3.5", "+2", "-1e-9", "plain", "a=b", ""])
def test_numbers_and_other_texts_stay(text: str) -> None:
    """A negative number is no formula."""
    assert inert(text) == text


@given(st.text())
def test_no_cell_begins_a_formula(text: str) -> None:
    """But for numbers."""
    shown = inert(text)
    if shown.lstrip(" ")[:1] in {"=", "+", "-", "@", "\t", "\r", "\n"}:
        float(shown)


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(), st.lists(st.text(), max_size=3)
)


@given(st.lists(st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES), max_size=6))
def test_any_rows_make_both_files(rows: list[dict[str, Any]]) -> None:
    """Columns of several types become texts; no row is lost."""
    names = {name for row in rows for name in row}
    table = pq.read_table(pa.BufferReader(parquet_file(rows)))
    assert set(table.column_names) == names
    if names:
        assert table.num_rows == len(rows)
    csv_file(rows)


def test_large_tables_are_bounded_and_say_so() -> None:
    """Rows that are read when somebody takes the file are counted by the question."""
    rows = [{"n": number} for number in range(MAX_ROWS + 1)]
    assert Offer(rows).note == "the first 5,000 of 5,001 rows"
    assert len(read_csv(file_of(Offer(rows).read(), Format.CSV))) == MAX_ROWS
    assert Offer(rows[:3]).note == ""
    asked = []
    offer = Offer(lambda: asked.append(1) or rows[:2], matching=184_220)  # type: ignore[func-returns-value]
    assert offer.note == "the first 5,000 of 184,220 rows"
    assert not asked
    assert len(read_csv(file_of(offer.read(), Format.CSV))) == 2
    assert file_of(Offer([]).read(), Format.CSV) == b""


def _tables() -> None:
    from sightline_dashboards.downloads import Offer
    from sightline_dashboards.elements import Column, TableRow, table

    columns, rows = [Column("A"), Column("B", number=True)], [TableRow(cells=("x", "1.5 ms"))]
    table(columns, rows, key="shown", empty="Nothing.")
    table(columns, rows, key="offered", empty="Nothing.", offer=Offer([{"b_ms": 1.5}], matching=9000))
    table(columns, [], key="empty", empty="Nothing.")


def test_every_table_can_be_taken() -> None:
    """Also one that names no rows of its own; one without rows cannot, and a note says where a file is cut."""
    app = AppTest.from_function(_tables).run(timeout=60)
    assert not app.exception
    for key, note in (("shown", ""), ("offered", "the first 5,000 of 9,000 rows")):
        assert [file["form"] for file in data(app, key)["files"]] == ["csv", "parquet"]
        assert data(app, key)["note"] == note
    assert data(app, "empty")["files"] == []
