"""`sightline-store rollups`: make them anew, drop them, or say what there is."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

from sightline_store.cli.progress import print_status
from sightline_store.client import Client
from sightline_store.rollups import fold, keeping
from sightline_store.settings import RetentionSettings, StoreSettings

_NOTHING = "there are no rollups: `sightline-store janitor` makes them of the minutes that are over"

WriteTable = Callable[[Sequence[dict[str, Any]], str], None]


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser], write_table: WriteTable) -> None:
    """Add the subcommand; `write_table` prints rows, or a text where there are none."""
    command = commands.add_parser(
        "rollups",
        help="what the janitor has added up of the minutes, hours and days that are over",
        description="Rollups hold counts, sums and percentiles of requests, model calls, stages and searches, and a "
        "row a request with what its trace spent and scored, so that a question about a month does not read its rows. "
        "The janitor makes them, and dropped ones again of the rows that are left.",
    )
    actions = command.add_subparsers(dest="action", required=True)
    actions.add_parser("status", help="how many there are, from when to when, and their size")
    actions.add_parser("rebuild", help="make all anew of which there are rows; pages go on with the old ones meanwhile")
    actions.add_parser(
        "drop", help="drop all, also those whose rows are gone; pages read rows until there are new ones"
    )
    command.set_defaults(run=lambda args: _run(args, write_table))


def _run(args: argparse.Namespace, write_table: WriteTable) -> None:
    client = Client(StoreSettings.from_env())
    if args.action == "drop":
        keeping.drop(client)
        print_status("dropped")
        return
    if args.action == "rebuild":
        for made in fold.fold(client, RetentionSettings.from_env(), anew=True):
            sys.stdout.write(f"{made}\n")
            sys.stdout.flush()
        return
    write_table(keeping.status(client), _NOTHING)
