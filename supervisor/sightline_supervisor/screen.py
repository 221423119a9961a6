"""Tell the person at the terminal what is happening: one line an event, and one that moves while something is awaited.

On a terminal the moving line is a spinner with the seconds waited; elsewhere a plain line follows every ten seconds,
with what is new.
Everything here goes to standard error: standard output is for results.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.status import Status
from rich.text import Text

_PLAIN_EVERY_S = 10.0
_TICK_S = 0.2
_DETAIL_AFTER_S = 3.0


@dataclass
class _Wait:
    """One thing that is awaited."""

    name: str
    begun_s: float
    detail: Callable[[], str]
    told_s: float
    told: str = ""
    """The last detail that was told."""


class Screen:
    """Prints events and, while `run_ticker` runs, what is awaited."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)
        self._waits: list[_Wait] = []
        self._status: Status | None = None

    def event(self, mark: str, text: str, style: str = "") -> None:
        """Print one line that stays: a mark (`✓`, `!`, `·`) and a sentence."""
        line = Text.assemble((f"{self._encodable(mark)} ", style or "dim"), text)
        self.console.print(line, soft_wrap=True)

    def done(self, text: str) -> None:
        """Print that something worked."""
        self.event("✓", text, "green")

    def warn(self, text: str) -> None:
        """Print something that the person must not miss."""
        self.event("!", text, "bold yellow")

    def fail(self, text: str) -> None:
        """Print what ended the run."""
        self.event("✗", text, "bold red")

    def block(self, text: str) -> None:
        """Print lines of a log, set off from ours."""
        for line in text.splitlines():
            self.console.print(Text(f"  | {line}", style="dim"), soft_wrap=True)

    @contextmanager
    def waiting(self, name: str, detail: Callable[[], str] = lambda: "") -> Iterator[None]:
        """Show `name` on the moving line for as long as the block runs; `detail` is asked again each time."""
        now = time.monotonic()
        wait = _Wait(name, now, detail, now)
        self._waits.append(wait)
        try:
            yield
        finally:
            self._waits.remove(wait)

    async def run_ticker(self) -> None:
        """Move the line until cancelled."""
        try:
            while True:
                self._tick()
                await asyncio.sleep(_TICK_S)
        finally:
            self._hide()

    def _tick(self) -> None:
        if not self._waits:
            self._hide()
        elif self.console.is_terminal:
            text = Text(self._moving_line(time.monotonic()), overflow="ellipsis", no_wrap=True)
            if self._status is None:
                self._status = self.console.status(text)
                self._status.start()
            else:
                self._status.update(text)
        else:
            self._plain_lines(time.monotonic())

    def _moving_line(self, now: float) -> str:
        line = "  ".join(f"{wait.name} {now - wait.begun_s:.0f} s" for wait in self._waits)
        slow = (wait for wait in self._waits if now - wait.begun_s >= _DETAIL_AFTER_S)
        detail = next((text for wait in slow if (text := wait.detail())), "")
        room = self.console.width - len(line) - 6
        return f"{line}  {detail[:room]}" if detail and room > 10 else line

    def _plain_lines(self, now: float) -> None:
        for wait in self._waits:
            if now - wait.told_s >= _PLAIN_EVERY_S:
                wait.told_s = now
                detail = wait.detail()
                new = f": {detail[-200:]}" if detail and detail != wait.told else ""
                wait.told = detail
                self.event("…", f"{wait.name}, {now - wait.begun_s:.0f} s{new}")

    def _hide(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _encodable(self, mark: str) -> str:
        """Fall back to `*` where the terminal's encoding has no such mark."""
        try:
            mark.encode(self.console.encoding or sys.getdefaultencoding())
        except UnicodeEncodeError:
            return "*"
        return mark
