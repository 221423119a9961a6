"""Runs Streamlit's ASGI application behind the gate, on a server with limits, until SIGTERM or SIGINT.

Source: https://docs.streamlit.io/develop/api-reference/configuration/st.app (an ASGI server of one's own)
"""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import streamlit
import uvicorn

from sightline_dashboards.settings import DashboardSettings
from sightline_roles.host_gate import HostGate
from sightline_roles.http_limits import LimitedProtocol

_PING_S = 30
_STOP_GRACE_S = 2


def run(page: Path, settings: DashboardSettings) -> None:
    """Serve until a signal comes.

    Args:
        page: Streamlit's script; its options have been set.
        settings: where, for whom, and how much.

    Raises:
        OSError: the address cannot be listened on.
    """
    opened = _listen(settings)
    config = uvicorn.Config(
        HostGate(streamlit.App(page), settings, links=True),
        http=LimitedProtocol.under(settings),
        ws="websockets-sansio",
        ws_ping_interval=_PING_S,
        ws_ping_timeout=_PING_S,
        ws_per_message_deflate=False,
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
    with opened:
        uvicorn.Server(config).run(sockets=[opened])


def _listen(settings: DashboardSettings) -> socket.socket:
    opened = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((settings.host, settings.port))
    except OSError as exc:
        opened.close()
        raise OSError(
            f"cannot listen on {settings.variable('host')}={settings.host} and {settings.variable('port')}="
            f"{settings.port}: {exc.strerror}"
        ) from exc
    return opened
