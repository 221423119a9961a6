"""ClickHouse's HTTP interface, read into statements."""

from __future__ import annotations

import pytest

from sightline_node.http import multipart, request
from sightline_store.errors import QueryRejected


def _read(query: str = "", body: bytes = b"", *, whole: bool = True) -> request.Query:
    return request.read(request.parameters(query, {}), body, whole)


def test_query_in_body_with_parameters_and_settings() -> None:
    """The body is the query; param_ and settings are separated from the reserved names."""
    asked = _read("database=otel&param_n=3&max_threads=2&query_id=q1&user=default", b"SELECT {n:UInt8}")
    assert asked.statement.sql == "SELECT {n:UInt8}"
    assert asked.statement.params == {"n": "3"}
    assert asked.statement.settings == {"max_threads": "2"}
    assert (asked.statement.database, asked.query_id, asked.is_select) == ("otel", "q1", True)


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("query=INSERT+INTO+t+(a,b)+FORMAT+CSV", b"1,2\n"),
        ("", b"INSERT INTO t (a,b) FORMAT CSV\n1,2\n"),
        ("", b"-- why\nINSERT INTO t (a,b) SETTINGS x=1 FORMAT CSV\r\n1,2\n"),
        ("", b"INSERT INTO `format` (`select`) FORMAT CSV 1,2\n"),
    ],
)
def test_insert_is_split_into_statement_format_and_data(query: str, body: bytes) -> None:
    """Data after FORMAT are never read as SQL, binary or not."""
    asked = _read(query, body)
    assert asked.insert_format == "CSV"
    assert asked.data == b"1,2\n"
    assert "FORMAT" not in asked.statement.sql


def test_binary_data_lose_no_byte() -> None:
    """One line end belongs to the statement, the next is data."""
    assert _read("", b"INSERT INTO t FORMAT RowBinary\n\n\x00;'").data == b"\n\x00;'"
    assert _read("query=INSERT+INTO+t+FORMAT+RowBinary", b"\n\xff").data == b"\n\xff"


def test_insert_select_and_values_are_plain_statements() -> None:
    """Only INSERTs with data in the body are streamed; VALUES when they are long."""
    assert not _read("", b"INSERT INTO t SELECT 1 FORMAT Null").insert_format
    assert not _read("", b"INSERT INTO t VALUES (1, 'FORMAT CSV\n')").insert_format
    assert _read("", b"INSERT INTO t VALUES (1), (", whole=False).insert_format == "Values"
    assert _read("", b"INSERT INTO t SELECT x FROM input('x UInt8') FORMAT CSV\n1").insert_format == "CSV"


def test_answer_format_is_the_querys_or_the_default() -> None:
    """FORMAT in the query wins over default_format, which wins over TabSeparated."""
    assert _read("default_format=JSON", b"SELECT 1").answer_format == "JSON"
    assert _read("default_format=JSON", b"SELECT 1 FORMAT CSV").answer_format == "CSV"
    assert _read("", b"SELECT 1 FORMAT Native SETTINGS max_threads=1").answer_format == "Native"
    assert _read("", b"SELECT 1 AS format UNION ALL SELECT 2").answer_format == "TabSeparated"
    assert _read("", b"SELECT 'FORMAT CSV' -- FORMAT XML").answer_format == "TabSeparated"


@pytest.mark.parametrize(
    ("query", "body", "whole", "status"),
    [
        ("", b"", True, 400),
        ("", b"\xff\xfe SELECT", True, 400),
        ("", b"SELECT 1", False, 413),
        ("", b"SELECT 1; SELECT 2", True, 400),
        ("", b"INSERT INTO t VALUES (1); DROP TABLE t", True, 400),
        ("", b"SELECT 1 INTO /* x */ OUTFILE 'f'", True, 400),
        ("query=%ff", b"", True, 400),
    ],
)
def test_what_is_no_query_is_refused(query: str, body: bytes, whole: bool, status: int) -> None:
    """Empty, not UTF-8, endless, two at once or written into a file: each has its answer."""
    with pytest.raises(QueryRejected) as refused:
        _read(query, body, whole=whole)
    assert refused.value.status == status


def test_semicolons_in_strings_names_and_comments_end_nothing() -> None:
    """What looks like a second statement and is none."""
    for sql in (
        "SELECT ';'",
        'SELECT 1 AS "a;b"',
        "SELECT 1 -- ; x",
        "SELECT 1 /* ; */;",
        "SELECT $a$;$a$",
        r"SELECT '\';'",
    ):
        assert _read("", sql.encode()).shape.is_alone


def test_forms_are_read_to_the_byte() -> None:
    """Fields, files, line ends in data; a form without its end is refused."""
    kind = 'multipart/form-data; boundary="a b"'
    body = b'--a b\r\nContent-Disposition: form-data; name="q"\r\n\r\nSELECT 1\r\n'
    body += (
        b'--a b\r\ncontent-disposition: form-data; name="f"; filename="x"\r\nX: y\r\n\r\n\r\n\x00--a\r\n\r\n--a b--\r\n'
    )
    assert multipart.is_form(kind)
    assert multipart.read(kind, body) == [
        multipart.Part("q", b"SELECT 1", False),
        multipart.Part("f", b"\r\n\x00--a\r\n", True),
    ]
    for bad in (body[:-6], b"", b"--a b\r\nno head--a b--"):
        with pytest.raises(QueryRejected):
            multipart.read(kind, bad)


def test_external_tables_take_structure_or_types() -> None:
    """Types name their columns _1, _2 and may have commas of their own."""
    parts = [multipart.Part("t", b"", True), multipart.Part("query", b"SELECT * FROM t", False)]
    given = {"t_types": "Map(String, UInt8),Array(UInt8)", "t_format": "CSV", "max_threads": "1"}
    asked = request.read(given, b"", True, parts=parts)
    assert [(e.name, e.fmt, e.structure) for e in asked.externals] == [
        ("t", "CSV", "_1 Map(String, UInt8), _2 Array(UInt8)")
    ]
    assert asked.statement.settings == {"max_threads": "1"}
    with pytest.raises(QueryRejected):
        request.read({}, b"", True, parts=parts)
