"""How the events of a stream become pieces of a response's body."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from chat_app import numbered_events

from sightline_app.api.event_stream import EventStream
from sightline_app.api.live_stream import LiveStreams, Owner
from sightline_app.settings import ApiSettings

OWNER = Owner("public", "", None)


async def test_events_that_are_there_go_in_one_piece_and_the_next_as_soon_as_it_comes() -> None:
    """A quick model costs few writes, a slow one is not held back; each event comes once, in order."""
    go_on = asyncio.Event()

    async def answer() -> AsyncGenerator[tuple[str, Any]]:
        for number in range(3):
            yield "token", {"text": str(number)}
        await go_on.wait()
        yield "token", {"text": "late"}
        yield "done", {}

    stream = LiveStreams(ApiSettings()).start(OWNER, lambda _: answer())
    pieces = EventStream(stream).body_iterator
    first = await anext(pieces)
    go_on.set()
    rest = [piece async for piece in pieces]
    assert len(numbered_events(str(first))) == 3
    assert len(rest) == 1
    told = numbered_events(str(first) + "".join(map(str, rest)))
    assert [number for number, _, _ in told] == [1, 2, 3, 4, 5]
    assert [data.get("text") for _, _, data in told] == ["0", "1", "2", "late", None]
