"""Roles as real processes on free ports, for integration and e2e tests."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path


def free_port() -> int:
    """A port of loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Role:
    """A console script as a process of its own, with its log in a file."""

    def __init__(self, command: list[str], env: dict[str, str], health_url: str, log: Path) -> None:
        script = Path(sys.executable).with_name(command[0])
        self.command = [str(script) if script.exists() else (shutil.which(command[0]) or command[0]), *command[1:]]
        self.env = {**{k: v for k, v in os.environ.items() if not k.startswith(("SIGHTLINE_", "OTEL_"))}, **env}
        self.health_url = health_url
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, timeout_s: float = 60.0) -> None:
        """Start it and wait until it is healthy."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, env=self.env, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"{self.command} ended with {self.process.returncode}:\n{self.tail()}")
            try:
                with urllib.request.urlopen(self.health_url, timeout=2) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        raise AssertionError(f"{self.command} is not healthy after {timeout_s} s:\n{self.tail()}")

    def run(self, timeout_s: float = 60.0) -> None:
        """Run it to its end, which must be a good one."""
        with self.log.open("ab") as log:
            done = subprocess.run(self.command, env=self.env, stdout=log, stderr=log, timeout=timeout_s, check=False)
        assert done.returncode == 0, self.tail()

    def kill(self) -> None:
        """End it as a crash would: kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self, timeout_s: float = 10.0) -> int:
        """End it as a supervisor would: SIGTERM; returns its exit code."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-4000:]


StartRole = Callable[..., Role]
