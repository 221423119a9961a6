"""Serves the MCP server over HTTP, behind the gates and within the limits of every port, until SIGTERM or SIGINT."""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
from typing import Any

import uvicorn

from sightline_mcp.errors import CannotListen
from sightline_mcp.key_gate import KeyGate
from sightline_mcp.keys import KeyRing
from sightline_mcp.settings import McpSettings
from sightline_roles.host_gate import HostGate
from sightline_roles.http_limits import LimitedProtocol

_STOP_GRACE_S = 2
_log = logging.getLogger("sightline.mcp")


def run(app: Any, settings: McpSettings, path: str) -> None:
    """Serve until a signal comes.

    Args:
        app: the ASGI application.
        settings: where, for whom, and how much.
        path: where the application answers, for the log.

    Raises:
        KeysUnusable: the file of keys cannot be read or trusted.
        CannotListen: the address cannot be listened on.
    """
    ring = None if settings.keys_file is None else KeyRing(settings.keys_file)
    opened = _listen(settings)
    if ring is None:
        _log.warning("no %s: everybody on this machine may ask", settings.variable("keys_file"))
    elif not len(ring):
        _log.warning("%s holds no key: `sightline-mcp keys create` makes the first one", settings.keys_file)
    config = uvicorn.Config(
        HostGate(KeyGate(app, ring, settings.tenant), settings),
        http=LimitedProtocol.under(settings),
        ws="none",
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        lifespan="on",
        timeout_graceful_shutdown=_STOP_GRACE_S,
    )
    # uvicorn stops on a signal and then raises it again: by then all is done.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    _log.info("MCP on http://%s:%d%s", settings.host, opened.getsockname()[1], path)
    with contextlib.closing(opened):
        uvicorn.Server(config).run(sockets=[opened])


def _listen(settings: McpSettings) -> socket.socket:
    opened = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((settings.host, settings.port))
    except OSError as exc:
        opened.close()
        raise CannotListen(
            f"cannot listen on {settings.variable('host')}={settings.host} and {settings.variable('port')}="
            f"{settings.port}: {exc.strerror}"
        ) from exc
    return opened
