"""More questions than the app is made for."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

from sightline_app.chaos.harm import Context, Harm
from sightline_app.load import arrivals, report
from sightline_app.load.sender import Plan, send
from sightline_app.quality import read_questions
from sightline_demo_corpus import questions_file

_LOOK_S = 0.1
_MOST = 100_000


class Burst(Harm):
    """Traffic far above the usual."""

    name = "burst"
    about = "--rate questions a second of --tenant, at random moments"

    def begin(self, context: Context, undo: dict[str, Any]) -> str:
        """Say what comes; `hold` does it."""
        del undo
        return f"tenant {context.options.tenant} asks {context.options.rate:g} questions a second"

    def hold(self, context: Context, stop: threading.Event) -> None:
        """Send, and print what clients waited."""
        settings, options = context.settings, context.options
        plan = Plan(
            url=context.url,
            tenants=(options.tenant,),
            timeout_s=settings.request_timeout_s,
            api_key=settings.limits.ask_api_key or "",
        )

        async def go() -> None:
            ends = asyncio.Event()
            watching = asyncio.create_task(_follow(stop, ends))
            moments = arrivals.within(arrivals.poisson(options.rate, 1), speed=1.0, most=_MOST, for_s=options.for_s)
            found = await send(read_questions(questions_file()), plan, moments, ends)
            watching.cancel()
            sys.stdout.write(report.table(found, None))

        asyncio.run(go())

    def undo(self, context: Context, undo: dict[str, Any]) -> None:
        """Nothing is left of it."""


async def _follow(stop: threading.Event, ends: asyncio.Event) -> None:
    while not stop.is_set():
        await asyncio.sleep(_LOOK_S)
    ends.set()
