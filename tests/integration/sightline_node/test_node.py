"""The embedded node against the clients that people have: clickhouse-connect and plain HTTP."""

from __future__ import annotations

import gzip
import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import clickhouse_connect
import pytest

from sightline_store.client import Client
from sightline_store.errors import QueryFailed, SchemaError, StoreBusy, StoreUnavailable
from sightline_store.schema import declared, migrate
from sightline_store.settings import StoreSettings


def _ask(
    url: str, body: bytes = b"", headers: dict[str, str] | None = None, **params: str
) -> tuple[int, bytes, dict[str, str]]:
    request = urllib.request.Request(f"{url}/?{urllib.parse.urlencode(params)}", body or None, headers or {})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            try:
                body = answer.read()
            except http.client.IncompleteRead as broken:  # an error in mid-stream leaves the answer without its end
                body = broken.partial
            return answer.status, body, {k.lower(): v for k, v in answer.headers.items()}
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code, exc.read(), {k.lower(): v for k, v in exc.headers.items()}


def test_clickhouse_connect_cannot_tell(store_url: str) -> None:
    """Types go in and come back through the Native format."""
    host, port = store_url.removeprefix("http://").split(":")
    client = clickhouse_connect.get_client(host=host, port=int(port), autogenerate_session_id=False)
    columns = "a UInt64, b String, c Array(Nullable(Float64)), d Map(String, UInt8)"
    client.command(f"CREATE TABLE IF NOT EXISTS default.types ({columns}) ENGINE = Memory")
    rows = [[2**63, "naïve ' \\ \n", [1.5, None], {"k": 1}], [0, "", [], {}]]
    client.insert("default.types", rows, column_names=["a", "b", "c", "d"])
    assert client.query("SELECT * FROM default.types ORDER BY a DESC").result_rows == [tuple(row) for row in rows]
    assert client.query_df("SELECT count() AS n FROM default.types")["n"][0] == 2
    assert client.query("SELECT {x:String}", parameters={"x": "it's\ta\nline"}).result_rows == [("it's\ta\nline",)]
    client.command("DROP TABLE default.types")
    client.close()


def test_formats_headers_and_settings(store_url: str) -> None:
    """FORMAT, default_format, query ids and per-query settings, which do not stay."""
    status, body, headers = _ask(store_url, b"SELECT 1 AS a", default_format="JSONEachRow", query_id="mine")
    assert (status, json.loads(body)) == (200, {"a": 1})
    assert headers["x-clickhouse-query-id"] == "mine"
    assert _ask(store_url, b"SELECT getSetting('max_threads')", max_threads="1")[1] == b"1\n"
    assert _ask(store_url, b"SELECT getSetting('max_threads')")[1] != b"1\n"


def test_errors_carry_clickhouses_code_and_status(store_url: str) -> None:
    """Code in header and text, the status that ClickHouse uses, also when a query fails in mid-stream."""
    status, body, headers = _ask(store_url, b"SELECT * FROM nosuch")
    assert (status, headers["x-clickhouse-exception-code"]) == (404, "60")
    assert b"UNKNOWN_TABLE" in body
    assert _ask(store_url, b"SELEKT 1")[0] == 400
    assert _ask(store_url, b"SELECT 1", no_such_setting="1")[0] in {400, 404, 500}
    _, body, _ = _ask(store_url, b"SELECT throwIf(number = 3000000) FROM numbers(10000000)")
    assert b"Code: 395" in body


def test_inserts_stream_in_any_format_and_encoding(store_url: str) -> None:
    """CSV by URL, JSONEachRow in the body, gzip; all or nothing where the data are bad."""
    _ask(store_url, b"CREATE TABLE IF NOT EXISTS default.rows (n UInt64) ENGINE = MergeTree ORDER BY n")
    _ask(store_url, b"1\n2\n", query="INSERT INTO default.rows FORMAT CSV")
    _ask(store_url, b'INSERT INTO default.rows FORMAT JSONEachRow\n{"n":3}')
    many = gzip.compress("\n".join(str(n) for n in range(10, 300_010)).encode())
    status, _, headers = _ask(
        store_url, many, {"Content-Encoding": "gzip"}, query="INSERT INTO default.rows FORMAT TSV"
    )
    assert (status, json.loads(headers["x-clickhouse-summary"])["written_rows"]) == (200, "300000")
    assert _ask(store_url, b"4\nfive\n", query="INSERT INTO default.rows FORMAT CSV")[0] >= 400
    assert _ask(store_url, b"junk", {"Content-Encoding": "gzip"}, query="INSERT INTO default.rows FORMAT TSV")[0] == 400
    assert _ask(store_url, b"SELECT count(), sum(n < 10) FROM default.rows")[1] == b"300003\t3\n"
    _ask(store_url, b"DROP TABLE default.rows")


