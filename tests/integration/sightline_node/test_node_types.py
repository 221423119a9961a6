"""Every type through clickhouse-connect and pandas, as their users do it against a ClickHouse."""

from __future__ import annotations

import asyncio
import decimal
import ipaddress
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import Any

import clickhouse_connect
import pandas as pd
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError
from clickhouse_connect.driver.external import ExternalData
from node_http import ask

from sightline_node.http import native

_WHEN = datetime(2024, 1, 2, 3, 4, 5)  # noqa: DTZ001  (the client's parameters carry no zone)


def _connect(url: str, **more: Any) -> Client:
    host, port = url.removeprefix("http://").split(":")
    return clickhouse_connect.get_client(host=host, port=int(port), **more)


@pytest.fixture
def client(store_url: str) -> Iterator[Client]:
    """A client as people make it: with a session of its own and compression on."""
    made = _connect(store_url)
    yield made
    made.close()


_VALUES: list[tuple[str, list[Any]]] = [
    ("UInt8", [0, 255]),
    ("Int128", [-(2**127), 2**127 - 1]),
    ("UInt256", [0, 2**256 - 1]),
    ("Float32", [0.5, -1.25]),
    ("Bool", [True, False]),
    ("String", ["", "naïve ' \\ \t\n\0 ☃"]),
    ("FixedString(3)", [b"abc", b"a\x00\x00"]),
    ("Decimal(9, 2)", [decimal.Decimal("1.50"), decimal.Decimal("-0.01")]),
    ("Decimal(38, 10)", [decimal.Decimal("12345678901234567890.0123456789"), decimal.Decimal("0E-10")]),
    ("Date", [date(1970, 1, 1), date(2149, 6, 6)]),
    ("Date32", [date(1900, 1, 1), date(2299, 12, 31)]),
    ("DateTime('UTC')", [datetime(2024, 2, 29, 12, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)]),
    ("DateTime64(6, 'UTC')", [datetime(2024, 2, 29, 12, 0, 0, 123456, tzinfo=UTC), datetime(1999, 1, 1, tzinfo=UTC)]),
    ("UUID", [uuid.UUID(int=0), uuid.UUID("61f0c404-5cb3-11e7-907b-a6006ad3dba0")]),
    ("IPv4", [ipaddress.IPv4Address("127.0.0.1"), ipaddress.IPv4Address("255.255.255.255")]),
    ("IPv6", [ipaddress.IPv6Address("::1"), ipaddress.IPv6Address("2001:db8::1")]),
    ("Enum8('a' = 1, 'it''s' = -2)", ["a", "it's"]),
    ("LowCardinality(String)", ["x", "y"]),
    ("LowCardinality(Nullable(String))", [None, "y"]),
    ("Nullable(Int32)", [None, -5]),
    ("Array(Array(Nullable(String)))", [[["a", None], []], []]),
    ("Map(LowCardinality(String), Array(UInt8))", [{"k": [1, 2], "l": []}, {}]),
    ("Tuple(UInt8, Tuple(String, Nullable(Float64)))", [(1, ("x", None)), (2, ("", 1.5))]),
    ("Tuple(a UInt8, b String)", [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]),
]


@pytest.mark.parametrize(("kind", "values"), _VALUES, ids=[kind for kind, _ in _VALUES])
def test_values_come_back_as_they_went(client: Client, kind: str, values: list[Any]) -> None:
    """Insert through Native, read through Native, with the client's own compression."""
    client.command("DROP TABLE IF EXISTS default.types")
    client.command(f"CREATE TABLE default.types (n UInt8, v {kind}) ENGINE = MergeTree ORDER BY n")
    client.insert("default.types", list(enumerate(values)), column_names=["n", "v"])
    rows = client.query("SELECT v FROM default.types ORDER BY n", tz_mode="aware").result_rows
    assert [row[0] for row in rows] == values
    client.command("DROP TABLE default.types")


