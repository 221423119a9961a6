"""`sightline-store janitor`: its arguments and its signals."""

from __future__ import annotations

import argparse

from sightline_roles.stopping import stopped_by_signals
from sightline_store.janitor import Janitor
from sightline_store.settings import JanitorSettings, RetentionSettings, StoreSettings


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    command = commands.add_parser(
        "janitor",
        help="do the housekeeping: retention, rollups, prices of new models, traces that came in pieces",
        description="Stay and do the housekeeping of the store at SIGHTLINE_STORE_URL, by SIGHTLINE_JANITOR_* and "
        "SIGHTLINE_STORE_RETENTION_*. Of several janitors of one store, one acts and the others wait to take over.",
    )
    command.add_argument("--once", action="store_true", help="do everything once and end, for example from cron")
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    janitor = Janitor(StoreSettings.from_env(), JanitorSettings.from_env(), RetentionSettings.from_env())
    if args.once:
        janitor.run_once()
        return
    with stopped_by_signals(janitor.stop):
        janitor.run()
