"""Housekeeping: one process does it, another takes over, and what is done twice does no harm."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from convention_spans import Spans, insert_into
from role_process import Role, free_port

from sightline_store.client import Client
from sightline_store.janitor import Janitor
from sightline_store.lease import Lease
from sightline_store.schema import migrate, retention
from sightline_store.settings import JanitorSettings, RetentionSettings, StoreSettings

_DATABASE = "janitor"
_LEASE_S = 10.0
_ROWS = 4000  # of a day, so that all else on disk is little beside them
_ACTS = "this janitor does the housekeeping"
_WAITS = "another janitor holds the lease"
_SCRIPT = str(Path(sys.executable).with_name("sightline-store"))


@pytest.fixture
def client(emptied: Callable[..., Client]) -> Client:
    """A client of this module's own tables, which janitors give TTLs; they have no rows."""
    return emptied(_DATABASE)


def _env(store_url: str, **variables: str) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("SIGHTLINE_", "OTEL_"))},
        "SIGHTLINE_STORE_URL": store_url,
        "SIGHTLINE_STORE_DATABASE": _DATABASE,
        "SIGHTLINE_JANITOR_LEASE_S": f"{_LEASE_S:g}",
        "SIGHTLINE_JANITOR_PRICES_INTERVAL_S": "0.3",
        "SIGHTLINE_JANITOR_RETENTION_INTERVAL_S": "0.5",
        **variables,
    }


class _Process:
    """A janitor as a process of its own, with its log in a file."""

    def __init__(self, log: Path, store_url: str, **variables: str) -> None:
        self._log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [_SCRIPT, "janitor"], env=_env(store_url, **variables), stdout=file, stderr=file
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@pytest.fixture
def start(tmp_path: Path, client: Client) -> Iterator[Callable[..., _Process]]:
    """Start janitors of the database; they are killed at the end."""
    started: list[_Process] = []

    def start(**variables: str) -> _Process:
        started.append(_Process(tmp_path / f"{len(started)}.log", client.settings.url, **variables))
        return started[-1]

    yield start
    for process in started:
        process.end()


def _until(is_so: Callable[[], object], timeout_s: float = 60.0) -> float:
    """Wait for a condition; the seconds that it took."""
    began_s = time.monotonic()
    while not is_so():
        assert time.monotonic() < began_s + timeout_s, "not within the time"
        time.sleep(0.02)
    return time.monotonic() - began_s


def _call(client: Client, model: str) -> None:
    client.insert_rows(
        "llm_calls",
        ["Timestamp", "TraceId", "SpanId", "Operation", "Provider", "ResponseModel", "InputTokens", "OutputTokens"],
        [[datetime.now(UTC), model, model, "chat", "openai", model, 10, 10]],
    )


def _price_rows(client: Client) -> list[tuple[str, int, int]]:
    """Each price key with the number of look-ups, and the number of rows that are one too many."""
    rows = client.query_rows(
        "SELECT PriceKey, uniqExact(UpdatedAt) AS lookups, count() - uniqExact(ServiceTier, ValidFrom, UpdatedAt) "
        "AS doubled FROM model_prices GROUP BY PriceKey ORDER BY PriceKey"
    )
    return [(row["PriceKey"], row["lookups"], row["doubled"]) for row in rows]


def _old_rows(client: Client, days_ago: int) -> str:
    day = datetime.now(UTC).date() - timedelta(days=days_ago)
    client.command(
        "INSERT INTO otel_traces (Timestamp, TraceId, SpanId, SpanName) SELECT "
        f"toDateTime64('{day} 12:00:00', 9), toString(rand64()), toString(number), randomPrintableASCII(100) "
        f"FROM numbers({_ROWS})"
    )
    return str(day)


