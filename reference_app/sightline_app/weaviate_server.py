"""``sightline-weaviate``: find or install a Weaviate server, then run it in the foreground on loopback.

The server gets the settings of a fast single-node start (raft timeouts of one second, no telemetry, no profiling port)
and of prompt keyword search (memtables flushed early). Ports that it needs inside (gossip, data, raft) are chosen free
at the first start and remembered beside the data, because a restarted raft node looks for itself at its old address.

Exit codes: 0 stopped as asked (or nothing to run, see below), 1 the server died, 2 a setting can't work,
3 no server is to be had.

With ``WEAVIATE_URL`` set there is nothing to start: the command says so and then waits, so that a supervisor does not
start it again and again; ``--install-only`` returns at once.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import httpx

from sightline_app.child_server import ChildServer, port_is_free, stop_event
from sightline_app.errors import InvalidSetting, WeaviateNotToBeHad
from sightline_app.log_output import log_to_stderr
from sightline_app.settings import WeaviateSettings
from sightline_app.weaviate_install import VERSION, find, obtain

_READY_TIMEOUT_S = 1.0
_INTERNAL = ("CLUSTER_GOSSIP_BIND_PORT", "CLUSTER_DATA_BIND_PORT", "RAFT_PORT", "RAFT_INTERNAL_RPC_PORT")
_log = logging.getLogger("sightline.weaviate")


def environment(
    settings: WeaviateSettings, internal_ports: Mapping[str, int], env: Mapping[str, str]
) -> dict[str, str]:
    """Return the environment of the server; variables that the user set win, ports and paths excepted.

    Args:
        settings: addresses and folders.
        internal_ports: one port for each name in ``_INTERNAL``.
        env: what the user's environment holds.
    """
    defaults = {
        "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "true",
        "DEFAULT_VECTORIZER_MODULE": "none",
        "ENABLE_MODULES": "",
        "DISABLE_TELEMETRY": "true",
        "GO_PROFILING_DISABLE": "true",
        "CLUSTER_HOSTNAME": "node1",
        "CLUSTER_BIND_ADDR": "127.0.0.1",
        "CLUSTER_ADVERTISE_ADDR": "127.0.0.1",
        "RAFT_BOOTSTRAP_EXPECT": "1",
        "RAFT_HEARTBEAT_TIMEOUT": "1",
        "RAFT_ELECTION_TIMEOUT": "1",
        "RAFT_LEADER_LEASE_TIMEOUT": "1",
        "RAFT_TIMEOUTS_MULTIPLIER": "1",
        # Keyword search over an unflushed memtable took 50 ms instead of 4.
        "PERSISTENCE_MEMTABLES_FLUSH_DIRTY_AFTER_SECONDS": "1",
        # Of the two keyword indexes of 1.35.2, the newer one ranks otherwise once a passage was deleted, and stays so:
        # half of the four best were others. https://github.com/weaviate/weaviate/pull/12168
        "USE_INVERTED_SEARCHABLE": "false",
        "QUERY_DEFAULTS_LIMIT": "25",
        "LOG_LEVEL": "warning",
    }
    fixed = {
        "PERSISTENCE_DATA_PATH": str(settings.data_dir.resolve()),
        "GRPC_PORT": str(settings.grpc_port),
        **{name: str(port) for name, port in internal_ports.items()},
    }
    return defaults | dict(env) | fixed


def internal_ports(data_dir: Path, taken: Sequence[int]) -> dict[str, int]:
    """Return the ports that the server uses inside, the same ones at every start on one data folder.

    New ones are chosen when one of the remembered ports is in use now.

    Args:
        data_dir: where ``ports.json`` remembers them.
        taken: ports that must not be chosen (HTTP and gRPC).
    """
    remembered = data_dir / "ports.json"
    try:
        known = {name: int(json.loads(remembered.read_text())[name]) for name in _INTERNAL}
        if not set(known.values()) & set(taken) and all(port_is_free("127.0.0.1", port) for port in known.values()):
            return known
    except (OSError, ValueError, KeyError, TypeError):
        pass
    chosen: dict[str, int] = {}
    for name in _INTERNAL:
        port = _free_port({*taken, *chosen.values()})
        chosen[name] = port
    data_dir.mkdir(parents=True, exist_ok=True)
    remembered.write_text(json.dumps(chosen))
    return chosen


def _free_port(avoid: set[int]) -> int:
    """Return a free port below the range from which the system gives ports to outgoing connections."""
    start = 17200 + (os.getpid() * 7) % 8000
    for port in range(start, start + 4000):
        if port not in avoid and port_is_free("127.0.0.1", port) and port_is_free("", port):
            return port
    raise InvalidSetting("SIGHTLINE_WEAVIATE_PORT", start, "no free port was found for Weaviate's internal traffic")


class WeaviateProcess(ChildServer):
    """A Weaviate server as a child process.

    Args:
        settings: addresses and folders.
        binary: the server.
        env: environment to build on, usually ``os.environ``.
        log: where its own lines go; None for those of this process.

    Raises:
        InvalidSetting: a port is in use.
    """

    name = "Weaviate"

    def __init__(
        self, settings: WeaviateSettings, binary: Path, env: Mapping[str, str], log: IO[bytes] | None = None
    ) -> None:
        for variable, port in (
            ("SIGHTLINE_WEAVIATE_PORT", settings.port),
            ("SIGHTLINE_WEAVIATE_GRPC_PORT", settings.grpc_port),
        ):
            if not port_is_free(settings.host, port):
                raise InvalidSetting(variable, port, "is in use on this machine; choose another port")
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        ports = internal_ports(settings.data_dir, [settings.port, settings.grpc_port])
        self.url = f"http://{settings.host}:{settings.port}"
        command = [str(binary), "--host", settings.host, "--port", str(settings.port), "--scheme", "http"]
        super().__init__(command, environment(settings, ports, env), log)

    def is_ready(self) -> bool:
        """Whether the server says that it is ready."""
        try:
            return httpx.get(f"{self.url}/v1/.well-known/ready", timeout=_READY_TIMEOUT_S).status_code == 200
        except httpx.HTTPError:
            return False


def main(argv: Sequence[str] | None = None) -> int:  # noqa: PLR0911  # one exit code each
    """Run the command; see the module's docstring for exit codes."""
    parser = argparse.ArgumentParser(
        prog="sightline-weaviate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--install-only", action="store_true", help="find, download or build the server, print its path, exit"
    )
    parser.add_argument(
        "--find-only", action="store_true", help="print the path of a server that is already here, or exit with 3"
    )
    options = parser.parse_args(argv)
    log_to_stderr()
    stopping = stop_event(exits_at_once=options.install_only)
    try:
        settings = WeaviateSettings.from_env(os.environ)
        if settings.url:
            _log.info("WEAVIATE_URL is %s: that server is used and none is started here", settings.url)
            if not (options.install_only or options.find_only):
                stopping.wait()
            return 0
        if options.find_only:
            binary = find(settings.cache_dir, os.environ.get("PATH"))
            if binary is None:
                _log.error("no Weaviate binary on PATH or in %s", settings.cache_dir / "bin")
                return 3
        else:
            binary = obtain(settings.cache_dir, os.environ)
        if options.install_only or options.find_only:
            sys.stdout.write(f"{binary}\n")
            return 0
        if stopping.is_set():
            return 0
        server = WeaviateProcess(settings, binary, os.environ)
        _log.info("starting %s on %s (gRPC %d), data in %s", binary, server.url, settings.grpc_port, settings.data_dir)
        return server.run(stopping, settings.start_timeout_s, "SIGHTLINE_WEAVIATE_START_TIMEOUT_S", _log)
    except InvalidSetting as exc:
        _log.error("%s", exc)
        return 2
    except WeaviateNotToBeHad as exc:
        _log.error(
            "%s. Set WEAVIATE_URL, put a server v%s on PATH, or install Go; without it, ClickHouse searches",
            exc,
            VERSION,
        )
        return 3


if __name__ == "__main__":
    sys.exit(main())
