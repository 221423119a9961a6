"""Answers of the embedded node while a statement still runs: progress, rows, and what goes wrong between them."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import clickhouse_connect
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError
from clickhouse_connect.driver.httpclient import HttpClient
from node_http import ask


def test_exceptions_in_mid_stream_cannot_be_overlooked(store_url: str) -> None:
    """The text follows under its tag and the answer breaks off; with wait_end_of_query there is no half answer."""
    sql = b"SELECT number, throwIf(number = 3000000) FROM numbers(10000000)"
    host = store_url.removeprefix("http://")
    connection = http.client.HTTPConnection(host)
    connection.request("POST", "/", sql)
    answer = connection.getresponse()
    tag = answer.getheader("X-ClickHouse-Exception-Tag")
    with pytest.raises(http.client.IncompleteRead) as broken:
        answer.read()
    connection.close()
    assert answer.status == 200
    tail = broken.value.partial[-2000:].decode()
    assert f"\r\n__exception__\r\n{tag}\r\nCode: 395. DB::Exception" in tail
    assert tail.endswith(f" {tag}\r\n__exception__\r\n")
    status, body, headers = ask(store_url, sql, wait_end_of_query="1")
    assert (status, headers["x-clickhouse-exception-code"], body[:9]) == (500, "395", b"Code: 395")
    _, body, _ = ask(store_url, sql + b" FORMAT JSONEachRow", http_write_exception_in_output_format="1")
    assert "Code: 395" in json.loads(body.splitlines()[-1])["exception"]


_SHOWN = "send_progress_in_http_headers=1&http_headers_progress_interval_ms=50"


@contextmanager
def _post(store_url: str, sql: str, query_id: str) -> Iterator[Iterator[bytes]]:
    """Ask; the answer's lines as they come."""
    host, _, port = store_url.removeprefix("http://").partition(":")
    head = f"POST /?{_SHOWN}&query_id={query_id} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {len(sql)}\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=60) as connection, connection.makefile("rb") as lines:
        connection.sendall(head.encode() + sql.encode())
        yield lines


def _rest(lines: Iterator[bytes]) -> dict[bytes, bytes]:
    """The headers that have not been read yet."""
    return dict(line.rstrip().split(b": ", 1) for line in iter(lambda: next(lines), b"\r\n"))


def test_progress_comes_while_the_statement_runs(store_url: str) -> None:
    """Headers arrive before the statement's end, which is still running then; what follows is the usual answer."""
    endless = "SELECT sum(sleepEachRow(0.02)) FROM numbers(100000) SETTINGS max_block_size = 1"
    with _post(store_url, endless, "seen-early") as lines:
        assert next(lines) == b"HTTP/1.1 200 OK\r\n"
        read_rows = []
        while len(read_rows) < 2 or read_rows[-1] == read_rows[0]:
            name, _, value = next(lines).partition(b": ")
            assert name == b"x-clickhouse-progress"
            read_rows.append(int(json.loads(value)["read_rows"]))
        assert read_rows == sorted(read_rows)
        running = b"SELECT count() FROM system.processes WHERE query_id = 'seen-early'"
        assert ask(store_url, running)[1] == b"1\n"
        ask(store_url, b"KILL QUERY WHERE query_id = 'seen-early'")
        rest = _rest(lines)
    # The status was sent before anybody knew: the code is a header, as ClickHouse has it.
    assert rest[b"x-clickhouse-exception-code"] == b"394"
    assert not any(name.startswith(b"HTTP/") for name in rest)


def test_a_connection_goes_on_after_early_headers(store_url: str) -> None:
    """The next answers on the same connection have a status line of their own, one each."""
    connection = http.client.HTTPConnection(store_url.removeprefix("http://"))
    slow = "SELECT sum(sleepEachRow(0.01)) FROM numbers(30) SETTINGS max_block_size = 1"
    for sql, status, body in (
        (slow, 200, b"0\n"),
        ("SELECT 1", 200, b"1\n"),
        ("SELEKT 1", 400, b"Code: 62"),
        (slow, 200, b"0\n"),
    ):
        connection.request("POST", f"/?{_SHOWN}", sql)
        answer = connection.getresponse()
        assert (answer.status, answer.read()[: len(body)]) == (status, body)
    connection.close()


def test_clickhouse_connect_waits_longer_than_its_read_timeout(store_url: str) -> None:
    """It asks for progress headers so that its connection is never silent: a long statement needs them."""
    driver = clickhouse_connect.get_client(
        host=store_url.removeprefix("http://").partition(":")[0],
        port=int(store_url.rpartition(":")[2]),
        send_receive_timeout=1,
    )
    assert isinstance(driver, HttpClient)
    sql = "SELECT sum(sleepEachRow(0.05)) FROM numbers(50) SETTINGS max_block_size = 1"
    driver._backend.progress_interval = "200"  # it asks for 10 s at the least
    assert driver.query(sql).result_rows == [(0,)]
    driver._backend.send_progress = False
    with pytest.raises(OperationalError, match="Read timed out"):
        driver.query(sql)
    driver.close()


def test_clients_see_an_error_that_follows_progress(store_url: str) -> None:
    """clickhouse-connect raises it, wherever the statement was; and a long INSERT shows progress too."""
    driver = clickhouse_connect.get_client(
        host=store_url.removeprefix("http://").partition(":")[0],
        port=int(store_url.rpartition(":")[2]),
        settings={"http_headers_progress_interval_ms": 50},
    )
    with pytest.raises(DatabaseError, match="395"):
        driver.query("SELECT sleepEachRow(0.01), throwIf(number = 30) FROM numbers(40) SETTINGS max_block_size = 1")
    assert driver.query("SELECT 2").result_rows == [(2,)]
    driver.close()
    ask(store_url, b"CREATE TABLE default.slow (n UInt64) ENGINE = Null")
    insert = "INSERT INTO default.slow SELECT number + sleepEachRow(0.01) FROM numbers(30) SETTINGS max_block_size = 1"
    with _post(store_url, insert, "seen-insert") as lines:
        assert [next(lines), next(lines)[:22]] == [b"HTTP/1.1 200 OK\r\n", b"x-clickhouse-progress:"]
        rest = _rest(lines)
    assert json.loads(rest[b"x-clickhouse-summary"])["written_rows"] == "30"
    ask(store_url, b"DROP TABLE default.slow")
