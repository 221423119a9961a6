"""Statements of the embedded node while they run: many at once, ended by id, abandoned, queued, streamed, hung."""

from __future__ import annotations

import http.client
import json
import os
import threading
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from node_http import ask

_LONG = b"SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))"


def _until(is_so: Callable[[], bool], timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)


def _runs(url: str, query_id: str) -> bool:
    sql = f"SELECT count() FROM system.processes WHERE query_id = '{query_id}'"
    return ask(url, sql.encode())[1] == b"1\n"


def test_kill_query_by_the_clients_id(store_url: str) -> None:
    """A statement is seen in system.processes and ended by the id that its client gave it, and is told so."""
    with ThreadPoolExecutor(2) as threads:
        victim = threads.submit(ask, store_url, _LONG, query_id="victim-1")
        _until(lambda: _runs(store_url, "victim-1"))
        same = ask(store_url, b"SELECT 1", query_id="victim-1")
        shown = ask(store_url, b"SELECT query, interface FROM system.processes WHERE query_id = 'victim-1'")[1]
        killed = ask(store_url, b"KILL QUERY WHERE query_id = 'victim-1' SYNC FORMAT JSONEachRow")[1]
        status, body, headers = victim.result(timeout=20)
    assert (same[0], same[2]["x-clickhouse-exception-code"]) == (500, "216")
    assert shown.strip() == _LONG + b"\tHTTP"
    row = json.loads(killed)
    assert (row["kill_status"], row["query_id"], row["query"]) == ("finished", "victim-1", _LONG.decode())
    assert (status, headers["x-clickhouse-exception-code"]) == (500, "394")
    assert b"QUERY_WAS_CANCELLED" in body
    assert ask(store_url, b"KILL QUERY WHERE query_id = 'nobody'")[:2] == (200, b"")


def test_replace_running_query_ends_the_old_one(store_url: str) -> None:
    """replace_running_query=1 takes the id over."""
    with ThreadPoolExecutor(1) as threads:
        old = threads.submit(ask, store_url, _LONG, query_id="replaced")
        _until(lambda: _runs(store_url, "replaced"))
        assert ask(store_url, b"SELECT 2", query_id="replaced", replace_running_query="1")[1] == b"2\n"
        assert old.result(timeout=20)[2]["x-clickhouse-exception-code"] == "394"


@pytest.mark.parametrize("sql", [_LONG, b"SELECT number FROM numbers(100000000000)"])
def test_a_client_that_goes_away_ends_its_query(store_url: str, sql: bytes) -> None:
    """Whether it computes or is in the middle of its rows."""
    query_id = f"left-{len(sql)}"
    connection = http.client.HTTPConnection(store_url.removeprefix("http://"))
    connection.request("POST", f"/?query_id={query_id}", sql)
    _until(lambda: _runs(store_url, query_id))
    connection.close()
    _until(lambda: not _runs(store_url, query_id))


def test_thirty_two_clients_at_once(store_url: str) -> None:
    """Each with its own session, settings, parameters and inserts: every answer is its own."""
    ask(store_url, b"CREATE TABLE default.many (client UInt32, n UInt32) ENGINE = MergeTree ORDER BY (client, n)")

    def client(number: int) -> None:
        session = {"session_id": f"many-{number}"}
        ask(store_url, f"SET max_block_size = {1000 + number}".encode(), **session)
        ask(store_url, f"CREATE TEMPORARY TABLE own AS SELECT {number} AS x".encode(), **session)
        for turn in range(3):
            data = f"{number},{turn}\n".encode()
            assert ask(store_url, data, query="INSERT INTO default.many FORMAT CSV")[0] == 200
            sql = b"SELECT x, {p:UInt32}, getSetting('max_block_size'), getSetting('max_threads') FROM own"
            answer = ask(store_url, sql, param_p=str(turn), max_threads=str(number + 1), **session)[1]
            assert answer == f"{number}\t{turn}\t{1000 + number}\t{number + 1}\n".encode()

    with ThreadPoolExecutor(32) as threads:
        list(threads.map(client, range(32)))
    assert ask(store_url, b"SELECT count(), uniqExact(client, n) FROM default.many")[1] == b"96\t96\n"
    ask(store_url, b"DROP TABLE default.many")


