"""The command line of ``sightline-app load``, which imports nothing that runs it."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

STORE_OF_SETTINGS = "setting"
"""Value of `--store` without an address."""
_EPILOG = """examples:
  sightline-app load --rate 2 --for 60            two requests a second on average, at random moments, for a minute
  sightline-app load --rate 20 --requests 500 --store      and compare with what the store holds
  sightline-app load --rate 5 --record monday.tsv keep when each request was due, and what came of it
  sightline-app load --trace monday.tsv --speed 4 the same moments, four times as fast
  sightline-app load --rate 2 --json | tail -1    the numbers for another program

A request is sent when it is due, whether or not earlier ones are answered (an open loop), and its times count from when
it was due: a stall of the app is seen by all requests that were due in it. Each request is a question of one of several
tenants; a session whose last answer is there gets the next turn, up to --turns.

A trace is a text file with one request a line; its first column, up to a tab, comma or space, is the moment in seconds.

exit codes: 0 some request was answered (or none was due), 1 none was, 2 an argument cannot work, 130 stopped by Ctrl-C.
Ctrl-C ends the run with the report of what ran; a second one ends it at once.
"""


def positive(text: str) -> float:
    """Read a number above 0; as a type of an argument."""
    value = float(text)
    if not math.isfinite(value) or value <= 0:
        raise argparse.ArgumentTypeError("must be above 0")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `load` to the commands of the console script."""
    parser = commands.add_parser(
        "load",
        help="send traffic at a set rate, and report what clients waited",
        description="Send streaming questions at a set rate, as several tenants, and report what the clients waited.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    when = parser.add_argument_group("when requests are sent").add_mutually_exclusive_group()
    when.add_argument(
        "--rate", type=positive, default=1.0, metavar="R", help="requests a second on average (Poisson); default 1"
    )
    when.add_argument("--trace", type=Path, metavar="FILE", help="at the moments of a recorded trace instead")
    bounds = parser.add_argument_group("how long")
    bounds.add_argument("--for", dest="for_s", type=positive, default=60.0, metavar="S", help="seconds; default 60")
    bounds.add_argument(
        "--requests", type=_count, default=10_000, metavar="N", help="at most N requests; default 10000"
    )
    bounds.add_argument(
        "--speed", type=positive, default=1.0, metavar="X", help="moments follow each other X times as fast; default 1"
    )
    who = parser.add_argument_group("who asks what")
    who.add_argument("--url", help="address of the app; default from SIGHTLINE_APP_HOST and _PORT")
    who.add_argument(
        "--questions", type=Path, metavar="FILE", help="JSON lines of id, question, names; default: the shipped ones"
    )
    who.add_argument(
        "--tenants", default="acme,globex,initech", metavar="A,B", help="tenants; default acme,globex,initech"
    )
    who.add_argument("--users", type=_count, default=5, metavar="N", help="users of each tenant; default 5")
    who.add_argument("--turns", type=_count, default=3, metavar="N", help="most questions of a session; default 3")
    who.add_argument("--max-open", type=_count, default=256, metavar="N", help="most requests at once; default 256")
    who.add_argument("--seed", type=int, default=1, metavar="N", help="fixes moments and questions; default 1")
    told = parser.add_argument_group("what is told")
    told.add_argument(
        "--store",
        nargs="?",
        const=STORE_OF_SETTINGS,
        metavar="URL",
        help="compare with what the store holds; without an address, that of SIGHTLINE_STORE_URL "
        "(user and password: SIGHTLINE_STORE_USER, SIGHTLINE_STORE_PASSWORD)",
    )
    told.add_argument("--record", type=Path, metavar="FILE", help="write a trace with what came of each request")
    told.add_argument("--json", action="store_true", help="print one JSON object on the last line")
