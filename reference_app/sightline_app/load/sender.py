"""Sends each request when it is due and keeps what the client saw. An open loop: a slow answer delays no request.

A closed loop, which sends the next request when an answer is there, sends least while the app is slow, and so hides
what its users would have waited. Here each time counts from the moment at which the request was due.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tqdm import tqdm

from sightline_app.load.client import ask, open_client
from sightline_app.load.conversations import Conversations
from sightline_app.quality import Known

_LAST_ANSWERS_S = 2.0
"""How long answers that run may take to end after somebody stopped the run."""


class Outcome(enum.StrEnum):
    """How a request ended."""

    OK = "ok"
    LIMITED = "429"
    """A rate or a budget was used up."""
    UNAVAILABLE = "503"
    """A server that it needs is away, or the app is stopping."""
    ERROR = "error"
    """No connection, another status, an error in the stream, or a stream that broke off."""
    UNFINISHED = "unfinished"
    """The run ended before the answer did."""


@dataclass
class Sent:
    """One request, as its client saw it."""

    due_s: float
    """When it was due, in seconds since the beginning."""
    behind_s: float = 0.0
    """How much later it was sent: this program was busy, or `--max-open` requests were open."""
    outcome: Outcome = Outcome.UNFINISHED
    ttft_s: float | None = None
    """From the sending to the first token."""
    total_s: float | None = None
    """From the sending to the end."""
    trace_id: str = ""
    error: str = ""

    @property
    def waited_s(self) -> float | None:
        """From the moment at which it was due to the first token."""
        return None if self.ttft_s is None else self.behind_s + self.ttft_s

    @property
    def took_s(self) -> float | None:
        """From the moment at which it was due to the end."""
        return None if self.total_s is None else self.behind_s + self.total_s


@dataclass(frozen=True)
class Plan:
    """What to send, to whom, as whom."""

    url: str
    """Address of the app."""
    tenants: tuple[str, ...]
    users_per_tenant: int = 5
    max_turns: int = 3
    """Questions of one session."""
    max_open: int = 256
    """Requests that are open at the same time; a further one is sent late, and counts from when it was due."""
    timeout_s: float = 120.0
    """Longest wait for the next byte of an answer."""
    api_key: str = ""
    seed: int = 1


@dataclass
class Run:
    """Everything that was sent."""

    sent: list[Sent] = field(default_factory=list)
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    took_s: float = 0.0
    stopped: bool = False
    """Whether somebody stopped it."""

    def of(self, outcome: Outcome) -> list[Sent]:
        """Return the requests that ended so."""
        return [each for each in self.sent if each.outcome is outcome]


async def send(questions: Sequence[Known], plan: Plan, due: Iterable[float], stop: asyncio.Event) -> Run:
    """Send a request at each moment, or until ``stop`` is set; then wait for the answers.

    Args:
        questions: to draw from.
        plan: the rest.
        due: moments in seconds since the beginning, in order.
        stop: ends the run.
    """
    run, begun = Run(), time.monotonic()
    conversations = Conversations(questions, plan.tenants, plan.users_per_tenant, plan.max_turns, plan.seed)
    room = asyncio.Semaphore(plan.max_open)
    tasks: list[asyncio.Task[None]] = []
    bar = tqdm(desc="sent", unit="", file=sys.stderr, disable=not sys.stderr.isatty())
    async with open_client(plan.api_key, plan.timeout_s, plan.max_open) as client:

        async def one(sent: Sent) -> None:
            async with room:
                conversation, known = conversations.next()
                sent.behind_s = time.monotonic() - begun - sent.due_s
                answer = await ask(client, plan.url, known, [], conversation.headers)
                sent.ttft_s, sent.total_s, sent.error = answer.ttft_s, answer.total_s, answer.error
                sent.trace_id, sent.outcome = answer.trace_id, _outcome(answer.status, answer.error)
                if sent.outcome is Outcome.OK:
                    conversations.answered(conversation)

        stopper = asyncio.create_task(stop.wait())
        for due_s in due:
            await asyncio.wait({stopper}, timeout=max(0.0, begun + due_s - time.monotonic()))
            if stop.is_set():
                break
            run.sent.append(Sent(due_s))
            tasks.append(asyncio.create_task(one(run.sent[-1])))
            bar.update(1)
        answers = asyncio.gather(*tasks)
        ends: set[asyncio.Future[Any]] = {answers, stopper}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({answers}, timeout=_LAST_ANSWERS_S)
        answers.cancel()
        stopper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await answers  # a fault of ours must be seen
    bar.close()
    run.took_s, run.stopped = time.monotonic() - begun, stop.is_set()
    return run


def _outcome(status: int, error: str) -> Outcome:
    """Return how a request ended.

    Args:
        status: of the response; 0 where none came.
        error: what went wrong; empty where nothing did.
    """
    if not error:
        return Outcome.OK
    return {429: Outcome.LIMITED, 503: Outcome.UNAVAILABLE}.get(status, Outcome.ERROR)
