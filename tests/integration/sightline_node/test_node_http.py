"""ClickHouse's HTTP interface as the embedded node speaks it: methods, formats, compression, sessions, errors."""

from __future__ import annotations

import http.client
import json
import subprocess

import pytest
from node_http import ask


def test_get_reads_and_never_writes(store_url: str) -> None:
    """GET answers queries; INSERT, DDL and the host's files are refused, also inside a session."""
    assert ask(store_url, method="GET", query="SELECT 1 + 1")[1] == b"2\n"
    assert ask(store_url, method="GET", query="SELECT 1 FORMAT JSONEachRow", max_threads="1")[1] == b'{"1":1}\n'
    for session in ({}, {"session_id": "get"}):
        for sql in (
            "CREATE TABLE default.got (n UInt8) ENGINE = Memory",
            "DROP DATABASE otel",
            "INSERT INTO FUNCTION file('/tmp/got.csv') SELECT 1",
            "INSERT INTO otel.otel_traces (SpanId) VALUES ('x')",
            "KILL QUERY WHERE query_id = 'x'",
            "BACKUP DATABASE otel TO File('got')",
        ):
            assert ask(store_url, method="GET", query=sql, **session)[0] in {403, 500}, sql
    assert ask(store_url, b"EXISTS TABLE default.got")[1] == b"0\n"
    assert ask(store_url, method="HEAD", query="SELECT 1")[:2] == (200, b"")


def test_query_in_url_and_body_is_one_text(store_url: str) -> None:
    """The URL's part comes first, then the body."""
    assert ask(store_url, b"number < 3", query="SELECT count() FROM numbers(10) WHERE")[1] == b"3\n"
    assert ask(store_url, b"SELECT 1;  -- done\n")[1] == b"1\n"
    status, body, _ = ask(store_url, b"SELECT 1; DROP DATABASE otel")
    assert (status, b"Multi-statements are not allowed" in body) == (400, True)
    assert ask(store_url, b"SELECT ';' AS \"a;b\" -- ; SELECT 2")[1] == b";\n"
    status, body, headers = ask(store_url, b"SELECT 1 INTO OUTFILE '/tmp/got.csv'")
    assert (status, headers["x-clickhouse-exception-code"]) == (400, "162")


@pytest.mark.parametrize(
    "fmt",
    [
        "JSON", "JSONCompact", "JSONColumns", "XML", "CSVWithNames", "TSVWithNamesAndTypes", "PrettyCompact", "Parquet",
        "Arrow", "ArrowStream", "ORC", "Avro", "Native", "RowBinaryWithNamesAndTypes", "MsgPack", "Vertical",
        "Markdown", "Values", "JSONEachRow", "JSONCompactEachRowWithNamesAndTypes", "SQLInsert", "BSONEachRow", "Null",
    ],
)  # fmt: skip
def test_every_format_is_one_document(store_url: str, fmt: str) -> None:
    """What is written for many blocks of rows is what the engine reads back as one table."""
    sql = f"SELECT number AS n, toString(number) AS s FROM numbers(200000) FORMAT {fmt}".encode()
    status, body, headers = ask(store_url, sql, output_format_pretty_max_rows="10")
    assert (status, headers["x-clickhouse-format"]) == (200, fmt)
    if fmt == "JSON":
        document = json.loads(body)
        assert (len(document["data"]), document["rows"], document["statistics"]["rows_read"]) == (
            200000,
            200000,
            200000,
        )
    elif fmt in {"Null"}:
        assert body == b""
    elif fmt not in {"XML", "PrettyCompact", "Vertical", "Markdown", "SQLInsert"}:
        table = f"INSERT INTO default.copied FORMAT {fmt}"
        ask(store_url, b"CREATE OR REPLACE TABLE default.copied (n UInt64, s String) ENGINE = Memory")
        status, answer, _ = ask(store_url, body, query=table)
        assert status == 200, answer
        assert ask(store_url, b"SELECT count(), sum(n), uniqExact(s) FROM default.copied")[1] == (
            b"200000\t19999900000\t200000\n"
        )
        ask(store_url, b"DROP TABLE default.copied")


