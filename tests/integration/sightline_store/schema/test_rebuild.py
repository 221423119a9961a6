"""Tables made anew from raw rows: exact, while inserts go on, and after a crash."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from model_call_spans import DAY_NS, START_NS, calls, insert
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from role_process import Role, free_port

from sightline_collector.spool import record
from sightline_store.cli import rebuild_command
from sightline_store.client import Client
from sightline_store.conventions import aliases
from sightline_store.conventions.columns import Column
from sightline_store.errors import SchemaError
from sightline_store.ingest import Signal
from sightline_store.schema import definitions, migrate, rebuild
from sightline_store.settings import StoreSettings

_SCRIPTS = Path(sys.executable).parent
_COLUMNS = "SpanId, RequestModel, InputTokens, DurationMs, TtftMs"


@pytest.fixture
def client(database: Callable[[str], Client]) -> Client:
    """A client of an emptied database of this module's own."""
    client = database("rebuild")
    for table in ("otel_traces", "otel_logs", "row_definitions", *definitions.TABLES):
        client.command(f"TRUNCATE TABLE {table}")
    definitions.record(client)
    return client


def _rows(client: Client, table: str = "llm_calls", columns: str = _COLUMNS) -> list[dict[str, Any]]:
    return client.query_rows(f"SELECT {columns} FROM {table} ORDER BY ALL")


def test_a_rebuilt_table_is_the_same(client: Client) -> None:
    """Every typed table, over two days: the same rows as the views made, and nothing is left behind."""
    insert(client, calls(1, 50) + calls(100, 50, day=1))
    logs = ExportLogsServiceRequest()
    log = logs.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=START_NS)
    log.event_name = "gen_ai.evaluation.result"
    log.attributes.add(key="gen_ai.evaluation.name").value.string_value = "faithfulness"
    insert(client, record.encode(logs.SerializeToString()), Signal.LOGS)
    tables = client.query_rows("SELECT name FROM system.tables WHERE database = currentDatabase() ORDER BY name")
    for table in definitions.TABLES:
        before = _rows(client, table, "* EXCEPT StoredAt")
        done = rebuild.rebuild(client, table)
        assert _rows(client, table, "* EXCEPT StoredAt") == before
        assert (done.rows_before, done.rows_after, done.rows_kept) == (len(before), len(before), 0)
    assert (
        client.query_rows("SELECT name FROM system.tables WHERE database = currentDatabase() ORDER BY name") == tables
    )


def test_what_was_wrong_is_made_right_and_what_is_not_raw_is_kept(client: Client) -> None:
    """A wrong row is replaced, a row without a raw span stays, and days before `since` are as they were."""
    insert(client, calls(1, 3) + calls(100, 3, day=2))
    right = _rows(client)
    client.command("ALTER TABLE llm_calls UPDATE RequestModel = 'wrong' WHERE 1 SETTINGS mutations_sync = 1")
    client.command(
        "INSERT INTO llm_calls (Timestamp, TraceId, SpanId, RequestModel) "
        "SELECT Timestamp, 'sampled', 'out', 'kept' FROM llm_calls ORDER BY Timestamp DESC LIMIT 1"
    )
    second_day = datetime.fromtimestamp((START_NS + 2 * DAY_NS) / 1e9, UTC).date()
    done = rebuild.rebuild(client, "llm_calls", since=second_day)
    assert done.rows_kept == 4
    models = {row["SpanId"]: row["RequestModel"] for row in _rows(client)}
    assert models.pop("out") == "kept"
    assert models == {row["SpanId"]: "wrong" if row["InputTokens"] < 100 else row["RequestModel"] for row in right}


def test_rows_that_come_meanwhile_are_there_once(client: Client) -> None:
    """Two rebuilds beside a writer: in the end each call has one row."""
    total, stop = 15, threading.Event()

    def write() -> None:
        for number in range(total):
            insert(client, calls(1 + number * 10, 10))
        stop.set()

    insert(client, calls(100_000, 500))
    writer = threading.Thread(target=write)
    writer.start()
    rebuilds = 0
    while not stop.is_set():
        rebuild.rebuild(client, "llm_calls")
        rebuilds += 1
    writer.join()
    assert rebuilds >= 1
    (row,) = client.query_rows("SELECT count() AS n, uniqExact(SpanId) AS spans FROM llm_calls")
    assert row == {"n": total * 10 + 500, "spans": total * 10 + 500}