def test_of_two_janitors_one_acts_and_the_other_takes_over(client: Client, start: Callable[..., _Process]) -> None:
    """Each model is looked up once and each day dropped once, also where the acting janitor is killed with -9."""
    old = [_old_rows(client, days) for days in (5, 4)]
    size = retention.stored_bytes(client)
    janitors = [start(SIGHTLINE_STORE_RETENTION_MAX_GIB=repr(0.7 * size / 1024**3)) for _ in range(2)]
    _until(lambda: all(_ACTS in one.log or _WAITS in one.log for one in janitors))
    (acting,) = (one for one in janitors if _ACTS in one.log)
    (waiting,) = (one for one in janitors if one is not acting)
    _call(client, "gpt-4o")
    _until(lambda: "price of openai/gpt-4o entered" in acting.log)
    _until(lambda: f"dropped {old[0]} of otel_traces" in acting.log)

    acting.process.kill()
    killed_s = time.monotonic()
    _call(client, "gpt-4o-mini")
    _until(lambda: _ACTS in waiting.log)
    took_s = time.monotonic() - killed_s
    _until(lambda: "price of openai/gpt-4o-mini entered" in waiting.log)
    # The last claim may be as fresh as the kill, and the other looks once in a third of the lease.
    assert took_s < _LEASE_S * 4 / 3 + 2
    time.sleep(1.0)  # some more intervals, in which nothing may change
    assert _price_rows(client) == [("openai/gpt-4o", 1, 0), ("openai/gpt-4o-mini", 1, 0)]
    dropped = re.findall(r"dropped (\S+) of otel_traces: (\d+) rows", acting.log + waiting.log)
    assert dropped[0] == (old[0], str(_ROWS))
    assert len(dropped) == len(set(dropped))
    left = {str(row["day"]): row["n"] for row in client.query_rows(
        "SELECT toDate(Timestamp) AS day, count() AS n FROM otel_traces GROUP BY day"
    )}  # fmt: skip
    assert left == {day: _ROWS for day in old if (day, str(_ROWS)) not in dropped}


def test_a_janitor_ends_at_once_and_hands_over(client: Client, start: Callable[..., _Process]) -> None:
    """SIGTERM ends it with code 0 within two seconds; the other does not wait for the end of the lease."""
    first = start(SIGHTLINE_JANITOR_LEASE_S="12")
    _until(lambda: _ACTS in first.log)
    second = start(SIGHTLINE_JANITOR_LEASE_S="12")
    _until(lambda: _WAITS in second.log)
    began_s = time.monotonic()
    first.process.terminate()
    assert first.process.wait(10) == 0
    assert time.monotonic() - began_s < 2
    assert _until(lambda: _ACTS in second.log) < 10
    once = subprocess.run(
        [_SCRIPT, "janitor", "--once"], env=_env(client.settings.url, SIGHTLINE_JANITOR_LEASE_S="12"),
        capture_output=True, text=True, timeout=60,
        check=True,
    )  # fmt: skip
    assert _WAITS in once.stderr


