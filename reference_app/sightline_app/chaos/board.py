"""The faults that hold now, and their end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from sightline_app.chaos.faults import Faults
from sightline_app.chaos.faulty_pipeline import changed, harm
from sightline_app.pipeline import Pipeline
from sightline_app.settings import AppSettings

_log = logging.getLogger("sightline.app")


class FaultBoard:
    """Builds pipelines with the faults that hold; the app serves a new one whenever these change.

    Faults end by themselves, so whoever put them in may die. They are in this process only: a restart ends them, too.

    Args:
        build: makes a pipeline without faults.
    """

    def __init__(self, build: Callable[[AppSettings], Pipeline]) -> None:
        self._build = build
        self._faults = Faults()
        self._rebuild: Callable[[], Awaitable[None]]
        self._ending: asyncio.TimerHandle | None = None
        self._changing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def build(self, settings: AppSettings) -> Pipeline:
        """Make a pipeline with the faults that hold.

        Raises:
            AppError: as without faults; or the faults cannot be had with this index.
        """
        faults = self._faults
        pipeline = self._build(changed(settings, faults))
        harm(pipeline, settings, faults)
        return pipeline

    def serve_with(self, rebuild: Callable[[], Awaitable[None]]) -> None:
        """Say how the app takes over a new pipeline; once, before `put`."""
        self._rebuild = rebuild

    def told(self) -> dict[str, Any]:
        """Return the faults that hold."""
        return asdict(self._faults)

    async def put(self, faults: Faults, for_s: float) -> None:
        """Serve with faults instead of those before, for a while.

        Raises:
            AppError: the faults cannot be had; those before hold on.
        """
        async with self._changing:
            before, self._faults = self._faults, faults
            try:
                await self._rebuild()
            except BaseException:
                self._faults = before
                raise
            if self._ending is not None:
                self._ending.cancel()
            self._ending = asyncio.get_running_loop().call_later(for_s, self._end) if faults != Faults() else None
        _log.warning("chaos: %s", {name: value for name, value in asdict(faults).items() if value} or "no fault")

    def _end(self) -> None:
        task = asyncio.create_task(self.put(Faults(), 0.0))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
