"""Runs an ASGI application until SIGTERM or SIGINT, then stops within seconds with exit code 0."""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
from collections.abc import Collection
from typing import Any

import uvicorn

from sightline_app.errors import InvalidSetting
from sightline_roles.host_gate import HostGate
from sightline_roles.http_limits import LimitedProtocol
from sightline_roles.port_settings import PortSettings

STOP_GRACE_S = 3
"""How long open responses may take to end after a signal."""


def listen(host: str, port: int, variable: str) -> socket.socket:
    """Open the listening socket.

    Args:
        host: address.
        port: port.
        variable: setting to name when the port is taken.

    Raises:
        InvalidSetting: the port is in use or the address is not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((host, port))
    except OSError as exc:
        opened.close()
        raise InvalidSetting(
            variable, port, f"can't listen on {host}:{port} ({exc.strerror}); choose another port"
        ) from exc
    opened.listen(128)
    return opened


def run(
    app: Any,
    opened: socket.socket,
    title: str,
    settings: PortSettings,
    *,
    grace_s: int = STOP_GRACE_S,
    max_message_bytes: int = 0,
    origins: Collection[str] = (),
) -> int:
    """Serve until asked to stop.

    Args:
        app: an ASGI application.
        opened: where it listens.
        title: what it is.
        settings: of its port.
        grace_s: seconds that open responses have to end after a signal.
        max_message_bytes: largest message of a WebSocket; 0: none is opened.
        origins: foreign origins whose pages may ask.

    Returns:
        0 after a signal, 1 when the application did not start.
    """
    # uvicorn raises the caught signal again after its clean stop; a silent handler turns that into exit code 0.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    host, port = opened.getsockname()[:2]
    logging.getLogger("sightline").info("%s listens on http://%s:%s", title, host, port)
    config = uvicorn.Config(
        HostGate(app, settings, origins=origins),
        http=LimitedProtocol.under(settings),
        ws="websockets-sansio" if max_message_bytes else "none",
        ws_max_size=max_message_bytes,
        log_config=None,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=grace_s,
        lifespan="on",
    )
    server = uvicorn.Server(config)
    with contextlib.closing(opened):
        server.run(sockets=[opened])
    return 0 if server.started else 1
