"""`sightline-store rebuild`: which days of the typed tables are behind, and making days anew."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date

from sightline_store.cli.progress import DayProgress, print_status
from sightline_store.client import Client
from sightline_store.moments import parse_moment
from sightline_store.schema import definitions, rebuild
from sightline_store.settings import StoreSettings

_TIMEOUT_S = 3600.0  # one statement makes one day
_DESCRIPTION = """\
Make days of the typed tables anew from the raw rows, while rows keep coming: after a new spelling or a changed view.
Without a table and without --behind, list the days whose rows an older definition made. Interrupted, also by kill -9,
the same command goes on where it was."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    command = commands.add_parser(
        "rebuild",
        help="make days of a typed table anew from the raw rows, or list the days that are behind",
        description=_DESCRIPTION,
        epilog="examples: rebuild; rebuild --behind; rebuild llm_calls --since 2026-05-01 --until 2026-05-31",
    )
    command.add_argument("table", nargs="?", choices=sorted(definitions.TABLES), help="default: all of them")
    command.add_argument("--behind", action="store_true", help="make the days anew that an older definition made")
    command.add_argument("--status", action="store_true", help="list these days, with their rows, and change nothing")
    command.add_argument(
        "--since", type=_day, metavar="DAY", help="first day, 2026-01-31 or 7d; default: the first one"
    )
    command.add_argument("--until", type=_day, metavar="DAY", help="last day; default: the last one")
    command.set_defaults(run=_run)


def _day(text: str) -> date:
    try:
        return parse_moment(text).date()
    except ValueError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from None


def _run(args: argparse.Namespace) -> None:
    client = Client(replace(StoreSettings.from_env(), timeout_s=_TIMEOUT_S))
    tables: tuple[str, ...] = (args.table,) if args.table else definitions.TABLES
    if args.status or not (args.table or args.behind):
        _print_behind(definitions.behind(client, tables), _within(args))
        return
    behind: dict[str, set[date]] = {table: set() for table in tables}
    if args.behind:
        for item in definitions.behind(client, tables):
            behind[item.table].add(item.day)
        tables = tuple(table for table in tables if any(map(_within(args), behind[table])))
        if not tables:
            sys.stdout.write("no day is behind\n")
    for table in tables:
        days = behind[table] if args.behind else None
        done = rebuild.rebuild(client, table, since=args.since, until=args.until, days=days, progress=DayProgress())
        print_status(
            f"{table}: {len(done.days)} days made anew; {done.rows_before:,} rows before, {done.rows_after:,} after, "
            f"{done.rows_kept:,} of them kept as they were"
        )


def _within(args: argparse.Namespace) -> Callable[[date], bool]:
    return lambda day: (args.since is None or day >= args.since) and (args.until is None or day <= args.until)


def _print_behind(items: list[definitions.BehindDay], within: Callable[[date], bool]) -> None:
    items = [item for item in items if within(item.day)]
    if not items:
        sys.stdout.write("no day is behind: every day was made with the definitions in force\n")
        return
    sys.stdout.write(f"{'table':12} {'day':10} {'rows':>14} {'raw rows':>14}\n")
    for item in items:
        sys.stdout.write(f"{item.table:12} {item.day} {item.rows:14,} {item.raw_rows:14,}\n")
    days = len({item.day for item in items})
    sys.stdout.write(f"{days} days are behind: `sightline-store rebuild --behind` makes them anew\n")
