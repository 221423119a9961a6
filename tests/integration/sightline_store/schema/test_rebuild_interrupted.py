"""A rebuild that stops anywhere is completed by the next call, and none runs beside what it cannot see."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from model_call_spans import calls, insert
from role_process import Role, free_port

from sightline_store.client import Client
from sightline_store.errors import SchemaError, StoreBusy, StoreUnavailable
from sightline_store.schema import declared, definitions, kafka, lock, migrate, rebuild
from sightline_store.settings import KafkaSettings, StoreSettings


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A node of its own: a rebuild waits for the INSERTs of all databases of a node."""
    folder, port = tmp_path_factory.mktemp("interrupted"), free_port()
    address = f"http://127.0.0.1:{port}"
    env = {"SIGHTLINE_STORE_PORT": str(port), "SIGHTLINE_STORE_DATA_DIR": str(folder / "data")}
    role = Role(["sightline-store", "serve"], env, f"{address}/ping", Path(folder) / "log")
    try:
        role.start()
        yield address
    finally:
        role.stop()


@pytest.fixture(scope="module")
def tables(url: str) -> Iterator[Client]:
    """A client of a new database."""
    client = Client(StoreSettings(url=url, database="interrupted"))
    migrate.apply(client)
    yield client
    client.close()


@pytest.fixture
def client(tables: Client) -> Iterator[Client]:
    """A client of a database without rows."""
    yield tables
    for name in (*definitions.TABLES, *definitions.raw_tables("scores")):
        tables.command(f"TRUNCATE TABLE {name} SYNC")
    migrate.apply(tables)


class _Cut(Client):
    """A client whose store is away from the second time on that a statement is to run."""

    def __init__(self, settings: StoreSettings, statement: str) -> None:
        super().__init__(settings)
        self._statement, self._times = statement, 0

    def command(self, sql: str, *, database: str | None = None) -> None:
        """Run a statement, while the store is there."""
        self._times += sql == self._statement
        if self._times > 1:
            raise StoreUnavailable(self.settings.url, "cut off")
        super().command(sql, database=database)


def _spans(client: Client) -> dict[str, int]:
    (row,) = client.query_rows("SELECT count() AS n, uniqExact(SpanId) AS spans FROM llm_calls")
    return dict(row)


def _left(client: Client) -> list[str]:
    rows = client.query_rows(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND match(name, {pattern:String})",
        {"pattern": "^llm_calls_(rebuil|before|from)"},
    )
    return [str(row["name"]) for row in rows]


@pytest.mark.parametrize("table", ["llm_calls_from_traces", "llm_calls_rebuild_steps"])
def test_a_rebuild_that_was_cut_off_within_its_removal_is_completed(client: Client, table: str) -> None:
    """Whichever of its tables goes next: the next call ends, each call of a model has one row, and nothing is left."""
    insert(client, calls(1, 10))
    cut = _Cut(client.settings, f"DROP TABLE IF EXISTS {table} SYNC")
    with pytest.raises(StoreUnavailable):
        rebuild.rebuild(cut, "llm_calls")
    cut.close()
    assert _left(client) != []
    rebuild.rebuild(client, "llm_calls")
    assert _spans(client) == {"n": 10, "spans": 10}
    assert _left(client) == []


def test_a_partition_that_a_killed_run_attached_late_is_not_there_twice(client: Client) -> None:
    """A day that has other rows than its step says is filled once more, whether it was made anew or taken over."""
    insert(client, calls(1, 10) + calls(100, 10, day=1))
    last = max(row["day"] for row in client.query_rows("SELECT DISTINCT toDate(Timestamp) AS day FROM llm_calls"))

    def attach(step: rebuild.Progress) -> None:
        if step.done == step.total:
            for row in client.query_rows("SELECT DISTINCT toDate(Timestamp) AS day FROM llm_calls_before"):
                client.command(f"ALTER TABLE llm_calls_rebuilt ATTACH PARTITION '{row['day']}' FROM llm_calls_before")

    done = rebuild.rebuild(client, "llm_calls", since=last, progress=attach)
    assert _spans(client) == {"n": 20, "spans": 20}
    assert (done.rows_after, done.rows_kept, done.days) == (20, 10, (last,))


@pytest.mark.parametrize("is_exchanged", [False, True])
def test_no_upgrade_runs_beside_a_rebuild(client: Client, monkeypatch: pytest.MonkeyPatch, is_exchanged: bool) -> None:
    """It names the way out, which works although the views are not of this release; without changes it is silent."""
    insert(client, calls(1, 10))
    step = rebuild._Run.finish if is_exchanged else rebuild._Run.exchange

    def killed(_: rebuild._Run) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(rebuild._Run, step.__name__, killed)
        with pytest.raises(KeyboardInterrupt):
            rebuild.rebuild(client, "llm_calls")
    assert not migrate.apply(client)
    monkeypatch.setitem(declared.fingerprints(), "llm_calls_priced", "0" * 16)
    way_out = "finish it with `sightline-store rebuild llm_calls`"
    with pytest.raises(SchemaError, match=way_out):
        migrate.apply(client)
    with pytest.raises(SchemaError, match=way_out):
        migrate.preview(client)
    assert migrate.prepare(client).changes == ()  # a role ships through the views that are there
    with monkeypatch.context() as patch:
        patch.setattr(definitions, "definition", lambda table: f"a later one of {table}")
        with pytest.raises(SchemaError, match="run `sightline-store migrate`"):
            rebuild.rebuild(client, "llm_calls")
    assert _left(client) == []
    assert _spans(client) == {"n": 10, "spans": 10}
    assert [change.name for change in migrate.apply(client).changes] == ["llm_calls_priced"]


def test_no_rebuild_begins_while_the_store_is_upgraded(client: Client) -> None:
    """It can be repeated when the upgrade is over, and leaves nothing that would keep the upgrade away."""
    insert(client, calls(1, 10))
    with lock.held(client, 5):
        with pytest.raises(StoreBusy, match="being upgraded"):
            rebuild.rebuild(client, "llm_calls")
        assert _left(client) == []
    assert rebuild.rebuild(client, "llm_calls").rows_after == 10


def test_no_rebuild_runs_while_the_store_reads_from_kafka(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The INSERTs of a Kafka table are in no list of running statements, so a rebuild could not wait for them."""
    monkeypatch.setattr(kafka, "_STANDING", "SELECT name FROM system.tables WHERE database = {kafka:String}")
    client.command("CREATE DATABASE interrupted_kafka ENGINE = Memory", database="")
    client.command("CREATE TABLE interrupted_kafka.otlp_traces (n UInt8) ENGINE = Null")
    try:
        with pytest.raises(SchemaError, match="sightline-store kafka stop"):
            rebuild.rebuild(client, "llm_calls")
        assert _left(client) == []
    finally:
        kafka.stop(client)
    assert rebuild.rebuild(client, "llm_calls").rows_after == 0
    client.command("CREATE TABLE llm_calls_rebuild_steps (n UInt8) ENGINE = Memory")  # as one that goes on has
    with pytest.raises(SchemaError, match="finish it with `sightline-store rebuild llm_calls`"):
        kafka.start(client, KafkaSettings(brokers="127.0.0.1:9"))
    client.command("DROP TABLE llm_calls_rebuild_steps SYNC")
