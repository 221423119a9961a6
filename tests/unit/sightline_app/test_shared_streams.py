"""Streams of other processes, over a Redis that a test directs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any

import pytest

from sightline_app.api import shared_streams
from sightline_app.api.live_stream import LiveStreams, Owner
from sightline_app.api.shared_streams import SharedStreams
from sightline_app.errors import StateAway
from sightline_app.settings import ApiSettings

OWNER = Owner("public", "", None)


class Link:
    """Answers each script with what a test set."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Any]] = {}
        self.asked: list[str] = []
        self.is_away = False

    def script(self, path: Any) -> Any:
        """Return the script."""

        async def run(keys: Any, arguments: Any) -> list[Any]:
            self.asked.append(path.stem)
            if self.is_away:
                raise StateAway("Redis is away")
            return self.answers[path.stem]

        return run

    async def close(self) -> None:
        """Nothing is open."""


async def test_silent_stream_is_looked_at_less_and_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """From each 20 ms to four times a second; the heartbeat keeps its time."""
    now_s = 100.0

    async def sleep(seconds: float) -> None:
        nonlocal now_s
        now_s += seconds

    link: Any = Link()
    link.answers["follow_events"] = ["ok", "0", 0]
    shared = SharedStreams(link, ApiSettings(heartbeat_s=15))
    stream = await shared.open("id", OWNER, 0)
    monkeypatch.setattr(shared_streams, "asyncio", SimpleNamespace(sleep=sleep))
    monkeypatch.setattr(shared_streams, "time", SimpleNamespace(monotonic=lambda: now_s))
    assert await anext(stream) is None
    assert 115 < now_s < 115.5
    assert len(link.asked) < 100


async def test_answer_does_not_wait_for_a_reader_elsewhere_while_redis_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its buffer is full, and nothing says any more how far that client is."""
    monkeypatch.setattr(shared_streams, "_READER_GONE_MS", 0)

    link: Any = Link()
    link.answers["publish_events"] = ["", "reader", "0", "0", -1]
    settings = ApiSettings(buffer_bytes=1024, resume_s=60)
    shared = SharedStreams(link, settings)
    go_on = asyncio.Event()

    async def answer() -> AsyncGenerator[tuple[str, Any]]:
        yield "meta", {}
        await go_on.wait()
        for number in range(50):
            yield "token", {"text": f"{number:100}"}
        yield "done", {}

    stream = LiveStreams(settings, shared.note).start(OWNER, lambda _: answer())
    while not stream.last:
        await asyncio.sleep(0)
    await shared.publish()
    go_on.set()
    for _ in range(200):
        await asyncio.sleep(0)
    assert not stream.has_ended
    link.is_away = True
    await shared.publish()
    await asyncio.wait_for(stream.ended(), 30)
    await shared.close()
