"""The embedded node with keys, over HTTP: what each role may do, and what a browser may be made to send."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import attack_runner
import clickhouse_connect
import pytest
from role_process import Role as Process
from role_process import free_port

from sightline_node.readers import keys
from sightline_node.readers.roles import Role
from sightline_store.client import Client
from sightline_store.errors import QueryFailed
from sightline_store.questions import asking, catalog
from sightline_store.schema import migrate
from sightline_store.settings import StoreSettings

_SECRET = "what-nobody-else-may-read"
_ATTACKS = json.loads((attack_runner.LISTS / "store_attacks.json").read_text(encoding="utf-8"))
_QUESTIONS = catalog.names()
_LOOKALIKES = json.loads((attack_runner.LISTS / "store_lookalikes.json").read_text(encoding="utf-8"))
_OF_TYPE = {"String": "", "UInt8": "1", "UInt32": "60", "UInt64": "60", "Int64": "1", "Float64": "0.5"}


@dataclass(frozen=True)
class Keyed:
    """A node that asks for keys."""

    url: str
    folder: Path
    admin: str
    reader: str

    def client(self, key: str) -> Client:
        """A client of the `otel` database with a key."""
        return Client(StoreSettings(url=self.url, password=key))

    def ask(
        self, key: str, sql: str = "", *, method: str = "", headers: dict[str, str] | None = None, **params: str
    ) -> tuple[int, str]:
        """Status and text of an answer, 0 where the node hung up; without `method` it is POSTed as a body."""
        sent = {**({"X-ClickHouse-Key": key} if key else {}), **(headers or {})}
        body = None if method == "GET" else sql.encode()
        if method == "GET":
            params["query"] = sql
        request = urllib.request.Request(f"{self.url}/?{urllib.parse.urlencode(params)}", body, sent)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read().decode("utf-8", "replace")
        except urllib.error.HTTPError as exc:
            with exc:
                return exc.code, exc.read().decode("utf-8", "replace")
        except http.client.RemoteDisconnected:
            return 0, ""


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    """A node with an admin's and a reader's key, and the tables."""
    folder, port = tmp_path_factory.mktemp("keyed"), free_port()
    url = f"http://127.0.0.1:{port}"
    admin = keys.create(folder / "data", "collector", Role.ADMIN)
    reader = keys.create(folder / "data", "dashboards", Role.READER)
    env = {
        "SIGHTLINE_STORE_PORT": str(port),
        "SIGHTLINE_STORE_DATA_DIR": str(folder / "data"),
        # What is refused here is refused by the node's own judgement, not by the wall behind it.
        "SIGHTLINE_STORE_CONFINE": "off",
        "SIGHTLINE_STORE_READER_DATABASES": "otel,default",
    }
    process = Process(["sightline-store", "serve"], env, f"{url}/ping", folder / "log")
    process.start()
    node = Keyed(url, folder, admin, reader)
    client = node.client(admin)
    migrate.apply(client)
    client.close()
    yield node
    process.stop()


def test_clients_ask_with_a_key_in_each_of_their_ways(keyed: Keyed) -> None:
    """clickhouse-connect with a reader's password reads; URL, Basic and Bearer do; nobody else does."""
    port = int(keyed.url.rpartition(":")[2])
    client = clickhouse_connect.get_client(host="127.0.0.1", port=port, username="default", password=keyed.reader)
    assert client.query("SELECT count() FROM otel.requests").result_rows == [(0,)]
    assert client.query_df("SELECT {n:UInt8} AS n", parameters={"n": 3})["n"][0] == 3
    client.close()
    assert keyed.ask("", "SELECT 5", user="reader", password=keyed.reader) == (200, "5\n")
    assert keyed.ask("", "SELECT 5", headers={"Authorization": f"Bearer {keyed.admin}"}) == (200, "5\n")
    for key in ("", "wrong", keyed.reader[:-1]):
        status, text = keyed.ask(key, "SELECT 5")
        assert (status, "Code: 516" in text) == (403, True)
    with urllib.request.urlopen(f"{keyed.url}/ping", timeout=10) as answer:
        assert answer.read() == b"Ok.\n"


