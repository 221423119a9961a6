"""An answer's events on their way to its client, which may lose the connection and come back.

The answer runs in a task of its own and appends numbered events to a bounded buffer; one connection at a time reads
them. While a connection reads, no event that it has not had is dropped: the answer waits for it. Without a connection
the answer goes on for `SIGHTLINE_APP_STREAM_RESUME_S` and is cancelled then; in that time the oldest events give way to
new ones. A connection that comes back names the last event that it has, gets those after it once, and takes the place
of the one before, which may be dead without the server knowing.

The buffers are in this process; with Redis, `shared_streams` lets a client come back to another one.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import enum
import json
import logging
import secrets
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any, Final, Self

import sightline
from sightline_app.api.stream_refusals import events_gone, no_such_event, no_such_stream
from sightline_app.settings import ApiSettings

RESUMED: Final = "sightline_app.stream.resumed"
"""Attribute of a request: how often its stream was resumed."""
RESUMED_AFTER: Final = "sightline_app.stream.resumed_after"
"""Attribute of the stage `stream.resume`: number of the last event that the client had."""
CANCELLED_BY: Final = "sightline_app.stream.cancelled"
"""Attribute of a request: why its answer was cancelled, a `Cancelled`."""
CANCELLED: Final = {"message": "the answer was cancelled", "type": "cancelled"}
"""Data of the last event of an answer whose client cancelled it."""
STOPPING: Final = {"message": "the app is stopping; ask again", "type": "stopping"}
"""Data of the last event of an answer that the app's end cancelled."""

_MAX_KEPT_BYTES = 64 * 1024**2
_log = logging.getLogger("sightline.app")
_PATH = "/v1/chat/streams/"


class Cancelled(enum.StrEnum):
    """Why an answer was cancelled."""

    ASKED = "asked"
    """Its client asked for it."""
    CLIENT_GONE = "client_gone"
    """Its client left and did not come back in time."""
    STOPPED = "stopped"
    """The app stopped."""


@dataclass(frozen=True)
class StreamEvent:
    """One event of a stream."""

    number: int
    """From 1, without gaps."""
    name: str
    data: str
    """JSON, on one line."""

    @property
    def size_bytes(self) -> int:
        """Size of the data."""
        return len(self.data.encode())


@dataclass(frozen=True)
class Owner:
    """Whose stream it is; only they may read or cancel it."""

    tenant: str
    key_id: str
    session: str | None


EventSource = AsyncGenerator[tuple[str, Any], None]
"""Names and data of the events of one answer, its last one included. It raises nothing but CancelledError."""


