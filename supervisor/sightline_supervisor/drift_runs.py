"""`sightline-evals drift` for each window of traffic that is over: one process a window, which ends with its verdict.

It is no role that stays, since its imports would hold memory all day for some seconds of work a window. Windows begin
and end at whole multiples of their length since 1970 (days at midnight UTC), whenever the supervisor was started. At
the start the last window is computed, as it may not have been; a second run gives the same verdict.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

from sightline_supervisor.errors import RoleMissing, StepFailed
from sightline_supervisor.role import Step
from sightline_supervisor.screen import Screen
from sightline_supervisor.supervise import StepResult, Supervisor, last_json

GRACE_S = 60.0
"""Seconds behind the end of a window, and behind the start, until drift is computed: late spans need time to arrive."""
_DRIFT = 1
"""Exit code of `sightline-evals drift` for a drift, and of Python for a failure: only the former prints a report."""
_TOO_LITTLE = 4
"""Exit code where nothing could be tested."""


async def compute_drift(
    supervisor: Supervisor,
    screen: Screen,
    env: Mapping[str, str],
    window_s: int,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    now: Callable[[], float] = time.time,
) -> None:
    """Compute drift behind each window; a drift and a failure are told on the screen.

    Returns at once where the window is 0, and where the command is not installed; else it goes on until cancelled.

    Args:
        supervisor: runs the command.
        screen: tells the person.
        env: of the command: where store and collector are, and the reader's key.
        window_s: length of a window, in seconds; 0 computes nothing.
        sleep: waits so many seconds.
        now: seconds since 1970.
    """
    if not window_s:
        return
    await sleep(GRACE_S)
    while True:
        end = (now() - GRACE_S) // window_s * window_s
        try:
            _tell(screen, await supervisor.run_step(drift_step(env, window_s, end)))
        except StepFailed as error:
            screen.warn(f"Drift was not computed: {error}")
        except RoleMissing as error:
            screen.warn(f"Drift is not computed: {error}")
            return
        await sleep(max(0.0, end + window_s + GRACE_S - now()))


def drift_step(env: Mapping[str, str], window_s: int, end: float) -> Step:
    """The command for one window.

    Args:
        env: see `compute_drift`.
        window_s: length of the window, in seconds.
        end: its end, in seconds since 1970.
    """
    until = datetime.fromtimestamp(end, UTC).isoformat()
    command = ("sightline-evals", "drift", "--window", f"{window_s}s", "--until", until, "--strict", "--json", "-")
    return Step("drift", "looking for drift", command, env, frozenset({0, _DRIFT, _TOO_LITTLE}), extra="evals")


def _tell(screen: Screen, result: StepResult) -> None:
    report = last_json(result.stdout)
    if report is None:
        screen.warn("Drift was not computed: drift.log says why.")
    elif result.code == _DRIFT:
        screen.warn(str(report.get("sentence")))