def test_a_zone_in_a_parameter_is_the_zone_of_the_answer(client: Client) -> None:
    """The same text with another zone has other types, with another moment the same."""
    sql = "SELECT toDateTime({at:UInt32}, {zone:String}) AS at"
    for zone, at in (("Asia/Tokyo", 1), ("America/Chicago", 1), ("America/Chicago", 1700000000), ("Asia/Tokyo", 2)):
        (row,) = client.query(sql, parameters={"zone": zone, "at": at}).named_results()
        assert str(row["at"].tzinfo) == zone
        assert row["at"].timestamp() == at


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT toDateTime(1, if({n:UInt8}, 'Asia/Tokyo', 'America/Chicago')) AS at",
        "SELECT toDateTime(1, ['America/Chicago', 'Asia/Tokyo'][{n:UInt8} + 1]) AS at",
        "SELECT toDateTime(1, (SELECT if({n:UInt8}, 'Asia/Tokyo', 'America/Chicago'))) AS at",
        "SELECT * FROM view(SELECT toDateTime(1, if({n:UInt8}, 'Asia/Tokyo', 'America/Chicago')) AS at)",
        "SELECT toDateTime(1, {zone:String}) AS at",
    ],
)
def test_a_zone_that_depends_on_a_parameter_is_that_of_its_value(client: Client, sql: str) -> None:
    """Neither a number nor a text gets the zone that another value of it had."""
    for number, zone in ((0, "America/Chicago"), (1, "Asia/Tokyo"), (0, "America/Chicago"), (1, "Asia/Tokyo")):
        (row,) = client.query(sql, parameters={"n": number, "zone": zone}).named_results()
        assert str(row["at"].tzinfo) == zone


def test_a_changed_table_changes_the_zone(client: Client) -> None:
    """The same text after an ALTER has the new zone."""
    client.command("CREATE TABLE default.zoned (n UInt8, at DateTime('Asia/Tokyo')) ENGINE = MergeTree ORDER BY n")
    client.command("INSERT INTO default.zoned VALUES (1, 1)")
    for zone in ("Asia/Tokyo", "America/Chicago"):
        (row,) = client.query("SELECT at FROM default.zoned WHERE n = {n:UInt8}", {"n": 1}).named_results()
        assert str(row["at"].tzinfo) == zone
        client.command("ALTER TABLE default.zoned MODIFY COLUMN at DateTime('America/Chicago')")
    client.command("DROP TABLE default.zoned")


def test_limits_of_the_answer_do_not_hide_its_zone(store_url: str) -> None:
    """The question about the types has an answer of its own, with more rows than the client may want."""
    sql = b"SELECT 1 AS a, toDateTime(1, 'Asia/Tokyo') AS at FORMAT Native"
    for settings in ({"max_result_rows": "1"}, {"limit": "1"}, {"offset": "0"}, {"readonly": "1"}):
        status, body, _ = ask(store_url, sql, **settings)
        assert (status, b"DateTime('Asia/Tokyo')" in body) == (200, True), settings


def test_a_statement_killed_while_its_types_are_asked_for_does_not_run(store_url: str) -> None:
    """The scalar subquery runs with that question already: KILL ends the statement, not the question alone."""
    sql = b"SELECT (SELECT sum(sleepEachRow(0.2)) FROM numbers(300) SETTINGS max_block_size = 1) AS s FORMAT Native"
    with ThreadPoolExecutor(1) as thread:
        started_s = time.monotonic()
        answer = thread.submit(ask, store_url, sql, query_id="described")
        while not ask(store_url, b"KILL QUERY WHERE query_id = 'described'")[1]:
            assert time.monotonic() - started_s < 30
            time.sleep(0.05)
        status, body, _ = answer.result(90)
    assert (status, b"QUERY_WAS_CANCELLED" in body) == (500, True), body
    assert time.monotonic() - started_s < 55  # it sleeps for 60 s, and as long once more where the question alone ended


def test_nested_variant_json_and_dynamic(client: Client) -> None:
    """Types without one Python type."""
    client.command(
        "CREATE TABLE default.odd (n UInt8, e Nested(name String, at DateTime64(9)), v Variant(UInt64, String), "
        "j JSON, d Dynamic) ENGINE = MergeTree ORDER BY n"
    )
    client.command(
        "INSERT INTO default.odd VALUES (1, ['a', 'b'], [1, 2], 5, '{\"k\": {\"l\": [1, 2]}}', 'text'), "
        "(2, [], [], 'v', '{}', 7)"
    )
    rows = client.query("SELECT e.name, v, j, d FROM default.odd ORDER BY n").result_rows
    assert rows == [(["a", "b"], 5, {"k": {"l": [1, 2]}}, "text"), ([], "v", {}, 7)]
    client.command("DROP TABLE default.odd")


def test_parameters_settings_and_sessions(client: Client) -> None:
    """Server-side parameters of Python types, per-query settings, temporary tables of the client's session."""
    answer = client.query(
        "SELECT {s:String}, {a:Array(String)}, {d:DateTime}, {n:Nullable(Int8)}, {t:Identifier} FROM system.one",
        parameters={
            "s": "it's\ta\\b\n",
            "a": ["x'", "y\n"],
            "d": _WHEN,
            "n": None,
            "t": "dummy",
        },
        settings={"session_timezone": "UTC"},
    )
    assert answer.result_rows == [("it's\ta\\b\n", ["x'", "y\n"], _WHEN, None, 0)]
    assert client.query("SELECT getSetting('max_threads')", settings={"max_threads": 3}).result_rows == [(3,)]
    client.command("CREATE TEMPORARY TABLE own (x UInt8)")
    client.insert("own", [[1], [2]], column_names=["x"])
    assert client.command("SELECT sum(x) FROM own") == 3
    client.command("SET max_block_size = 123")
    assert client.command("SELECT getSetting('max_block_size')") == 123
    assert answer.summary["read_rows"] == "1"
    assert client.ping()
    assert client.min_version("24.1")


