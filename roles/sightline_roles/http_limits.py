"""Limits of a uvicorn server's clients: the number of connections, and how slow each may be.

A client must send a request's head within a time limit, send the body at a minimum rate, and read the answer. A client
that does not is answered 408, if an answer is still possible, and its connection is closed. When too many connections
are open, new ones replace those that have waited longest without a whole head, then idle ones, then those whose body
hardly arrives; when all are busy, the new connection is answered 503 and closed.

One timer for each server checks all connections once a second; a request costs a clock reading and a few comparisons.
The TLS handshake, which the event loop does before it makes a connection, is not limited here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import time
from collections import Counter, deque
from typing import Any, ClassVar, Self

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from sightline_roles.port_settings import PortSettings

_MIN_BODY_BYTES = 1024
_MAX_HEAD_BYTES = 1024 * 1024 + 64 * 1024
_SLOWEST_SWEEP_S = 1.0
_LINGER_S = 1.0
_MAX_LINGERING = 128
_OTHER_FILES = 256
_MAX_SURGE = 2048
_SURGE_S = 0.02
_log = logging.getLogger("sightline.http")


class LimitedProtocol(HttpToolsProtocol):
    """Uvicorn's HTTP, within limits; a server takes `LimitedProtocol.under(settings)`."""

    watch: ClassVar[_Watch]

    @classmethod
    def under(cls, limits: PortSettings) -> type[Self]:
        """A protocol class for one server."""
        return type(cls.__name__, (cls,), {"watch": _Watch(limits)})

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.timeout_keep_alive = self.watch.limits.idle_timeout_s  # type: ignore[assignment]  # call_later's seconds
        self.since_s = time.monotonic()
        """Start of the wait for a head, or of the present time window of the body or the answer."""
        self.received_bytes = 0
        """Bytes received in that window."""
        self.is_waiting = False
        """Whether the end of a head is awaited."""
        self.is_upgraded = False
        self.is_leaving = False
        self.unsent_bytes = -1
        """Bytes of the answer that were unsent when the window began; -1 if the client reads."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept a connection, or refuse it."""
        self.transport = transport
        if self.watch.enter(self):
            super().connection_made(transport)
        else:
            self.watch.refuse(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        self.is_leaving = True
        self.watch.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Pass on received data and keep the time of it."""
        if self.is_leaving:
            return
        self.received_bytes += len(data)
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self.since_s, self.received_bytes = time.monotonic(), 0
            if self.is_waiting:
                self.watch.head_is_complete(self)
        elif self.is_waiting:
            if self.received_bytes > _MAX_HEAD_BYTES:
                self.watch.end(self, 431, f"a request's head may have {_MAX_HEAD_BYTES} bytes")
        elif not self.is_upgraded and (before is None or before.response_complete):
            # The next head begins, or what is left of a body whose request has been answered already.
            self.since_s, self.received_bytes = time.monotonic(), len(data)
            self.watch.head_begins(self)

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection to the websocket protocol, where uvicorn's pings limit it; it still counts as open."""
        self.is_upgraded = True
        self.watch.head_is_complete(self)
        super().handle_websocket_upgrade()

    def resume_writing(self) -> None:
        """Continue an answer: the client has read some of it."""
        self.unsent_bytes = -1
        super().resume_writing()


class _Watch:
    """The connections of one server."""

    def __init__(self, limits: PortSettings) -> None:
        self.limits = limits
        self._open: dict[LimitedProtocol, None] = {}
        self._waiting: dict[LimitedProtocol, None] = {}  # For a head, the longest first.
        self._replaceable: deque[LimitedProtocol] = deque()  # Idle, then slow ones, at the last check.
        self._leaving: dict[LimitedProtocol, float] = {}  # Answered or closed; the time of the abort.
        self._closed: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None
        self._trimming: asyncio.TimerHandle | None = None
        self._every_s = min(_SLOWEST_SWEEP_S, limits.header_timeout_s / 4, limits.body_timeout_s / 4)
        self._cap, self._surge = _room(limits)

    def enter(self, connection: LimitedProtocol) -> bool:
        """Count a new connection; False when there is no room for it.

        The event loop accepts many connections before it reads from any. Room is made a moment later, so that in a
        burst the connections without a head are closed, not the first ones.
        """
        self._run()
        if len(self._open) >= self._cap:
            can_wait = len(self._open) < self._cap + self._surge and (self._waiting or self._replaceable)
            if not can_wait and not self._make_room():
                return False
            if self._trimming is None:
                self._trimming = asyncio.get_running_loop().call_later(_SURGE_S, self._trim)
        self._open[connection] = None
        self.head_begins(connection)
        return True

    def head_begins(self, connection: LimitedProtocol) -> None:
        """Start the time limit of a head."""
        connection.is_waiting = True
        self._waiting[connection] = None

    def head_is_complete(self, connection: LimitedProtocol) -> None:
        """End the wait for a head: it is complete."""
        connection.is_waiting = False
        self._waiting.pop(connection, None)

    def forget(self, connection: LimitedProtocol) -> None:
        """Remove a closed connection."""
        self.head_is_complete(connection)
        self._open.pop(connection, None)
        self._leaving.pop(connection, None)

    def end(self, connection: LimitedProtocol, status: int, why: str) -> None:
        """Answer, where that can still be done, and close. An empty `why` says nothing to the client."""
        transport, cycle = connection.transport, connection.cycle
        connection.is_leaving = True
        self.forget(connection)
        self._closed[f"{status} {why}".strip()] += 1
        if cycle is not None and not cycle.response_complete:
            if cycle.response_started:
                why = ""
            cycle.disconnected = True
            cycle.message_event.set()
        if why and not transport.is_closing():
            transport.write(_answer(status, why))
        transport.close()
        self._leaving[connection] = time.monotonic() + _LINGER_S

    def refuse(self, connection: LimitedProtocol) -> None:
        """Answer 503 to a surplus connection. It is read from for a moment: closing at once would lose the answer."""
        transport = connection.transport
        connection.is_leaving = True
        self._closed[f"503 {self._too_many()}"] += 1
        transport.write(_answer(503, self._too_many()))
        if len(self._leaving) < _MAX_LINGERING and transport.can_write_eof():
            with contextlib.suppress(OSError, RuntimeError):  # It has gone already.
                transport.write_eof()
        else:
            transport.close()
        self._leaving[connection] = time.monotonic() + _LINGER_S

    def _too_many(self) -> str:
        limit = f"{self.limits.prefix}MAX_CONNECTIONS={self.limits.max_connections}"
        if self._cap < self.limits.max_connections:
            limit += f", of which the limit of open files (ulimit -n) leaves {self._cap}"
        return f"too many connections: {limit}"

    def _make_room(self) -> bool:
        victim = next(iter(self._waiting), None)
        while victim is None and self._replaceable:
            candidate = self._replaceable.popleft()
            if candidate in self._open and _is_idle_or_slow(candidate):
                victim = candidate
        if victim is None:
            self._forget_closed()
        else:
            self.end(victim, 503, self._too_many())
        return len(self._open) < self._cap

    def _trim(self) -> None:
        self._trimming = None
        while len(self._open) > self._cap and (self._waiting or self._replaceable):
            self._make_room()

    def _forget_closed(self) -> None:
        """Remove closed websockets; `connection_lost` is called on the protocol that took over their connection."""
        for connection in [each for each in self._open if each.is_upgraded and each.transport.is_closing()]:
            self.forget(connection)

    def _run(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._every_s, self._sweep)

    def _sweep(self) -> None:
        now_s = time.monotonic()
        self._timer = None
        for connection, until_s in list(self._leaving.items()):
            if now_s >= until_s:
                connection.transport.abort()
                self._leaving.pop(connection, None)
        for connection in list(self._waiting):
            if now_s - connection.since_s < self.limits.header_timeout_s:
                break
            # A client may keep a connection in reserve that has sent nothing or has been answered.
            is_answered = connection.received_bytes > 0 and connection.cycle is None
            prefix, limit_s = self.limits.prefix, self.limits.header_timeout_s
            why = f"the request's head did not come within {prefix}HEADER_TIMEOUT_S={limit_s:g} seconds"
            self.end(connection, 408, why if is_answered else "")
        self._forget_closed()
        for connection in list(self._open):
            if not connection.is_waiting and not connection.is_upgraded:
                self._check_progress(connection, now_s)
        is_tight = len(self._open) > self._cap // 2
        self._replaceable = deque(self._idle_then_slow() if is_tight else ())
        self._report()
        if self._open or self._leaving:
            self._run()

    def _check_progress(self, connection: LimitedProtocol, now_s: float) -> None:
        """Close a connection whose body does not arrive or whose answer is not read."""
        cycle, passed_s = connection.cycle, now_s - connection.since_s
        limit_s = self.limits.body_timeout_s
        if cycle.response_complete:
            return
        if cycle.more_body and not connection.flow.read_paused and not cycle.waiting_for_100_continue:
            if passed_s < limit_s:
                return
            if connection.received_bytes < _MIN_BODY_BYTES:
                why = f"{_MIN_BODY_BYTES} bytes of the body did not come within {self.limits.prefix}BODY_TIMEOUT_S="
                self.end(connection, 408, f"{why}{limit_s:g} seconds")
                return
        elif connection.flow.write_paused:
            unsent_bytes = connection.transport.get_write_buffer_size()
            if 0 <= connection.unsent_bytes <= unsent_bytes:
                if passed_s >= limit_s:
                    self._closed[f"nothing of the answer was read within {limit_s:g} s"] += 1
                    connection.transport.abort()
                return
            connection.unsent_bytes = unsent_bytes
        connection.since_s, connection.received_bytes = now_s, 0

    def _idle_then_slow(self) -> list[LimitedProtocol]:
        candidates = [each for each in self._open if _is_idle_or_slow(each)]
        candidates.sort(key=lambda each: (not each.cycle.response_complete, each.since_s))
        now_s, third_s = time.monotonic(), self.limits.body_timeout_s / 3
        return [each for each in candidates if each.cycle.response_complete or now_s - each.since_s > third_s]

    def _report(self) -> None:
        for why, count in self._closed.items():
            _log.warning("%d connections closed: %s", count, why)
        self._closed.clear()


def _is_idle_or_slow(connection: LimitedProtocol) -> bool:
    cycle = connection.cycle
    if connection.is_upgraded or connection.is_waiting or cycle is None:
        return False
    is_read = not connection.flow.read_paused and not cycle.waiting_for_100_continue
    return cycle.response_complete or (cycle.more_body and is_read and connection.received_bytes < _MIN_BODY_BYTES)


def _answer(status: int, why: str) -> bytes:
    body = f"{why}\n".encode()
    head = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n" % len(body)
    return STATUS_LINE[status] + head + (b"retry-after: 1\r\n" if status == 503 else b"") + b"\r\n" + body


def _room(limits: PortSettings) -> tuple[int, int]:
    """How many connections may be open, and how many more for a moment.

    The limit of open files is raised as far as this process may; both keep within it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    others = _MAX_LINGERING + _OTHER_FILES
    needed = limits.max_connections + _MAX_SURGE + others
    if soft != resource.RLIM_INFINITY and soft < needed:
        raised = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
            soft = raised
        if soft < limits.max_connections + others:
            left = max(1, soft - others)
            _log.warning(
                "%sMAX_CONNECTIONS is %d, but the limit of open files (ulimit -n) is %d: %d connections fit",
                limits.prefix,
                limits.max_connections,
                soft,
                left,
            )
            return left, 0
        return limits.max_connections, min(_MAX_SURGE, soft - others - limits.max_connections)
    return limits.max_connections, _MAX_SURGE
