"""Other people's programs ask the embedded node with the reader's key: hello, questions, streams, errors."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import clickhouse_connect
import honest_clients
import lz4.frame
import node_http
import polars
import pytest
import zstandard
from clickhouse_connect.driver.exceptions import DatabaseError
from clickhouse_connect.driver.external import ExternalData
from role_process import Role as Process
from role_process import free_port

from sightline_node.readers import keys
from sightline_node.readers.roles import Role
from sightline_store.client import Client
from sightline_store.schema import migrate
from sightline_store.settings import StoreSettings

_STATEMENTS = json.loads(Path(honest_clients.__file__).with_name("reader_statements.json").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Place:
    """A node with the tables, and its keys."""

    port: int
    admin: str
    reader: str

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def connect(self, key: str = "", **more: Any) -> Any:
        """A client of clickhouse-connect, the reader's unless a key is given."""
        return clickhouse_connect.get_client(
            host="127.0.0.1", port=self.port, username="default", password=key or self.reader, **more
        )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A node that asks for keys."""
    folder, port = tmp_path_factory.mktemp("honest"), free_port()
    found = Place(
        port,
        keys.create(folder / "data", "collector", Role.ADMIN),
        keys.create(folder / "data", "tools", Role.READER),
    )
    env = {
        "SIGHTLINE_STORE_PORT": str(port),
        "SIGHTLINE_STORE_DATA_DIR": str(folder / "data"),
    }
    process = Process(["sightline-store", "serve"], env, f"{found.url}/ping", folder / "log")
    process.start()
    client = Client(StoreSettings(url=found.url, password=found.admin))
    migrate.apply(client)
    client.close()
    yield found
    process.stop()


def _beside(place: Place, fmt: str, structure: str, data: bytes, key: str = "", **settings: str) -> tuple[int, str]:
    """Ask for all rows of data that come beside the statement; status and text of the answer."""
    fence = "fence-of-the-form"
    head = f'--{fence}\r\nContent-Disposition: form-data; name="t"; filename="t"\r\n\r\n'
    status, body, _ = node_http.ask(
        place.url,
        head.encode() + data + f"\r\n--{fence}--\r\n".encode(),
        {"X-ClickHouse-Key": key or place.reader, "Content-Type": f"multipart/form-data; boundary={fence}"},
        query="SELECT * FROM t FORMAT TSV",
        t_structure=structure,
        t_format=fmt,
        **settings,
    )
    return status, body.decode()


def test_every_statement_of_other_peoples_tools_passes(place: Place) -> None:
    """Each statement of the corpus is answered with 200 to the reader."""

    def ask(entry: dict[str, Any]) -> str:
        params = {f"param_{name}": value for name, value in entry.get("params", {}).items()}
        where = {"database": entry["database"]} if "database" in entry else {}
        status, body, _ = node_http.ask(
            place.url,
            entry["sql"].encode(),
            {"X-ClickHouse-Key": place.reader},
            **{**entry.get("settings", {}), **params, **where},
        )
        return "" if status == 200 else f"{entry['name']}: {status} {body.decode()[:300]}"

    with ThreadPoolExecutor(3) as threads:
        failures = [text for text in threads.map(ask, _STATEMENTS) if text]
    assert not failures, "\n".join(failures)


def test_the_corpus_is_wide() -> None:
    """There are at least 200 statements, each with a name of its own."""
    assert len({entry["name"] for entry in _STATEMENTS}) == len(_STATEMENTS) >= 200


@pytest.mark.parametrize("role", ["admin", "reader"])
def test_settings_hold_for_the_data_beside_a_query(place: Place, role: str) -> None:
    """A delimiter and a number of tolerated errors apply to an external table, as in ClickHouse."""
    key = place.admin if role == "admin" else place.reader
    rows = _beside(place, "CSVWithNames", "a UInt8, b UInt8", b"a;b\n1;2\n", key, format_csv_delimiter=";")
    assert rows == (200, "1\t2\n")
    rows = _beside(place, "CSV", "a UInt8, b UInt8", b"1,2\nx,3\n5,6\n", key, input_format_allow_errors_num="1")
    assert rows == (200, "1\t2\n5\t6\n")


def test_nothing_in_a_readers_data_is_run(place: Place) -> None:
    """Values beside a reader's query are values, and an expression among them is refused, whatever the reader sets."""
    assert _beside(place, "Values", "a UInt8, b Array(String)", b"(1, ['x']), (2, [])") == (200, "1\t['x']\n2\t[]\n")
    expression = b"(upper('leak'))"
    assert _beside(place, "Values", "s String", expression, place.admin) == (200, "LEAK\n")
    status, text = _beside(place, "Values", "s String", expression)
    assert status != 200
    assert "LEAK" not in text
    status, _ = _beside(place, "Values", "s String", expression, input_format_values_interpret_expressions="1")
    assert status == 403
    status, text = _beside(place, "Values", "s String", expression, session_id="of-a-reader")
    assert status != 200
    assert "LEAK" not in text