def test_answer_headers_tell_format_and_content_type(store_url: str) -> None:
    """Content-Type, X-ClickHouse-Format and the default format, also by header."""
    for given, fmt, content_type in (
        ({"default_format": "JSON"}, "JSON", "application/json; charset=UTF-8"),
        ({"default_format": "CSV"}, "CSV", "text/csv; charset=UTF-8; header=absent"),
        ({"default_format": "JSONEachRow"}, "JSONEachRow", "application/x-ndjson; charset=UTF-8"),
        ({}, "TabSeparated", "text/tab-separated-values; charset=UTF-8"),
    ):
        headers = ask(store_url, b"SELECT 1", **given)[2]
        assert (headers["x-clickhouse-format"], headers["content-type"]) == (fmt, content_type)
    assert ask(store_url, b"SELECT 1 AS a", {"X-ClickHouse-Format": "JSONEachRow"})[1] == b'{"a":1}\n'
    assert ask(store_url, b"SELECT currentDatabase()", {"X-ClickHouse-Database": "otel"})[1] == b"otel\n"
    assert ask(store_url, b"SELECT 1", database="nosuch")[0] == 404


def test_summary_tells_what_was_read_and_written(store_url: str) -> None:
    """read_rows, written_rows and result_rows are the engine's, views included; time is measured."""

    def summary(sql: bytes, body: bytes = b"", **params: str) -> dict[str, int]:
        query = {"query": sql.decode()} if body else {}
        headers = ask(store_url, body or sql, **query, **params)[2]
        return {k: int(v) for k, v in json.loads(headers["x-clickhouse-summary"]).items()}

    ask(store_url, b"CREATE TABLE default.s (n UInt64) ENGINE = MergeTree ORDER BY n")
    ask(store_url, b"CREATE MATERIALIZED VIEW default.sv ENGINE = MergeTree ORDER BY n AS SELECT n FROM default.s")
    assert summary(b"INSERT INTO default.s FORMAT CSV", b"1\n2\n3\n")["written_rows"] == 6
    assert summary(b"INSERT INTO default.s SELECT number FROM numbers(10)")["written_rows"] == 20
    read = summary(b"SELECT n FROM default.s WHERE n > 1")
    assert (read["read_rows"], read["result_rows"]) == (13, 10)
    assert read["read_bytes"] == 13 * 8
    assert read["elapsed_ns"] > 0
    waited = summary(b"SELECT number FROM numbers(3000000)", wait_end_of_query="1")
    assert (waited["read_rows"], waited["result_rows"]) == (3000000, 3000000)
    ask(store_url, b"DROP TABLE default.sv")
    ask(store_url, b"DROP TABLE default.s")


@pytest.mark.parametrize(
    ("kind", "sent", "answer"),
    [
        ("String", r"a\tb\\c\n'", r"a\tb\\c\n\'"),
        ("Nullable(String)", r"\N", r"\N"),
        ("Array(String)", r"['it\'s','b']", r"['it\'s','b']"),
        ("Array(Array(UInt8))", "[[1,2],[]]", "[[1,2],[]]"),
        ("Map(String, UInt8)", "{'a':1}", "{'a':1}"),
        ("Tuple(UInt8, String)", "(1,'x')", "(1,'x')"),
        ("DateTime64(3)", "2024-02-29 12:00:00.123", "2024-02-29 12:00:00.123"),
        ("Date", "2024-02-29", "2024-02-29"),
        ("Decimal(18, 4)", "-1.5", "-1.5"),
        ("UUID", "61f0c404-5cb3-11e7-907b-a6006ad3dba0", "61f0c404-5cb3-11e7-907b-a6006ad3dba0"),
        ("Float64", "nan", "nan"),
        ("Bool", "true", "true"),
        ("IPv6", "::1", "::1"),
        ("Int128", "-170141183460469231731687303715884105728", "-170141183460469231731687303715884105728"),
    ],
)
def test_parameters_of_every_type(store_url: str, kind: str, sent: str, answer: str) -> None:
    """{name:Type} with values escaped as in TabSeparated."""
    assert ask(store_url, f"SELECT {{p:{kind}}}".encode(), param_p=sent)[1].decode() == answer + "\n"


def test_parameters_in_inserts_and_names(store_url: str) -> None:
    """Identifiers, INSERT … SELECT and VALUES take parameters; what does not fit is refused with its code."""
    ask(store_url, b"CREATE TABLE default.p (n UInt64, s String) ENGINE = Memory")
    for sql in (
        b"INSERT INTO {t:Identifier} SELECT {n:UInt64}, {s:String}",
        b"INSERT INTO p VALUES ({n:UInt64}, {s:String})",
    ):
        status, body, _ = ask(store_url, sql, param_t="p", param_n="5", param_s="it's", database="default")
        assert status == 200, body
    assert ask(store_url, b"SELECT * FROM default.p")[1] == b"5\tit\\'s\n" * 2
    assert ask(store_url, b"SELECT {n:UInt8}", param_n="x")[2]["x-clickhouse-exception-code"] == "457"
    assert ask(store_url, b"SELECT {n:UInt8}")[2]["x-clickhouse-exception-code"] == "456"
    ask(store_url, b"DROP TABLE default.p")