def test_once_does_everything_and_ends(client: Client) -> None:
    """Prices are entered and TTLs set; the lease is free for the next one."""
    _call(client, "gpt-4o")
    for _ in range(2):
        subprocess.run(
            [_SCRIPT, "janitor", "--once"],
            env=_env(client.settings.url, SIGHTLINE_STORE_RETENTION_SCORES_DAYS="9"),
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
    assert _price_rows(client) == [("openai/gpt-4o", 1, 0)]
    assert retention.plan(client, RetentionSettings(scores_days=9)) == []
    janitor = Janitor(client.settings, JanitorSettings(retention_interval_s=0), RetentionSettings(scores_days=8))
    assert janitor.run_once()
    assert retention.plan(client, RetentionSettings(scores_days=9)) == []  # a task that is off is not done


def test_two_that_act_at_one_moment_do_no_harm(client: Client) -> None:
    """Without a lease, side by side: each price is what it is from one, and only the days that must go are gone."""
    days = [_old_rows(client, ago) for ago in (9, 8, 7)]
    for model in ("gpt-4o", "gpt-4o-mini", "o3"):
        _call(client, model)
    keep = RetentionSettings(scores_days=11, max_gib=0.85 * retention.stored_bytes(client) / 1024**3)
    janitors = [Janitor(client.settings, JanitorSettings(), keep) for _ in range(2)]
    gate = threading.Barrier(2)
    errors: list[BaseException] = []

    def act(janitor: Janitor) -> None:
        gate.wait()
        try:
            for task in janitor._tasks:
                task.run()
        except BaseException as exc:
            errors.append(exc)
            raise

    threads = [threading.Thread(target=act, args=(janitor,)) for janitor in janitors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    prices = client.query_rows("SELECT SpanId, CostUsd FROM llm_calls_priced ORDER BY SpanId")
    assert [row["SpanId"] for row in prices] == ["gpt-4o", "gpt-4o-mini", "o3"]
    assert prices[0]["CostUsd"] == pytest.approx(10 * (2.5 + 10) / 1e6)
    assert retention.plan(client, keep) == []
    left = client.query_rows("SELECT toString(toDate(Timestamp)) AS day, count() AS n FROM otel_traces GROUP BY day")
    assert {row["day"]: row["n"] for row in left} in (dict.fromkeys(days[1:], _ROWS), {days[2]: _ROWS})


def test_a_janitor_waits_for_the_store_and_its_tables(tmp_path: Path) -> None:
    """Started first of all, it logs once what it waits for, and works as soon as it can, after a restart too."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    janitor = _Process(tmp_path / "janitor.log", url)
    store = Role(
        ["sightline-store", "serve"],
        {"SIGHTLINE_STORE_PORT": str(port), "SIGHTLINE_STORE_DATA_DIR": str(tmp_path / "data")},
        f"{url}/ping",
        tmp_path / "store.log",
    )
    client = Client(StoreSettings(url=url, database=_DATABASE))
    try:
        _until(lambda: "waiting for the store" in janitor.log)
        store.start()
        migrate.apply(client)
        _until(lambda: _ACTS in janitor.log, 40)
        store.kill()
        time.sleep(3)
        store.start()
        _call(client, "gpt-4o")
        _until(lambda: "price of openai/gpt-4o entered" in janitor.log, 60)
        assert "Traceback" not in janitor.log
    finally:
        janitor.end()
        client.close()
        store.stop()


def test_a_process_that_was_silent_for_a_lease_waits_behind_the_next(client: Client) -> None:
    """It does not get the right back because its first claim is the oldest; a released lease is free at once."""
    now_s = [0.0]
    silent, successor = (Lease(client, "janitor", 60.0, clock=lambda: now_s[0]) for _ in range(2))
    assert silent.claim()
    assert silent.is_held
    assert not successor.claim()
    now_s[0] += 61
    client.command("TRUNCATE TABLE leases")  # as if the claims, too, were older than a lease
    assert not silent.is_held
    assert successor.claim()
    assert not silent.claim()
    assert not silent.is_held
    successor.release()
    assert silent.claim()


def test_a_call_that_came_in_two_inserts_counts_once_after_a_run(client: Client, store_url: str) -> None:
    """The framework's span ends after the client's, and comes later."""
    call = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5}
    spans, insert = Spans(), insert_into(client)
    outer = spans.add(call, scope="framework", trace=1)
    inner = spans.add(call, scope="client", trace=1, parent=outer, ms=1500, after_ms=100)
    insert(spans.some([inner]))
    insert(spans.some([outer]))
    assert client.query_rows("SELECT count() AS n FROM llm_calls") == [{"n": 2}]
    store = StoreSettings(url=store_url, database=_DATABASE)
    for is_on in (False, True):
        settings = JanitorSettings(prices_interval_s=0, retention_interval_s=0, settle_interval_s=float(is_on))
        assert Janitor(store, settings, RetentionSettings()).run_once()
        assert client.query_rows("SELECT count() AS n FROM llm_calls") == [{"n": 1 if is_on else 2}]
