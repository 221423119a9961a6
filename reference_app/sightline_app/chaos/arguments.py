"""The command line of ``sightline-app chaos``, which imports nothing that harms."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from sightline_app.chaos.faults import MOST_S
from sightline_app.embeddings.precision import Precision
from sightline_app.load.arguments import positive

UNDO, LIST = "undo", "list"
_EPILOG = """examples:
  sightline-app chaos list                         what can be broken
  sightline-app chaos slow-search --for 120        each search takes 2 seconds longer, for two minutes
  sightline-app chaos passages-lost --share 0.2    a fifth of the passages is gone for a minute, then back
  sightline-app chaos undo                         end what a killed command left behind

One harm at a time. It is undone when its time is over, at Ctrl-C, and by `undo` where the command was killed: what must
be undone is on the disk before anything is harmed. Faults inside of the app need the same SIGHTLINE_APP_CHAOS_KEY for
the app and for this command, and end by themselves. Begin and end are sent as marks, which the pages read.

exit codes: 0 done and undone, 1 refused or not undone (the last line says why), 2 an argument cannot work.
"""


def _at_most(limit: float) -> Callable[[str], float]:
    """Return what reads a number above 0 and at most `limit`; as a type of an argument."""

    def read(text: str) -> float:
        value = positive(text)
        if value > limit:
            raise argparse.ArgumentTypeError(f"must be at most {limit:g}")
        return value

    return read


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `chaos` to the commands of the console script."""
    parser = commands.add_parser(
        "chaos",
        help="break something of the running app on purpose, for a while",
        description="Do one real harm to the running app for a while, and undo it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", metavar="NAME", help=f"a harm; or {LIST}, which names them; or {UNDO}")
    parser.add_argument(
        "--for", dest="for_s", type=_at_most(MOST_S), default=60.0, metavar="S", help="seconds; default 60"
    )
    parser.add_argument("--url", help="address of the app; default from SIGHTLINE_APP_HOST and _PORT")
    parser.add_argument("--tenant", default="acme", help="whose searches, documents or traffic; default acme")
    parser.add_argument(
        "--delay", dest="delay_s", type=positive, default=2.0, metavar="S", help="of slow-search; default 2 seconds"
    )
    parser.add_argument("--share", type=_at_most(1), default=0.1, metavar="P", help="of passages-lost; default 0.1")
    parser.add_argument("--rate", type=positive, default=10.0, metavar="R", help="of burst, a second; default 10")
    parser.add_argument(
        "--precision",
        choices=[str(each) for each in Precision],
        default=str(Precision.FP32),
        help="of embedding-precision; default fp32",
    )
    parser.add_argument("--model-url", default="", metavar="URL", help="of model-swapped, on this machine; with /v1")
    parser.add_argument("--model-name", default="", metavar="NAME", help="of model-swapped, beside --model-url")
    parser.add_argument("--json", action="store_true", help=f"of {LIST}: print one JSON object")