def test_sessions_keep_their_settings(store_url: str) -> None:
    """SET, USE and temporary tables stay; a URL's settings and database are of one statement."""

    def session(sql: str, **params: str) -> str:
        return ask(store_url, sql.encode(), session_id="keeps", **params)[1].decode().strip()

    session("SET max_threads = 3, log_comment = 'mine'")
    assert session("SELECT getSetting('max_threads')") == "3"
    assert session("SELECT getSetting('max_threads')", max_threads="5") == "5"
    assert session("SELECT getSetting('max_threads')") == "3"
    session("USE otel")
    assert session("SELECT currentDatabase()") == "otel"
    assert session("SELECT currentDatabase()", database="system") == "system"
    assert session("SELECT currentDatabase()") == "otel"
    session("CREATE TEMPORARY TABLE kept (n UInt8)")
    session("INSERT INTO kept FORMAT CSV\n1\n2\n")
    assert session("SELECT sum(n) FROM kept", max_threads="1") == "3"
    assert ask(store_url, b"SELECT getSetting('max_threads')")[1] != b"3\n"
    session("SELECT 1", close_session="1")
    status, _, headers = ask(store_url, b"SELECT 1", session_id="keeps", session_check="1")
    assert (status, headers["x-clickhouse-exception-code"]) == (404, "372")


def test_without_a_session_nothing_stays(store_url: str) -> None:
    """SET, USE and temporary tables end with their statement."""
    for sql in (b"SET max_block_size = 7", b"USE system", b"CREATE TEMPORARY TABLE gone (n UInt8)"):
        for _ in range(4):
            assert ask(store_url, sql)[0] == 200
    for _ in range(8):
        assert ask(store_url, b"SELECT getSetting('max_block_size'), currentDatabase()")[1] != b"7\tsystem\n"
        assert ask(store_url, b"EXISTS TEMPORARY TABLE gone")[1] == b"0\n"


def test_a_format_is_a_name(store_url: str) -> None:
    """Whatever is written where one belongs, quoted or not, is no SQL; and a query id is no header of its own."""
    harm = "TSV SETTINGS max_block_size = 7"
    for sql, given in (
        ("SELECT 1", {"default_format": harm}),
        (f"SELECT 1 FORMAT `{harm}`", {}),
        (f'SELECT 1 FORMAT "{harm}"', {}),
        (f"INSERT INTO default.nosuch FORMAT `{harm}` 1", {}),
        ("SELECT 1", {"default_format": "T_S_V"}),
    ):
        status, _, headers = ask(store_url, sql.encode(), **given)
        assert (status, headers["x-clickhouse-exception-code"]) == (400, "73"), sql
    status, _, headers = ask(store_url, b"SELECT 1", query_id="a\r\nSet-Cookie: b\x7f\u20ac")
    assert (status, headers["x-clickhouse-query-id"]) == (200, "a??Set-Cookie: b??")
    assert "set-cookie" not in headers


def test_a_kafka_table_is_refused_where_it_would_lock_the_folder(store_url: str) -> None:
    """Only in a database that a restart empties: chDB cannot open a folder again that holds one."""
    settings = "SETTINGS kafka_broker_list = '127.0.0.1:1', kafka_topic_list = 't', kafka_group_name = 'g', "
    settings += "kafka_format = 'RawBLOB'"
    for sql, given in (
        (f"CREATE TABLE default.k (s String) ENGINE = Kafka {settings}", {}),
        (f"create table if not exists k (s String) engine Kafka() {settings}", {}),
        (f"CREATE TABLE `otel`.k (s String) ENGINE = `Kafka` {settings}", {}),
        (f"CREATE TABLE k (s String) ENGINE = Kafka {settings}", {"database": "otel"}),
        (f"CREATE TABLE k (s String) ENGINE = Kafka {settings}", {"session_id": "kafka"}),
    ):
        status, answer, _ = ask(store_url, sql.encode(), **given)
        assert (status, b"in a database in memory" in answer) == (400, True), (sql, answer)
    ask(store_url, b"CREATE DATABASE in_memory ENGINE = Memory")
    ask(
        store_url, f"CREATE TABLE in_memory.source (s String) ENGINE = Kafka {settings}".encode()
    )  # says that it failed
    assert ask(store_url, b"SELECT engine FROM system.tables WHERE name = 'source'")[1] == b"Kafka\n"
    for sql in (
        b"CREATE TABLE default.k AS in_memory.source",
        b"CREATE TABLE `default`.k /* ENGINE */ AS `in_memory`.`source`",
        b"RENAME TABLE in_memory.source TO default.k",
    ):
        assert ask(store_url, sql)[0] >= 400, sql
    assert ask(store_url, b"CREATE TABLE default.like_it ENGINE = Memory AS in_memory.source")[0] == 200
    ask(store_url, b"DROP TABLE default.like_it")
    ask(store_url, b"DROP DATABASE in_memory")
    assert ask(store_url, b"SELECT count() FROM system.tables WHERE engine = 'Kafka' AND name = 'k'")[1] == b"0\n"
    assert ask(store_url, b"CREATE TABLE default.engine_kafka (s String DEFAULT 'Kafka') ENGINE = Memory")[0] == 200
    ask(store_url, b"DROP TABLE default.engine_kafka")


