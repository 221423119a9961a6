"""Limits for clients that are slow or many, which uvicorn does not have.

A request's head must come within a time and its body at a pace; what does not is told 408 and closed. Of too many
connections, the one that has waited longest without a whole head makes room for the new one; where all are at work, the
new one is told 503. One timer looks at all of them.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

_MIN_BODY_BYTES = 1024
_Base: Any = AutoHTTPProtocol  # httptools' where that is installed, else h11's: alike in what is used here


@dataclass(frozen=True)
class Limits:
    """Of one server."""

    prefix: str
    """What its variables begin with, such as SIGHTLINE_APP_."""
    max_connections: int
    header_timeout_s: float
    body_timeout_s: float
    idle_timeout_s: float


def limited(limits: Limits) -> type[asyncio.Protocol]:
    """Uvicorn's HTTP protocol, within limits. One for one server."""
    watch = _Watch(limits)

    class Limited(_Base):  # type: ignore[misc]
        def connection_made(self, transport: asyncio.Transport) -> None:
            self.timeout_keep_alive = limits.idle_timeout_s
            self.since_s, self.came_bytes, self.transport = time.monotonic(), 0, transport
            if watch.has_room():
                watch.waiting[self] = watch.open[self] = None
                super().connection_made(transport)
            else:
                watch.end(self, 503, watch.too_many)

        def connection_lost(self, exc: Exception | None) -> None:
            watch.forget(self)
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self not in watch.open:
                return
            self.came_bytes += len(data)
            before = self.cycle
            super().data_received(data)
            if self.cycle is not before:
                watch.waiting.pop(self, None)
                self.since_s, self.came_bytes = time.monotonic(), 0
            elif self not in watch.waiting and (before is None or before.response_complete):
                watch.waiting[self] = None
                self.since_s = time.monotonic()

    return Limited


class _Watch:
    def __init__(self, limits: Limits) -> None:
        self.open: dict[Any, None] = {}
        self.waiting: dict[Any, None] = {}  # for the end of a head, the longest first
        self.too_many = f"too many connections: {limits.prefix}MAX_CONNECTIONS={limits.max_connections}"
        self._limits = limits
        self._ending: dict[Any, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def has_room(self) -> bool:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._every_s(), self._sweep)
        if len(self.open) >= self._limits.max_connections and self.waiting:
            self.end(next(iter(self.waiting)), 503, self.too_many)
        return len(self.open) < self._limits.max_connections

    def forget(self, connection: Any) -> None:
        for each in (self.open, self.waiting, self._ending):
            each.pop(connection, None)

    def end(self, connection: Any, status: int, why: str) -> None:
        cycle = connection.cycle
        self.forget(connection)
        if cycle is None or not (cycle.response_started or cycle.response_complete):
            body = f"{why}\n"
            head = f"HTTP/1.1 {status} \r\ncontent-type: text/plain\r\ncontent-length: {len(body)}\r\n"
            connection.transport.write(f"{head}connection: close\r\n\r\n{body}".encode())
        if cycle is not None:
            cycle.disconnected = True
            cycle.message_event.set()
        connection.transport.close()
        self._ending[connection] = None

    def _every_s(self) -> float:
        return min(1.0, self._limits.header_timeout_s / 4, self._limits.body_timeout_s / 4)

    def _sweep(self) -> None:
        now_s, limits = time.monotonic(), self._limits
        for connection in list(self._ending):
            connection.transport.abort()
        for connection in list(self.open):
            if connection.transport.is_closing():
                self.forget(connection)
                continue
            passed_s, cycle = now_s - connection.since_s, connection.cycle
            if connection in self.waiting:
                if passed_s >= limits.header_timeout_s:
                    why = f"no head within {limits.prefix}HEADER_TIMEOUT_S={limits.header_timeout_s:g} seconds"
                    self.end(connection, 408, why)
            elif cycle.more_body and not cycle.response_complete and not connection.flow.read_paused:
                if passed_s >= limits.body_timeout_s:
                    if connection.came_bytes < _MIN_BODY_BYTES:
                        why = f"no body within {limits.prefix}BODY_TIMEOUT_S={limits.body_timeout_s:g} seconds"
                        self.end(connection, 408, why)
                    connection.since_s, connection.came_bytes = now_s, 0
            else:
                connection.since_s, connection.came_bytes = now_s, 0
        busy = self.open or self._ending
        self._timer = asyncio.get_running_loop().call_later(self._every_s(), self._sweep) if busy else None
