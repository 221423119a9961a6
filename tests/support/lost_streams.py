"""A client that loses the stream of an answer and reads it on."""

from __future__ import annotations

import time
from typing import Any

import httpx
from chat_app import WORDS, numbered_events

from sightline import semconv
from sightline.testing import Spans

ACME = {"x-tenant-id": "acme", "x-session-id": "s1"}
LONG = "Tell me [words=40] [pause=0.02]"
ENDLESS = "Tell me [words=5000] [pause=0.02]"

Event = tuple[int, str, Any]


def lose(url: str, question: str, tokens: int, headers: dict[str, str] = ACME) -> list[Event]:
    """The events of a stream that its client leaves after some tokens."""
    with httpx.stream("POST", f"{url}/v1/chat", json={"question": question}, headers=headers, timeout=30) as answer:
        return take(answer, tokens)


def take(answer: httpx.Response, tokens: int) -> list[Event]:
    """The events until some tokens came."""
    text = ""
    for piece in answer.iter_text():
        text += piece
        if text.count("event: token\n") > tokens:
            break
    return numbered_events(text)


def resume(url: str, events: list[Event], headers: dict[str, str] = ACME, **changes: str) -> httpx.Response:
    """Read a stream on after the last of its events, to its end."""
    sent = {**headers, "last-event-id": str(events[-1][0]), **changes}
    return httpx.get(f"{url}{address(events)}", headers=sent, timeout=30)


def address(events: list[Event]) -> str:
    """Where the stream is, as its first event says."""
    assert events[0][1] == "meta"
    return str(events[0][2]["stream"])


def words(events: list[Event]) -> str:
    """What was said."""
    return "".join(data["text"] for _, name, data in events if name == "token")


def ended(spans: Spans, stage: str) -> dict[str, Any]:
    """Attributes of the newest span of a stage, as soon as it has ended."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = [dict(s.attributes or {}) for s in spans if (s.attributes or {}).get(semconv.STAGE) == stage]
        if found:
            return found[-1]
        time.sleep(0.01)
    raise AssertionError(f"no span of {stage} ended")


def is_gapless(events: list[Event]) -> bool:
    """Whether each number from 1 on is there once, in order."""
    return [number for number, _, _ in events] == list(range(1, len(events) + 1))


def all_words(count: int) -> str:
    """What the model says."""
    return "".join(f"{WORDS[number % len(WORDS)]} " for number in range(count))
