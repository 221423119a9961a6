"""Finds a hung engine. A crash inside chDB can look like a hang: its signal handler may sleep for minutes.

A thread asks the engine for a constant; where no answer comes in time the process ends with code 70, so that its
supervisor starts a new one. What was acknowledged is on disk.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable

from sightline_store.node.engine import Engine

EXIT_HUNG = 70
_INTERVAL_S = 5.0


def watch(engine: Engine, timeout_s: float) -> Callable[[], None]:
    """Start watching; call what is returned to stop. `timeout_s` 0 watches nothing."""
    stopped = threading.Event()
    last_answer = time.monotonic()

    def ask() -> None:
        nonlocal last_answer
        while not stopped.wait(_INTERVAL_S):
            engine.query_value("SELECT 1")
            last_answer = time.monotonic()

    def judge() -> None:
        while not stopped.wait(_INTERVAL_S):
            silent_s = time.monotonic() - last_answer
            if silent_s > timeout_s:
                logging.getLogger("sightline.store").critical(
                    "the engine has not answered for %.0f s: ending", silent_s
                )
                os._exit(EXIT_HUNG)

    if timeout_s > 0:
        for target in (ask, judge):
            threading.Thread(target=target, name=f"heartbeat-{target.__name__}", daemon=True).start()
    return stopped.set
