"""The streams of all processes of an app, shared through Redis: one process answers, a client reads on at another one.

The process that answers appends the events to a Redis stream, some at a time and at most 20 ms late, and learns by the
same step what other processes want: that the answer is cancelled, or that a client reads elsewhere and how far it is.
So an answer waits for such a client, goes on without it for a while, and ends, as if it read here. What is kept is what
the process itself keeps (`SIGHTLINE_APP_STREAM_BUFFER_BYTES`).

======= ================================================================================================
events  Redis stream; the id of an entry is `<number of the event>-0`
state   hash: owner, alive (when its process was seen, ms of Redis's clock), ended, cancel, reader, after (where
        the reader began), has (the last event that it has), seen (when it asked, ms)
======= ================================================================================================
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import secrets
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from sightline_app.api.live_stream import (
    Cancelled,
    LiveStream,
    Owner,
    Reading,
    StreamEvent,
)
from sightline_app.api.stream_refusals import events_gone, no_such_event, no_such_stream
from sightline_app.errors import StateAway, StreamsUnavailable
from sightline_app.settings import ApiSettings
from sightline_app.state.redis_link import RedisLink

LOST: Final = {"message": "the process that answered is gone; ask again", "type": "answer_lost"}
"""Data of the last event of an answer whose process died."""

_SCRIPTS = Path(__file__).with_name("scripts")
_PUBLISH_S = 0.02
"""Longest time between an event and its appearance in Redis."""
_VISIT_S = 0.25
"""Between two looks at what other processes want, while there are no events."""
_FOLLOW_S = 0.02
"""Between two looks at what is new, of a client that reads at another process."""
_FOLLOW_SHARE, _FOLLOW_LONGEST_S = 0.1, 0.25
"""In a longer silence: this part of it, and never longer than that."""
_RUNNING_TTL_MS = 30_000
"""How long a stream outlives its process."""
_KEEP_S = 0.5
"""Between two signs of life of a client that reads slowly at another process."""
_READER_GONE_MS = 3000
"""Silence after which a client that read at another process counts as gone."""
_LOST_MS = 5000
"""Silence after which a process that answered counts as gone."""
_BATCH = 100
_MEMORY_SHARE = 0.8
"""Part of Redis's memory beyond which no event is shared: conversations and budgets share it and are never evicted."""
_log = logging.getLogger("sightline.app")


@dataclass
class _Shared:
    """What this process has told of one of its streams, and was told of it."""

    stream: LiveStream
    waiting: list[StreamEvent] = field(default_factory=list)
    reader: str = ""
    """The client that reads at another process."""
    reading: Reading | None = None
    """Its place at the stream; None where none reads elsewhere."""
    taken_back: int = 0
    """How often a client came back to this process; what Redis said before that is out of date."""
    away_since_s: float = 0.0
    """Since when Redis does not answer; 0 while it does."""