def test_frames_go_in_and_come_out(client: Client) -> None:
    """insert_df, query_df, query_arrow, query_np and streams of frames."""
    frame = pd.DataFrame(
        {
            "n": range(100_000),
            "s": [f"s{n}" for n in range(100_000)],
            "f": [n / 4 for n in range(100_000)],
            "t": pd.date_range("2024-01-01", periods=100_000, freq="s"),
        }
    )
    client.command(
        "CREATE TABLE default.frames (n UInt32, s String, f Float64, t DateTime) ENGINE = MergeTree ORDER BY n"
    )
    client.insert_df("default.frames", frame)
    back = client.query_df("SELECT * FROM default.frames ORDER BY n")
    assert (back["n"].tolist(), back["s"].tolist()) == (frame["n"].tolist(), frame["s"].tolist())
    assert back["f"].sum() == frame["f"].sum()
    with client.query_df_stream("SELECT n FROM default.frames") as stream:
        assert sum(len(block) for block in stream) == 100_000
    table = client.query_arrow("SELECT n, s FROM default.frames ORDER BY n")
    assert (table.num_rows, table["s"][99_999].as_py()) == (100_000, "s99999")
    assert client.query_np("SELECT sum(n) FROM default.frames")[0][0] == sum(range(100_000))
    client.insert_arrow("default.frames", client.query_arrow("SELECT * FROM default.frames LIMIT 10"))
    assert client.command("SELECT count() FROM default.frames") == 100_010
    client.command("DROP TABLE default.frames")


@pytest.mark.parametrize("compress", [False, "lz4", "zstd", "gzip"])
def test_streams_and_errors_in_every_compression(store_url: str, compress: Any) -> None:
    """Row blocks arrive as they come; an error in their middle is the engine's, not a broken connection."""
    client = _connect(store_url, compress=compress, autogenerate_session_id=False)
    with client.query_row_block_stream("SELECT number FROM numbers(500000)") as stream:
        assert sum(len(block) for block in stream) == 500_000
    with pytest.raises(DatabaseError, match="UNKNOWN_IDENTIFIER"):
        client.query("SELECT nosuch")
    with (
        pytest.raises((StreamFailureError, DatabaseError)) as failed,
        client.query_row_block_stream("SELECT throwIf(number = 3000000) FROM numbers(4000000)") as stream,
    ):
        for _ in stream:
            pass
    if not compress:
        assert "395" in str(failed.value)
    client.close()


def test_external_data_and_raw_streams(client: Client) -> None:
    """Tables that travel with a query; answers and inserts as bytes."""
    data = ExternalData(file_name="people", data=b"ann,3\nbob,4\n", fmt="CSV", structure="name String, n UInt8")
    answer = client.query("SELECT sum(n), {x:UInt8} FROM people", external_data=data, parameters={"x": 5})
    assert answer.result_rows == [(7, 5)]
    client.command("CREATE TABLE default.raw (n UInt64) ENGINE = Memory")
    client.raw_insert("default.raw", insert_block=b"1\n2\n", fmt="CSV")
    with client.raw_stream("SELECT n FROM default.raw ORDER BY n", fmt="CSV") as stream:
        assert stream.read() == b"1\n2\n"
    client.command("DROP TABLE default.raw")


def test_thirty_two_clients_of_the_library(store_url: str) -> None:
    """Each thread its own client, as the library asks for."""

    def work(number: int) -> int:
        client = _connect(store_url)
        try:
            return int(
                client.query("SELECT {n:UInt32} + sum(number) FROM numbers(1000)", {"n": number}).result_rows[0][0]
            )
        finally:
            client.close()

    with ThreadPoolExecutor(32) as threads:
        assert list(threads.map(work, range(32))) == [499_500 + number for number in range(32)]