@pytest.mark.parametrize("fmt", ["MySQLDump", "Template", "Regexp", "Protobuf", "CapnProto", "AvroConfluent", "Form"])
def test_data_in_formats_that_open_something_are_refused(place: Place, fmt: str) -> None:
    """Formats with schemas, templates or rules of their own are no reader's."""
    status, text = _beside(place, fmt, "s String", b"x")
    assert status == 403
    assert f"data in the format {fmt}" in text


def test_clickhouse_connect_reads(place: Place) -> None:
    """Parameters, caps, data frames, Arrow, streams, external data and errors work as its users know them."""
    client = place.connect(database="otel", settings={"max_execution_time": 30})
    assert client.query("SELECT {n:UInt8} AS n, {s:String} AS s", parameters={"n": 3, "s": "it's"}).result_rows == [
        (3, "it's")
    ]
    assert client.command("SELECT 1") == 1
    assert client.query_df("SELECT number AS n FROM numbers(3)")["n"].sum() == 3
    with client.query_df_stream("SELECT number AS n FROM numbers(200000)") as frames:
        assert sum(len(frame) for frame in frames) == 200_000
    assert client.query_arrow("SELECT number AS n FROM numbers(3)").num_rows == 3
    with client.query_rows_stream("SELECT number FROM numbers(200000)") as rows:
        assert sum(1 for _ in rows) == 200_000
    data = ExternalData(
        file_name="people.csv", data=b"name;age\nA;1\nB;2\n", fmt="CSVWithNames", structure=["name String", "age UInt8"]
    )
    asked = "SELECT sum(age) FROM people"
    assert client.query(asked, external_data=data, settings={"format_csv_delimiter": ";"}).result_rows == [(3,)]
    for refused, code in (("SELECT nothing", "47"), ("DROP TABLE otel_traces", "497")):
        with pytest.raises(DatabaseError, match=code):
            client.command(refused)
    client.close()


def test_clickhouse_connect_gets_summaries_of_what_has_no_result(place: Place) -> None:
    """command() returns the summary of a CREATE or an INSERT, and nothing is said of a format."""
    client = place.connect(place.admin)
    assert client.command("CREATE TABLE IF NOT EXISTS default.summed (x UInt8) ENGINE = Memory").query_id()
    summary = client.command("INSERT INTO default.summed SELECT number FROM numbers(5)")
    assert summary.written_rows == 5
    assert client.command("SELECT count() FROM default.summed") == 5
    _, _, headers = node_http.ask(place.url, b"SET max_threads = 1", {"X-ClickHouse-Key": place.admin})
    assert "x-clickhouse-format" not in headers
    client.close()


CHICAGO = datetime(2023, 11, 14, 16, 13, 20, tzinfo=ZoneInfo("America/Chicago"))
_ZONED = "toDateTime(1700000000 + number, 'America/Chicago') AS at, toString(number) AS s FROM numbers(100000)"


@pytest.mark.parametrize("role", ["admin", "reader"])
@pytest.mark.parametrize("compress", [False, True, "gzip"])
def test_clickhouse_connect_gets_time_zones(place: Place, role: str, compress: bool | str) -> None:
    """A DateTime column keeps its time zone in rows, streams, data frames and Arrow, compressed or not."""
    client = place.connect(place.admin if role == "admin" else place.reader, compress=compress)
    rows = client.query(f"SELECT {_ZONED}").result_rows
    assert (rows[0], rows[-1]) == ((CHICAGO, "0"), (CHICAGO + timedelta(seconds=99_999), "99999"))
    with client.query_rows_stream(f"SELECT number, {_ZONED}") as stream:
        assert sum(row[1] == CHICAGO + timedelta(seconds=row[0]) for row in stream) == 100_000
    frame = client.query_df(f"SELECT {_ZONED}")
    assert (len(frame), frame["at"][0], str(frame["at"].dt.tz)) == (100_000, CHICAGO, "America/Chicago")
    assert client.query_arrow(f"SELECT {_ZONED}").num_rows == 100_000
    assert client.query("SELECT toDateTime(1700000000) AS at").result_rows[0][0].tzinfo is None
    states = "SELECT toDateTime(1700000000, 'America/Chicago') AS at, uniqState(number) AS u FROM numbers(3)"
    assert client.raw_query(states, fmt="Native").startswith(b"\x02\x01\x02at\x08DateTime")
    client.close()


