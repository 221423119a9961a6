"""Finds a hung engine. A crash inside chDB can look like a hang: its signal handler may sleep for minutes.

A thread asks the engine for a constant; without an answer in time the process ends with code 70, so that its
supervisor starts a new one. Acknowledged data are on disk. An engine that refuses the statement is alive.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Protocol

from sightline_store.errors import QueryFailed

EXIT_HUNG = 70
_INTERVAL_S = 5.0


class WatchedEngine(Protocol):
    """The part of the engine that is watched."""

    def query_value(self, sql: str) -> str:
        """Answer, or never return."""


def watch(
    engine: WatchedEngine,
    timeout_s: float,
    *,
    interval_s: float = _INTERVAL_S,
    end: Callable[[int], None] = os._exit,
) -> Callable[[], None]:
    """Start watching.

    Args:
        engine: the one to watch.
        timeout_s: seconds without an answer after which the process ends; 0 watches nothing.
        interval_s: seconds between two questions.
        end: ends the process with a code.

    Returns:
        Call it to stop.
    """
    stopped = threading.Event()
    last_answer = time.monotonic()

    def ask() -> None:
        nonlocal last_answer
        while not stopped.wait(interval_s):
            try:
                engine.query_value("SELECT 1")
            except QueryFailed as exc:
                logging.getLogger("sightline.store").warning("the engine refused its heartbeat: %s", exc)
            last_answer = time.monotonic()

    def judge() -> None:
        while not stopped.wait(interval_s):
            silent_s = time.monotonic() - last_answer
            if silent_s > timeout_s:
                logging.getLogger("sightline.store").critical(
                    "the engine has not answered for %.0f s: ending", silent_s
                )
                end(EXIT_HUNG)
                return

    if timeout_s > 0:
        for target in (ask, judge):
            threading.Thread(target=target, name=f"heartbeat-{target.__name__}", daemon=True).start()
    return stopped.set
