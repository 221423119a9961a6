"""Derives attacks on the reader role from everything that it is refused, and tries each on a real engine.

Every closed function in every spelling that may hide a call, every closed table function, table of `system`, format,
setting and statement. A planted file, a listening port, the environment, another reader's statement and a table of
another database are what an attack could reach; each holds a marker. Prints JSON: how many were tried, which of them
answered, and which showed a marker.

With `--unchecked` statements are not checked: only the engine's role and the confinement of the process are left.

With `--unconfined` the process is not confined either, which shows that the attacks are real.

Usage: attack_fuzzer.py FOLDER [--unchecked [--unconfined]]
"""

from __future__ import annotations

import json
import os
import random
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sightline_node.execution.engine import Engine, Session, Statement
from sightline_node.isolation import confinement
from sightline_node.readers import access
from sightline_node.readers.reader_allowed import allowed
from sightline_node.readers.roles import READER_LIMITS, Caller, Role
from sightline_node.settings import NodeSettings
from sightline_store.errors import QueryFailed
from sightline_store.quoting import quote_string

MARKER = "marker-7f3a-of-a-secret"
# So that what cannot answer is found out at once.
_IMPATIENT = {
    "max_execution_time": "2",
    "connect_timeout": "1",
    "receive_timeout": "1",
    "connections_with_failover_max_tries": "1",
    "http_max_tries": "1",
    "http_connection_timeout": "1",
    "s3_retry_attempts": "0",
    "azure_sdk_max_retries": "0",
    "external_storage_connect_timeout_sec": "1",
    "postgresql_connection_attempt_timeout": "1",
    "postgresql_connection_pool_retries": "0",
}
_SETTINGS_TRIED = 400
_SPELLINGS_TRIED = 20
_CALLS = (
    "SELECT {f}({a})",
    "SELECT `{f}`({a})",
    'SELECT "{f}"({a})',
    "SELECT \u201c{f}\u201d({a})",
    "SELECT {f}/* ' */({a}) -- '",
    "SELECT {odd}({a})",
    "SELECT arrayMap({f}, [{a}])",
    "SELECT arrayMap(`{f}`, [{a}])[1] AS x ORDER BY x",
    "WITH {f} AS g SELECT arrayMap(g, [{a}])",
    "WITH x -> {f}(x) AS g SELECT g({a})",
    "SELECT arrayMap(x -> {f}(x), [{a}])",
    "SELECT arrayMap({f}, [{a}]) AS `x, function_name: lower, function_type: `",
    "SELECT (SELECT {f}({a}) AS `x\n  FUNCTION id: 9, function_name: lower, function_type: ordinary`)",
    "SELECT arrayFilter(x -> notEmpty(toString({f}(x))), [{a}])",
    "SELECT arrayMap({{p:Identifier}}, [{a}])",
    "SELECT apply_one({f}, {a})",
    "SELECT * APPLY({f}) FROM (SELECT {a} AS v)",
    "SELECT * APPLY(x -> {f}(x)) FROM (SELECT {a} AS v)",
    "SELECT * REPLACE ({f}({a}) AS v) FROM (SELECT 1 AS v)",
    "SELECT COLUMNS('v') APPLY {f} FROM (SELECT {a} AS v)",
    "SELECT * FROM view(SELECT {f}({a}))",
    "SELECT * FROM view(SELECT arrayMap({f}, [{a}]))",
    "EXPLAIN QUERY TREE SELECT {f}({a})",
    "EXPLAIN SYNTAX run_query_tree_passes = 1 SELECT arrayMap({f}, [{a}])",
    "EXPLAIN PLAN actions = 1 SELECT {f}({a})",
    "DESCRIBE (SELECT {f}({a}))",
    "SHOW TABLES WHERE name = toString({f}({a}))",
    "SHOW COLUMNS FROM otel.mine WHERE field = toString({f}({a}))",
    "SELECT 1 WHERE toString({f}({a})) != ''",
    "SELECT 1 ORDER BY toString({f}({a}))",
    "SELECT 1 LIMIT length(toString({f}({a})))",
    "SELECT n FROM (SELECT 1 AS n) ORDER BY n WITH FILL TO 3 INTERPOLATE (n AS toInt8OrZero(toString({f}({a}))))",
    "SELECT 1 UNION ALL SELECT length(toString({f}({a})))",
    "SELECT 1 IN (SELECT toString({f}({a})))",
    "SELECT CAST({f}({a}) AS String)",
    "SELECT throwIf(1, toString({f}({a})))",
    "SELECT toUInt8({f}({a}))",
    "WITH {f} AS g SELECT toUInt8(arrayMap(g, [{a}])[1])",
    "SELECT arrayReduce('any', [{f}({a})])",
    "SELECT (SELECT {f}({a}))",
    "SELECT v FROM (SELECT 1) ARRAY JOIN arrayMap({f}, [{a}]) AS v",
    "WITH RECURSIVE c AS (SELECT toString({f}({a})) AS v UNION ALL SELECT v FROM c WHERE 0) SELECT v FROM c",
    "SELECT any(toString({f}({a}))) OVER () FROM numbers(1)",
    "CREATE TEMPORARY TABLE t (a String DEFAULT {f}({a}))",
    "INSERT INTO otel.mine SELECT length(toString({f}({a})))",
    "CREATE VIEW otel.w AS SELECT {f}({a})",
    "SELECT 1 SETTINGS additional_result_filter = '{f}()'",
    "SELECT * FROM otel.mine SETTINGS additional_table_filters = {{'otel.mine': 'notEmpty({f}(1))'}}",
)
"""A closed function `f`, in odd letters `odd`, with an argument `a`."""
_TABLES = (
    "SELECT * FROM {f}({a})",
    "SELECT * FROM `{f}`({a})",
    "SELECT * FROM {odd}({a})",
    "SELECT 1 IN (SELECT * FROM {f}({a}))",
    "WITH c AS (SELECT * FROM {f}({a})) SELECT * FROM c",
    "SELECT * FROM view(SELECT * FROM {f}({a}))",
    "SELECT * FROM numbers(1) AS n CROSS JOIN {f}({a}) AS t",
    "DESCRIBE TABLE {f}({a})",
    "EXPLAIN SELECT * FROM {f}({a})",
    "EXPLAIN TABLE OVERRIDE {f}({a})",
    "INSERT INTO FUNCTION {f}({a}) SELECT 1",
    "CREATE TEMPORARY TABLE t AS {f}({a})",
)
"""A closed table function."""
_WHOLE = (
    "SELECT * FROM other.secrets", "SELECT * FROM `other`.`secrets`", "SELECT * FROM {d:Identifier}.secrets",
    "SELECT 1 IN other.secrets", "SELECT joinGet('other.joined', 'v', 1)", "SELECT joinGet(other.joined, 'v', 1)",
    "SELECT joinGet(concat('other', '.joined'), 'v', 1)", "SELECT dictGet('other.dict', 'v', 1)",
    "DESCRIBE other.secrets", "SHOW CREATE TABLE other.secrets", "SHOW TABLES FROM other", "EXISTS other.secrets",
    "SELECT * FROM merge('other', '.*')", "SELECT * FROM otel.merged", "SELECT * FROM otel.behind_url",
    "SELECT * FROM otel.behind_file", "SELECT query FROM system.processes", "SHOW PROCESSLIST", "KILL QUERY WHERE 1",
    "SELECT * FROM clusterAllReplicas('default', system.processes)", "SELECT * FROM remote('127.0.0.1', system.one)",
    "SELECT data_path FROM system.databases", "SELECT * FROM system.databases", "SELECT path FROM system.parts",
    "SELECT * FROM '@SECRET@'", "SELECT * FROM `@SECRET@`", "SELECT * FROM default.`@SECRET@`",
    "SELECT * FROM default.`../secret.txt`", "SELECT 1 IN `@SECRET@`", "SELECT * FROM {s:Identifier}",
    "SELECT 1 INTO OUTFILE '@OUT@'", "SELECT 1 INTO OUTFILE '@OUT@' AND STDOUT FORMAT CSV", "SET ROLE sightline_admin",
    "SET ROLE ALL", "SET ROLE DEFAULT", "EXECUTE AS default SELECT 1", "GRANT ALL ON *.* TO default",
    "SYSTEM STOP MERGES", "CREATE USER u", "ALTER USER default IDENTIFIED BY 'x'", "DROP TABLE otel.mine",
    "TRUNCATE TABLE otel.mine",
    "ALTER TABLE otel.mine DELETE WHERE 1", "RENAME TABLE otel.mine TO otel.yours", "BACKUP DATABASE otel TO File('b')",
    "ATTACH TABLE x FROM '@SECRET@' (a String) ENGINE = File(CSV)", "CREATE DATABASE d", "OPTIMIZE TABLE otel.mine",
    "CREATE FUNCTION f AS x -> file(x)", "SELECT getServerSetting('max_server_memory_usage')", "SELECT getMacro('x')",
    "WATCH otel.mine", "CHECK TABLE otel.mine", "SHOW GRANTS", "SHOW ACCESS", "SELECT arrayReduce('flameGraph', [1])",
    "SELECT arrayReduce(concat('flame', 'Graph'), [1])", "SELECT initializeAggregation('groupFormat', 1)",
    "SELECT 1 FORMAT Protobuf SETTINGS format_schema = '@SECRET@:M'", "SELECT 1 SETTINGS log_comment = 'admin-x'",
    "SELECT (SELECT count() FROM other.secrets AS `x, table_name: otel.mine`)",
    "SELECT 1 IN (SELECT v FROM other.secrets AS `x\n  TABLE id: 9, table_name: otel.mine`)",
    "SELECT hostName() AS `x, function_name: lower, function_type: `", "SELECT 1 SETTINGS max_memory_usage = 0.5",
    "SELECT 1 SETTINGS max_bytes_before_external_group_by = 0.9", "SELECT 1 SETTINGS max_execution_time = '0.1'",
    "SELECT rd('@SECRET@')", "SELECT arrayMap(rd, ['@SECRET@'])", "SELECT * FROM executable('x.sh', 'TSV', 'a String')",
)  # fmt: skip
"""Statements of their own kinds."""


