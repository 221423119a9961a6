"""`sightline up` for tests that use it as somebody would who installed it: by its console scripts, on free ports."""

import contextlib
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
from role_process import free_port


class Up:
    """A running `sightline up` on free ports.

    Args:
        folder: for its data and its log.
        scripts: folder of the console scripts.
        ready_within_s: seconds that the start may take; afterwards its processes are ended and the test fails.
    """

    def __init__(self, folder: Path, scripts: Path, ready_within_s: float = 90) -> None:
        self.folder = folder
        ports = {name: free_port() for name in ("store", "collector", "collector-grpc", "dashboards")}
        self.dashboards = f"http://127.0.0.1:{ports['dashboards']}"
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("SIGHTLINE_", "OTEL_"))},
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{ports['collector']}",
            "SIGHTLINE_STORE_URL": f"http://127.0.0.1:{ports['store']}",
            "SIGHTLINE_COLLECTOR_HTTP_PORT": str(ports["collector"]),
            "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        }
        flags = [part for name, port in ports.items() for part in (f"--port-{name}", str(port))]
        self.log = folder / "up.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [scripts / "sightline", "up", "--data", folder / "data", *flags],
                env={name: value for name, value in self.env.items() if not name.startswith("SIGHTLINE_")},
                cwd=folder,
                stdout=log,
                stderr=log,
            )
        try:
            self._wait_until_ready(time.monotonic() + ready_within_s)
            self.env["SIGHTLINE_STORE_PASSWORD"] = (folder / "data" / "keys" / "reader.key").read_text().strip()
        except BaseException:
            self._kill(self._family())
            raise

    def _wait_until_ready(self, deadline: float) -> None:
        while "Sightline is ready" not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)

    def _family(self) -> list[psutil.Process]:
        """Return what the supervisor started; nothing where it has ended."""
        return psutil.Process(self.process.pid).children(recursive=True) if self.process.poll() is None else []

    def _kill(self, family: list[psutil.Process]) -> None:
        """Leave no process behind: the supervisor gets ten seconds to end its roles, what is left then is killed."""
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        self.process.kill()
        self.process.wait(10)
        for role in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                role.kill()
        psutil.wait_procs(family, timeout=10)

    def run(self, command: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run a command with the environment of somebody who uses this store and this collector."""
        done = subprocess.run(command, cwd=cwd, env=self.env, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done

    def spans(self, service: str) -> int:
        """Count the stored spans of a service."""
        query = f"SELECT count() FROM otel.otel_traces WHERE ServiceName = '{service}'".encode()
        request = urllib.request.Request(
            self.env["SIGHTLINE_STORE_URL"], query, {"X-ClickHouse-Key": self.env["SIGHTLINE_STORE_PASSWORD"]}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return int(answer.read())
        except urllib.error.HTTPError as exc:  # The collector may still be making the tables.
            with exc:
                return 0

    def stop(self) -> None:
        """End it as Ctrl-C does; it must end with 0 and leave no process behind. What does is killed."""
        family = self._family()
        try:
            assert family
            self.process.send_signal(signal.SIGINT)
            assert self.process.wait(30) == 0, self.log.read_text()
            _, alive = psutil.wait_procs(family, timeout=3)
            assert not alive
        except BaseException:
            self._kill(family)
            raise

    def wait_for_spans(self, service: str, count: int) -> None:
        """Wait until so many spans of a service are stored, and no more."""
        deadline = time.monotonic() + 20
        while self.spans(service) < count and time.monotonic() < deadline:
            time.sleep(0.2)
        assert self.spans(service) == count
