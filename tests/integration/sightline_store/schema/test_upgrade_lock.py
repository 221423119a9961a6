"""One process upgrades a store at a time, what it closed is opened again, and a backup of it is taken back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import store_version_9

from sightline_store import backup, ingest
from sightline_store.client import Client
from sightline_store.errors import SchemaError, StoreBusy, StoreError
from sightline_store.lease import Lease, holder
from sightline_store.schema import declared, inserts, lock, migrate, state
from sightline_store.schema.plan import Plan
from sightline_store.settings import StoreSettings

_DATABASE = "upgrade_lock"


class _Recorded(Client):
    """A client that notes the statements that it runs."""

    def __init__(self, settings: StoreSettings) -> None:
        super().__init__(settings)
        self.statements: list[str] = []

    def command(self, sql: str, *, database: str | None = None) -> None:
        """Note a statement and run it."""
        self.statements.append(sql)
        super().command(sql, database=database)

    def first(self, *parts: str) -> int:
        """The place of the first statement that has all of these parts."""
        return next(number for number, sql in enumerate(self.statements) if all(part in sql for part in parts))


@pytest.fixture(scope="module")
def first_start(store_url: str) -> Iterator[tuple[Client, list[Plan], list[StoreError]]]:
    """A database, what two roles did that made its tables at the same moment, and how often they had to wait."""
    settings = StoreSettings(url=store_url, database=_DATABASE)
    client, gate = Client(settings), threading.Barrier(2)
    done: list[Plan] = []
    refusals: list[StoreError] = []

    def start() -> None:
        role = Client(settings)
        gate.wait()
        while True:
            try:
                done.append(migrate.prepare(role))
                break
            except StoreError as exc:
                refusals.append(exc)
                if not isinstance(exc, StoreBusy):
                    break
                time.sleep(0.2)
        role.close()

    roles = [threading.Thread(target=start) for _ in range(2)]
    for role in roles:
        role.start()
    for role in roles:
        role.join(60)
    yield client, done, refusals
    client.command(f"DROP DATABASE {_DATABASE} SYNC", database="")
    client.close()


@pytest.fixture
def client(first_start: tuple[Client, list[Plan], list[StoreError]]) -> Client:
    """A client of the database with its tables."""
    return first_start[0]


def test_two_roles_that_start_on_an_empty_store_both_work(
    first_start: tuple[Client, list[Plan], list[StoreError]],
) -> None:
    """One makes the tables and the other waits: neither ends with an error that is not tried again."""
    client, done, refusals = first_start
    assert [exc for exc in refusals if not isinstance(exc, StoreBusy)] == []
    assert sorted(len(plan.migrations) for plan in done) == [0, len(declared.migrations())]
    assert not migrate.plan(client)


def test_a_process_that_was_paused_for_too_long_runs_no_further_statement(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lock may be another's by then: it ends with an error that is tried again, and has changed nothing."""
    now_s = [0.0]
    held = lock.held
    monkeypatch.setattr(lock, "_CLAIM_S", 60.0)  # no claim comes while the process is paused
    monkeypatch.setattr(lock, "held", lambda client, wait_s: held(client, wait_s, clock=lambda: now_s[0]))
    monkeypatch.setitem(declared.fingerprints(), "span_contents", "0" * 16)

    def pause(_: Plan) -> None:
        now_s[0] += 16.0

    recorded = _Recorded(client.settings)
    with pytest.raises(StoreBusy, match="lost the lock"):
        migrate.apply(recorded, before=pause)
    recorded.close()
    assert not any("span_contents" in sql for sql in recorded.statements)
    assert not lock.is_held(client)