@dataclass
class Came:
    """What came of all attacks."""

    tried: int = 0
    answered: list[str] = field(default_factory=list)
    showed: list[str] = field(default_factory=list)
    connected: int = 0
    wrote: bool = False


class Fuzzer:
    """An engine with something to reach, and what is tried on it."""

    def __init__(self, folder: Path, *, is_checked: bool, is_confined: bool) -> None:
        self._folder = folder
        self._is_checked = is_checked
        self._secret, self._out = folder / "secret.txt", folder / "out.csv"
        self._secret.write_text(f"{MARKER}\n")
        data = folder / "data"
        data.mkdir()
        settings = NodeSettings(data_dir=data, confine="auto" if is_confined else "off")
        code = confinement.code_folders(settings)
        os.chdir(data)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.restrictions = confinement.confine(settings, code)
        self.came = Came()
        threading.Thread(target=self._listen, daemon=True).start()
        self._engine = Engine(settings)
        port = self._server.getsockname()[1]
        self._port = port
        for sql in (
            "CREATE DATABASE otel",
            "CREATE DATABASE other",
            "CREATE TABLE otel.mine (field UInt64) ENGINE = MergeTree ORDER BY field",
            "CREATE TABLE other.secrets (v String) ENGINE = MergeTree ORDER BY v",
            f"INSERT INTO other.secrets VALUES ('{MARKER}')",
            "CREATE TABLE other.joined (k UInt8, v String) ENGINE = Join(ANY, LEFT, k)",
            f"INSERT INTO other.joined VALUES (1, '{MARKER}')",
            "CREATE TABLE otel.merged (v String) ENGINE = Merge('other', 'secrets')",
            f"CREATE TABLE otel.behind_url (v String) ENGINE = URL('http://127.0.0.1:{port}/', 'CSV')",
            f"CREATE TABLE otel.behind_file (v String) ENGINE = File(CSV, '{self._secret}')",
            "CREATE FUNCTION rd AS x -> file(x)",
            "CREATE FUNCTION apply_one AS (f, x) -> arrayMap(f, [x])",
        ):
            try:
                self._ask(sql)
            except QueryFailed:  # the walls do not let a table lie over a file or an address
                continue

    def attacks(self) -> Iterator[tuple[str, dict[str, str]]]:
        """All attacks, with their parameters."""
        chance = random.Random(7)
        lists = allowed()
        path = quote_string(str(self._secret))
        rows = self._rows(
            "SELECT name, alias_to, is_aggregate AS aggregate FROM system.functions WHERE origin = 'System'"
        )
        closed = [row["name"] for row in rows if (row["alias_to"] or row["name"]) not in lists.functions]
        for name in closed if self._is_checked else ["file"]:
            argument = "0.01" if "sleep" in name.lower() else path
            odd = "".join(chance.choice((letter.lower(), letter.upper())) for letter in name)
            for shape in _CALLS if name == "file" else chance.sample(_CALLS, _SPELLINGS_TRIED):
                yield shape.format(f=name, a=argument, odd=odd), {"p": name}
        arguments = (path, f"{path}, 'LineAsString'", f"'http://127.0.0.1:{self._port}/', 'CSV', 'a String'")
        for row in self._rows("SELECT name FROM system.table_functions"):
            if row["name"].lower() not in lists.table_functions:
                odd = row["name"].swapcase()
                for shape in _TABLES if self._is_checked else _TABLES[:1]:
                    yield shape.format(f=row["name"], a=chance.choice(arguments), odd=odd), {}
        for row in self._rows("SELECT name FROM system.tables WHERE database = 'system'"):
            if row["name"] not in lists.system_tables and self._is_checked:
                yield f"SELECT * FROM system.{row['name']}", {}
        for row in self._rows("SELECT name FROM system.formats WHERE is_output"):
            if row["name"] not in lists.output_formats and self._is_checked:
                yield f"SELECT 1 FORMAT {row['name']}", {}
        names = [row["name"] for row in self._rows("SELECT name FROM system.settings")]
        known = lists.settings | lists.ignored_settings | READER_LIMITS.keys() | {"readonly", "timeout_overflow_mode"}
        names = [name for name in names if name not in known]
        for name in chance.sample(names, _SETTINGS_TRIED) if self._is_checked else []:
            yield f"SELECT 1 SETTINGS {name} = DEFAULT", {}
        for sql in _WHOLE:
            if not self._is_checked and "@" not in sql:
                continue
            plain = sql.replace("@SECRET@", str(self._secret)).replace("@OUT@", str(self._out))
            yield plain, {"d": "other", "s": str(self._secret)}

    def run(self) -> None:
        """Try everything while another reader's statement runs."""
        with self._engine.session() as session:
            stop = threading.Event()
            threading.Thread(target=self._others_statement, args=(session, stop), daemon=True).start()
            for sql, params in self.attacks():
                self.came.tried += 1
                text, is_answer = self._attempt(Statement(sql, database="otel", params=params))
                if is_answer and not text.startswith("Code: "):
                    self.came.answered.append(sql)
                if MARKER in text:
                    self.came.showed.append(sql)
            self.came.wrote = self._out.exists()
            stop.set()

    def _attempt(self, statement: Statement) -> tuple[str, bool]:
        try:
            if self._is_checked:
                may_run = access.authorize(Caller(Role.READER), statement, statement.database, self._engine)
            else:
                may_run = replace(statement, settings={**_IMPATIENT, "readonly": "2"}, runs_as=Caller(Role.READER))
            with self._engine.session_for(may_run) as session:
                return session.execute(may_run).output.decode("utf-8", "replace"), True
        except QueryFailed as exc:
            # A statement's own words may come back in a message: its path is no secret.
            return exc.message.replace(statement.sql, ""), False

    def _others_statement(self, session: Session, stop: threading.Event) -> None:
        while self._is_checked and not stop.is_set():
            session.execute(Statement(f"SELECT sleep(0.5), '{MARKER}'"))

    def _listen(self) -> None:
        while True:
            caller, _ = self._server.accept()
            self.came.connected += 1
            caller.close()

    def _ask(self, sql: str) -> bytes:
        with self._engine.session() as session:
            return session.execute(Statement(sql, output_format="JSONEachRow")).output

    def _rows(self, sql: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._ask(sql).splitlines()]


def main(folder: Path, *, is_checked: bool, is_confined: bool) -> None:
    """Try everything; see the module."""
    os.environ["SIGHTLINE_PLANTED"] = MARKER
    fuzzer = Fuzzer(folder, is_checked=is_checked, is_confined=is_confined)
    fuzzer.run()
    came = fuzzer.came
    sys.stdout.write(
        json.dumps(
            {**vars(came), "files_confined": fuzzer.restrictions.files, "network_confined": fuzzer.restrictions.network}
        )
    )
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), is_checked="--unchecked" not in sys.argv, is_confined="--unconfined" not in sys.argv)