@pytest.mark.parametrize("name", _QUESTIONS)
def test_every_question_of_the_pages_passes_for_a_reader(keyed: Keyed, name: str) -> None:
    """The dashboards and evals need no more than the reader role."""
    sql = asking.sql(name)
    params: dict[str, Any] = {}
    for parameter, kind in set(re.findall(r"\{(\w+):([^}]+)\}", sql)):
        value = "2026-01-01 00:00:00" if kind.startswith("DateTime") else "[]" if kind.startswith("Array") else ""
        params[f"param_{parameter}"] = value or _OF_TYPE[kind]
    status, text = keyed.ask(keyed.reader, sql, database="otel", **params)
    assert status == 200, text


def test_a_reader_names_lambdas_and_hides_nothing_in_them(keyed: Keyed) -> None:
    """A lambda's name may be called; what stands in it is judged, and it cannot be called like a closed function."""
    assert keyed.ask(keyed.reader, "WITH n -> n + 1 AS one_more SELECT one_more(2)") == (200, "3\n")
    for hidden in (
        "WITH n -> file(n) AS one_more SELECT one_more('keys')",
        "WITH n -> n + 1 AS file SELECT file(2)",
        "WITH n -> other(n) AS one_more, m -> file(m) AS other SELECT one_more('keys')",
    ):
        assert keyed.ask(keyed.reader, hidden)[0] == 403
    status, text = keyed.ask(keyed.reader, "WITH n -> n + 1 AS one_more SELECT two_more(2)")
    assert (status, "`two_more` does not exist" in text) == (404, True)


def test_a_reader_gets_none_of_the_attacks_through(keyed: Keyed) -> None:
    """The whole list over HTTP, by POST, by GET and in a session: refused, and nothing was read or written."""
    out = keyed.folder / "out.csv"
    for name in ("secret.txt", "data/plain", "data/plain.csv"):
        (keyed.folder / name).write_text(f"{_SECRET}\n")
    for attack in _ATTACKS:
        sql = attack["sql"].replace("@FOLDER@", str(keyed.folder)).replace("@PORT@", "9")
        extra: dict[str, Any] = {f"param_{name}": value for name, value in attack.get("params", {}).items()}
        extra |= attack.get("settings", {}) | {"database": attack.get("database", "default")}
        ways: list[dict[str, Any]] = [{}, {"method": "GET"}, {"session_id": "mine"}]
        for way in ways:
            status, text = keyed.ask(keyed.reader, sql, **way, **extra)
            assert status in {400, 403, 404}, (attack["name"], way, status, text)
            assert _SECRET not in text, attack["name"]
            assert not out.exists(), attack["name"]


def test_what_only_looks_like_an_attack_is_answered(keyed: Keyed) -> None:
    """The same over HTTP, where answers are streamed: strings, comments, names, settings and every clause."""
    for sql in attack_runner.BEFORE:
        status, text = keyed.ask(keyed.admin, sql)
        assert status == 200, text
    for harmless in _LOOKALIKES:
        extra: dict[str, Any] = {f"param_{name}": value for name, value in harmless.get("params", {}).items()}
        extra |= harmless.get("settings", {}) | {"database": harmless.get("database", "default")}
        status, text = keyed.ask(keyed.reader, harmless["sql"], **extra)
        assert status == 200, (harmless["name"], text)
        assert harmless["answer"] in text, (harmless["name"], text)


def test_deep_and_long_statements_are_judged_or_refused_at_once(keyed: Keyed) -> None:
    """No statement is too deep for the judge and not for the engine, or the other way round."""
    nested = "SELECT 1 AS a"
    for _ in range(60):
        nested = f"SELECT a FROM ({nested})"
    assert keyed.ask(keyed.reader, nested) == (200, "1\n")
    hidden = nested.replace("SELECT 1 AS a", "SELECT file('/etc/passwd') AS a")
    assert keyed.ask(keyed.reader, hidden)[0] == 403
    assert keyed.ask(keyed.reader, f"SELECT {'+'.join('1' * 150)}") == (200, "150\n")
    assert keyed.ask(keyed.reader, f"SELECT 7 IN ({','.join(map(str, range(20_000)))})") == (200, "1\n")
    for deep in (
        f"SELECT {'(' * 3000}1{')' * 3000}",
        f"SELECT {'-(' * 900}1{')' * 900}",
        f"SELECT {'+'.join('1' * 2000)}",
    ):
        assert keyed.ask(keyed.reader, deep)[0] in {200, 400, 403, 500}
    assert keyed.ask(keyed.reader, "SELECT 1") == (200, "1\n")


