"""Tries what `store_attacks.json` lists on an engine of its own, in a process of its own, which chDB must not share.

Each attack is sent twice: as a reader, and then as an admin, to see that it is an attack at all. What
`store_lookalikes.json` lists is harmless and goes to the engine as a reader. Prints JSON: what came of each.
Usage: attack_runner.py FOLDER
"""

from __future__ import annotations

import json
import os
import random
import socket
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sightline_node.execution.engine import Engine, Statement
from sightline_node.readers import access
from sightline_node.readers.roles import Caller, Role
from sightline_node.settings import NodeSettings
from sightline_store.errors import QueryFailed

LISTS = Path(__file__).parent
MARKER = "marker-of-a-secret"
BEFORE = (
    "CREATE TABLE default.victim (a UInt8) ENGINE = Memory",
    "CREATE TABLE default.rows (a UInt8) ENGINE = MergeTree ORDER BY a",
    "CREATE TABLE default.dropped (a UInt8) ENGINE = Memory",
    "CREATE DATABASE dropped",
    "CREATE TABLE default.lookalikes (url String, file UInt8, `remote` String, s3 Map(String, String)) ENGINE = Memory",
    "INSERT INTO default.lookalikes VALUES ('http://a/b?c=1', 7, 'x', {'k': 'v'})",
    "CREATE FUNCTION twice AS x -> x * 2",
    "CREATE VIEW default.seen AS SELECT file FROM default.lookalikes",
    "CREATE TABLE default.with_password (a UInt8) ENGINE = MySQL('127.0.0.1:1', 'd', 't', 'u', 'sesame')",
)
"""Tables and such that attacks and lookalikes are about."""
WRAPPERS = (
    "(SELECT {})",
    "if(1, {}, '')",
    "arrayMap(x -> {}, [1])[1]",
    "concat({}, '')",
    "CASE WHEN 1 THEN {} ELSE '' END",
    "(WITH {} AS v SELECT v)",
    "(SELECT v FROM (SELECT {} AS v))",
    "(WITH c AS (SELECT {} AS v) SELECT v FROM c)",
    "(SELECT max(v) FROM (SELECT '' AS v UNION ALL SELECT {}))",
    "(SELECT {} AS v ORDER BY v LIMIT 1)",
    "(SELECT v FROM view(SELECT {} AS v))",
    "(SELECT {} AS v WHERE v IN (SELECT {}))",
    "tupleElement(({}, 1), 1)",
    "CAST({} AS String)",
    "/* ' ( */ {} -- )\n",
    "(SELECT v FROM (SELECT 1) ARRAY JOIN [{}] AS v)",
    "(SELECT v FROM numbers(1) AS n CROSS JOIN (SELECT {} AS v) AS r)",
    "(SELECT * REPLACE ({} AS dummy) FROM system.one)",
    "(SELECT v FROM (SELECT {} AS v) GROUP BY v HAVING v = {})",
    "(SELECT any({}) OVER () FROM system.one)",
)
"""Places of a SELECT in which an expression of type String can stand; each gives it back."""
_COMPOSED = 80
# So that what cannot answer is found out at once.
_IMPATIENT = {
    "connect_timeout": "1",
    "receive_timeout": "1",
    "connect_timeout_with_failover_ms": "300",
    "connections_with_failover_max_tries": "1",
    "http_max_tries": "1",
    "http_connection_timeout": "1",
    "http_receive_timeout": "1",
    "s3_retry_attempts": "0",
    "s3_connect_timeout_ms": "300",
    "s3_request_timeout_ms": "300",
    "azure_sdk_max_retries": "0",
    "external_storage_connect_timeout_sec": "1",
    "postgresql_connection_attempt_timeout": "1",
    "postgresql_connection_pool_retries": "0",
    "max_execution_time": "10",
}


@dataclass
class Tried:
    """What came of an attack."""

    name: str
    reader_code: int = 0
    """ClickHouse's code of the refusal; 0 where there was none."""
    reader_message: str = ""
    reader_effect: str = ""
    """What the attempt as a reader did all the same."""
    admin_output: str = ""
    admin_code: int = 0
    admin_message: str = ""
    connected: int = 0
    wrote: bool = False