def test_rows_that_a_table_or_a_view_refuses_are_an_error(store_url: str) -> None:
    """Too many partitions, and a view that throws: never success without the rows."""
    _ask(store_url, b"CREATE TABLE default.days (d Date) ENGINE = MergeTree PARTITION BY d ORDER BY d")
    _ask(store_url, b"CREATE TABLE default.source (d Date) ENGINE = Null")
    select = b"SELECT d + throwIf(d > '2100-01-01') AS d FROM default.source"
    _ask(store_url, b"CREATE MATERIALIZED VIEW default.mv TO default.days AS " + select)
    many = "\n".join(str(date(2020, 1, 1) + timedelta(day)) for day in range(300)).encode()
    for table, data, code in (("days", many, "252"), ("source", many, "252"), ("source", b"2105-01-01", "395")):
        status, _, headers = _ask(store_url, data, query=f"INSERT INTO default.{table} FORMAT CSV")
        assert (status, headers["x-clickhouse-exception-code"]) == (500, code)
    status, _, _ = _ask(
        store_url, many, query="INSERT INTO default.days SETTINGS max_partitions_per_insert_block=0 FORMAT CSV"
    )
    assert status == 200
    assert _ask(store_url, b"SELECT count() FROM default.days")[1] == b"300\n"
    for name in (b"VIEW default.mv", b"TABLE default.days", b"TABLE default.source"):
        _ask(store_url, b"DROP " + name)


def test_large_bodies_go_through_the_disk(store_url: str) -> None:
    """A body beyond what is kept in memory is inserted whole."""
    _ask(store_url, b"CREATE TABLE default.large (n UInt64) ENGINE = Null")
    body = bytes(8) * 10_000_000
    status, _, headers = _ask(store_url, body, query="INSERT INTO default.large FORMAT RowBinary")
    assert (status, json.loads(headers["x-clickhouse-summary"])["written_rows"]) == (200, "10000000")
    _ask(store_url, b"DROP TABLE default.large")


def test_sessions_keep_temporary_tables(store_url: str) -> None:
    """What one session makes, another does not see."""
    _ask(store_url, b"CREATE TEMPORARY TABLE t AS SELECT 7 AS a", session_id="one")
    assert _ask(store_url, b"SELECT a FROM t", session_id="one")[1] == b"7\n"
    assert _ask(store_url, b"SELECT a FROM t", session_id="two")[0] == 404


def test_parallel_parameterised_queries_do_not_mix(store_url: str) -> None:
    """32 threads, each its own parameters, each its own answer."""

    def ask(n: int) -> bool:
        return _ask(store_url, b"SELECT {n:UInt32} + sleep(0.001)", param_n=str(n))[1] == f"{n}\n".encode()

    with ThreadPoolExecutor(32) as threads:
        assert all(threads.map(ask, range(200)))


def test_large_results_stream(store_url: str) -> None:
    """Ten million rows arrive whole."""
    status, body, _ = _ask(store_url, b"SELECT number FROM numbers(10000000) FORMAT RowBinary")
    assert (status, len(body)) == (200, 80_000_000)


def test_foreign_origin_is_refused(store_url: str) -> None:
    """A page of a foreign site cannot ask."""
    assert _ask(store_url, b"SELECT 1", {"Origin": "http://evil.example"})[0] == 403


def test_schema_applies_once_and_knows_a_newer_store(store_url: str) -> None:
    """A second run does nothing; a store from the future is refused with a sentence."""
    client = Client(StoreSettings(url=store_url, database="once"))
    assert migrate.apply(client).migrations == declared.migrations()
    assert not migrate.apply(client)
    client.command("INSERT INTO sightline_schema (version, name, checksum) VALUES (999, 'future', 'x')")
    with pytest.raises(SchemaError, match="install the newer sightline-platform"):
        migrate.apply(client)
    client.command("DROP DATABASE once", database="")
    client.close()


def test_client_tells_away_from_refused(store_url: str) -> None:
    """Nobody there is StoreUnavailable and names the setting; a bad query is QueryFailed with its code."""
    with pytest.raises(StoreUnavailable, match=r"SIGHTLINE_STORE_URL=http://127\.0\.0\.1:9"):
        Client(StoreSettings(url="http://127.0.0.1:9")).query_rows("SELECT 1")
    client = Client(StoreSettings(url=store_url))
    with pytest.raises(QueryFailed) as failed:
        client.query_rows("SELECT nosuch")
    assert failed.value.code == 47
    client.close()


@pytest.mark.parametrize(
    ("sql", "code", "message"),
    [
        (
            "SELECT groupArray(number) FROM numbers(1e9) SETTINGS max_memory_usage = '50M'",
            241,
            r"cannot do it now \(code 241\): .*memory limit exceeded.*max_memory_usage",
        ),
        (
            "SELECT throwIf(1, '(total) memory limit exceeded', 241::Int16) "
            "SETTINGS allow_custom_error_code_in_throwif = 1",
            241,
            r"SIGHTLINE_STORE_MAX_MEMORY_BYTES",
        ),
        *(
            (f"SELECT throwIf(1, 'no', {code}::Int16) SETTINGS allow_custom_error_code_in_throwif = 1", code, message)
            for code, message in (
                (202, "SIGHTLINE_STORE_MAX_CONCURRENT_QUERIES"),
                (242, "Keeper"),
                (243, "SIGHTLINE_STORE_RETENTION_MAX_GIB"),
                (252, "fewer, larger batches"),
                (319, r"cannot do it now \(code 319\)"),
            )
        ),
    ],
)
def test_client_tells_busy_from_away(store_url: str, sql: str, code: int, message: str) -> None:
    """A store that answers that it cannot now is quoted, with the way out, and may be asked again."""
    client = Client(StoreSettings(url=store_url))
    with pytest.raises(StoreBusy, match=f"(?s){message}") as busy:
        client.query_rows(sql)
    client.close()
    assert busy.value.code == code
    assert isinstance(busy.value, StoreUnavailable)
    assert "sightline up" not in str(busy.value)
    assert "for url" not in str(busy.value)
