"""The workflow of `sightline-app reembed`, as Temporal replays it: which activity follows which, and how far it is.

Nothing here reads a clock, a file or a setting: after a crash Temporal runs it again from its history, and it must
decide the same. What it decides is carried out by `activities`.

Source: https://docs.temporal.io/develop/python
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import is_cancelled_exception

NAME: Final = "ReembedCollection"
PLAN, EMBED, BUILD, SWITCH, DISCARD = "reembed_plan", "reembed_embed", "reembed_build", "reembed_switch", "reembed_drop"
"""Names of the activities, in their order; the last one is for what was cancelled or failed."""
_HEARTBEAT = timedelta(seconds=10)
_LONGEST = timedelta(hours=2)
"""Of one activity: a batch, or writing the whole collection."""
_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=60))
_MOST_BATCHES = 2000
"""A workflow's history has a bound of some 50,000 events."""


@dataclass(frozen=True)
class Order:
    """What is asked for."""

    batch: int = 500
    """Passages of one activity."""


@dataclass(frozen=True)
class Plan:
    """What `reembed_plan` found."""

    version: str
    """Of the new index."""
    model: str
    passages: int


@dataclass(frozen=True)
class Batch:
    """A part of the passages."""

    version: str
    start: int
    count: int


@dataclass(frozen=True)
class Progress:
    """How far it is: the answer of the query `progress`, and the result."""

    state: str = "planning"
    """planning, embedding, building, switching; done, cancelled or failed."""
    version: str = ""
    model: str = ""
    passages: int = 0
    embedded: int = 0
    error: str = ""


@workflow.defn(name=NAME)
class ReembedCollection:
    """Embeds all passages again, in a new version of the index, and switches to it."""

    def __init__(self) -> None:
        self._progress = Progress()

    @workflow.query
    def progress(self) -> Progress:
        """How far it is."""
        return self._progress

    @workflow.run
    async def run(self, order: Order) -> Progress:
        """Do it; what was begun is removed again where it is cancelled or fails."""
        try:
            await self._all(order)
        except (Exception, asyncio.CancelledError) as exc:  # not the end of a worker, which is another BaseException
            state = "cancelled" if is_cancelled_exception(exc) else "failed"
            self._progress = replace(self._progress, state=state, error=str(exc.__cause__ or exc))
            if self._progress.version:
                await self._activity(DISCARD, self._progress.version)
            raise
        return self._progress

    async def _all(self, order: Order) -> None:
        plan = await self._activity(PLAN, workflow.info().run_id, Plan)
        assert isinstance(plan, Plan)
        self._progress = Progress("embedding", plan.version, plan.model, plan.passages)
        size = max(order.batch, -(-plan.passages // _MOST_BATCHES))
        for start in range(0, plan.passages, size):
            count = min(size, plan.passages - start)
            await self._activity(EMBED, Batch(plan.version, start, count))
            self._progress = replace(self._progress, embedded=start + count)
        self._progress = replace(self._progress, state="building")
        await self._activity(BUILD, plan.version)
        self._progress = replace(self._progress, state="switching")
        await self._activity(SWITCH, plan.version)
        self._progress = replace(self._progress, state="done")

    @staticmethod
    async def _activity(name: str, argument: object, result_type: type | None = None) -> object:
        return await workflow.execute_activity(
            name,
            argument,
            result_type=result_type,
            start_to_close_timeout=_LONGEST,
            heartbeat_timeout=_HEARTBEAT,
            retry_policy=_RETRY,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