def test_a_full_queue_is_answered_503_and_kill_goes_past_it(roles, tmp_path: Path, free_tcp_port: int) -> None:
    """What cannot wait hears so, with the setting to raise; a queued statement whose client leaves never runs."""
    url = f"http://127.0.0.1:{free_tcp_port}"
    env = {
        "SIGHTLINE_STORE_PORT": str(free_tcp_port),
        "SIGHTLINE_STORE_DATA_DIR": str(tmp_path / "data"),
        "SIGHTLINE_STORE_MAX_CONCURRENT_QUERIES": "2",
        "SIGHTLINE_STORE_MAX_QUEUED_QUERIES": "1",
    }
    roles("sightline-store", "serve", env=env, health_url=f"{url}/ping")
    ask(url, b"CREATE TABLE ran (n UInt8) ENGINE = Memory")
    with ThreadPoolExecutor(3) as threads:
        running = [threads.submit(ask, url, _LONG, query_id=f"runs-{n}") for n in range(2)]
        log = http.client.HTTPConnection(url.removeprefix("http://"))
        time.sleep(0.3)
        log.request("POST", "/?query_id=queued", b"SELECT 1")
        _until(lambda: ask(url, b"SELECT 1")[0] == 503)
        status, body, headers = ask(url, b"SELECT 1")
        log.close()
        assert (status, headers["x-clickhouse-exception-code"], headers["retry-after"]) == (503, "202", "1")
        assert b"SIGHTLINE_STORE_MAX_CONCURRENT_QUERIES" in body
        with urllib.request.urlopen(f"{url}/ping", timeout=10) as ping:
            assert ping.read() == b"Ok.\n"
        for n in range(2):
            assert b"runs" in ask(url, f"KILL QUERY WHERE query_id = 'runs-{n}'".encode())[1]
        assert {future.result(timeout=20)[0] for future in running} == {500}
    assert ask(url, b"SELECT 1")[1] == b"1\n"


def _rss(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_results_of_any_size_take_flat_memory(roles, tmp_path: Path, free_tcp_port: int) -> None:
    """A result larger than the engine's memory cap arrives whole, and the node does not grow by more than a little."""
    url = f"http://127.0.0.1:{free_tcp_port}"
    env = {
        "SIGHTLINE_STORE_PORT": str(free_tcp_port),
        "SIGHTLINE_STORE_DATA_DIR": str(tmp_path / "data"),
        "SIGHTLINE_STORE_MAX_MEMORY_BYTES": str(1536 * 1024**2),
    }
    role = roles("sightline-store", "serve", env=env, health_url=f"{url}/ping")
    ask(url, b"SELECT number, number FROM numbers(1000000) FORMAT RowBinary")
    pid, peak, size = role.process.pid, 0, 0
    before = _rss(pid)
    request = urllib.request.Request(url, b"SELECT number, number FROM numbers(50000000) FORMAT RowBinary")
    with urllib.request.urlopen(request, timeout=60) as answer:
        while piece := answer.read(1 << 22):
            size += len(piece)
            peak = max(peak, _rss(pid))
    assert size == 800_000_000
    assert peak - before < 150 * 1024**2


def test_no_log_tables_grow_in_the_data_folder(store_url: str) -> None:
    """The engine keeps no log of itself: nothing that fills a disk while nobody looks."""
    ask(store_url, b"SELECT 1", log_queries="1", log_queries_min_type="QUERY_START")
    ask(store_url, b"SYSTEM FLUSH LOGS")
    sql = b"SELECT name FROM system.tables WHERE database = 'system' AND engine LIKE '%MergeTree'"
    assert ask(store_url, sql)[1] == b""


def test_caps_are_told_to_the_engine(store_url: str) -> None:
    """Memory, caches and background threads do not grow with the machine."""
    sql = b"SELECT name, value FROM system.server_settings WHERE changed FORMAT TSV"
    settings = dict(line.split("\t") for line in ask(store_url, sql)[1].decode().splitlines())
    assert int(settings["max_server_memory_usage"]) == 2 * 1024**3
    caches = b"SELECT sum(toUInt64(value)) FROM system.server_settings WHERE name LIKE '%cache_size'"
    assert int(ask(store_url, caches)[1]) < 1024**3
    assert int(settings["background_pool_size"]) == 2


@pytest.fixture
def free_tcp_port() -> int:
    """A port of loopback that is free now."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_parallel_statements_do_not_wait_for_each_other(store_url: str) -> None:
    """Four sleeping statements end together, not one after the other."""
    barrier = threading.Barrier(5)

    def sleep() -> tuple[float, float]:
        barrier.wait()
        start = time.monotonic()
        ask(store_url, b"SELECT sleep(0.5)")
        return start, time.monotonic()

    with ThreadPoolExecutor(4) as threads:
        spans = [threads.submit(sleep) for _ in range(4)]
        barrier.wait()
        ran = [future.result() for future in spans]
    assert max(start for start, _ in ran) < min(end for _, end in ran)
