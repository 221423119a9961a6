"""The commands of ingestion: their arguments, and what each imports only when it runs."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from sightline_app.settings import AppSettings

Command = Callable[[AppSettings, argparse.Namespace], int]


def _run(module: str) -> Command:
    def run(settings: AppSettings, options: argparse.Namespace) -> int:
        done: int = importlib.import_module(f"sightline_app.ingestion.{module}").run(settings, options)
        return done

    return run


COMMANDS: Final[Mapping[str, Command]] = {
    "worker": _run("worker"),
    "consume": _run("consume"),
    "reembed": _run("reembedding.command"),
    "dead-letters": _run("dead_letters_command"),
}
_WORKER = """\
Take documents from the broker of SIGHTLINE_APP_BROKER_URL and index them: parse, cut, embed, insert.

Run as many as the machine has cores for the embedding, on as many machines as share SIGHTLINE_APP_DATA_DIR. A message
is acknowledged when its document is done, so a worker that is killed loses nothing, and a document is stored once,
however often its message comes. SIGTERM: finish what is begun, then end.
"""
_CONSUME = """\
Read documents from the topic SIGHTLINE_APP_KAFKA_TOPIC of SIGHTLINE_APP_KAFKA_SERVERS and index them.

Run as many as the topic has partitions: they share them, as members of the group SIGHTLINE_APP_KAFKA_GROUP. Offsets are
committed after documents are stored. A message that is no document becomes a dead letter (`sightline-app dead-letters`)
and does not stop the others. SIGTERM: leave the group; what is not committed is read again.

A message is JSON with tenant, name and text, or the document itself with the headers content-type, tenant and name.
A header traceparent is continued. Whoever may write to the topic may write for every tenant.
"""
_REEMBED = """\
Embed all passages again with the embedding of the settings, in a new version of the index, and switch to it.

The old index answers until the switch, and uploads go on. Temporal (SIGHTLINE_APP_TEMPORAL_ADDRESS) remembers how far
it is: when this command or its machine ends, run it again, here or elsewhere with the same data folder, and it goes on
with the batch that was not finished. Ctrl-C ends the command, not the workflow; --cancel ends the workflow and removes
what it made.
"""
_DEAD_LETTERS = """\
Documents that could not be indexed, and messages of Kafka that are no document.

They are kept until somebody decides: look at one, repair what stood in the way and replay it, or drop it. Dropping a
document deletes it. Replaying a document that is at fault itself gives the same error again.
"""


def add_parsers(commands: Any) -> None:
    """Add the commands to `sightline-app`."""
    worker = _add(commands, "worker", "index what clients upload, behind a broker", _WORKER)
    worker.add_argument(
        "--concurrency", type=int, default=1, metavar="N", help="documents at the same time, a process each; default 1"
    )
    worker.add_argument("--name", help="name of this worker among others; default: host name and process id")
    _add(commands, "consume", "index the documents of a Kafka topic", _CONSUME)
    reembed = _add(commands, "reembed", "embed a whole collection again, resumable, by Temporal", _REEMBED)
    reembed.add_argument("--batch", type=int, default=500, metavar="N", help="passages of one step; default 500")
    what = reembed.add_mutually_exclusive_group()
    what.add_argument("--detach", action="store_true", help="begin, and leave the work to `reembed --worker`")
    what.add_argument("--worker", action="store_true", help="only work, until a signal")
    what.add_argument("--status", action="store_true", help="say how far it is, as one JSON object")
    what.add_argument("--cancel", action="store_true", help="end it, and remove what it made")
    _add_dead_letters(commands)


def _add_dead_letters(commands: Any) -> None:
    letters = _add(commands, "dead-letters", "look at what could not be indexed, replay or drop it", _DEAD_LETTERS)
    actions = letters.add_subparsers(dest="action", required=True)
    listed = actions.add_parser("list", help="one line each: id, source, tenant, attempts, name, error")
    listed.add_argument("--json", action="store_true", help="one JSON object a line")
    show = actions.add_parser("show", help="what is known of one, and the beginning of its content")
    show.add_argument("id")
    for name, told in (("replay", "try again, as if it had just been sent"), ("drop", "forget; a document is deleted")):
        action = actions.add_parser(name, help=told)
        action.add_argument("ids", nargs="*", metavar="id")
        action.add_argument("--all", action="store_true", help="all of them")


def _add(commands: Any, name: str, told: str, description: str) -> Any:
    return commands.add_parser(
        name, help=told, description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