class LiveStream:
    """The events of one answer; made by `LiveStreams.start` in the context of the request that asked.

    Args:
        owner: whose it is.
        settings: size of the buffer, and how long it may be without a client.
        on_end: called once, when there will be no further event.
        on_event: called with each new event, and with None at the end.
    """

    def __init__(
        self,
        owner: Owner,
        settings: ApiSettings,
        on_end: Callable[[LiveStream], None],
        on_event: Callable[[LiveStream, StreamEvent | None], None] | None = None,
    ) -> None:
        self.id = secrets.token_urlsafe(18)
        self.owner = owner
        self.size_bytes = 0
        """Of the data of the events that are kept."""
        self.last = 0
        """Number of the newest event; 0 before the first."""
        self._settings = settings
        self._on_end = on_end
        self._on_event = on_event
        self._context = contextvars.copy_context()
        self._events: deque[StreamEvent] = deque()
        self._changed, self._read_on, self._ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._reading: Reading | None = None
        self._alone: asyncio.TimerHandle | None = None
        self._cancelled: Cancelled | None = None
        self._resumed = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def path(self) -> str:
        """Where the stream is read and cancelled."""
        return self.path_of(self.id)

    @staticmethod
    def path_of(stream_id: str) -> str:
        """Where a stream is read and cancelled."""
        return f"{_PATH}{stream_id}"

    @property
    def first(self) -> int:
        """Number of the oldest event that is kept; that of the next one where there is none."""
        return self._events[0].number if self._events else self.last + 1

    @property
    def has_ended(self) -> bool:
        """Whether there will be no further event."""
        return self._ended.is_set()

    def run(self, source: EventSource) -> None:
        """Begin to take the events of an answer."""
        self._task = asyncio.create_task(self._take(source))

    async def _take(self, source: EventSource) -> None:
        try:
            async for name, data in source:
                await self._append(name, data)
        except asyncio.CancelledError as gone:
            sightline.annotate_request({CANCELLED_BY: self._cancelled})
            # Where it waited for a slow client, the answer itself has not heard of it.
            with contextlib.suppress(BaseException):
                await source.athrow(gone)
            has_last = bool(self._events) and self._events[-1].name in ("done", "error")
            told = {Cancelled.ASKED: CANCELLED, Cancelled.STOPPED: STOPPING}
            if self._cancelled in told and not has_last:
                self._put("error", told[self._cancelled])
        finally:
            self._ended.set()
            self._changed.set()
            self._stay()
            self._on_end(self)
            if self._on_event is not None:
                self._on_event(self, None)

    async def _append(self, name: str, data: Any) -> None:
        while self.size_bytes > self._settings.buffer_bytes and self._events:
            if self._reading is not None and self._reading.has < self._events[0].number:
                self._read_on.clear()
                await self._read_on.wait()
            else:
                self.size_bytes -= self._events.popleft().size_bytes
        self._put(name, data)

    def _put(self, name: str, data: Any) -> None:
        self.last += 1
        event = StreamEvent(self.last, name, json.dumps(data, ensure_ascii=False))
        self._events.append(event)
        self.size_bytes += event.size_bytes
        self._changed.set()
        if self._on_event is not None:
            self._on_event(self, event)

    def read(self, after: int = 0) -> Reading:
        """Attach a client, in the place of the one before.

        Args:
            after: number of the last event that the client has.

        Raises:
            RequestRefused: 409: there was no such event; 410: the event after it is no longer kept.
        """
        if after > self.last:
            raise no_such_event(after)
        if after < self.last and self.first > after + 1:
            raise events_gone(after, self.first, self._settings)
        self._stay()
        self._reading = reading = Reading(self, after)
        self._changed.set()  # the one before ends
        self._read_on.set()
        return reading

    def is_read_by(self, reading: Reading) -> bool:
        """Whether no other client took the place of this one."""
        return self._reading is reading

    def event_after(self, number: int) -> StreamEvent | None:
        """Return the next event; None while there is none."""
        if number >= self.last:
            return None
        return self._events[number + 1 - self._events[0].number]

    def read_on(self) -> None:
        """Let the answer go on that waits for its client."""
        self._read_on.set()

    async def wait_for_change(self) -> bool:
        """Wait until something happens; False after a heartbeat's time in which nothing did."""
        self._changed.clear()
        try:
            async with asyncio.timeout(self._settings.heartbeat_s or None):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def note_resumed(self, after: int) -> None:
        """Write into the trace of the answer that its client came back."""
        self._resumed += 1
        self._context.run(_note_resumed, after, self._resumed)

    def cancel(self, why: Cancelled) -> None:
        """Cancel the answer, once; where its client asked for it, the stream ends with an event that says so."""
        if self._task is not None and self._cancelled is None and not self.has_ended:
            self._cancelled = why
            # Not at once: a task that is cancelled before its first step never runs, and the stream would have no end.
            asyncio.get_running_loop().call_soon(self._task.cancel)

    async def ended(self) -> None:
        """Wait for the end."""
        await self._ended.wait()

    async def finish(self) -> None:
        """Wait for the end. If the caller is cancelled, the answer is, too."""
        try:
            await self._ended.wait()
        except asyncio.CancelledError:
            self.cancel(Cancelled.STOPPED)
            await self._ended.wait()
            raise

    def leave(self, reading: Reading) -> None:
        """Detach a client: the answer goes on without one for a while, or not at all."""
        if self._reading is not reading:
            return
        self._reading = None
        self._read_on.set()
        if self.has_ended:
            return
        if self._settings.resume_s:
            self._alone = asyncio.get_running_loop().call_later(
                self._settings.resume_s, self.cancel, Cancelled.CLIENT_GONE
            )
        else:
            self.cancel(Cancelled.CLIENT_GONE)

    def _stay(self) -> None:
        if self._alone is not None:
            self._alone.cancel()
            self._alone = None


