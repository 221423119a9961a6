"""The command `keys` of a role's console script: create, list and revoke the keys of its file."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable
from typing import TypeVar

from sightline_roles.key_file import HashedKey, KeyFile, aligned

KeyT = TypeVar("KeyT", bound=HashedKey)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], setting: str) -> argparse.ArgumentParser:
    """Add `keys` and what it can do to the commands of a console script.

    Args:
        commands: those of the script.
        setting: the variable that holds the path of the file.

    Returns:
        The parser of `create`, which takes a name; what else a key has is the caller's to add.
    """
    parser = commands.add_parser(
        "keys", help=f"API keys of {setting}", description="API keys; a running server follows within a second."
    )
    actions = parser.add_subparsers(dest="action", required=True)
    create = actions.add_parser("create", help="make a key and print it, once")
    create.add_argument("--name", required=True, help="what the key is for")
    actions.add_parser("list", help="show the keys, never their secrets")
    revoke = actions.add_parser("revoke", help="end a key")
    revoke.add_argument("id", help="its id, as `list` shows it")
    return create


def run(args: argparse.Namespace, ring: KeyFile[KeyT], create: Callable[[], str], example: str = "") -> None:
    """Do what `keys` was asked to do.

    Args:
        args: as `add_parser` reads them.
        ring: the keys.
        create: makes the key that `args` describe and returns its token.
        example: how a client is told its key, for whoever reads the new one.

    Raises:
        Exception: of `ring` and of `create`.
    """
    if args.action == "create":
        token = create()
        # The key alone on standard output, so that it can be piped into a secret store.
        sys.stderr.write("The key is shown this once. Send it as `Authorization: Bearer KEY` or `x-api-key: KEY`\n")
        sys.stderr.write(f"e.g. {example}\n" if example else "")
        sys.stdout.write(f"{token}\n")
    elif args.action == "revoke":
        key = ring.revoke(args.id)
        sys.stdout.write(f"{key.id} {key.name}: revoked {key.revoked}\n")
    else:
        sys.stdout.write(table(ring))


def table(ring: KeyFile[KeyT]) -> str:
    """The keys of a file, one a line, without what could be used; `-` stands where a field is unset or a rate is 0."""
    names = [field.name for field in dataclasses.fields(ring.key_type) if field.name != "digest"]
    names.sort(key=lambda name: name in {"created", "revoked"})  # at the end
    rows = [[name.upper().replace("_", " ") for name in names]]
    rows += [[_shown(getattr(key, name)) for name in names] for key in ring]
    return aligned(rows)


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}" if value else "-"
    return "-" if value is None or value == "" else str(value)
