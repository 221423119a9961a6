"""``sightline-app load``: runs what the command line asks for, and prints the report."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from sightline_app.errors import CorpusError, InvalidSetting
from sightline_app.load import arrivals, report
from sightline_app.load.arguments import STORE_OF_SETTINGS
from sightline_app.load.platform import Held, Store, StoreAway
from sightline_app.load.sender import Outcome, Plan, Run, send
from sightline_app.quality import read_questions
from sightline_app.settings import AppSettings
from sightline_demo_corpus import questions_file


def run(options: argparse.Namespace, settings: AppSettings) -> int:
    """Send, compare, record and print; returns the exit code.

    Raises:
        InvalidSetting: an argument cannot work.
        CorpusError: the questions, the trace or the record cannot be read or written.
    """
    tenants = tuple(name.strip() for name in options.tenants.split(",") if name.strip())
    if not tenants:
        raise InvalidSetting("--tenants", options.tenants, "needs a name")
    questions = read_questions(options.questions or questions_file())
    plan = Plan(
        url=(options.url or f"http://{settings.host}:{settings.port}").rstrip("/"),
        tenants=tenants,
        users_per_tenant=options.users,
        max_turns=options.turns,
        max_open=options.max_open,
        timeout_s=settings.request_timeout_s,
        api_key=settings.limits.ask_api_key or "",
        seed=options.seed,
    )

    async def go() -> Run:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()

        def stopped() -> None:
            if stop.is_set():
                raise KeyboardInterrupt
            stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped)
        return await send(questions, plan, _due(options), stop)

    found = asyncio.run(go())
    if options.record is not None:
        _record(options.record, found)
    held = None if options.store is None else _held(options.store, settings, plan, found)
    sys.stdout.write(report.table(found, held))
    if options.json:
        sys.stdout.write(json.dumps(report.as_json(found, held)) + "\n")
    if found.stopped:
        return 130
    return 1 if found.sent and not found.of(Outcome.OK) else 0


def _due(options: argparse.Namespace) -> Iterator[float]:
    """Return the moments of the run."""
    moments = (
        arrivals.poisson(options.rate, options.seed) if options.trace is None else arrivals.read_trace(options.trace)
    )
    return arrivals.within(moments, speed=options.speed, most=options.requests, for_s=options.for_s)


def _record(path: Path, found: Run) -> None:
    rows = [(each.due_s, each.outcome.value, each.behind_s, each.ttft_s, each.total_s) for each in found.sent]
    try:
        arrivals.write_trace(path, rows)
    except OSError as exc:
        raise CorpusError(f"the trace cannot be written to {path}: {exc.strerror or exc}") from exc


def _held(address: str, settings: AppSettings, plan: Plan, found: Run) -> dict[str, Held] | None:
    """Ask the store; a store that is away costs the comparison, not the report."""
    url = settings.store_url if address == STORE_OF_SETTINGS else address
    store = Store(url, settings.store_user, settings.store_password)
    ids = [each.trace_id for each in found.of(Outcome.OK)]
    try:
        return asyncio.run(store.held(ids, found.began, found.took_s, f"{plan.url}/stats?flush=1"))
    except StoreAway as exc:
        sys.stderr.write(f"sightline-app: no comparison: {exc}\n")
    except KeyboardInterrupt:  # the wait for the last spans; the report is there without them
        sys.stderr.write("sightline-app: no comparison: interrupted\n")
    return None
