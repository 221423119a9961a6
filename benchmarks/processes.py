"""Servers under measurement: started on loopback, their CPU seconds and peak memory read from the kernel."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil


def free_port() -> int:
    """A port of loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def console_script(name: str) -> str:
    """Path of a console script of this environment."""
    return str(Path(sys.executable).with_name(name))


def _end_by_exit() -> None:
    """Let SIGTERM end a benchmark as Ctrl-C does, so that its servers are stopped."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


class Server:
    """A process whose CPU time and peak resident memory are watched. Use as a context manager."""

    def __init__(
        self, command: Sequence[str], *, is_ready: Callable[[], bool], log: Path, env: Mapping[str, str] = {}
    ) -> None:
        _end_by_exit()
        self._log = log.open("wb")
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("SIGHTLINE_", "OTEL_", "ROTEL_"))}
        self._process = subprocess.Popen(
            list(command), env={**inherited, **env}, stdout=self._log, stderr=self._log, start_new_session=True
        )
        self._watched = psutil.Process(self._process.pid)
        self.peak_rss_mib = 0.0
        self._stopped = threading.Event()
        deadline = time.monotonic() + 60
        while not is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"{command[0]} did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)
        threading.Thread(target=self._watch, daemon=True).start()

    def cpu_s(self) -> float:
        """User and system seconds so far, ended children included."""
        times = self._watched.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)

    def kill(self) -> None:
        """Kill -9."""
        self._process.kill()
        self._process.wait()
        self._stopped.set()

    def stop(self) -> None:
        """SIGTERM, then SIGKILL after 10 s."""
        self._stopped.set()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _watch(self) -> None:
        while not self._stopped.wait(0.1):
            try:
                self.peak_rss_mib = max(self.peak_rss_mib, self._watched.memory_info().rss / 2**20)
            except psutil.NoSuchProcess:
                return


def http_ok(url: str) -> Callable[[], bool]:
    """Whether a GET of `url` is answered 200."""

    def ask() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=1) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    return ask


def port_open(port: int) -> Callable[[], bool]:
    """Whether somebody listens on a port of loopback."""

    def ask() -> bool:
        with socket.socket() as probe:
            probe.settimeout(0.5)
            return probe.connect_ex(("127.0.0.1", port)) == 0

    return ask


def store(folder: Path) -> tuple[Server, str]:
    """An embedded store on a free port, and its URL."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    env = {"SIGHTLINE_STORE_PORT": str(port), "SIGHTLINE_STORE_DATA_DIR": str(folder / "store")}
    command = [console_script("sightline-store"), "serve"]
    return Server(command, is_ready=http_ok(f"{url}/ping"), log=folder / "store.log", env=env), url


def collector(folder: Path, store_url: str, database: str, **settings: str) -> tuple[Server, int]:
    """Our collector on a free port, and that port."""
    port = free_port()
    env = {
        "SIGHTLINE_COLLECTOR_HTTP_PORT": str(port),
        "SIGHTLINE_COLLECTOR_GRPC_PORT": str(free_port()),
        "SIGHTLINE_COLLECTOR_SPOOL_DIR": str(folder / "spool"),
        "SIGHTLINE_STORE_URL": store_url,
        "SIGHTLINE_STORE_DATABASE": database,
        **settings,
    }
    command = [console_script("sightline-collector"), "serve"]
    ready = http_ok(f"http://127.0.0.1:{port}/healthz")
    return Server(command, is_ready=ready, log=folder / "collector.log", env=env), port
