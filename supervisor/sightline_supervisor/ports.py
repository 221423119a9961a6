"""Find ports that are taken, and who holds them, before anything is started."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Iterable

import psutil

from sightline_supervisor.errors import PortsTaken, TakenPort
from sightline_supervisor.role import Role


def is_free(host: str, port: int) -> bool:
    """Say whether a listener can be opened on the address now.

    An address that this machine does not have counts as free: the role itself says best what is wrong with it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free for a server
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as exc:
            return exc.errno not in (errno.EADDRINUSE, errno.EACCES)
    return True


def holder_of(port: int) -> str:
    """Name the process that listens on a port, as far as the system tells."""
    try:
        for connection in psutil.net_connections(kind="tcp"):
            address = connection.laddr
            if connection.status == psutil.CONN_LISTEN and address and address[1] == port and connection.pid:
                return f"pid {connection.pid} ({psutil.Process(connection.pid).name()})"
    except (psutil.Error, OSError):
        pass  # other users' sockets, and any on macOS without root, stay unnamed
    return "another process"


def taken_ports(roles: Iterable[Role]) -> list[TakenPort]:
    """Return every port of the roles that somebody else holds."""
    return [
        TakenPort(role.name, use.host, use.port, holder_of(use.port), use.flag, use.variable)
        for role in roles
        for use in role.ports
        if not is_free(use.host, use.port)
    ]


def check_ports(roles: Iterable[Role], patience_s: float = 0.0) -> None:
    """Make sure that all ports of the roles are free.

    Args:
        roles: what is about to be started.
        patience_s: wait this long, in seconds, for ports to come free: the processes of a supervisor that was killed
            need a moment to end.

    Raises:
        PortsTaken: names every port that is still taken, its holder and the setting that moves it.
    """
    roles = list(roles)
    deadline = time.monotonic() + patience_s
    while taken := taken_ports(roles):
        if time.monotonic() >= deadline:
            raise PortsTaken(taken)
        time.sleep(0.25)
