"""`sightline-evals watch` on a real store and collector: each trace once, within its rate, until it is told to end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import sightline
from sightline_store.client import Client

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

PASSAGE = "os.path.join(path, *paths) joins one or more path segments."


def _answer(number: int) -> None:
    with sightline.request("ask"), sightline.retrieval("Documents"):
        sightline.annotate({"gen_ai.retrieval.query.text": f"How do I join paths {number}?"})
        sightline.record_documents([{"id": "a", "score": 0.9, "content": PASSAGE}])
        with sightline.llm("extractive-v1", provider="local"):
            text = "Use os.path.join, which joins one or more path segments."
            sightline.record_messages(output=[{"role": "assistant", "parts": [{"type": "text", "content": text}]}])


def _watch(env: dict[str, str], *flags: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sightline_evals", "watch", "--metrics", "groundedness", "--interval", "1s"]
    return subprocess.Popen(
        [*command, *flags], env={**os.environ, **env}, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def _wait(client: Client, sql: str, wanted: int) -> int:
    until, found = time.monotonic() + 60, -1
    while time.monotonic() < until:
        (row,) = client.query_rows(sql)
        found = int(row["n"])
        if found >= wanted:
            break
        time.sleep(0.2)
    return found


def test_live_traffic_is_judged_once_across_restarts(collected: tuple[dict[str, str], Client], tmp_path: Path) -> None:
    """Two watches, one after the other, share a memory; SIGTERM ends each cleanly, and its scores are there."""
    env, client = collected[0] | {"SIGHTLINE_EVALS_CACHE_DIR": str(tmp_path / "cache")}, collected[1]
    tracing = sightline.configure(service_name="rag", capture="full", env=env)
    scores = "SELECT count() AS n FROM scores"
    for begin, end in ((0, 3), (3, 5)):
        for number in range(begin, end):
            _answer(number)
        assert tracing.force_flush(10)
        assert _wait(client, "SELECT count() AS n FROM requests", end) == end
        process = _watch(env, "--per-hour", "36000")
        try:
            assert _wait(client, scores, end) == end
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
        assert process.returncode == 0, err
        assert "groundedness" in out
    tracing.shutdown()
    rows = client.query_rows("SELECT TraceId, RunId FROM scores")
    assert len({row["TraceId"] for row in rows}) == len(rows) == 5
    assert {row["RunId"] for row in rows} == {"watch"}


def test_a_store_that_is_away_is_waited_for(tmp_path: Path) -> None:
    """The watch says so and goes on until it is told to end."""
    env = {"SIGHTLINE_STORE_URL": "http://127.0.0.1:9", "SIGHTLINE_EVALS_CACHE_DIR": str(tmp_path)}
    process = _watch(env)
    assert process.stderr is not None
    try:
        line = next(line for line in process.stderr if "no traces can be read" in line)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    finally:
        process.kill()
    assert "trying again" in line
    assert process.returncode == 0