def test_time_zones_are_those_of_the_table_at_that_time(place: Place) -> None:
    """An ALTER and a temporary table of the same name in a session change what the same text answers."""
    client = place.connect(place.admin)
    client.command("CREATE TABLE default.zoned (at DateTime('America/Chicago')) ENGINE = MergeTree ORDER BY tuple()")
    client.command("INSERT INTO default.zoned VALUES (1700000000)")
    for zone in ("America/Chicago", "Asia/Tokyo"):
        client.command(f"ALTER TABLE default.zoned MODIFY COLUMN at DateTime('{zone}')")
        (at,) = client.query("SELECT at FROM zoned").result_rows[0]
        assert (at, at.tzinfo) == (CHICAGO, ZoneInfo(zone))
    client.command("CREATE TEMPORARY TABLE zoned AS SELECT toDateTime(1700000000, 'Europe/Paris') AS at")
    (at,) = client.query("SELECT at FROM zoned").result_rows[0]
    assert (at, at.tzinfo) == (CHICAGO, ZoneInfo("Europe/Paris"))
    client.command("DROP TABLE default.zoned")
    client.close()


def test_compressed_blocks_for_a_protocol_version_are_whole(place: Place) -> None:
    """As clickhouse-go with gzip: heads and full types, in every encoding that the client accepts."""
    sql = f"SELECT {_ZONED} FORMAT Native".encode()
    named = {"client_protocol_version": "54460"}
    plain = node_http.ask(place.url, sql, {"X-ClickHouse-Key": place.reader}, **named)[1]
    assert plain.startswith(b"\x01\x00\x02\xff\xff\xff\xff\x00\x02")
    assert b"\x02at\x1bDateTime('America/Chicago')\x00" in plain
    for encoding, unpack in (
        ("gzip", gzip.decompress),
        ("zstd", lambda body: zstandard.ZstdDecompressor().decompressobj().decompress(body)),
        ("lz4", lz4.frame.decompress),
        ("br", bytes),  # only the engine speaks it: such an answer comes uncompressed
    ):
        headers = {"X-ClickHouse-Key": place.reader, "Accept-Encoding": encoding}
        status, body, got = node_http.ask(place.url, sql, headers, enable_http_compression="1", **named)
        assert (status, got.get("content-encoding", "br")) == (200, encoding)
        assert unpack(body) == plain


@pytest.mark.parametrize("name", ["go", "jdbc", "js"])
def test_clients_of_other_languages_read(place: Place, name: str) -> None:
    """clickhouse-go, JDBC and `@clickhouse/client` say hello, look around, bind, stream and see errors."""
    command = honest_clients.command(name, f"127.0.0.1:{place.port}", place.reader)
    if not command:
        why = f"no client for {name}: `python tests/support/honest_clients.py` fetches it"
        sys.stderr.write(f"!!! SKIPPED {why}\n")
        pytest.skip(why)
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("ok ") >= 8


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
def test_curl_asks_by_url_body_and_form(place: Place, tmp_path: Path) -> None:
    """A question in the URL, one in the body with a parameter, and a table that comes with it as a form."""
    (tmp_path / "rows.csv").write_text("a;b\n1;2\n3;4\n")

    def curl(*arguments: str) -> str:
        done = subprocess.run(
            ["curl", "-sS", "--max-time", "30", "-H", f"X-ClickHouse-Key: {place.reader}", *arguments],
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout

    assert curl(f"{place.url}/?query=SELECT%201%2B1") == "2\n"
    assert (
        curl(f"{place.url}/?param_n=3&default_format=JSONEachRow", "--data-binary", "SELECT {n:UInt8} AS n")
        == '{"n":3}\n'
    )
    table = "t_format=CSVWithNames&t_structure=a%20UInt8,b%20UInt8&format_csv_delimiter=%3B"
    asked = f"{place.url}/?query=SELECT%20sum(a*b)%20FROM%20t&{table}"
    assert curl(asked, "-F", f"t=@{tmp_path / 'rows.csv'}") == "14\n"
    assert "Code: 497" in curl(f"{place.url}/", "--data-binary", "SELECT file('/etc/hostname')")


def test_polars_takes_what_arrow_brings(place: Place) -> None:
    """A data frame of polars, by way of Arrow, with names, numbers and times."""
    client = place.connect()
    table = client.query_arrow("SELECT number AS n, toString(number) AS s, now64(3) AS at FROM numbers(1000)")
    frame = polars.from_arrow(table)
    client.close()
    assert isinstance(frame, polars.DataFrame)
    assert frame.shape == (1000, 3)
    assert frame["n"].sum() == 499_500
