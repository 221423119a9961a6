"""One question of a client: its stream is followed to the end, and what the client saw is kept."""

from __future__ import annotations

import json
import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import httpx

from sightline_app.quality import Known, rank_of_first

_CONNECT_S: Final = 5.0


@dataclass
class Answer:
    """What a client saw of one answer."""

    text: str = ""
    ttft_s: float | None = None
    total_s: float = 0.0
    rank: int | None = None
    error: str = ""
    status: int = 0
    """HTTP status; 0 where no response came."""
    trace_id: str = ""
    span_id: str = ""
    question: str = ""


class Shown(Protocol):
    """Who shows answers while they arrive."""

    def begin(self, question: str) -> Callable[[str], None] | None:
        """Return what takes the pieces of an answer; None where it is not shown."""

    def end(self) -> None:
        """The answer has ended."""


def open_client(api_key: str, timeout_s: float, connections: int) -> httpx.AsyncClient:
    """Return a client for `ask`.

    Args:
        api_key: sent with each question; empty sends none.
        timeout_s: longest wait for the next byte, in seconds.
        connections: most at the same time.
    """
    return httpx.AsyncClient(
        timeout=httpx.Timeout(timeout_s, connect=_CONNECT_S),
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        headers={"authorization": f"Bearer {api_key}"} if api_key else {},
    )


async def ask(
    client: httpx.AsyncClient,
    url: str,
    known: Known,
    history: list[dict[str, str]],
    headers: dict[str, str],
    *,
    shown: Shown | None = None,
) -> Answer:
    """Ask one question and follow the stream to its end; failures are part of the answer, never raised."""
    result = Answer(question=known.question)
    show = None if shown is None else shown.begin(known.question)
    started = time.perf_counter()
    ended = False
    try:
        body = {"question": known.question, "history": history, "stream": True}
        async with client.stream("POST", f"{url}/v1/chat", json=body, headers=headers) as answer:
            result.status = answer.status_code
            if answer.status_code != 200:
                result.error = f"{answer.status_code}: {(await answer.aread()).decode(errors='replace')[:200]}"
            else:
                async for event, data in _events(answer):
                    if event == "meta":
                        result.trace_id, result.span_id = data["trace_id"], data["span_id"]
                    elif event == "sources":
                        result.rank = rank_of_first(known.names, [source.get("names", []) for source in data])
                    elif event == "token":
                        if result.ttft_s is None:
                            result.ttft_s = time.perf_counter() - started
                        result.text += data["text"]
                        if show is not None:
                            show(data["text"])
                    elif event == "error":
                        result.error = f"{data['type']}: {data['message']}"
                    ended = ended or event in {"done", "error"}
                if not ended:
                    result.error = "the stream broke off"
    except (httpx.HTTPError, ValueError, KeyError) as exc:
        result.error = f"{type(exc).__name__}: {exc}"
    result.total_s = time.perf_counter() - started
    if shown is not None and show is not None:
        shown.end()
    return result


async def _events(answer: httpx.Response) -> AsyncIterator[tuple[str, Any]]:
    """Yield (event, data) of a stream of server-sent events."""
    name, data = "message", ""
    async for line in answer.aiter_lines():
        if line.startswith("event:"):
            name = line[6:].strip()
        elif line.startswith("data:"):
            data += line[5:].strip()
        elif not line and data:
            yield name, json.loads(data)
            name, data = "message", ""


def percentile(values: Sequence[float], share: float) -> float | None:
    """Return the nearest-rank percentile, rounded to a tenth; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], 1)