class Reading:
    """One connection that reads a stream, from `LiveStream.read` until `close`; an asynchronous iterator.

    It yields the events after a number and those to come, until the end of the stream or until another connection
    takes its place, and None after each `SIGHTLINE_APP_STREAM_HEARTBEAT_S` without an event.
    """

    def __init__(self, stream: LiveStream, after: int) -> None:
        self._stream = stream
        self._taken = after
        self.has = after
        """Number of the last event that the client has: it asked for the next one."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamEvent | None:
        """Return the next event, or None after some silence."""
        self.has = self._taken
        self._stream.read_on()
        while self._stream.is_read_by(self):
            event = self._stream.event_after(self.has)
            if event is not None:
                self._taken = event.number
                return event
            if self._stream.has_ended:
                break
            if not await self._stream.wait_for_change():
                return None
        raise StopAsyncIteration

    def ready(self) -> list[StreamEvent]:
        """Return the further events that are there already, without waiting; they are taken with this."""
        events: list[StreamEvent] = []
        while self._stream.is_read_by(self) and (event := self._stream.event_after(self._taken)) is not None:
            self._taken = event.number
            events.append(event)
        return events

    def close(self) -> None:
        """Detach the connection."""
        self._stream.leave(self)


@sightline.trace("stream.resume", capture="recorded")
def _note_resumed(after: int, count: int) -> None:
    sightline.annotate({RESUMED_AFTER: after})
    sightline.annotate_request({RESUMED: count})


class LiveStreams:
    """The streams of this process, from their start until they can no longer be resumed.

    Args:
        settings: how long they are kept.
        on_event: called with each new event of a stream, and with None at its end.
    """

    def __init__(
        self, settings: ApiSettings, on_event: Callable[[LiveStream, StreamEvent | None], None] | None = None
    ) -> None:
        self._settings = settings
        self._on_event = on_event
        self._streams: OrderedDict[str, LiveStream] = OrderedDict()

    def start(self, owner: Owner, make: Callable[[LiveStream], EventSource]) -> LiveStream:
        """Start the stream of an answer.

        Args:
            owner: whose it is.
            make: returns the answer's events; it gets the stream, whose address belongs into the first one.
        """
        stream = LiveStream(owner, self._settings, self._keep, self._on_event)
        self._streams[stream.id] = stream
        stream.run(make(stream))
        return stream

    def find(self, stream_id: str, owner: Owner) -> LiveStream:
        """Return a stream of this owner.

        Raises:
            RequestRefused: 404: there is none, or no longer, or it is somebody else's.
        """
        stream = self._streams.get(stream_id)
        if stream is None or stream.owner != owner:
            raise no_such_stream()
        return stream

    def has(self, stream_id: str) -> bool:
        """Whether a stream is one of this process."""
        return stream_id in self._streams

    def __contains__(self, stream: LiveStream) -> bool:
        """Whether a stream can still be found."""
        return stream.id in self._streams

    def _keep(self, stream: LiveStream) -> None:
        """Keep a stream that has ended for a while; the oldest ones give way when they are too many."""
        asyncio.get_running_loop().call_later(self._settings.resume_s, self._streams.pop, stream.id, None)
        ended = [each for each in self._streams.values() if each.has_ended]
        surplus = sum(each.size_bytes for each in ended) - _MAX_KEPT_BYTES
        for each in ended:
            if surplus <= 0:
                break
            surplus -= each.size_bytes
            del self._streams[each.id]

    def stop(self) -> list[LiveStream]:
        """Cancel all answers that run, because the app stops; returns them."""
        running = [stream for stream in self._streams.values() if not stream.has_ended]
        if running:
            _log.info("%d answers are cancelled: the app stops", len(running))
        for stream in running:
            stream.cancel(Cancelled.STOPPED)
        return running

    async def close(self) -> None:
        """Cancel all answers and wait for their ends."""
        for stream in self.stop():
            await stream.finish()
