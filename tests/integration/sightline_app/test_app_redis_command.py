"""The command that runs Redis: how it ends, and that what it acknowledged outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis
from redis_place import RedisPlace
from role_process import free_port

COMMAND = [sys.executable, "-m", "sightline_app.state.redis_server"]


@pytest.mark.parametrize(
    ("arguments", "env", "code", "message"),
    [
        (["--find-only"], {"REDIS_URL": "redis://elsewhere:6379"}, 0, "none is started here"),
        ([], {}, 3, "no redis-server or valkey-server on PATH"),
        ([], {"SIGHTLINE_REDIS_PORT": "99999"}, 2, "SIGHTLINE_REDIS_PORT"),
    ],
)
def test_command_ends_with_the_documented_exit_code(
    tmp_path: Path, arguments: list[str], env: dict[str, str], code: int, message: str
) -> None:
    """Nothing to start is 0, a setting that can't work is 2, no server is 3."""
    base = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run(
        [*COMMAND, *arguments], env=base | env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == code
    assert message in done.stderr


def test_server_listens_on_loopback_alone_and_stops_as_asked(redis_place: RedisPlace, tmp_path: Path) -> None:
    """It refuses another address, serves, keeps each write on disk, and ends with 0 on SIGTERM, its child too."""
    del redis_place  # there is a server on PATH
    env = {**os.environ, "SIGHTLINE_REDIS_DATA_DIR": str(tmp_path / "redis"), "SIGHTLINE_REDIS_PORT": str(free_port())}
    env.pop("REDIS_URL", None)
    refused = subprocess.run(
        COMMAND, env={**env, "SIGHTLINE_REDIS_HOST": "0.0.0.0"}, capture_output=True, timeout=60, check=False
    )
    assert refused.returncode == 2
    client = redis.Redis(port=int(env["SIGHTLINE_REDIS_PORT"]), decode_responses=True)
    for expected in (None, "value"):
        running = subprocess.Popen(COMMAND, env=env, stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 60
            while True:
                try:
                    assert client.get("key") == expected
                    break
                except redis.ConnectionError:
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
            assert client.config_get("bind", "appendfsync", "maxmemory-policy") == {
                "bind": "127.0.0.1",
                "appendfsync": "always",
                "maxmemory-policy": "noeviction",
            }
            client.set("key", "value")
            running.send_signal(signal.SIGTERM)
            assert running.wait(30) == 0
            with pytest.raises(redis.ConnectionError):
                client.ping()
        finally:
            running.kill()
            running.wait()
    client.close()
