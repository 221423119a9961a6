"""Server-sent events: the response that streams an answer, and the address at which a lost stream is read on.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

import anyio
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from sightline_app.api.live_stream import Cancelled, LiveStream, Reading, StreamEvent
from sightline_app.api.shared_streams import RemoteStream
from sightline_app.errors import RequestRefused

_RETRY_MS = 1000
"""How long a client should wait before it comes back."""
_MAX_DIGITS = 15
_HEARTBEAT = ": the answer goes on\n\n"


class EventStream(StreamingResponse):
    """A stream from an event on, until its end.

    Args:
        stream: what is told.
        after: number of the last event that the client has.
        headers: further header fields.

    Raises:
        RequestRefused: the stream cannot be read from there.
    """

    media_type = "text/event-stream"

    def __init__(
        self, stream: LiveStream | RemoteStream, after: int = 0, headers: Mapping[str, str] | None = None
    ) -> None:
        self._reading = stream.read(after)
        fields = {"cache-control": "no-cache", "x-accel-buffering": "no", "content-location": stream.path}
        super().__init__(_texts(stream, self._reading), headers={**fields, **(headers or {})})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until the end or until the client leaves."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._reading.close()


class AnswerStream(EventStream):
    """The response to a question. It lasts as long as the answer, so that the request's span has its end and cost."""

    def __init__(self, stream: LiveStream, headers: Mapping[str, str]) -> None:
        super().__init__(stream, headers=headers)
        self._answer = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until the end or until the client leaves, then wait for the answer's end."""
        try:
            await super().__call__(scope, receive, send)
        except asyncio.CancelledError:
            self._answer.cancel(Cancelled.STOPPED)
            raise
        finally:
            with anyio.CancelScope(shield=True):
                await self._answer.finish()


async def _texts(stream: LiveStream | RemoteStream, reading: Reading | RemoteStream) -> AsyncIterator[str]:
    first = f"retry: {_RETRY_MS}\n"
    async for event in reading:
        if event is None:
            yield _HEARTBEAT
            continue
        further = reading.ready() if isinstance(reading, Reading) else []  # one piece of the body for all of them
        yield first + "".join(map(_text, [event, *further]))
        first = ""
    if not stream.has_ended:  # another connection reads on; this one may be dead, and its request is not over
        await stream.ended()


def _text(event: StreamEvent) -> str:
    return f"event: {event.name}\nid: {event.number}\ndata: {event.data}\n\n"


def read_last_event(text: str | None) -> int:
    """Return the number in a `Last-Event-ID` field; 0 without one.

    Raises:
        RequestRefused: it is no number of an event.
    """
    if text is None or not text.strip():
        return 0
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _MAX_DIGITS):
        raise RequestRefused("Last-Event-ID must be the number of an event", kind="invalid_event_id")
    return int(digits)