_WALKED = ", ".join(
    [
        "number",
        "toString(number)",
        "repeat('x', number % 300)",
        "toFixedString('ab', 3)",
        "[number, 1]",
        "[[toString(number)], []]",
        "map('k', [number])",
        "toLowCardinality(toString(number % 700))",
        "[toLowCardinality(toNullable(toString(number % 5))), NULL]",
        "CAST([], 'Array(LowCardinality(String))')",
        "toNullable(number)",
        "toDecimal64(number, 3)",
        "toDateTime64(number, 9)",
        "toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0')",
        "toIPv6('::1')",
        "CAST(number % 2, 'Enum8(\\'a,b(\\' = 0, \\'c\\' = 1)')",
        "(number, toString(number))",
        "CAST((1, 'x'), 'Tuple(a UInt8, `b c` String)')",
        "CAST(number % 2 = 0 ? number : NULL, 'Nullable(UInt8)')",
        "true",
        "toIntervalDay(1)",
        "CAST([(1., 2.)], 'Ring')",
        "CAST(number, 'Variant(String, UInt64)')",
        "NULL",
        "toDateTime(number)",
        "toDate(number % 9)",
    ]
)


def test_clients_that_name_a_protocol_version_get_its_blocks(store_url: str) -> None:
    """As clickhouse-go over HTTP: each block has its head and each column its flag, the rest is what it was."""
    sql = f"SELECT {_WALKED} FROM numbers(70000) FORMAT Native".encode()
    plain = ask(store_url, sql)[1]

    async def cut() -> bytes:
        async def pieces() -> AsyncIterator[bytes]:
            for at in range(0, len(plain), 100_003):
                yield plain[at : at + 100_003]

        return b"".join([piece async for piece in native.rewritten(pieces(), (), has_head=True)])

    walked = native.whole_with_block_info(plain)
    assert asyncio.run(cut()) == walked
    blocks = walked.count(b"\x01\x00\x02\xff\xff\xff\xff\x00\x1a")
    assert blocks >= 2
    assert len(walked) == len(plain) + blocks * (8 + 26)
    named = {"client_protocol_version": "54460", "default_format": "Native"}
    answer = ask(store_url, b"SELECT 1 AS a", **named)[1]
    assert answer == b"\x01\x00\x02\xff\xff\xff\xff\x00\x01\x01\x01a\x05UInt8\x00\x01"
    states = b"SELECT uniqState(1)"
    status, body, _ = ask(store_url, states, client_protocol_version="54460", default_format="Native")
    assert (status, b"cast the column to String" in body) == (501, True)


_OF_NO_FIXED_SHAPE = [
    "CAST(multiIf(number % 4 = 0, NULL, number % 4 = 1, number::Dynamic, toString(number)::Dynamic), 'Dynamic')",
    "[number::Dynamic, 'x'::Dynamic, [toString(number)]::Dynamic]",
    "CAST(number % 2 = 0 ? number::Dynamic : toString(number)::Dynamic, 'Dynamic(max_types=1)')",
    """concat('{"a":', toString(number), ',"b":{"c":"x"},"d":[', toString(number), ']}')::JSON""",
    """concat('{"k', toString(number % 9), '":1,"t":3}')::JSON(max_dynamic_paths=2, t UInt32, SKIP z)""",
    """'{"a b":[1],"c":"2024-01-01"}'::JSON(`a b` Array(Dynamic), c Nullable(Date))""",
    "[CAST('{}', 'JSON'), CAST('{\"a\":[{\"b\":1}]}', 'JSON')]",
    "CAST([], 'Array(JSON)')",
    "CAST((1, '{\"a\":1}'), 'Tuple(n UInt8, j JSON)')",
    "map('k', number::Dynamic)",
    "number",
]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"output_format_native_use_flattened_dynamic_and_json_serialization": "1"},
        {"output_format_native_write_json_as_string": "1"},
    ],
)
def test_columns_of_no_fixed_shape_are_walked_too(store_url: str, settings: dict[str, str]) -> None:
    """JSON and Dynamic in every serialization of theirs, in arrays, tuples and maps, block by block to the end."""
    for columns in (_OF_NO_FIXED_SHAPE, *([column] for column in _OF_NO_FIXED_SHAPE)):
        sql = f"SELECT {', '.join(columns)} FROM numbers(3000) SETTINGS max_block_size = 1000 FORMAT Native".encode()
        status, plain, _ = ask(store_url, sql, **settings)
        assert status == 200, plain
        status, walked, _ = ask(store_url, sql, client_protocol_version="54460", **settings)
        assert status == 200, walked
        blocks = walked.count(b"\x01\x00\x02\xff\xff\xff\xff\x00" + bytes([len(columns)]))
        assert blocks >= 3
        assert len(walked) == len(plain) + blocks * (8 + len(columns)), columns
        for at in range(1, 2000, 97):
            half = native.whole_with_block_info(plain[:-at])
            assert walked.startswith(half)
