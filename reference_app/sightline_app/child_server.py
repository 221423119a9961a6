"""A server that is no Python program, run in the foreground as a child process: start, wait, watch, stop."""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import IO

STOP_GRACE_S = 4.0
"""How long the server may take to end after SIGTERM before it is killed."""
_POLL_INTERVAL_S = 0.1


def port_is_free(host: str, port: int) -> bool:
    """Tell whether nothing listens on a TCP port of this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Return a TCP port of loopback that nothing listens on now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stop_event(*, exits_at_once: bool = False) -> threading.Event:
    """Return an event that SIGTERM and SIGINT set; a second signal raises SystemExit.

    Args:
        exits_at_once: whether the first signal raises SystemExit too, because nothing waits for the event.
    """
    stopping = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        del frame
        if stopping.is_set() or exits_at_once:
            raise SystemExit(128 + number)
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return stopping


class ChildServer(ABC):
    """A server as a child process, started by the constructor.

    Args:
        command: its command line.
        env: its environment; None for the one of this process.
        log: where its own lines go; None for those of this process.
    """

    name: str
    """Its name in messages."""
    url: str
    """Its address."""

    def __init__(
        self, command: Sequence[str], env: Mapping[str, str] | None = None, log: IO[bytes] | None = None
    ) -> None:
        self.process = subprocess.Popen(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log or sys.stderr,
            stderr=log,
            start_new_session=True,  # Ctrl-C reaches us alone; we pass it on once
        )

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether the server answers, which it does only when its data is loaded."""

    def wait_until_ready(self, timeout_s: float) -> bool:
        """Wait until the server answers; False when it died or took too long."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and self.process.poll() is None:
            if self.is_ready():
                return True
            time.sleep(_POLL_INTERVAL_S)
        return False

    def stop(self) -> None:
        """Ask the server to stop, then kill it after ``STOP_GRACE_S``, or at once when this wait is interrupted."""
        if self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_GRACE_S)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()

    def run(self, stopping: threading.Event, start_timeout_s: float, variable: str, log: logging.Logger) -> int:
        """Watch the server until the event is set, then stop it.

        Args:
            stopping: ends the run.
            start_timeout_s: how long the server may take until it is ready.
            variable: setting to name when it took longer.
            log: receives what happens.

        Returns:
            an exit code: 0 stopped as asked, 1 the server ended by itself or was not ready in time.
        """
        started = time.monotonic()
        ready = False
        try:
            while not stopping.wait(_POLL_INTERVAL_S):
                code = self.process.poll()
                if code is not None:
                    why = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
                    log.error("%s ended by itself (%s); its own lines above say why", self.name, why)
                    return 1
                elapsed_s = time.monotonic() - started
                if not ready and self.is_ready():
                    ready = True
                    log.info("%s is ready after %.1f s", self.name, elapsed_s)
                elif not ready and elapsed_s > start_timeout_s:
                    log.error("%s was not ready after %s=%g", self.name, variable, start_timeout_s)
                    return 1
        finally:
            self.stop()
        log.info("%s stopped", self.name)
        return 0