class SharedStreams:
    """Publishes the streams of this process, and follows those of others.

    Args:
        link: the Redis.
        settings: how long streams are kept, and their heartbeats.
    """

    def __init__(self, link: RedisLink, settings: ApiSettings) -> None:
        self._link = link
        self._settings = settings
        self._running: dict[str, _Shared] = {}
        self._wake = asyncio.Event()
        self._publish = link.script(_SCRIPTS / "publish_events.lua")
        self._follow = link.script(_SCRIPTS / "follow_events.lua")
        self._cancel = link.script(_SCRIPTS / "cancel_events.lua")

    def note(self, stream: LiveStream, event: StreamEvent | None) -> None:
        """Take note of a new event of a stream of this process, or (None) of the stream's end."""
        shared = self._running.setdefault(stream.id, _Shared(stream))
        if event is not None:
            shared.waiting.append(event)
        self._wake.set()

    async def run(self) -> None:
        """Publish what is new, and look after what others want, until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_VISIT_S if self._running else None):
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self.publish()
            except Exception:
                _log.exception("streams were not shared")
            await asyncio.sleep(_PUBLISH_S)

    async def publish(self) -> None:
        """Publish what is new of all streams, once."""
        await asyncio.gather(*(self._publish_one(shared) for shared in list(self._running.values())))

    async def _publish_one(self, shared: _Shared) -> None:
        stream = shared.stream
        events, has_ended, taken_back = shared.waiting[:_BATCH], stream.has_ended, shared.taken_back
        is_last = has_ended and len(events) == len(shared.waiting)
        is_displaced = shared.reading is not None and not stream.is_read_by(shared.reading)
        ttl_ms = max(1, int(self._settings.resume_s * 1000)) if is_last else _RUNNING_TTL_MS
        told: list[str | int] = [ttl_ms, _digest(stream.owner), int(is_last), f"{stream.first}-0"]
        told += [shared.reader if is_displaced else "", str(_MEMORY_SHARE)]
        for event in events:
            told += [event.number, event.name, event.data]
        try:
            cancel, reader, after, has, silent_ms = await self._publish(_keys(stream.id), told)
        except StateAway:
            del shared.waiting[: max(0, len(shared.waiting) - 10 * _BATCH)]  # a gap is told to who reads on
            shared.away_since_s = shared.away_since_s or time.monotonic()
            if (time.monotonic() - shared.away_since_s) * 1000 >= _READER_GONE_MS:
                self._place(shared, "", 0, 0, 0)  # nobody can read it elsewhere: the answer does not wait for ever
            if has_ended:
                del self._running[stream.id]
            return
        shared.away_since_s = 0.0
        del shared.waiting[: len(events)]
        if is_last:
            del self._running[stream.id]
            return
        if shared.waiting:
            self._wake.set()
        if cancel:
            stream.cancel(Cancelled.ASKED)
        if shared.taken_back == taken_back:
            self._place(shared, "" if is_displaced else reader, int(after), int(has), silent_ms)

    async def take_back(self, stream: LiveStream) -> None:
        """Take the place from whoever reads elsewhere; the caller gives it to a client here, without another await."""
        shared = self._running.get(stream.id)
        if shared is not None:
            with contextlib.suppress(StateAway):
                await self._link.delete_field(_keys(stream.id)[1], "reader")
            shared.taken_back += 1

    @staticmethod
    def _place(shared: _Shared, reader: str, after: int, has: int, silent_ms: int) -> None:
        """Give a client that reads at another process its place at the stream, or take it away."""
        if not reader or silent_ms >= _READER_GONE_MS:
            if shared.reading is not None:
                shared.reading.close()
                shared.reading = None
        elif reader != shared.reader or shared.reading is None:
            shared.reading = shared.stream.read(max(has, shared.stream.first - 1))
            if reader != shared.reader:
                shared.stream.note_resumed(after)
            shared.reader = reader
        else:
            shared.reading.has = has
            shared.stream.read_on()

    async def open(self, stream_id: str, owner: Owner, after: int) -> RemoteStream:
        """Begin to read a stream of another process, in the place of the client before.

        Raises:
            RequestRefused: 404: there is none, or it is somebody else's; 409, 410: it cannot be read from there.
            StreamsUnavailable: Redis does not answer.
        """
        reader = secrets.token_hex(8)
        try:
            how, *told = await self._ask(stream_id, owner, reader, after, is_first=True)
        except StateAway as exc:
            raise StreamsUnavailable("Redis is away: streams of other processes cannot be read") from exc
        if how == "later":
            raise no_such_event(after)
        if how == "gone":
            raise events_gone(after, int(told[0]), self._settings)
        if how != "ok":
            raise no_such_stream()
        return RemoteStream(self, stream_id, owner, reader, after, self._settings.heartbeat_s, _Page.read(told))

    async def follow(self, stream_id: str, owner: Owner, reader: str, after: int) -> _Page | None:
        """Return what is new after an event; None where this client has no longer its place, or the stream is gone.

        Raises:
            StateAway: Redis does not answer.
        """
        how, *told = await self._ask(stream_id, owner, reader, after, is_first=False)
        return _Page.read(told) if how == "ok" else None

    async def keep_place(self, stream_id: str, owner: Owner, reader: str, after: int) -> None:
        """Say that a client is still there, though it reads nothing.

        Raises:
            StateAway: Redis does not answer.
        """
        await self._ask(stream_id, owner, reader, after, is_first=False, most=0)

    async def _ask(
        self, stream_id: str, owner: Owner, reader: str, after: int, *, is_first: bool, most: int = _BATCH
    ) -> list[Any]:
        told: list[str | int] = [_digest(owner), reader, after, int(is_first), most]
        answer: list[Any] = await self._follow(_keys(stream_id), told)
        return answer

    async def cancel(self, stream_id: str, owner: Owner) -> None:
        """Let the process that answers cancel.

        Raises:
            RequestRefused: 404: there is no such stream of this owner.
            StreamsUnavailable: Redis does not answer.
        """
        try:
            is_known = await self._cancel(_keys(stream_id)[1:], [_digest(owner)])
        except StateAway as exc:
            raise StreamsUnavailable("Redis is away: streams of other processes cannot be cancelled") from exc
        if not is_known:
            raise no_such_stream()

    async def close(self) -> None:
        """Publish the rest of the streams, which have all ended, and close the connections."""
        while self._running:
            await self.publish()
        await self._link.close()


@dataclass(frozen=True)
class _Page:
    """What was new."""

    has_ended: bool
    silent_ms: int
    """Since the process that answers was seen."""
    events: Sequence[StreamEvent]

    @classmethod
    def read(cls, told: Sequence[Any]) -> _Page:
        """Read what follow_events.lua returns after `ok`."""
        ended, silent_ms, *flat = told
        events = [StreamEvent(int(n), name, data) for n, name, data in zip(*[iter(flat)] * 3, strict=True)]
        return cls(ended == "1" and len(events) < _BATCH, int(silent_ms), events)


class RemoteStream:
    """A stream of another process, read by one connection here; an asynchronous iterator as `Reading` is one."""

    has_ended = True
    """Nothing here waits for its end."""

    def __init__(  # noqa: PLR0917  # made by SharedStreams alone
        self,
        shared: SharedStreams,
        stream_id: str,
        owner: Owner,
        reader: str,
        after: int,
        heartbeat_s: float,
        page: _Page,
    ) -> None:
        self.path = LiveStream.path_of(stream_id)
        self._shared = shared
        self._ids = stream_id, owner, reader
        self._has = after
        self._heartbeat_s = heartbeat_s
        self._page = page
        self._events = deque(page.events)
        self._keeping: asyncio.Task[None] | None = None

    @property
    def is_over(self) -> bool:
        """Whether there is no further event, and will be none."""
        return self._page.has_ended and not self._events

    def read(self, after: int) -> Self:
        """Return itself: it reads from where it was opened."""
        assert after == self._has
        self._keeping = asyncio.create_task(self._keep_place())
        return self

    async def _keep_place(self) -> None:
        """Keep the place of a client that reads slowly: the answer waits for it."""
        while True:
            await asyncio.sleep(_KEEP_S)
            with contextlib.suppress(StateAway):
                await self._shared.keep_place(*self._ids, self._has)

    async def ended(self) -> None:
        """Nothing here waits for its end."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamEvent | None:
        """Return the next event, or None after some silence."""
        since_s = failing_s = time.monotonic()
        while not self._events:
            if self._page.has_ended:
                raise StopAsyncIteration
            if self._page.silent_ms > _LOST_MS or time.monotonic() - failing_s > _LOST_MS / 1000:
                self._page = _Page(True, 0, [])
                return StreamEvent(self._has + 1, "error", json.dumps(LOST))
            if self._heartbeat_s and time.monotonic() - since_s > self._heartbeat_s:
                return None
            silent_s = time.monotonic() - since_s
            await asyncio.sleep(min(max(_FOLLOW_S, silent_s * _FOLLOW_SHARE), _FOLLOW_LONGEST_S))
            try:
                page = await self._shared.follow(*self._ids, self._has)
            except StateAway:
                continue
            failing_s = time.monotonic()
            if page is None:
                raise StopAsyncIteration
            self._page = page
            self._events.extend(page.events)
        event = self._events.popleft()
        self._has = event.number
        return event

    def close(self) -> None:
        """Give the place up: the process that answers notices the silence."""
        if self._keeping is not None:
            self._keeping.cancel()


def _keys(stream_id: str) -> list[str]:
    """Names of the keys; the braces keep them on one slot of a cluster."""
    digest = hashlib.sha256(stream_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return [f"sightline:stream:{{{digest}}}:{name}" for name in ("events", "state")]


def _digest(owner: Owner) -> str:
    told = json.dumps([owner.tenant, owner.key_id, owner.session])
    return hashlib.sha256(told.encode()).hexdigest()