@pytest.mark.parametrize(
    ("sql", "status", "code"),
    [
        (b"SELEKT 1", 400, "62"),
        (b"SELECT nosuch", 404, "47"),
        (b"SELECT nosuch()", 404, "46"),
        (b"SELECT * FROM nosuch.t", 404, "81"),
        (b"SELECT throwIf(1)", 500, "395"),
        (b"SELECT sleep(3) SETTINGS max_execution_time = 0.2", 408, "159"),
        (b"SELECT toUInt8('x')", 400, "6"),
        (b"SELECT 1 SETTINGS no_such_setting = 1", 404, "115"),
        (b"SELECT groupArray(number) FROM numbers(1e9) SETTINGS max_memory_usage = '50M'", 500, "241"),
    ],
)
def test_codes_and_statuses_are_clickhouses(store_url: str, sql: bytes, status: int, code: str) -> None:
    """Each error with its own code, in header and text, and the version at the end."""
    got, body, headers = ask(store_url, sql)
    assert (got, headers["x-clickhouse-exception-code"]) == (status, code)
    assert body.startswith(f"Code: {code}. DB::Exception: ".encode())
    assert body.rstrip().endswith(b")")
    assert b"(version " in body


def test_health_paths(store_url: str) -> None:
    """/ping, /replicas_status and / answer by GET; every other path is 404."""
    host = store_url.removeprefix("http://")
    connection = http.client.HTTPConnection(host)
    for path, status, start in (
        ("/ping", 200, b"Ok.\n"),
        ("/replicas_status", 200, b"Ok.\n"),
        ("/", 200, b"Ok.\n"),
        ("/play", 404, b"There is no handle /play"),
        ("/nosuch", 404, b"There is no handle /nosuch"),
    ):
        connection.request("GET", path)
        answer = connection.getresponse()
        assert (answer.status, answer.read()[: len(start)]) == (status, start)
    connection.close()


def test_curl_works_as_in_clickhouses_manual(store_url: str) -> None:
    """The examples that people copy."""

    def curl(*arguments: str, data: bytes = b"") -> bytes:
        run = subprocess.run(["curl", "-sS", *arguments], input=data, capture_output=True, timeout=60, check=True)
        return run.stdout

    assert curl(f"{store_url}/?query=SELECT%201") == b"1\n"
    assert curl(store_url, "-d", "SELECT 1") == b"1\n"
    assert curl(store_url, "--data-binary", "@-", data=b"SELECT 1 FORMAT JSONEachRow") == b'{"1":1}\n'
    curl(f"{store_url}/?query=CREATE%20TABLE%20default.c%20(a%20UInt8)%20ENGINE=Memory", "-X", "POST")
    curl(f"{store_url}/?query=INSERT%20INTO%20default.c%20FORMAT%20TabSeparated", "--data-binary", "@-", data=b"4\n5\n")
    curl(store_url, "-d", "INSERT INTO default.c VALUES (6),(7)")
    assert curl(f"{store_url}/?query=SELECT%20sum(a)%20FROM%20default.c", "--compressed") == b"22\n"
    assert (
        curl(f"{store_url}/?enable_http_compression=1", "--compressed", "-d", "SELECT sum(a) FROM default.c") == b"22\n"
    )
    assert (
        curl(f"{store_url}/?param_id=2&param_phrase=test", "-d", "SELECT {id:UInt8}, {phrase:String}") == b"2\ttest\n"
    )
    curl(store_url, "-d", "DROP TABLE default.c")
