"""``sightline-redis``: run a `redis-server` or `valkey-server` of PATH in the foreground, on loopback.

Every write is fsynced before its answer (``appendfsync always``): what the server acknowledged outlives its process and
the machine's power. Redis commits the writes of all clients that wait together. Nothing is evicted.

Exit codes: 0 stopped as asked (or nothing to run, see below), 1 the server died, 2 a setting can't work,
3 no server is to be had.

With ``REDIS_URL`` set there is nothing to start: the command says so and then waits, so that a supervisor does not
start it again and again; ``--find-only`` returns at once.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from sightline_app.child_server import ChildServer, port_is_free, stop_event
from sightline_app.errors import InvalidSetting
from sightline_app.log_output import log_to_stderr
from sightline_app.settings import RedisSettings
from sightline_app.state.redis_link import answers
from sightline_roles.host_check import is_loopback

_READY_TIMEOUT_S = 0.5
BINARIES = ("redis-server", "valkey-server")
"""Names that a server may have, the first wins."""

_log = logging.getLogger("sightline.redis")


def find_server(path: str | None = None) -> Path | None:
    """Return the server on PATH, None if there is none.

    Args:
        path: folders to look into; default PATH.
    """
    for name in BINARIES:
        found = shutil.which(name, path=path)
        if found:
            return Path(found)
    return None


def command(settings: RedisSettings, binary: Path) -> list[str]:
    """Return the command line of the server."""
    options = {
        "port": str(settings.port),
        "bind": settings.host,
        "protected-mode": "yes",
        "dir": str(settings.data_dir.resolve()),
        "appendonly": "yes",
        "appendfsync": "always",
        "save": "",  # the append-only file holds everything
        "maxmemory": str(settings.max_memory_bytes),
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "loglevel": "warning",
    }
    return [str(binary), *(part for name, value in options.items() for part in (f"--{name}", value))]


class RedisProcess(ChildServer):
    """A Redis server as a child process.

    Args:
        settings: address and folder.
        binary: the server.

    Raises:
        InvalidSetting: the address is not loopback's, or the port is in use.
    """

    name = "Redis"

    def __init__(self, settings: RedisSettings, binary: Path) -> None:
        if not is_loopback(settings.host):
            raise InvalidSetting(
                "SIGHTLINE_REDIS_HOST", settings.host, "needs an address of loopback: it has no password"
            )
        if not port_is_free(settings.host, settings.port):
            raise InvalidSetting(
                "SIGHTLINE_REDIS_PORT", settings.port, "is in use on this machine; choose another port"
            )
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.url = f"redis://{settings.host}:{settings.port}/0"
        super().__init__(command(settings, binary))

    def is_ready(self) -> bool:
        """Whether the server answers, which it does only when its file is loaded."""
        return answers(self.url, _READY_TIMEOUT_S)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module's docstring for exit codes."""
    parser = argparse.ArgumentParser(
        prog="sightline-redis", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--find-only", action="store_true", help="print the path of the server, or exit with 3")
    options = parser.parse_args(argv)
    log_to_stderr()
    stopping = stop_event()
    try:
        settings = RedisSettings.from_env(os.environ)
        if settings.secret_url:
            _log.info("REDIS_URL is set: that server is used and none is started here")
            if not options.find_only:
                stopping.wait()
            return 0
        binary = find_server()
        if binary is None:
            _log.error(
                "no redis-server or valkey-server on PATH. Install one (`apt-get install redis-server`) or set "
                "REDIS_URL; without it, each process of the app keeps conversations and limits for itself"
            )
            return 3
        if options.find_only:
            sys.stdout.write(f"{binary}\n")
            return 0
        server = RedisProcess(settings, binary)
        _log.info("starting %s on %s, data in %s", binary, server.url, settings.data_dir)
        return server.run(stopping, settings.start_timeout_s, "SIGHTLINE_REDIS_START_TIMEOUT_S", _log)
    except InvalidSetting as exc:
        _log.error("%s", exc)
        return 2


if __name__ == "__main__":
    sys.exit(main())
