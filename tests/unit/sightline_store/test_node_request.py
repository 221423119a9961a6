"""ClickHouse's HTTP interface, read into statements."""

from __future__ import annotations

import pytest

from sightline_store.errors import QueryRejected
from sightline_store.node import access, request


def _read(query: str = "", body: bytes = b"", *, whole: bool = True, **headers: str) -> request.Query:
    return request.read(query, headers, body, whole)


def test_query_in_body_with_parameters_and_settings() -> None:
    """The body is the query; param_ and settings are told apart from the reserved names."""
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
    ],
)
def test_insert_is_split_into_statement_format_and_data(query: str, body: bytes) -> None:
    """Data after FORMAT are never read as SQL, binary or not."""
    asked = _read(query, body)
    assert asked.insert_format == "CSV"
    assert asked.data == b"1,2\n"
    assert "FORMAT" not in asked.statement.sql


def test_insert_select_and_values_are_plain_statements() -> None:
    """Only INSERTs with data in the body are streamed."""
    assert not _read("", b"INSERT INTO t SELECT 1 FORMAT Null").insert_format
    assert not _read("", b"INSERT INTO t VALUES (1, 'FORMAT CSV\n')").insert_format


def test_answer_format_is_the_querys_or_the_default() -> None:
    """FORMAT in the query wins over default_format, which wins over TabSeparated."""
    assert _read("default_format=JSON", b"SELECT 1").answer_format == "JSON"
    assert _read("default_format=JSON", b"SELECT 1 FORMAT CSV").answer_format == "CSV"
    assert _read("", b"SELECT 1 FORMAT Native SETTINGS max_threads=1").answer_format == "Native"


@pytest.mark.parametrize(
    ("query", "body", "whole", "status"),
    [
        ("", b"", True, 400),
        ("", b"\xff\xfe SELECT", True, 400),
        ("", b"SELECT 1", False, 413),
        ("decompress=1", b"SELECT 1", True, 501),
    ],
)
def test_what_is_no_query_is_refused(query: str, body: bytes, whole: bool, status: int) -> None:
    """Empty, not UTF-8, endless or block-compressed: each has its answer."""
    with pytest.raises(QueryRejected) as refused:
        _read(query, body, whole=whole)
    assert refused.value.status == status


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example", "host": "127.0.0.1:8123"},
        {"origin": "null", "host": "127.0.0.1:8123"},
        {"host": "rebound.example"},
        {"host": "127.0.0.1.evil.example:8123"},
    ],
)
def test_foreign_pages_are_refused(headers: dict[str, str]) -> None:
    """A foreign origin, or a foreign name for loopback, may not ask."""
    with pytest.raises(QueryRejected) as refused:
        access.check(headers, "127.0.0.1")
    assert refused.value.status == 403


@pytest.mark.parametrize(
    "headers", [{"host": "localhost:8123"}, {"host": "[::1]:8123"}, {}, {"origin": "http://localhost:3000"}]
)
def test_local_clients_pass(headers: dict[str, str]) -> None:
    """Loopback by any of its names may ask."""
    access.check(headers, "127.0.0.1")
