"""Backup, restore and the data folder's stamp, with real processes."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from node_http import ask

from sightline_store import backup
from sightline_store.client import Client
from sightline_store.errors import StoreError
from sightline_store.settings import StoreSettings

_TABLES = ("raw", "seen", "daily")


def _port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _node(roles, folder: Path, backups: Path) -> str:
    port = _port()
    url = f"http://127.0.0.1:{port}"
    env = {
        "SIGHTLINE_STORE_PORT": str(port),
        "SIGHTLINE_STORE_DATA_DIR": str(folder),
        "SIGHTLINE_STORE_BACKUP_DIR": str(backups),
    }
    roles("sightline-store", "serve", env=env, health_url=f"{url}/ping")
    return url


def test_backup_during_inserts_is_exact_to_the_row(roles, tmp_path: Path) -> None:
    """What was acknowledged before is in it, and the tables behind the views show the same rows as their source."""
    url = _node(roles, tmp_path / "one", tmp_path / "backups")
    ask(url, b"CREATE DATABASE otel")
    for sql in (
        "CREATE TABLE otel.raw (n UInt64, s String) ENGINE = MergeTree ORDER BY n",
        "CREATE TABLE otel.seen (n UInt64) ENGINE = MergeTree ORDER BY n",
        "CREATE TABLE otel.daily (k UInt8, c SimpleAggregateFunction(sum, UInt64)) "
        "ENGINE = AggregatingMergeTree ORDER BY k",
        "CREATE MATERIALIZED VIEW otel.to_seen TO otel.seen AS SELECT n FROM otel.raw",
        "CREATE MATERIALIZED VIEW otel.to_daily TO otel.daily AS "
        "SELECT n % 7 AS k, count() AS c FROM otel.raw GROUP BY k",
    ):
        assert ask(url, sql.encode())[0] == 200
    acknowledged, stop = [0], threading.Event()

    def insert() -> None:
        while not stop.is_set():
            start = acknowledged[0]
            sql = f"INSERT INTO otel.raw SELECT number, repeat('x', 100) FROM numbers({start}, 1000)"
            assert ask(url, sql.encode())[0] == 200
            acknowledged[0] = start + 1000

    writer = threading.Thread(target=insert)
    writer.start()
    client = Client(StoreSettings(url=url))
    while acknowledged[0] < 10_000:
        stop.wait(0.01)
    reports = []
    for turn in range(3):
        before = acknowledged[0]
        reports.append((before, backup.backup(client, f"turn-{turn}"), acknowledged[0]))
    stop.set()
    writer.join()
    assert reports[-1][1].files > 0
    with pytest.raises(StoreError, match="exists already"):
        backup.backup(client, "turn-0")
    with pytest.raises(StoreError, match="SIGHTLINE_STORE_BACKUP_DIR"):
        backup.backup(client, "/tmp/elsewhere")
    with pytest.raises(StoreError, match="has rows"):
        backup.restore(client, "turn-0")
    client.close()

    other = _node(roles, tmp_path / "two", tmp_path / "backups")
    for turn, (before, _, after) in enumerate(reports):
        target = Client(StoreSettings(url=other))
        backup.restore(target, f"turn-{turn}")
        target.close()
        raw, seen, daily = (
            int(ask(other, f"SELECT {what} FROM otel.{table}".encode())[1])
            for table, what in zip(_TABLES, ("count()", "count()", "sum(c)"), strict=True)
        )
        assert before <= raw <= after + 1000
        assert raw == seen == daily
        assert int(ask(other, b"SELECT max(n) + 1 FROM otel.raw")[1]) == raw
        if turn == 0:
            ask(other, b"INSERT INTO otel.raw VALUES (1, 'x')")  # views work in a restored database
            assert int(ask(other, b"SELECT count() FROM otel.seen")[1]) == raw + 1
        ask(other, b"DROP DATABASE otel SYNC")
    with pytest.raises(StoreError, match="there is no backup"):
        backup.restore(Client(StoreSettings(url=other)), "nosuch")


def test_a_newer_engines_folder_is_refused_with_a_sentence(tmp_path: Path) -> None:
    """It is refused before it is opened; an older one's is taken over and stamped."""
    folder = tmp_path / "data"
    folder.mkdir()
    code = (
        "from pathlib import Path\n"
        "from sightline_node.execution.engine import Engine\n"
        "from sightline_node.settings import NodeSettings\n"
        "import os, sys\n"
        "try:\n    Engine(NodeSettings(data_dir=Path(sys.argv[1])))\n"
        "except Exception as exc:\n    print(exc, flush=True); os._exit(3)\n"
        "os._exit(0)\n"
    )

    def opened() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code, str(folder)],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=tmp_path,
            check=False,
        )

    assert opened().returncode == 0
    stamp = folder / "sightline.json"
    current = json.loads(stamp.read_text())["engine"]
    stamp.write_text('{"engine": "25.1.0.0"}')
    assert opened().returncode == 0
    assert json.loads(stamp.read_text())["engine"] == current
    for content, words in (
        ('{"engine": "99.1.0.0"}', "was written by ClickHouse 99.1.0.0"),
        ("junk", "cannot be read"),
    ):
        stamp.write_text(content)
        refused = opened()
        assert refused.returncode == 3
        assert words in refused.stdout
        assert stamp.read_text() == content
