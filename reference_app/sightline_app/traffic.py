"""``sightline-app ask``: real questions through the app's streaming endpoint, as several tenants, users and sessions.

Measures what a client sees: time to the first token, total time, whether the sources hold a right answer. Each answer's
``retrieval_hit_at_5`` (0 or 1) is sent as a score for the trace that the app reported.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from tqdm import tqdm

import sightline
from sightline_app.load.client import Answer, ask, open_client, percentile
from sightline_app.load.conversations import Conversation
from sightline_app.quality import Known, RetrievalQuality

_log = logging.getLogger("sightline.app")
_SHOWN_COLUMNS = 96
_MAX_LISTED = 1000


@dataclass(frozen=True)
class Plan:
    """What to ask, how fast, as whom."""

    url: str
    """Address of the app."""
    tenants: tuple[str, ...] = ("acme", "globex", "initech")
    users_per_tenant: int = 5
    concurrency: int = 4
    """Conversations at the same time."""
    rounds: int = 1
    """How often all questions are asked; 0 means until stopped."""
    rate: float = 0.0
    """Conversations started a second at most; 0 means as fast as ``concurrency`` allows."""
    api_key: str = ""
    """Sent with each question; it must be a service's for several tenants."""
    timeout_s: float = 60.0
    """Longest wait for the next byte of an answer."""
    seed: int = 1
    """Fixes who asks what in which order."""
    shown: int = 0
    """How many of the first answers are written to standard output while they arrive."""


class _ShownAnswers:
    """Writes the first answers to standard output, a line as soon as it is full, one answer at a time."""

    def __init__(self, left: int) -> None:
        self._left = left
        self._busy = False
        self._line = ""

    def begin(self, question: str) -> Callable[[str], None] | None:
        """Return what takes the pieces of the answer; None where it is not shown."""
        if self._busy or self._left <= 0:
            return None
        self._busy, self._left = True, self._left - 1
        self._write(f"Q: {' '.join(question.split())}")
        self._line = "A: "
        return self._add

    def end(self) -> None:
        """Write the rest of the answer."""
        self._write(self._line)
        self._busy, self._line = False, ""

    def _add(self, text: str) -> None:
        self._line += " ".join(text.split("\n"))
        while len(self._line) > _SHOWN_COLUMNS:
            cut = self._line.rfind(" ", 1, _SHOWN_COLUMNS)
            cut = cut if cut > 0 else _SHOWN_COLUMNS
            self._write(self._line[:cut])
            self._line = self._line[cut:].lstrip()

    @staticmethod
    def _write(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


@dataclass
class Summary:
    """Everything that was seen."""

    answers: list[Answer] = field(default_factory=list)
    judged: list[int | None] = field(default_factory=list)
    """Rank of the first right source, for answers without an error to questions with known names."""

    def as_json(self) -> dict[str, Any]:
        """Return the numbers; times in milliseconds, None where nothing was measured."""
        good = [answer for answer in self.answers if not answer.error]
        ttft = [answer.ttft_s * 1000 for answer in good if answer.ttft_s is not None]
        total = [answer.total_s * 1000 for answer in good]
        quality = RetrievalQuality.of(self.judged) if self.judged else None
        return {
            "requests": len(self.answers),
            "errors": len(self.answers) - len(good),
            "ttft_p50_ms": percentile(ttft, 0.50),
            "ttft_p95_ms": percentile(ttft, 0.95),
            "total_p50_ms": percentile(total, 0.50),
            "total_p95_ms": percentile(total, 0.95),
            "hit_at_5": round(quality.hit_at_5, 4) if quality else None,
            "hit_at_1": round(quality.hit_at_1, 4) if quality else None,
            "mrr": round(quality.mrr, 4) if quality else None,
            "answers": [
                {"trace_id": answer.trace_id, "question": answer.question, "answer": answer.text}
                for answer in good[:_MAX_LISTED]
            ],
        }


def conversations(questions: Sequence[Known], plan: Plan) -> Iterator[tuple[Known, dict[str, str]]]:
    """Yield each question with the headers of who asks it; every conversation is a session of its own."""
    draw = random.Random(plan.seed)  # noqa: S311  # nothing secret
    for turn in itertools.count() if plan.rounds == 0 else range(plan.rounds):
        order = list(questions)
        if turn:
            draw.shuffle(order)
        for known in order:
            tenant = draw.choice(plan.tenants)
            user = f"{tenant}-user-{draw.randint(1, plan.users_per_tenant)}"
            yield known, Conversation(tenant, user, uuid.UUID(int=draw.getrandbits(128)).hex).headers


async def run(questions: Sequence[Known], plan: Plan, stop: asyncio.Event, judge_version: str = "1") -> Summary:
    """Ask everything that the plan says, or until ``stop`` is set."""
    summary = Summary()
    planned = sum(1 + (known.follow_up is not None) for known in questions) * plan.rounds or None
    waiting = conversations(questions, plan)
    next_start = time.monotonic()
    shown = _ShownAnswers(plan.shown)
    bar = tqdm(total=planned, desc="asking", unit="q", file=sys.stderr, disable=not sys.stderr.isatty())

    def note(known: Known, answer: Answer) -> None:
        summary.answers.append(answer)
        bar.update(1)
        if answer.error:
            _log.warning("%s: %s", known.id, answer.error)
        elif known.names:
            summary.judged.append(answer.rank)
            hit = answer.rank is not None and answer.rank <= 5
            if answer.trace_id:
                sightline.score(
                    "retrieval_hit_at_5",
                    float(hit),
                    label="hit" if hit else "miss",
                    explanation=f"rank {answer.rank}" if answer.rank else "no source holds an expected name",
                    trace_id=answer.trace_id,
                    span_id=answer.span_id,
                    judge="known names",
                    judge_version=judge_version,
                    source="code",
                )

    async def worker(client: httpx.AsyncClient) -> None:
        nonlocal next_start
        for known, headers in waiting:
            if plan.rate > 0:
                delay, next_start = (
                    max(0.0, next_start - time.monotonic()),
                    max(next_start, time.monotonic()) + 1 / plan.rate,
                )
                await asyncio.sleep(delay)
            if stop.is_set():
                return
            history: list[dict[str, str]] = []
            turn: Known | None = known
            while turn is not None and not stop.is_set():
                answer = await ask(client, plan.url, turn, history, headers, shown=shown)
                note(turn, answer)
                if answer.error:
                    if plan.rounds == 0:
                        await asyncio.sleep(1.0)  # an app that is down must not be hammered for ever
                    break
                history += [{"role": "user", "content": turn.question}, {"role": "assistant", "content": answer.text}]
                turn = turn.follow_up

    async with open_client(plan.api_key, plan.timeout_s, plan.concurrency) as client:
        workers: list[asyncio.Task[Any]] = [asyncio.create_task(worker(client)) for _ in range(plan.concurrency)]
        stopper: asyncio.Task[Any] = asyncio.create_task(stop.wait())
        running = set(workers)
        while running and not stop.is_set():
            done, _ = await asyncio.wait({*running, stopper}, return_when=asyncio.FIRST_COMPLETED)
            for task in running & done:
                task.result()  # a fault of ours must be seen
            running -= done
        if running:  # answers that run may end, for a moment
            await asyncio.wait(running, timeout=2.0)
        for task in (*workers, stopper):
            task.cancel()
        await asyncio.gather(*workers, stopper, return_exceptions=True)
    bar.close()
    return summary
