"""The activities of `workflow`: each a step of `steps`, with a heartbeat, and safe to be done again.

A heartbeat a second says that the worker lives; after ten seconds without one, Temporal gives the activity to another
worker. It also brings the news of a cancellation, upon which the step ends between two batches.
"""

from __future__ import annotations

import contextlib
import contextvars
import threading
from collections.abc import Callable, Iterator
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory, CancelledError

from sightline_app.errors import AppError, Unavailable
from sightline_app.ingestion.reembedding import workflow as names
from sightline_app.ingestion.reembedding.steps import Progress, Reembedding
from sightline_app.ingestion.reembedding.workflow import Batch, Plan

_BEAT_S = 1.0


class ReembedActivities:
    """What a worker carries out.

    Args:
        steps: of the data folder that all workers share.
    """

    def __init__(self, steps: Reembedding) -> None:
        self._steps = steps

    def all(self) -> list[Callable[..., Any]]:
        """Return the activities, for a worker."""
        return [self.plan, self.embed, self.build, self.switch, self.discard]

    @activity.defn(name=names.PLAN, no_thread_cancel_exception=True)
    def plan(self, run: str) -> Plan:
        """Decide what is embedded."""
        with _alive():
            made = self._steps.plan(run)
            return Plan(made.version, made.model, made.passages)

    @activity.defn(name=names.EMBED, no_thread_cancel_exception=True)
    def embed(self, batch: Batch) -> None:
        """Embed a part."""
        with _alive() as progress:
            self._steps.embed(batch.version, batch.start, batch.count, progress)

    @activity.defn(name=names.BUILD, no_thread_cancel_exception=True)
    def build(self, version: str) -> None:
        """Write the new collection."""
        with _alive() as progress:
            self._steps.build(version, progress)

    @activity.defn(name=names.SWITCH, no_thread_cancel_exception=True)
    def switch(self, version: str) -> None:
        """Serve the new version."""
        with _alive() as progress:
            self._steps.switch(version, progress)

    @activity.defn(name=names.DISCARD, no_thread_cancel_exception=True)
    def discard(self, version: str) -> None:
        """Remove what was made."""
        with _alive():
            self._steps.discard(version)


@contextlib.contextmanager
def _alive() -> Iterator[Progress]:
    """Send heartbeats while a step runs; yields what the step calls between two batches.

    A server that is away is worth another try; anything else that is known would fail again.
    """
    over = threading.Event()

    def beat() -> None:
        while not over.wait(_BEAT_S):
            activity.heartbeat()

    def progress(done: int, total: int) -> None:
        del done, total
        if activity.is_worker_shutdown():
            raise ApplicationError("the worker ended; another one goes on", category=ApplicationErrorCategory.BENIGN)
        if activity.is_cancelled():
            raise CancelledError("cancelled")

    activity.heartbeat()
    beating = threading.Thread(target=contextvars.copy_context().run, args=(beat,), daemon=True)
    beating.start()
    try:
        yield progress
    except Unavailable:
        raise
    except AppError as exc:
        raise ApplicationError(str(exc), type=type(exc).__name__, non_retryable=True) from exc
    finally:
        over.set()
        beating.join()
