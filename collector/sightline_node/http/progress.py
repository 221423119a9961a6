"""Progress headers: what a running statement has done so far, sent while it runs.

clickhouse-connect, and with it the collector, the dashboards and `sightline-store`, asks for them with every statement:
they keep the connection from being silent, so that a statement may take longer than the client's read timeout or a
proxy's. `@clickhouse/client` documents them for the same purpose.

ASGI knows no such headers: an answer's head goes out at once. Here each line is written as it comes, behind a status of
200, as ClickHouse does; where the statement fails after that, the exception's code follows in a header of its own.

Source: https://clickhouse.com/docs/interfaces/http (send_progress_in_http_headers)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from sightline_roles.http_limits import LimitedProtocol

EXTENSION = "sightline.wire"
"""Of an ASGI scope: the connection's `Wire`."""

_STATUS_LINE = b"HTTP/1.1 200 OK\r\n"
_FASTEST_S = 0.01
# Python's http.client accepts a hundred headers: after every ten the interval doubles.
_BEFORE_DOUBLING = 10


class Wire:
    """A connection's transport; a head that was begun early goes on without its status line."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._is_begun = False

    def send_header(self, name: bytes, value: bytes) -> None:
        """Send a header before the rest of the answer's head."""
        if not self._transport.is_closing():
            self._transport.write((b"" if self._is_begun else _STATUS_LINE) + b"%s: %s\r\n" % (name, value))
            self._is_begun = True

    def write(self, data: bytes) -> None:
        """Send, as a transport does."""
        if self._is_begun:
            self._is_begun = False
            data = data.partition(b"\r\n")[2]
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Protocol(LimitedProtocol):
    """Uvicorn's HTTP, whose applications get hold of the `Wire`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection."""
        super().connection_made(Wire(transport))  # type: ignore[arg-type]

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self.scope["extensions"] = {EXTENSION: self.transport}  # type: ignore[dict-item]


class Progress:
    """The progress of one statement: the engine's threads report it, the event loop sends it."""

    def __init__(self) -> None:
        self.last: Mapping[str, int] = {}
        self._runs = False
        self._sent = 0
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self, now: Mapping[str, int]) -> None:
        """Note how far the statement is. Any thread."""
        self.last = now

    def begin(self) -> None:
        """The statement runs from now on: before, its answer can still have a status of its own. Any thread."""
        self._runs = True

    def send_every(self, interval_s: float, send: Callable[[Mapping[str, int]], None]) -> None:
        """Send how far the statement is every `interval_s` until `end`."""
        interval_s = max(interval_s, _FASTEST_S)
        loop = asyncio.get_running_loop()

        def tick() -> None:
            if self._runs:
                send(self.last)
                self._sent += 1
            self._timer = loop.call_later(interval_s * 2.0 ** (self._sent // _BEFORE_DOUBLING), tick)

        self._timer = loop.call_later(interval_s, tick)

    def end(self) -> None:
        """Stop sending."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
