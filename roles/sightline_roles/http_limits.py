"""How long and how many clients may hold a server that uvicorn runs.

A connection must send a request's head within a time, its body at a pace, and take its answer at some pace. What does
not is told 408, where an answer can still be given, and closed. Of the connections that may be open at once, those that
have waited longest without a whole head make room for new ones, then those that are idle, then bodies that hardly come;
when all are at work, the surplus is told 503 and closed.

One timer a server looks at all connections, once a second; a request costs a clock reading and a few comparisons.
What the event loop does before a connection is one (the TLS handshake) is not seen here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

_MIN_BODY_BYTES = 1024
_MAX_HEAD_BYTES = 1024 * 1024 + 64 * 1024
_SLOWEST_SWEEP_S = 1.0
_LINGER_S = 1.0
_MAX_LINGERING = 128
_OTHER_FILES = 256
_MAX_SURGE = 2048
_SURGE_S = 0.02
_log = logging.getLogger("sightline.http")


class Configured(Protocol):
    """A role's settings, as far as they limit its clients."""

    @property
    def max_connections(self) -> int: ...  # noqa: D102
    @property
    def header_timeout_s(self) -> float: ...  # noqa: D102
    @property
    def body_timeout_s(self) -> float: ...  # noqa: D102
    @property
    def idle_timeout_s(self) -> float: ...  # noqa: D102


@dataclass(frozen=True)
class Limits:
    """Of one server."""

    prefix: str
    """What its variables begin with, such as SIGHTLINE_STORE_: refusals name them."""
    max_connections: int = 1024
    """Connections that may be open at once, websockets included."""
    header_timeout_s: float = 10.0
    """Seconds from a connection, or from a request's first byte, to the end of the request's head."""
    body_timeout_s: float = 30.0
    """Seconds in which at least 1 KiB of a body must come, and some of an answer must be taken."""
    idle_timeout_s: float = 75.0
    """Seconds that a connection may stay open between requests."""

    @classmethod
    def of(cls, prefix: str, settings: Configured) -> Self:
        """Those of a role's settings."""
        return cls(
            prefix,
            settings.max_connections,
            settings.header_timeout_s,
            settings.body_timeout_s,
            settings.idle_timeout_s,
        )


