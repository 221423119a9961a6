"""Runs an ASGI application until SIGTERM or SIGINT, then stops within seconds with exit code 0."""

from __future__ import annotations

import logging
import socket
from collections.abc import Collection
from typing import Any

from sightline_roles import serving
from sightline_roles.port_settings import PortSettings
from sightline_roles.serving import Drain

STOP_GRACE_S = 3
"""How long open responses may take to end after a signal."""


def run(
    app: Any,
    opened: socket.socket,
    title: str,
    settings: PortSettings,
    *,
    grace_s: int = STOP_GRACE_S,
    max_message_bytes: int = 0,
    origins: Collection[str] = (),
    drain: Drain | None = None,
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
        drain: what the application does between the signal and the closing of its port.

    Returns:
        0 after a signal, 1 when the application did not start.
    """
    host, port = opened.getsockname()[:2]
    logging.getLogger("sightline").info("%s listens on http://%s:%s", title, host, port)
    websocket = {"ws_max_size": max_message_bytes} if max_message_bytes else None
    started = serving.run(app, opened, settings, grace_s=grace_s, origins=origins, websocket=websocket, drain=drain)
    return 0 if started else 1
