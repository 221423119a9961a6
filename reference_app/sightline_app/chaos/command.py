"""``sightline-app chaos``: prepares, writes the journal, harms, waits, undoes. Any step may be the last that runs."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import threading
import uuid
from datetime import UTC, datetime
from typing import Final

import sightline
from sightline_app.chaos.arguments import LIST, UNDO
from sightline_app.chaos.harm import Context, Options
from sightline_app.chaos.journal import ChaosRefused, Entry, Journal
from sightline_app.chaos.registry import HARMS
from sightline_app.errors import AppError, InvalidSetting
from sightline_app.settings import AppSettings
from sightline_roles.stopping import STOP_SIGNALS, stopped_by_signals

MARK: Final = "mark.chaos"
"""Name of the event that says when a harm began (value 1) and when it was undone (value 0)."""
_FLUSH_S = 5.0
_STOP_SIGNALS: Final = (*STOP_SIGNALS, signal.SIGHUP)
"""Ctrl-C, SIGTERM and a closed terminal."""
_log = logging.getLogger("sightline.app.chaos")


def run(options: argparse.Namespace, settings: AppSettings) -> int:
    """Do what the command line asks for; returns the exit code.

    Raises:
        AppError: it was refused; what was begun is undone.
    """
    if options.name == LIST:
        _list(as_json=options.json)
        return 0
    if options.name not in {*HARMS, UNDO}:
        raise InvalidSetting("NAME", options.name, f"needs one of {', '.join(HARMS)}, {UNDO}, {LIST}")
    if bool(options.model_url) != bool(options.model_name):
        raise InvalidSetting("--model-url", options.model_url, "needs --model-name beside it, and the other way round")
    names = Options.__dataclass_fields__
    context = Context(
        settings,
        Options(**{name: getattr(options, name) for name in names}),
        url=(options.url or f"http://{settings.host}:{settings.port}").rstrip("/"),
        folder=settings.data_dir / "chaos",
    )
    journal = Journal(context.folder)
    tracing = sightline.configure(service_name="sightline-chaos")
    try:
        if options.name == UNDO:
            return _undo(journal, context)
        stop = threading.Event()
        with stopped_by_signals(stop.set, _STOP_SIGNALS):
            return _do(options.name, journal, context, stop)
    finally:
        tracing.force_flush(_FLUSH_S)
        tracing.shutdown()


def _list(*, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps({name: harm.about for name, harm in HARMS.items()}) + "\n")
    else:
        width = max(map(len, HARMS))
        sys.stdout.write("".join(f"{name:<{width}}  {harm.about}\n" for name, harm in HARMS.items()))


def _do(name: str, journal: Journal, context: Context, stop: threading.Event) -> int:
    harm = HARMS[name]
    undo = harm.prepare(context)
    entry = Entry(name, uuid.uuid4().hex, datetime.now(UTC).isoformat(timespec="seconds"), os.getpid(), undo)
    journal.begin(entry)
    try:
        told = harm.begin(context, undo)
        _mark(entry, told, begins=True)
        _log.warning("%s, for %g s: %s", name, context.options.for_s, told)
        harm.hold(context, stop)
    finally:
        _end(journal, entry, context)
    return 0


def _undo(journal: Journal, context: Context) -> int:
    entry = journal.read()
    if entry is None:
        sys.stdout.write("nothing is to be undone\n")
        return 0
    _end(journal, entry, context)
    return 0


def _end(journal: Journal, entry: Entry, context: Context) -> None:
    try:
        HARMS[entry.harm].undo(context, entry.undo)
    except AppError as exc:
        raise ChaosRefused(f"{entry.harm} IS NOT UNDONE: {exc}; run `sightline-app chaos undo`") from exc
    journal.end(entry)
    _mark(entry, f"{entry.harm} is undone", begins=False)
    _log.warning("%s is undone", entry.harm)


def _mark(entry: Entry, sentence: str, *, begins: bool) -> None:
    """Send when a harm begins or ends, as an event without a trace, so that no answer's score has it."""
    facts = {"sentence": sentence, "phase": "begin" if begins else "end"}
    sightline.score(
        MARK,
        float(begins),
        label=entry.harm,
        explanation=json.dumps(facts),
        judge="sightline-chaos",
        run_id=entry.run_id,
    )
