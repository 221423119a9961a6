"""Serves an ASGI application on a role's port, behind `HostGate` and within its limits, until SIGTERM or SIGINT."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Collection, Mapping
from types import FrameType
from typing import Any, Protocol

import uvicorn

from sightline_roles.host_gate import HostGate
from sightline_roles.http_limits import LimitedProtocol
from sightline_roles.port_settings import PortSettings

_BACKLOG = 128


class OnePort(Protocol):
    """`PortSettings` of a role that listens on one port."""

    @property
    def host(self) -> str:
        """Address to listen on."""

    @property
    def port(self) -> int:
        """Port to listen on; 0 is any."""

    def variable(self, name: str) -> str:
        """As `Settings.variable`."""

    def invalid(self, name: str, need: str) -> Exception:
        """As `Settings.invalid`."""


class Drain(Protocol):
    """What an application does between the signal and the closing of its port."""

    def begin(self) -> None:
        """Take no new work. Called by a signal, between any two steps of the program."""

    def is_over(self) -> bool:
        """Whether the port may close; asked ten times a second."""


class _DrainedServer(uvicorn.Server):
    """A server whose port stays open after the signal until its application is drained; a second signal closes it."""

    def __init__(self, config: uvicorn.Config, drain: Drain) -> None:
        super().__init__(config)
        self._drain = drain
        self._drains = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._drains:
            super().handle_exit(sig, frame)
        self._drains = True
        self._drain.begin()

    async def on_tick(self, counter: int) -> bool:
        if self._drains and self._drain.is_over():
            self.should_exit = True
        return await super().on_tick(counter)


def listen(settings: OnePort) -> socket.socket:
    """Open the listening socket; clients that connect before `run` wait.

    Raises:
        SettingInvalid: or the error that the settings raise instead: the port is taken, or the host is no address of
            this machine.
    """
    opened = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((settings.host, settings.port))
        opened.listen(_BACKLOG)
    except OSError as exc:
        opened.close()
        need = f"a free port on {settings.variable('host')}={settings.host}: {exc.strerror}"
        raise settings.invalid("port", need) from exc
    return opened


def run(
    app: Any,
    opened: socket.socket,
    settings: PortSettings,
    *,
    grace_s: int,
    links: bool = False,
    origins: Collection[str] = (),
    websocket: Mapping[str, Any] | None = None,
    drain: Drain | None = None,
) -> bool:
    """Serve until asked to stop, and close the socket.

    Args:
        app: an ASGI application with a lifespan.
        opened: where it listens.
        settings: of its port.
        grace_s: seconds that open responses have to end after a signal.
        links: pages elsewhere may link to its pages.
        origins: foreign origins whose pages may ask.
        websocket: uvicorn's options of WebSockets; None opens none.
        drain: of an application that has work to end first; None closes the port at once.

    Returns:
        Whether the application started; why it did not is in the log.
    """
    sockets: dict[str, Any] = {"ws": "none"} if websocket is None else {"ws": "websockets-sansio", **websocket}
    config = uvicorn.Config(
        HostGate(app, settings, links=links, origins=origins),
        http=LimitedProtocol.under(settings),
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        proxy_headers=False,  # the peer is who has connected, whatever it says of itself
        lifespan="on",
        timeout_graceful_shutdown=grace_s,
        **sockets,
    )
    # uvicorn stops on a signal and then raises it again: by then all is done.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server = uvicorn.Server(config) if drain is None else _DrainedServer(config, drain)
    with opened, contextlib.suppress(SystemExit):  # uvicorn's own, where the application does not start
        server.run(sockets=[opened])
    return server.started
