"""A real Redis on a free port, that tests can kill and start again."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

import redis
from role_process import free_port

from sightline_app.settings import RedisSettings, StateSettings
from sightline_app.state.redis_server import RedisProcess


class RedisPlace:
    """A server as `sightline-redis` runs it, on one data folder and one port through all its starts."""

    def __init__(self, folder: Path, binary: Path) -> None:
        self._settings = RedisSettings(port=free_port(), data_dir=folder)
        self._binary = binary
        self.url = f"redis://127.0.0.1:{self._settings.port}/0"
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._process = RedisProcess(self._settings, self._binary)
        assert self._process.wait_until_ready(20), "Redis did not start"

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process.process.poll() is None

    def kill(self) -> None:
        """End it as a crash would: kill -9."""
        self._process.process.kill()
        self._process.process.wait()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Let it hang: it takes connections and commands and answers none."""
        self._process.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it as a supervisor would."""
        self._process.stop()

    def client(self) -> redis.Redis:
        """A plain client, to look at what is kept."""
        return redis.Redis.from_url(self.url, decode_responses=True)

    def settings(self, **changes: object) -> StateSettings:
        """Settings of an app that keeps its state here; it is patient, and asks again at once after a failure."""
        patient = {"retry_s": 0.05, "timeout_s": 10.0, "connect_timeout_s": 10.0}
        return StateSettings(redis_secret_url=self.url, **{**patient, **changes})  # type: ignore[arg-type]