def test_a_column_that_is_called_like_a_system_table_tells_nothing(keyed: Keyed) -> None:
    """What the node itself puts into statements about system.processes opens nothing to a reader."""
    column = "(SELECT CAST(tuple(1), 'Tuple(processes UInt8)') AS system)"
    for shape in ("SELECT system.processes FROM {}", "SELECT max(system . /**/ `processes`) FROM {}"):
        status, text = keyed.ask(keyed.reader, shape.format(column))
        assert (status, text) == (200, "1\n") or (status, "Code: 497" in text) == (403, True)
    assert keyed.ask(keyed.reader, "SELECT * FROM system.processes")[0] == 403
    assert keyed.ask(keyed.reader, "SELECT 1 AS x, 'system.processes' AS y") == (200, "1\tsystem.processes\n")


def test_an_admin_may_all_of_it(keyed: Keyed) -> None:
    """The other role reads files and writes tables: that is what it is for."""
    (keyed.folder / "columns.csv").write_text("7\n")
    path = keyed.folder / "columns.csv"
    assert keyed.ask(keyed.admin, f"SELECT * FROM file('{path}', 'CSV', 'a UInt8')") == (200, "7\n")
    assert keyed.ask(keyed.admin, "CREATE TABLE default.mine (a UInt8) ENGINE = Memory")[0] == 200
    assert keyed.ask(keyed.admin, "INSERT INTO default.mine VALUES (1)")[0] == 200
    assert keyed.ask(keyed.reader, "SELECT a FROM default.mine") == (200, "1\n")
    assert keyed.ask(keyed.reader, "INSERT INTO default.mine VALUES (1)")[0] == 403
    client = keyed.client(keyed.reader)
    with pytest.raises(QueryFailed) as refused:
        client.insert_rows("requests", ["TraceId"], [["x"]])
    assert refused.value.code == 497
    client.close()


def test_get_reads_and_never_writes_or_reaches_out(keyed: Keyed) -> None:
    """A link or an image can make a browser send a GET: even an admin's only reads."""
    assert keyed.ask(keyed.admin, "SELECT count() > 0 FROM system.processes", method="GET")[0] == 200
    for sql in (
        "CREATE TABLE default.by_get (a UInt8) ENGINE = Memory",
        "INSERT INTO otel.requests (TraceId) SELECT 'x'",
        "DROP TABLE otel.requests",
        "SELECT * FROM url('http://127.0.0.1:9/', 'LineAsString', 'line String')",
        "SELECT file('/etc/passwd')",
        "BACKUP DATABASE otel TO File('by_get')",
        "KILL QUERY WHERE 1 = 0",
        "SYSTEM STOP MERGES",
        "SET max_threads = 1, readonly = 0",
    ):
        status, text = keyed.ask(keyed.admin, sql, method="GET")
        assert status in {400, 403}, (sql, status, text)
        assert "Code: 164" in text or "Code: 497" in text or "Code: 62" in text, (sql, text)


