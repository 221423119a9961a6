"""Servers that instrumented clients speak to, for tests: Redis, RabbitMQ and PostgreSQL on loopback.

Each is the distribution's own (``apt-get install redis-server rabbitmq-server postgresql``), is started on free ports
with its data in a folder of the test's, and ends with its ``with`` block. Kafka is in ``scale_peers``. Providers that
cannot run here are played by HTTP handlers (``serving``).
"""

from __future__ import annotations

import http.server
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from role_process import free_port

_POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
_LAST_CHARS = 2000


class _Server(http.server.ThreadingHTTPServer):
    """Ends with the process, and is silent about clients that leave."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing."""


@contextmanager
def serving(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve HTTP from this process, with a handler that plays somebody; the address."""
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Quiet(http.server.BaseHTTPRequestHandler):
    """A handler that keeps connections, logs nothing, and leaves to ``reply`` what is answered."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer a request without a body."""
        self.reply(b"")

    def do_POST(self) -> None:
        """Answer a request with a body."""
        self.reply(self.rfile.read(int(self.headers["content-length"] or 0)))

    def reply(self, body: bytes) -> None:
        """Answer; subclasses say what."""
        raise NotImplementedError

    def answer(self, body: bytes, status: int = 200, kind: str = "application/json") -> None:
        """Send a whole answer."""
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


class Peer:
    """One server process. Use as a context manager."""

    binary: ClassVar[str]
    """What must be there."""
    package: ClassVar[str]
    """Debian package that brings it."""
    scheme: ClassVar[str]
    """Of ``url``."""

    def __init__(self, folder: Path) -> None:
        """Prepare one that keeps its data under `folder`."""
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._beside: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @classmethod
    def missing(cls) -> str:
        """Why it cannot be started here, '' where it can."""
        return "" if shutil.which(cls.binary) else f"no {cls.binary} here: apt-get install {cls.package}"

    def __enter__(self) -> Peer:
        """Start it and wait until it answers."""
        log_path = self._folder / "server.log"
        with log_path.open("wb") as log:
            command = self._prepare()
            environment = {**os.environ, **self._environment()}
            self._process = subprocess.Popen(
                command, env=environment, cwd=self._folder, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + 60
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise RuntimeError(
                    f"{self.binary} did not start: {log_path.read_text(errors='replace')[-_LAST_CHARS:]}"
                )
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        """Kill it and what it started: its data is thrown away."""
        for process in (self._process, self._beside):
            if process is not None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _prepare(self) -> list[str]:
        raise NotImplementedError

    def _environment(self) -> dict[str, str]:
        return {}

    def _answers(self) -> bool:
        return self._speaks(b"", b"")

    def _speaks(self, said: bytes, answer: bytes) -> bool:
        """Tell whether the port answers as its protocol does."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as wire:
                wire.sendall(said)
                return wire.recv(64).startswith(answer) if answer else True
        except OSError:
            return False


class Redis(Peer):
    """A Redis that writes nothing to disk."""

    binary = "redis-server"
    package = "redis-server"
    scheme = "redis"

    def _prepare(self) -> list[str]:
        return ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]

    def _answers(self) -> bool:
        return self._speaks(b"PING\r\n", b"+PONG")


class RabbitMQ(Peer):
    """A RabbitMQ node without plugins, whose name and ports are its own."""

    binary = "rabbitmq-server"
    package = "rabbitmq-server"
    scheme = "amqp"

    def _prepare(self) -> list[str]:
        (self._folder / "rabbitmq.conf").write_text(f"listeners.tcp.1 = 127.0.0.1:{self.port}\n")
        (self._folder / "enabled_plugins").write_text("[].\n")
        # The node would leave the name server that it starts behind as a daemon.
        self._names = str(free_port())
        names = ["epmd", "-address", "127.0.0.1", "-port", self._names]
        self._beside = subprocess.Popen(names, stdout=subprocess.DEVNULL, start_new_session=True)
        return ["/usr/lib/rabbitmq/bin/rabbitmq-server"]

    def _environment(self) -> dict[str, str]:
        folder = str(self._folder)
        return {
            "HOME": folder,
            "RABBITMQ_NODENAME": f"sightline{self.port}@localhost",
            "RABBITMQ_MNESIA_BASE": folder,
            "RABBITMQ_LOG_BASE": folder,
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_PID_FILE": f"{folder}/pid",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": self._names,
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 -kernel inet_dist_use_interface {127,0,0,1}",
        }

    def _answers(self) -> bool:
        return self._speaks(b"AMQP\x00\x00\x09\x01", b"\x01")


class Postgres(Peer):
    """A PostgreSQL that trusts whoever comes over loopback."""

    binary = str(_POSTGRES[-1] / "postgres") if _POSTGRES else "postgres"
    package = "postgresql"
    scheme = "postgresql"

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"{super().url.replace('127', 'postgres@127', 1)}/postgres"

    def _prepare(self) -> list[str]:
        data, user = str(self._folder / "data"), []
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
            for place in (self._folder, *list(self._folder.parents)[:2]):
                place.chmod(0o755)
            shutil.chown(self._folder, "postgres")
        initdb = str(Path(self.binary).with_name("initdb"))
        subprocess.run(
            [*user, initdb, "-D", data, "-U", "postgres", "-A", "trust", "-N"],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120, cwd=self._folder,
        )  # fmt: skip
        options = ["-p", str(self.port), "-h", "127.0.0.1", "-k", "", "-F"]
        return [*user, self.binary, "-D", data, *options]

    def _answers(self) -> bool:
        return self._speaks((8).to_bytes(4, "big") + (80877103).to_bytes(4, "big"), b"N")  # asks for TLS: No