def test_what_an_upgrade_takes_before_it_begins_is_taken_under_the_lock(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody else changes the schema between the snapshot and the upgrade; where that is refused nothing is changed."""
    monkeypatch.setitem(declared.fingerprints(), "span_contents", "0" * 16)
    seen: list[bool] = []

    def refuse(_: Plan) -> None:
        seen.append(lock.is_held(client))
        raise SchemaError("no snapshot")

    with pytest.raises(SchemaError, match="no snapshot"):
        migrate.apply(client, before=refuse)
    assert seen == [True]
    assert [change.name for change in migrate.plan(client).changes] == ["span_contents"]


def test_tables_are_opened_again_unless_an_interrupted_upgrade_had_closed_them(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INSERTs that do not end stop an upgrade; views may be missing where the one before it was cut off."""
    monkeypatch.setitem(declared.fingerprints(), "spans_canonical_to_errors", "0" * 16)

    def refuse(client: Client, wait_s: float, task: str) -> None:
        raise SchemaError("INSERTs did not end")

    def closed() -> set[str]:
        return {name for name, item in state.read(client).objects.items() if item.is_closed}

    with monkeypatch.context() as patch:
        patch.setattr(inserts, "wait_for_running", refuse)
        with pytest.raises(SchemaError, match="did not end"):
            migrate.apply(client)
        assert closed() == set()
        client.command(f"ALTER TABLE otel_logs ADD CONSTRAINT {state.GATE} CHECK 0")
        with pytest.raises(SchemaError, match="did not end"):
            migrate.apply(client)
        assert closed() == {"otel_logs", *declared.entries()}
    with pytest.raises(StoreBusy):
        ingest.insert_segment(client, ingest.Signal.TRACES, store_version_9.segment(spans=1), "while closed")
    assert set(migrate.apply(client).reopens) == {"otel_logs", *declared.entries()}
    assert closed() == set()


def test_an_entry_that_is_declared_no_longer_is_closed_before_its_views_go(client: Client) -> None:
    """Else rows that come in between would be lost; a Null table that a view fills is not closed."""
    mark = "COMMENT 'sightline 0000000000000000'"
    client.command(f"CREATE TABLE former (n UInt8) ENGINE = Null {mark}")
    client.command(f"CREATE TABLE former_between (n UInt8) ENGINE = Null {mark}")
    client.command(f"CREATE MATERIALIZED VIEW former_view TO former_between {mark} AS SELECT n FROM former")
    client.command("CREATE TABLE mine_kept (n UInt8) ENGINE = Memory")
    client.command("CREATE MATERIALIZED VIEW mine REFRESH EVERY 1 YEAR TO mine_kept EMPTY AS SELECT 1 AS n")
    recorded = _Recorded(client.settings)
    changes = migrate.apply(recorded).changes
    recorded.close()
    client.command("DROP VIEW mine SYNC")
    assert {change.name for change in changes} >= {"former", "former_between", "former_view"}
    assert recorded.first("former\n", state.GATE) < recorded.first("DROP VIEW", "former_view")
    assert not any("former_between" in sql and state.GATE in sql for sql in recorded.statements)


def test_a_claim_that_is_kept_ends_with_a_release(client: Client) -> None:
    """The release comes behind the last claim, so that no claim takes it back."""
    lease, stopped = Lease(client, "some right", 30.0), threading.Event()
    claims: list[object] = []
    keeper = threading.Thread(target=lease.keep, args=(stopped, 0.01, claims.append))
    keeper.start()
    while len(claims) < 5:
        time.sleep(0.01)
    assert holder(client, "some right", 30.0) == lease.owner
    stopped.set()
    keeper.join(10)
    assert set(claims) == {True}
    assert holder(client, "some right", 30.0) == ""


def test_a_backup_is_restored_where_a_store_has_rows_about_itself_only(client: Client) -> None:
    """Claims of a janitor and notes of definitions are no data that a restore could destroy."""
    name = f"{_DATABASE}_{time.time_ns()}"
    backup.backup(client, name)
    client.insert_rows("leases", ["Name", "Owner", "SinceUs"], [["janitor", "me", 1]])
    assert backup.restore(client, name).files > 0
    assert client.query_rows("SELECT Owner FROM leases WHERE Owner = 'me'") == []