def test_a_rebuild_that_was_killed_is_finished(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the exchange, before the rest was added: rows that came in between come back with the next call."""
    insert(client, calls(1, 5))
    exchange = rebuild._Run.exchange

    def late(run: rebuild._Run) -> None:
        insert(client, calls(50, 5))
        exchange(run)
        raise KeyboardInterrupt

    monkeypatch.setattr(rebuild._Run, "exchange", late)
    with pytest.raises(KeyboardInterrupt):
        rebuild.rebuild(client, "llm_calls")
    assert len(_rows(client)) == 5
    monkeypatch.undo()
    rebuild.rebuild(client, "llm_calls")
    assert len(_rows(client)) == 10


def _days(count: int) -> list[date]:
    first = datetime.fromtimestamp(START_NS / 1e9, UTC).date()
    return [first + timedelta(days=number) for number in range(count)]


def _with_new_spelling(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """The alias table with another spelling of columns, as a later release has it."""
    for name in names:
        column = aliases.COLUMNS[name]
        number = max(column.spellings) + 1
        monkeypatch.setitem(aliases.COLUMNS, name, Column(column.number, {**column.spellings, number: f"my.{name}"}))
    aliases.spelling_ids.cache_clear()
    definitions.definition.cache_clear()


@pytest.fixture
def spelling(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """For tests that change the alias table; afterwards it is as it was."""
    yield monkeypatch
    monkeypatch.undo()
    aliases.spelling_ids.cache_clear()
    definitions.definition.cache_clear()


def test_days_before_a_new_spelling_are_behind_until_they_are_rebuilt(
    client: Client, spelling: pytest.MonkeyPatch
) -> None:
    """They are listed with their rows, day by day; rebuilt, they have what the new spelling says."""
    for day in range(3):
        insert(client, calls(100 * day + 1, 10, day=day, attributes={"my.session": "of mine"}))
    assert definitions.behind(client) == []
    _with_new_spelling(spelling, "session")
    with pytest.raises(SchemaError, match=r"llm_calls.*sightline-store migrate"):
        rebuild.rebuild(client, "llm_calls")
    definitions.record(client)
    behind = definitions.behind(client, ["llm_calls", "retrievals"])
    assert behind == [definitions.BehindDay("llm_calls", day, 10, 10) for day in _days(3)] + [
        definitions.BehindDay("retrievals", day, 0, 10) for day in _days(3)
    ]
    insert(client, calls(1000, 10, day=3))
    assert definitions.behind(client, ["llm_calls"]) == behind[:3]
    seen: list[rebuild.Progress] = []
    done = rebuild.rebuild(client, "llm_calls", until=_days(3)[1], progress=seen.append)
    assert done.days == (*_days(2),)
    assert [(step.day, step.done, step.total, step.rows) for step in seen] == [
        (day, number, 4, 10 if number < 3 else 0) for number, day in enumerate(_days(4), 1)
    ]
    assert definitions.behind(client, ["llm_calls"]) == behind[2:3]
    sessions = client.query_rows("SELECT SessionId AS id, count() AS n FROM llm_calls GROUP BY id ORDER BY id")
    assert sessions == [{"id": "", "n": 20}, {"id": "of mine", "n": 20}]
    assert rebuild.rebuild(client, "llm_calls", days={_days(3)[2]}).days == (_days(3)[2],)
    assert definitions.behind(client, ["llm_calls"]) == []
    assert definitions.behind(client, ["retrievals"]) == behind[3:]


def test_the_command_lists_days_that_are_behind_and_makes_them_anew(
    client: Client, spelling: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without words it lists them; with --behind it rebuilds them, in a window of days where one is given."""
    spelling.setenv("SIGHTLINE_STORE_URL", client.settings.url)
    spelling.setenv("SIGHTLINE_STORE_DATABASE", client.settings.database)
    for day in range(2):
        insert(client, calls(100 * day + 1, 10, day=day))
    assert _printed(capsys).startswith("no day is behind")
    _with_new_spelling(spelling, "session")
    definitions.record(client)
    lines = _printed(capsys, "llm_calls", "--status").splitlines()
    assert [line.split() for line in lines[1:3]] == [["llm_calls", str(day), "10", "10"] for day in _days(2)]
    assert "2 days are behind" in lines[3]
    _printed(capsys, "llm_calls", "--behind", "--until", str(_days(1)[0]))
    assert [item.day for item in definitions.behind(client, ["llm_calls"])] == _days(2)[1:]
    _printed(capsys, "--behind")
    assert definitions.behind(client) == []
    assert _printed(capsys, "--behind").startswith("no day is behind")
    with pytest.raises(SystemExit):
        _printed(capsys, "llm_calls", "--since", "someday")
    assert "no moment" in capsys.readouterr().err


def _printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Run the command; what it printed to standard output."""
    parser = argparse.ArgumentParser()
    rebuild_command.add(parser.add_subparsers())
    args = parser.parse_args(["rebuild", *words])
    args.run(args)
    return capsys.readouterr().out


def test_a_definition_that_makes_equal_rows_leaves_no_day_behind(client: Client, spelling: pytest.MonkeyPatch) -> None:
    """A changed text that was declared equal counts as the same, also through several releases."""
    insert(client, calls(1, 3))
    former = definitions.definition("stages")
    _with_new_spelling(spelling, "session")
    definitions.record(client)
    spelling.setattr(definitions, "EQUAL", {former: "between", "between": definitions.definition("stages")})
    assert {item.table for item in definitions.behind(client)} == set(definitions.TABLES) - {"stages"}


def test_a_store_without_records_has_the_first_definitions(client: Client, spelling: pytest.MonkeyPatch) -> None:
    """Rows of the release before records count as made by the first definitions, and are behind later ones."""
    insert(client, calls(1, 3))
    client.command("TRUNCATE TABLE row_definitions")
    assert set(definitions.FIRST) == set(definitions.TABLES)
    first = {table: definitions.definition(table) for table in definitions.TABLES}
    spelling.setattr(definitions, "FIRST", first)
    definitions.record(client)
    assert definitions.behind(client) == []
    client.command("TRUNCATE TABLE row_definitions")
    _with_new_spelling(spelling, "session")
    definitions.record(client)
    assert [(item.table, item.day) for item in definitions.behind(client, ["stages"])] == [("stages", _days(1)[0])]


def test_a_rebuild_is_taken_over_by_a_later_one(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The later one goes on with the days that are complete; the earlier one ends with an error and adds nothing."""
    for day in range(4):
        insert(client, calls(100 * day + 1, 10, day=day))
    right = _rows(client)
    later: list[rebuild.Rebuilt] = []
    made: list[date] = []
    make = rebuild._Run._make

    def counted(run: rebuild._Run, day: date) -> int:
        made.append(day)
        return make(run, day)

    def after(step: rebuild.Progress) -> None:
        if step.done == 2 and not later:
            later.append(rebuild.rebuild(client, "llm_calls"))

    monkeypatch.setattr(rebuild._Run, "_make", counted)
    with pytest.raises(SchemaError, match="taken this one over"):
        rebuild.rebuild(client, "llm_calls", progress=after)
    assert made == _days(4)
    assert later[0].days == (*_days(4),)
    assert _rows(client) == right


def test_rebuild_goes_on_after_kill_9_of_the_command_and_of_the_store(tmp_path: Path) -> None:
    """Killed while spans come, it goes on with the next day; in the end there is one row a call, made anew."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    env = {"SIGHTLINE_STORE_PORT": str(port), "SIGHTLINE_STORE_DATA_DIR": str(tmp_path / "data")}
    store = Role(["sightline-store", "serve"], env, f"{url}/ping", tmp_path / "log")
    store.start()
    client = Client(StoreSettings(url=url))
    try:
        migrate.apply(client)
        for day in range(9):
            insert(client, calls(1000 * day + 1, 500, day=day))
        client.command("ALTER TABLE llm_calls UPDATE RequestModel = 'wrong' WHERE 1 SETTINGS mutations_sync = 1")
        complete = _killed_after(url, 3)
        insert(client, calls(100_000, 50, day=20))
        complete += _killed_after(url, 4)
        store.kill()
        store.start()
        insert(client, calls(200_000, 50, day=5))
        insert(client, calls(300_000, 50, day=21))
        with _command(url) as last:
            complete += last.communicate()[1].splitlines()
        assert last.returncode == 0, complete
        with_rows = [line.split()[1] for line in complete if " complete, " in line and not line.endswith(" 0 rows")]
        assert sorted(set(with_rows)) == [str(day) for day in _days(9)]
        assert len(with_rows) == 9, "a day that was complete was made again"
        (row,) = client.query_rows(
            "SELECT count() AS n, uniqExact(SpanId) AS spans, countIf(RequestModel = 'wrong') AS wrong FROM llm_calls"
        )
        assert row == {"n": 9 * 500 + 150, "spans": 9 * 500 + 150, "wrong": 0}
        left = client.query_rows(
            "SELECT name FROM system.tables WHERE database = 'otel' AND name LIKE 'llm\\_calls\\_%'"
        )
        assert {item["name"] for item in left} <= {"llm_calls_priced"}
    finally:
        client.close()
        store.stop()


def _command(url: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [_SCRIPTS / "sightline-store", "rebuild", "llm_calls"], text=True, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, env={**os.environ, "SIGHTLINE_STORE_URL": url},
    )  # fmt: skip


def _killed_after(url: str, days: int) -> list[str]:
    """Start the command, kill it when it has made so many days, and return its lines."""
    lines: list[str] = []
    with _command(url) as process:
        assert process.stderr is not None
        while sum(not line.endswith(" 0 rows") for line in lines) < days:
            line = process.stderr.readline()
            assert line, lines
            lines.append(line.strip())
        process.send_signal(signal.SIGKILL)
        lines += [line.strip() for line in process.stderr]
    return lines
