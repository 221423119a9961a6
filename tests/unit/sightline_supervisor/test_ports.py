"""Taken ports are named before anything is started."""

import os
import socket
import threading

import pytest

from sightline_supervisor.errors import PortsTaken
from sightline_supervisor.ports import check_ports, is_free
from sightline_supervisor.probe import is_healthy
from sightline_supervisor.role import PortUse, Role


def _role(port: int) -> Role:
    return Role("store", ("x",), ports=(PortUse("127.0.0.1", port, "--port-store", "SIGHTLINE_STORE_PORT"),))


def test_taken_port_is_told_with_role_holder_and_way_out() -> None:
    """One sentence says who wants it, who has it, and both settings that move it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(PortsTaken) as caught:
            check_ports([_role(port)])
    message = str(caught.value)
    assert f"Port {port} for the store is taken by pid {os.getpid()}" in message
    assert "--port-store" in message
    assert "SIGHTLINE_STORE_PORT=" in message


async def test_a_role_without_http_is_healthy_when_it_accepts() -> None:
    """By the address that the role declares; a closed port is not."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        assert await is_healthy(address)
    assert not await is_healthy(address)


def test_free_port_passes() -> None:
    """A port that nobody listens on is free, also just after its listener closed."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert is_free("127.0.0.1", port)
    check_ports([_role(port)])


def test_ports_of_a_killed_run_are_waited_for() -> None:
    """With patience, a port that comes free in time is no error."""
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    closing = threading.Timer(0.3, server.close)
    closing.start()
    check_ports([_role(port)], patience_s=5)
    closing.join()