def test_tables_that_come_with_a_query_carry_nothing_in(keyed: Keyed) -> None:
    """Their columns, format and name come from the client too: none of them is SQL."""
    (keyed.folder / "secret.txt").write_text(f"{_SECRET}\n")
    file = f"file('{keyed.folder}/secret.txt', 'LineAsString')"
    reads = f"file('{keyed.folder}/secret.txt')"
    attempts: list[dict[str, str]] = [
        {"loot_structure": f"line String) ENGINE = Memory AS SELECT * FROM {file} AS f ("},
        {"loot_structure": f"line String) ENGINE = Memory AS (SELECT * FROM {file}"},
        {"loot_structure": f"line String DEFAULT {reads}, x UInt8", "loot_format": "JSONEachRow"},
        {"loot_structure": f"line String MATERIALIZED {reads}, x UInt8", "loot_format": "JSONEachRow"},
        {"loot_structure": f"line String ALIAS {reads}, x UInt8", "loot_format": "JSONEachRow"},
        {"loot_structure": "line String", "loot_format": f"CSV SETTINGS x = 1; SELECT {reads}"},
        {"loot_types": f"String) ENGINE = Memory AS (SELECT * FROM {file}"},
        {"loot_structure": "line') ENGINE = Memory AS SELECT * FROM " + file + " -- "},
        {"loot_structure": f"line DEFAULT ({reads})", "loot_format": "JSONEachRow"},
        {"loot_structure": f"PRIMARY KEY ({reads})", "loot_format": "JSONEachRow"},
        {"loot_structure": f"line String EPHEMERAL {reads}, x UInt8", "loot_format": "JSONEachRow"},
        {"loot_structure": "line Object('" + reads + "')", "loot_format": "JSONEachRow"},
        {"loot_structure": "line String", "loot_format": f"`LineAsString` FROM INFILE '{keyed.folder}/secret.txt'"},
        {"loot_structure": "x UInt8", "query": f"SELECT * FROM {file}, loot"},
        {"loot_structure": "x UInt8", "query": "SELECT * FROM loot, default.`secret.txt`"},
    ]
    harmless = {"loot_structure": "x UInt8", "loot_format": "JSONEachRow", "query": "SELECT x + 1 FROM loot"}
    for attempt in [
        *attempts,
        *({**attempt, "session_id": "loot"} for attempt in attempts),
        harmless,
        {**harmless, "session_id": "loot"},
    ]:
        form = b'--b\r\nContent-Disposition: form-data; name="loot"; filename="loot"\r\n\r\n{"x": 1}\n\r\n--b--\r\n'
        params = urllib.parse.urlencode({"query": "SELECT * FROM loot", **attempt})
        request = urllib.request.Request(
            f"{keyed.url}/?{params}",
            form,
            {"Content-Type": "multipart/form-data; boundary=b", "X-ClickHouse-Key": keyed.reader},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                status, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as exc:
            with exc:
                status, text = exc.code, exc.read().decode()
        assert _SECRET not in text, attempt
        if attempt.get("query") == harmless["query"]:
            assert (status, text) == (200, "2\n"), attempt
        else:
            assert status >= 400, (attempt, text)


def test_what_stands_beside_the_statement_is_no_sql(keyed: Keyed) -> None:
    """Format, database, query id, session id, compression: each is a name, whatever is written into it."""
    (keyed.folder / "secret.txt").write_text(f"{_SECRET}\n")
    out = keyed.folder / "out.csv"
    reads = f"SELECT file('{keyed.folder}/secret.txt')"
    writes = f"INSERT INTO FUNCTION file('{out}', 'CSV', 'a UInt8') SELECT 1"
    for harm in (reads, writes):
        for shape in (
            "CSV; {}", "Null;{};", "CSV\n;\n{} --", "TSV SETTINGS max_threads=1; {}", "x'; {}; --", "x`; {}; --",
            "a&readonly=0&x={}", "CSV) UNION ALL {} (",
        ):  # fmt: skip
            value = shape.format(harm)
            for place in ("default_format", "database", "query_id", "session_id", "role", "log_comment", "compress"):
                _, text = keyed.ask(keyed.reader, "SELECT 1", **{place: value})
                assert _SECRET not in text, (place, value)
                assert not out.exists(), (place, value)
            header = value.replace("\n", " ")
            for name in ("X-ClickHouse-Format", "X-ClickHouse-Database", "Accept-Encoding"):
                _, text = keyed.ask(keyed.reader, "SELECT 1", headers={name: header})
                assert _SECRET not in text, (name, value)
                assert not out.exists(), (name, value)


def test_a_session_belongs_to_its_role(keyed: Keyed) -> None:
    """A reader that knows the name of an admin's session does not see what is in it, and cannot loosen its own."""
    made = keyed.ask(keyed.admin, "CREATE TEMPORARY TABLE private AS SELECT 1 AS a", session_id="shared")
    assert made[0] == 200, made
    assert keyed.ask(keyed.admin, "SELECT a FROM private", session_id="shared") == (200, "1\n")
    assert keyed.ask(keyed.reader, "SELECT a FROM private", session_id="shared")[0] == 404
    assert keyed.ask(keyed.reader, "SET max_threads = 1", session_id="mine")[0] == 200
    assert keyed.ask(keyed.reader, "SELECT getSetting('max_threads')", session_id="mine") == (200, "1\n")
    assert keyed.ask(keyed.reader, "SELECT file('/etc/passwd')", session_id="mine")[0] == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example", "Content-Type": "text/plain"},
        {"Origin": "null", "Content-Type": "application/x-www-form-urlencoded"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Referer": "https://evil.example/"},
        {"Host": "evil.example"},
    ],
)
def test_foreign_pages_cannot_ask_even_with_a_key(keyed: Keyed, headers: dict[str, str]) -> None:
    """A form, an image or a script of another site, and a name that was pointed here: GET, POST and preflight."""
    for method in ("GET", "POST"):
        status, text = keyed.ask(keyed.admin, "SELECT 1", method=method if method == "GET" else "", headers=headers)
        assert (status, "Code: 497" in text) == (403, True)
    asked = {**headers, "Access-Control-Request-Method": "POST"}
    preflight = urllib.request.Request(f"{keyed.url}/", method="OPTIONS", headers=asked)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(preflight, timeout=10)
    refused.value.close()
    assert refused.value.code == 403


