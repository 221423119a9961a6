"""A client of streamed answers that costs little beside the servers that it measures.

One connection a question, read as bytes; what the events say is read after the stream has ended. The clock starts
before the connection is made and stops when the first event `token` has arrived.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

_FIRST = b"event: token"
_MAX_WAIT_S = 120.0


@dataclass(frozen=True)
class Streamed:
    """One answer as its client saw it."""

    trace_id: str
    started_s: float
    """`time.time()` when it was asked."""
    ttft_s: float
    total_s: float
    tokens: int
    """Events `token`."""
    output_tokens: int
    """As the server counted them; 0 where the answer came from the cache."""


async def ask_all(url: str, questions: Iterable[str], concurrency: int) -> list[Streamed]:
    """Ask, always `concurrency` at a time, and wait for every answer's end.

    Args:
        url: address of the app.
        questions: in the order in which they are asked.
        concurrency: streams at the same time.

    Raises:
        RuntimeError: an answer failed, or has no first token.
    """
    waiting = iter(questions)
    answers: list[Streamed] = []

    async def worker() -> None:
        for question in waiting:
            answers.append(await ask(url, question))

    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(worker())
    return answers


async def ask(url: str, question: str) -> Streamed:
    """Ask one question and read the whole answer.

    Raises:
        RuntimeError: the answer failed, or has no first token.
    """
    place = urlsplit(url)
    body = json.dumps({"question": question}).encode()
    head = (
        f"POST /v1/chat HTTP/1.1\r\nhost: {place.netloc}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    started_s, begun = time.time(), time.perf_counter()
    received = bytearray()
    first_s = 0.0
    async with asyncio.timeout(_MAX_WAIT_S):
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        try:
            writer.write(head.encode() + body)
            while piece := await reader.read(65_536):
                received += piece
                if not first_s and _FIRST in received:
                    first_s = time.perf_counter() - begun
        finally:
            writer.close()
    total_s = time.perf_counter() - begun
    events = _events(bytes(received))
    names = [name for name, _ in events]
    if not first_s or names[-1] != "done":
        raise RuntimeError(
            f"the app at {url} failed to answer {question!r}: {received[-500:].decode(errors='replace')}"
        )
    data = dict(events)
    return Streamed(
        trace_id=data["meta"]["trace_id"],
        started_s=started_s,
        ttft_s=first_s,
        total_s=total_s,
        tokens=names.count("token"),
        output_tokens=int(data["done"]["usage"].get("output_tokens", 0)),
    )


def _events(response: bytes) -> list[tuple[str, dict[str, Any]]]:
    """Return name and data of the events of a chunked response; data that is no object counts as an empty one."""
    _, _, rest = response.partition(b"\r\n\r\n")
    text = bytearray()
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size or b"0", 16)
        text += rest[:length]
        rest = rest[length + 2 :]
    found: list[tuple[str, dict[str, Any]]] = []
    for block in text.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line and not line.startswith(":"))
        if "event" in fields:
            data = json.loads(fields["data"])
            found.append((fields["event"], data if isinstance(data, dict) else {}))
    return found


def percentile(values: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile of values, of which there is at least one."""
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]
