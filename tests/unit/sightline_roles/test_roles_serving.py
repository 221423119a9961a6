"""The listening socket of a role's port, and what is told of an application that does not start."""

from __future__ import annotations

import signal
import socket
from dataclasses import replace
from typing import Any

import pytest

from sightline_mcp.settings import McpSettings
from sightline_roles.serving import listen, run
from sightline_roles.settings import SettingInvalid


def test_clients_wait_at_an_open_port_and_a_second_server_is_told() -> None:
    """The message names both settings and what the system says."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = McpSettings(port=taken.getsockname()[1])
        with pytest.raises(SettingInvalid, match=r"SIGHTLINE_MCP_PORT is .* on SIGHTLINE_MCP_HOST=127\.0\.0\.1: Addr"):
            listen(settings)
    with listen(settings) as opened, socket.create_connection(opened.getsockname()):
        pass


def test_a_host_of_another_machine_is_told() -> None:
    """It cannot be listened on."""
    with pytest.raises(SettingInvalid, match=r"SIGHTLINE_MCP_HOST=192\.0\.2\.1"):
        listen(replace(McpSettings(), host="192.0.2.1"))


async def _broken(scope: Any, receive: Any, send: Any) -> None:
    """An application whose start fails."""
    del scope
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no"})


def test_an_application_that_does_not_start_ends_the_server() -> None:
    """The caller is told, and chooses the exit code; the port is free again."""
    opened = socket.create_server(("127.0.0.1", 0))
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        assert run(_broken, opened, McpSettings(), grace_s=1) is False
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert opened.fileno() == -1
