"""Drift behind each window of traffic, with a supervisor and a clock that are simulated."""

from __future__ import annotations

import contextlib
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from rich.console import Console

from sightline_supervisor.drift_runs import GRACE_S, compute_drift
from sightline_supervisor.errors import RoleMissing, StepFailed
from sightline_supervisor.role import Step
from sightline_supervisor.screen import Screen
from sightline_supervisor.supervise import StepResult, Supervisor

START = datetime(2026, 3, 10, 12, 30, tzinfo=UTC).timestamp()
HOUR = 3600


class Ended(Exception):
    """The simulated supervisor has no more results."""


class Simulated:
    """A supervisor that answers with the given results, and a clock that its waits move on."""

    def __init__(self, *results: StepResult | Exception) -> None:
        self.now = START
        self.untils: list[str] = []
        self._results = iter(results)

    async def run_step(self, step: Step) -> StepResult:
        """Keep the window's end, and answer."""
        self.untils.append(step.command[step.command.index("--until") + 1])
        self.now += 5
        found = next(self._results, Ended())
        if isinstance(found, Exception):
            raise found
        return found

    async def sleep(self, seconds: float) -> None:
        """Move the clock on."""
        self.now += seconds

    async def compute(self, window_s: int = HOUR) -> str:
        """What is shown until the results have run out, or the loop has ended."""
        shown = io.StringIO()
        screen = Screen(Console(file=shown, width=300))
        with contextlib.suppress(Ended):
            await compute_drift(cast(Supervisor, self), screen, {}, window_s, sleep=self.sleep, now=lambda: self.now)
        return shown.getvalue()


def _found(code: int, **report: Any) -> StepResult:
    return StepResult(code, json.dumps(report) + "\n" if report else "", 2.0)


async def test_each_window_that_is_over_is_computed_once() -> None:
    """The last one behind the start, the next ones a minute behind their ends, on the hour."""
    run = Simulated(_found(0, sentence="No drift."), _found(0, sentence="No drift."))
    assert await run.compute() == ""
    assert run.untils == [f"2026-03-10T{hour}:00:00+00:00" for hour in (12, 13, 14)]
    assert run.now == START - 1800 + 2 * HOUR + GRACE_S + 5


async def test_drift_and_failures_are_told_and_the_next_window_is_computed() -> None:
    """The sentence of a drift; the reason of a failure, also of one that exits as a drift does."""
    failed = StepFailed("drift", "ended with exit code 3", Path("drift.log"), "the store is away")
    shown = await Simulated(_found(1, sentence="Drift: all."), failed, _found(1)).compute()
    assert "Drift: all." in shown
    assert "Drift was not computed: The step drift ended with exit code 3" in shown
    assert "drift.log says why" in shown


async def test_without_the_command_or_a_window_nothing_is_computed() -> None:
    """It is said once which extra is missing; a window of 0 is somebody's wish."""
    missing = Simulated(RoleMissing("sightline-evals", "evals"))
    assert "evals" in await missing.compute()
    assert len(missing.untils) == 1
    off = Simulated()
    assert await off.compute(0) == ""
    assert off.untils == []
