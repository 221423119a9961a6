"""Readers who ask for more memory than there is: what writes goes on, and the process stays under its cap."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from role_process import Role as Process
from role_process import free_port

from sightline_node.readers import keys
from sightline_node.readers.roles import Role
from sightline_store.client import Client
from sightline_store.errors import StoreError
from sightline_store.settings import StoreSettings

_CAP = 2 * 1024**3
_READERS = 6
_LASTS_S = 8.0
_GREEDY = (
    "SELECT count() FROM otel.t AS x JOIN otel.t AS y ON x.s = y.s FORMAT Null",
    "SELECT groupArray(s) FROM otel.t FORMAT Null",
    "SELECT s, count() FROM otel.t GROUP BY s ORDER BY s DESC LIMIT 3 FORMAT Null",
)


def _bytes(pid: int, what: str) -> int:
    """`VmHWM`, the most memory that the process ever held, or `VmRSS`, what it holds now."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{what}:"))


def test_inserts_go_on_beside_greedy_readers(tmp_path: Path) -> None:
    """Six readers join, sort and collect large strings; no INSERT fails, and memory stays under the setting."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    admin = keys.create(tmp_path / "data", "collector", Role.ADMIN)
    reader = keys.create(tmp_path / "data", "dashboards", Role.READER)
    env = {
        "SIGHTLINE_STORE_PORT": str(port),
        "SIGHTLINE_STORE_DATA_DIR": str(tmp_path / "data"),
        "SIGHTLINE_STORE_MAX_MEMORY_BYTES": str(_CAP),
    }
    process = Process(["sightline-store", "serve"], env, f"{url}/ping", tmp_path / "log")
    process.start()
    ended = {"refused": 0, "answered": 0}
    try:
        client = Client(StoreSettings(url=url, password=admin))
        client.command("CREATE DATABASE IF NOT EXISTS otel", database="")
        client.command("CREATE TABLE otel.t (a UInt64, s String) ENGINE = MergeTree ORDER BY a")
        client.command("INSERT INTO otel.t SELECT number, toString(number) || repeat('x', 100) FROM numbers(1000000)")
        until = time.monotonic() + _LASTS_S

        def read(sql: str) -> None:
            asking = Client(StoreSettings(url=url, password=reader))
            while time.monotonic() < until:
                try:
                    asking.command(sql, database="")
                    ended["answered"] += 1
                except StoreError:  # memory: a cap of the statement's, or the engine's
                    ended["refused"] += 1

        threads = [threading.Thread(target=read, args=(_GREEDY[n % len(_GREEDY)],)) for n in range(_READERS)]
        for thread in threads:
            thread.start()
        inserted = 0
        while time.monotonic() < until:
            client.command("INSERT INTO otel.t SELECT number, repeat('y', 500) FROM numbers(60000)")
            inserted += 1
        for thread in threads:
            thread.join(60)
        assert inserted > 2
        assert ended["refused"] > 0, "nobody was greedy enough for this test to tell anything"
        assert process.process is not None
        assert _bytes(process.process.pid, "VmHWM") < _CAP
    finally:
        process.stop()


def test_what_a_large_statement_freed_is_given_back_soon(tmp_path: Path) -> None:
    """The allocator would keep it for seconds, uncounted, beside what the next statements take.

    What the statement's threads free after its answer is given back after one of the next statements.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    env = {
        "SIGHTLINE_STORE_PORT": str(port),
        "SIGHTLINE_STORE_DATA_DIR": str(tmp_path / "data"),
        "SIGHTLINE_STORE_MAX_MEMORY_BYTES": str(1536 * 1024**2),  # of which the engine may count 512 MiB
    }
    process = Process(["sightline-store", "serve"], env, f"{url}/ping", tmp_path / "log")
    process.start()
    try:
        client = Client(StoreSettings(url=url, database="default"))
        client.command(
            "SELECT concat(toString(number), repeat('x', 500)) AS s FROM numbers(600000) ORDER BY s FORMAT Null"
        )
        assert process.process is not None
        assert _bytes(process.process.pid, "VmHWM") > 512 * 1024**2
        deadline = time.monotonic() + 4
        while (held := _bytes(process.process.pid, "VmRSS")) >= 512 * 1024**2 and time.monotonic() < deadline:
            client.command("SELECT 1")
            time.sleep(0.1)
        assert held < 512 * 1024**2
    finally:
        process.stop()