class LimitedProtocol(HttpToolsProtocol):
    """Uvicorn's HTTP, within limits; a server is given `LimitedProtocol.under(limits)`."""

    watch: ClassVar[_Watch]

    @classmethod
    def under(cls, limits: Limits) -> type[Self]:
        """A protocol class for one server."""
        return type(cls.__name__, (cls,), {"watch": _Watch(limits)})

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.timeout_keep_alive = self.watch.limits.idle_timeout_s  # type: ignore[assignment]  # call_later's seconds
        self.since_s = time.monotonic()
        """When the head began to be waited for, or the present window of its body or answer began."""
        self.came_bytes = 0
        """In that window."""
        self.is_waiting = False
        """For the end of a head."""
        self.is_upgraded = False
        self.is_leaving = False
        self.unsent_bytes = -1
        """When the window of an answer that is not taken began."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or turn it away."""
        self.transport = transport
        if self.watch.enter(self):
            super().connection_made(transport)
        else:
            self.watch.turn_away(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        self.is_leaving = True
        self.watch.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        if self.is_leaving:
            return
        self.came_bytes += len(data)
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self.since_s, self.came_bytes = time.monotonic(), 0
            if self.is_waiting:
                self.watch.head_has_come(self)
        elif self.is_waiting:
            if self.came_bytes > _MAX_HEAD_BYTES:
                self.watch.end(self, 431, f"a request's head may have {_MAX_HEAD_BYTES} bytes")
        elif not self.is_upgraded and (before is None or before.response_complete):
            # The next head begins, or what is left of a body whose request has been answered already.
            self.since_s, self.came_bytes = time.monotonic(), len(data)
            self.watch.head_begins(self)

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection to the websocket's protocol, which uvicorn's pings watch over; it goes on counting."""
        self.is_upgraded = True
        self.watch.head_has_come(self)
        super().handle_websocket_upgrade()

    def resume_writing(self) -> None:
        """Go on with an answer: some of it has been taken."""
        self.unsent_bytes = -1
        super().resume_writing()


class _Watch:
    """The connections of one server."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._open: dict[LimitedProtocol, None] = {}
        self._waiting: dict[LimitedProtocol, None] = {}  # For a head, the longest first.
        self._spare: deque[LimitedProtocol] = deque()  # Idle and then slow ones, as they were at the last look.
        self._leaving: dict[LimitedProtocol, float] = {}  # Told to go; when they are cut off.
        self._closed: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None
        self._trimming: asyncio.TimerHandle | None = None
        self._every_s = min(_SLOWEST_SWEEP_S, limits.header_timeout_s / 4, limits.body_timeout_s / 4)
        self._cap, self._surge = _room(limits)

    def enter(self, connection: LimitedProtocol) -> bool:
        """Count a new connection; False when there is no room for it.

        Many are accepted at once before anything is read. Room is made a moment later, so that of a crowd those go that
        have sent no head, and not those that were first.
        """
        self._run()
        if len(self._open) >= self._cap:
            can_wait = len(self._open) < self._cap + self._surge and (self._waiting or self._spare)
            if not can_wait and not self._make_room():
                return False
            if self._trimming is None:
                self._trimming = asyncio.get_running_loop().call_later(_SURGE_S, self._trim)
        self._open[connection] = None
        self.head_begins(connection)
        return True

    def head_begins(self, connection: LimitedProtocol) -> None:
        """Its time runs."""
        connection.is_waiting = True
        self._waiting[connection] = None

    def head_has_come(self, connection: LimitedProtocol) -> None:
        """Whole."""
        connection.is_waiting = False
        self._waiting.pop(connection, None)

    def forget(self, connection: LimitedProtocol) -> None:
        """It is closed."""
        self.head_has_come(connection)
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

    def turn_away(self, connection: LimitedProtocol) -> None:
        """Tell a connection that there are too many. It is read from for a moment: closing at once loses the answer."""
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
        told = f"{self.limits.prefix}MAX_CONNECTIONS={self.limits.max_connections}"
        if self._cap < self.limits.max_connections:
            told += f", of which the limit of open files (ulimit -n) leaves {self._cap}"
        return f"too many connections: {told}"

    def _make_room(self) -> bool:
        victim = next(iter(self._waiting), None)
        while victim is None and self._spare:
            candidate = self._spare.popleft()
            if candidate in self._open and _is_idle_or_slow(candidate):
                victim = candidate
        if victim is None:
            self._forget_closed()
        else:
            self.end(victim, 503, self._too_many())
        return len(self._open) < self._cap

    def _trim(self) -> None:
        self._trimming = None
        while len(self._open) > self._cap and (self._waiting or self._spare):
            self._make_room()

    def _forget_closed(self) -> None:
        """A websocket's end is not told here."""
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
            # One that has sent nothing, or has been answered, may be a client's that keeps it in reserve.
            is_told = connection.came_bytes > 0 and connection.cycle is None
            prefix, limit_s = self.limits.prefix, self.limits.header_timeout_s
            why = f"the request's head did not come within {prefix}HEADER_TIMEOUT_S={limit_s:g} seconds"
            self.end(connection, 408, why if is_told else "")
        self._forget_closed()
        for connection in list(self._open):
            if not connection.is_waiting and not connection.is_upgraded:
                self._look_at(connection, now_s)
        is_tight = len(self._open) > self._cap // 2
        self._spare = deque(self._sacrifices() if is_tight else ())
        self._report()
        if self._open or self._leaving:
            self._run()

    def _look_at(self, connection: LimitedProtocol, now_s: float) -> None:
        """Whether the body of a request comes, or its answer is taken."""
        cycle, passed_s = connection.cycle, now_s - connection.since_s
        limit_s = self.limits.body_timeout_s
        if cycle.response_complete:
            return
        if cycle.more_body and not connection.flow.read_paused and not cycle.waiting_for_100_continue:
            if passed_s < limit_s:
                return
            if connection.came_bytes < _MIN_BODY_BYTES:
                why = f"{_MIN_BODY_BYTES} bytes of the body did not come within {self.limits.prefix}BODY_TIMEOUT_S="
                self.end(connection, 408, f"{why}{limit_s:g} seconds")
                return
        elif connection.flow.write_paused:
            unsent_bytes = connection.transport.get_write_buffer_size()
            if 0 <= connection.unsent_bytes <= unsent_bytes:
                if passed_s >= limit_s:
                    self._closed[f"nothing of the answer was taken within {limit_s:g} s"] += 1
                    connection.transport.abort()
                return
            connection.unsent_bytes = unsent_bytes
        connection.since_s, connection.came_bytes = now_s, 0

    def _sacrifices(self) -> list[LimitedProtocol]:
        found = [each for each in self._open if _is_idle_or_slow(each)]
        found.sort(key=lambda each: (not each.cycle.response_complete, each.since_s))
        now_s, third_s = time.monotonic(), self.limits.body_timeout_s / 3
        return [each for each in found if each.cycle.response_complete or now_s - each.since_s > third_s]

    def _report(self) -> None:
        for why, count in self._closed.items():
            _log.warning("%d connections closed: %s", count, why)
        self._closed.clear()


def _is_idle_or_slow(connection: LimitedProtocol) -> bool:
    cycle = connection.cycle
    if connection.is_upgraded or connection.is_waiting or cycle is None:
        return False
    is_read = not connection.flow.read_paused and not cycle.waiting_for_100_continue
    return cycle.response_complete or (cycle.more_body and is_read and connection.came_bytes < _MIN_BODY_BYTES)


def _answer(status: int, why: str) -> bytes:
    body = f"{why}\n".encode()
    head = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n" % len(body)
    return STATUS_LINE[status] + head + (b"retry-after: 1\r\n" if status == 503 else b"") + b"\r\n" + body


def _room(limits: Limits) -> tuple[int, int]:
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