def test_revoking_a_key_ends_it(keyed: Keyed) -> None:
    """Within about a second, without a restart."""
    token = keys.create(keyed.folder / "data", "for a moment", Role.READER)
    deadline = time.monotonic() + 10
    while keyed.ask(token, "SELECT 1")[0] != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    keys.revoke(keyed.folder / "data", token[4:12])
    while keyed.ask(token, "SELECT 1")[0] != 403:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_node_that_others_could_reach_does_not_start_without_a_key(tmp_path: Path) -> None:
    """The sentence names the setting and the way out."""
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SIGHTLINE_")},
        "SIGHTLINE_STORE_HOST": "0.0.0.0",
        "SIGHTLINE_STORE_PORT": str(free_port()),
        "SIGHTLINE_STORE_DATA_DIR": str(tmp_path / "data"),
    }
    script = Path(sys.executable).with_name("sightline-store")
    done = subprocess.run([script, "serve"], env=env, capture_output=True, timeout=60, check=False)
    assert done.returncode != 0
    assert b"SIGHTLINE_STORE_HOST is '0.0.0.0'" in done.stderr
    assert b"sightline-store key create" in done.stderr


def test_ids_of_statements_are_of_a_role(keyed: Keyed) -> None:
    """A reader ends no admin's statement by its id, may not ask for that, and may use the same id meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(keyed.ask, keyed.admin, "SELECT sum(sleepEachRow(0.1)) FROM numbers(20)", query_id="same")
        while keyed.ask(keyed.admin, "SELECT count() FROM system.processes WHERE query_id = 'same'") != (200, "1\n"):
            assert not slow.done()
        replacing = keyed.ask(keyed.reader, "SELECT 1", query_id="same", replace_running_query="1")
        assert (replacing[0], "replace_running_query" in replacing[1]) == (403, True)
        assert keyed.ask(keyed.reader, "SELECT 2", query_id="same") == (200, "2\n")
        assert keyed.ask(keyed.reader, "SELECT 1 SETTINGS log_comment = 'admin-same'")[0] == 403
        assert slow.result() == (200, "0\n")


def test_a_reader_sees_readonly_as_clients_expect_it(keyed: Keyed) -> None:
    """2, as users with settings have it: clickhouse-connect then lets its user tighten max_execution_time."""
    assert keyed.ask(keyed.reader, "SELECT value FROM system.settings WHERE name = 'readonly'") == (200, "2\n")
    assert keyed.ask(keyed.reader, "SELECT 1", max_execution_time="5", async_insert="1") == (200, "1\n")


def test_a_reader_is_kept_to_its_databases(keyed: Keyed) -> None:
    """Another database's tables are refused by name, by parameter, as the default and in a session; none is listed."""
    assert keyed.ask(keyed.admin, "CREATE DATABASE IF NOT EXISTS elsewhere")[0] == 200
    keyed.ask(keyed.admin, f"CREATE OR REPLACE TABLE elsewhere.t ENGINE = Memory AS SELECT '{_SECRET}' AS v")
    ways: list[tuple[str, dict[str, str]]] = [
        ("SELECT * FROM elsewhere.t", {}),
        ("SELECT * FROM t", {"database": "elsewhere"}),
        ("SELECT * FROM {d:Identifier}.t", {"param_d": "elsewhere"}),
        ("USE elsewhere", {"session_id": "kept"}),
        ("SELECT * FROM elsewhere.t", {"session_id": "kept"}),
        ("SHOW TABLES FROM elsewhere", {}),
        ("DESCRIBE elsewhere.t", {}),
    ]
    for sql, params in ways:
        status, text = keyed.ask(keyed.reader, sql, **params)
        assert (status, _SECRET in text) == (403, False), (sql, params, text)
    listed = keyed.ask(keyed.reader, "SELECT name FROM system.tables WHERE database = 'elsewhere'")
    assert listed == (200, "")