class Listener:
    """A port that hangs up on whoever calls, and counts."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.calls = 0
        threading.Thread(target=self._answer, daemon=True).start()

    def _answer(self) -> None:
        while True:
            caller, _ = self._socket.accept()
            self.calls += 1
            caller.close()


def main(folder: Path) -> None:
    """Try everything; see the module."""
    listener = Listener()
    data = folder / "data"
    data.mkdir(parents=True)
    for name in ("secret.txt", "data/plain", "data/plain.csv"):
        (folder / name).write_text(f"{MARKER}\n")
    (folder / "columns.csv").write_text("first_secret,second\n1,2\n")
    (folder / "number.csv").write_text("7\n")
    os.chdir(data)
    engine = Engine(NodeSettings(data_dir=data, reader_databases=("default", "otel")))
    for sql in BEFORE:
        with engine.session() as session:
            session.execute(Statement(sql))
    attacks = _listed("store_attacks.json", folder, listener.port)
    harmless = _listed("store_lookalikes.json", folder, listener.port)
    answers = [_read(engine, one) for one in harmless]
    tried = [_try(engine, listener, folder, attack) for attack in attacks]
    composed = _compose(engine, folder)
    sys.stdout.write(
        json.dumps({"attacks": [asdict(one) for one in tried], "lookalikes": answers, "composed": composed})
    )
    sys.stdout.flush()
    os._exit(0)


def _compose(engine: Engine, folder: Path) -> list[dict[str, Any]]:
    """Nest a call in random places; the same with a harmless call shows that the places are not what is refused."""
    chance = random.Random(20)
    found: list[dict[str, Any]] = []
    while len(found) < _COMPOSED:
        shape = "{}"
        for wrapper in chance.choices(WRAPPERS, k=chance.randint(1, 4)):
            shape = wrapper.replace("{}", shape)
        harmful = f"SELECT {shape}".replace("{}", f"file('{folder}/secret.txt')")
        try:
            with engine.session() as session:
                as_admin = session.execute(Statement(harmful)).output.decode()
        except QueryFailed:
            # The engine does not know every nesting of WITH.
            continue
        harmless = {"name": harmful, "sql": f"SELECT {shape}".replace("{}", f"lower('{MARKER.upper()}')")}
        try:
            _run_as(Caller(Role.READER), engine, Statement(harmful))
            code = 0
        except QueryFailed as exc:
            code = exc.code
        found.append({"sql": harmful, "as_admin": as_admin, "code": code, "harmless": _read(engine, harmless)})
    return found


def _run_as(caller: Caller, engine: Engine, statement: Statement) -> str:
    """What a statement answers; raises as the judge and the engine do."""
    may_run = access.authorize(caller, statement, statement.database or "default", engine)
    with engine.session_for(may_run) as session:
        return session.execute(may_run).output.decode("utf-8", "replace")


def _listed(name: str, folder: Path, port: int) -> list[dict[str, Any]]:
    text = (LISTS / name).read_text(encoding="utf-8")
    listed: list[dict[str, Any]] = json.loads(text.replace("@FOLDER@", str(folder)).replace("@PORT@", str(port)))
    return listed


def _read(engine: Engine, harmless: dict[str, Any]) -> dict[str, str]:
    database = harmless.get("database", "default")
    statement = Statement(
        harmless["sql"], database=database, settings=harmless.get("settings", {}), params=harmless.get("params", {})
    )
    try:
        output = _run_as(Caller(Role.READER), engine, statement)
    except QueryFailed as exc:
        return {"name": harmless["name"], "answer": "", "error": exc.message}
    return {"name": harmless["name"], "answer": output, "error": ""}


def _try(engine: Engine, listener: Listener, folder: Path, attack: dict[str, Any]) -> Tried:
    tried = Tried(attack["name"])
    database = attack.get("database", "default")
    statement = Statement(
        attack["sql"], database=database, settings=attack.get("settings", {}), params=attack.get("params", {})
    )
    calls = listener.calls
    try:
        _run_as(Caller(Role.READER), engine, statement)
    except QueryFailed as exc:
        tried.reader_code, tried.reader_message = exc.code, exc.message
    if listener.calls != calls:
        tried.reader_effect = "it connected"
    if _outputs(folder):
        tried.reader_effect = "it wrote"
    as_admin = Statement(
        attack["sql"],
        database=database,
        settings={**_IMPATIENT, **attack.get("settings", {}), **attack.get("admin_settings", {})},
        params=attack.get("params", {}),
    )
    calls = listener.calls
    try:
        tried.admin_output = _run_as(Caller(Role.ADMIN), engine, as_admin)
    except QueryFailed as exc:
        tried.admin_code, tried.admin_message = exc.code, exc.message
    tried.connected = listener.calls - calls
    tried.wrote = bool(_outputs(folder))
    for path in _outputs(folder):
        path.unlink()
    return tried


def _outputs(folder: Path) -> list[Path]:
    return [path for path in (folder / "out.csv", folder / "data/out.proto") if path.exists()]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
