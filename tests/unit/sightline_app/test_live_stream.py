"""The buffer between an answer and its client: what waits, what is dropped, what a client gets that comes back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from sightline_app.api.live_stream import CANCELLED, STOPPING, Cancelled, LiveStream, LiveStreams, Owner
from sightline_app.errors import RequestRefused
from sightline_app.settings import ApiSettings

ME = Owner("acme", "", "s1")
TEXT = "x" * 300
"""Of each token: four of them fill the smallest buffer."""


class Source:
    """An answer of some tokens, which says how far it is and how it ended."""

    def __init__(self, tokens: int, *, waits: bool = False) -> None:
        self.made = 0
        self.cancelled = False
        self._tokens = tokens
        self._waits = waits

    async def events(self) -> AsyncGenerator[tuple[str, Any], None]:
        """The events; one that waits never ends."""
        try:
            for self.made in range(1, self._tokens + 1):  # noqa: B020  # seen from outside
                yield "token", TEXT
            if self._waits:
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise


def start(source: Source, streams: LiveStreams | None = None, **settings: Any) -> LiveStream:
    """Start a stream with the smallest buffer."""
    streams = streams or LiveStreams(ApiSettings(buffer_bytes=1024, **settings))
    return streams.start(ME, lambda _: source.events())


async def turns(count: int = 50) -> None:
    """Let all tasks run on until they wait."""
    for _ in range(count):
        await asyncio.sleep(0)


async def numbers(stream: LiveStream, after: int = 0) -> list[int]:
    """Numbers of all events after one, read to the end."""
    reading = stream.read(after)
    try:
        return [event.number async for event in reading if event is not None]
    finally:
        reading.close()


async def test_answer_waits_for_a_client_that_reads_slowly() -> None:
    """No event that it has not had is dropped; when it reads on, the answer goes on."""
    source = Source(20)
    stream = start(source)
    reading = stream.read()
    await turns()
    assert source.made == 5
    assert [event.number async for event in reading if event is not None] == list(range(1, 21))
    assert stream.size_bytes <= 1024 + len(TEXT) + 2
    reading.close()


async def test_answer_without_a_client_drops_its_oldest_events() -> None:
    """What is left is gapless; a client that lacks more is refused and changes nothing."""
    stream = start(Source(20))
    await turns()
    assert stream.has_ended
    with pytest.raises(RequestRefused) as refused:
        stream.read(3)
    assert refused.value.status == 410
    kept = stream.last - 4
    assert await numbers(stream, kept) == list(range(kept + 1, 21))
    with pytest.raises(RequestRefused) as refused:
        stream.read(21)
    assert refused.value.status == 409


async def test_answer_that_waits_goes_on_when_its_client_leaves() -> None:
    """It does not wait for one that is gone."""
    source = Source(20)
    stream = start(source, resume_s=60)
    reading = stream.read()
    await turns()
    assert source.made < 20
    reading.close()
    await turns()
    assert source.made == 20


async def test_newer_client_takes_over_and_the_older_one_changes_nothing_any_more() -> None:
    """The older one ends; its leaving does not start the time without a client."""
    source = Source(3, waits=True)
    stream = start(source, resume_s=0)
    older = stream.read()
    assert (await anext(older)) is not None
    newer = stream.read(1)
    with pytest.raises(StopAsyncIteration):
        await anext(older)
    older.close()
    await turns()
    assert not source.cancelled
    event = await anext(newer)
    assert event is not None
    assert event.number == 2
    newer.close()
    await turns()
    assert source.cancelled


async def test_answer_that_waits_for_its_client_hears_of_the_cancellation() -> None:
    """Though it is not the one that waits; the client reads how it ended."""
    source = Source(20)
    stream = start(source)
    reading = stream.read()
    await turns()
    stream.cancel(Cancelled.ASKED)
    stream.cancel(Cancelled.CLIENT_GONE)
    told = [event async for event in reading if event is not None]
    assert source.cancelled
    assert told[-1].name == "error"
    assert CANCELLED["type"] in told[-1].data


async def test_answer_that_is_cancelled_before_it_began_has_an_end() -> None:
    """It begins, hears of it, and its client reads how it ended."""
    source = Source(1, waits=True)
    stream = start(source)
    stream.cancel(Cancelled.ASKED)
    async with asyncio.timeout(30):
        told = [event async for event in stream.read() if event is not None]
    assert source.cancelled
    assert [event.name for event in told] == ["token", "error"]


async def test_silence_is_told_as_none() -> None:
    """As often as it lasts."""
    stream = start(Source(1, waits=True), heartbeat_s=0.001)
    reading = stream.read()
    assert (await anext(reading)) is not None
    assert [await anext(reading), await anext(reading)] == [None, None]
    reading.close()
    stream.cancel(Cancelled.STOPPED)
    await stream.ended()


async def test_whoever_waits_for_the_end_and_is_cancelled_cancels_the_answer() -> None:
    """A server that stops leaves no model running."""
    source = Source(1, waits=True)
    stream = start(source, resume_s=60)
    waiting = asyncio.create_task(stream.finish())
    await turns()
    waiting.cancel()
    await asyncio.wait({waiting})
    assert waiting.cancelled()
    assert source.cancelled


async def test_streams_are_found_by_their_owner_until_they_are_old() -> None:
    """Nobody else finds them; closing cancels those that run."""
    streams = LiveStreams(ApiSettings(resume_s=0.001))
    source = Source(1, waits=True)
    running, over = start(source, streams), start(Source(1), streams)
    assert streams.find(running.id, ME) is running
    for stranger in (Owner("globex", "", "s1"), Owner("acme", "k", "s1"), Owner("acme", "", None)):
        with pytest.raises(RequestRefused):
            streams.find(running.id, stranger)
    await over.ended()
    async with asyncio.timeout(30):
        while over in streams:
            await asyncio.sleep(0.001)
    await streams.close()
    assert source.cancelled


async def test_ended_streams_give_way_when_they_are_too_large_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest ones first; one that runs never."""
    monkeypatch.setattr("sightline_app.api.live_stream._MAX_KEPT_BYTES", 700)
    streams = LiveStreams(ApiSettings(resume_s=60))
    running = start(Source(5, waits=True), streams)
    ended = []
    for _ in range(4):
        ended.append(start(Source(1), streams))
        await ended[-1].ended()
        await turns(1)
    assert [each in streams for each in ended] == [False, False, True, True]
    assert running in streams
    await streams.close()


async def test_stream_says_that_the_app_stops() -> None:
    """Its last event is one for programs; a stream that has its last event already gets no other."""
    streams = LiveStreams(ApiSettings(resume_s=60))
    running, over = start(Source(1, waits=True), streams), start(Source(1), streams)
    await over.ended()
    await turns()
    assert streams.stop() == [running]
    async with asyncio.timeout(30):
        told = [event.data for event in [each async for each in running.read()] if event is not None]
    assert json.loads(told[-1]) == STOPPING
    assert await numbers(over) == [1]
    await streams.close()
