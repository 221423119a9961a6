"""The commands of `sightline-store` for the embedded node."""

from __future__ import annotations

import argparse
import sys

from sightline_node import doctor
from sightline_node.readers import keys
from sightline_node.readers.roles import Role
from sightline_node.settings import NodeSettings
from sightline_roles.doctor import report
from sightline_store import backup
from sightline_store.client import Client
from sightline_store.settings import StoreSettings


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add every subcommand; each sets `run` to its function."""
    _add_backup(commands)
    _add_key(commands)
    _add_doctor(commands)


def _add_backup(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    for name, text in (
        ("backup", "write the database into a new folder of SIGHTLINE_STORE_BACKUP_DIR, while inserts go on"),
        ("restore", "read a database back that `backup` wrote, into an empty store"),
    ):
        command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        command.add_argument("path", help="name of the folder, or an absolute path within the backup folder")
        if name == "restore":
            command.add_argument("--replace", action="store_true", help="drop the rows that the database has now")
        command.set_defaults(run=_backup)


def _backup(args: argparse.Namespace) -> None:
    client = Client(StoreSettings.from_env())
    if args.command == "backup":
        report = backup.backup(client, args.path)
    else:
        report = backup.restore(client, args.path, replace_rows=args.replace)
    verb = "written to" if args.command == "backup" else "read from"
    _say(f"{report.files:,} files, {report.size_bytes:,} bytes {verb} {report.path}")


def _add_key(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("key", help="keys of the embedded node: who may read, who may write")
    actions = command.add_subparsers(dest="action", required=True)
    create = actions.add_parser("create", help="make a key; it is shown once, on standard output")
    create.add_argument("--name", required=True, help="its name in the list")
    create.add_argument("--role", choices=["reader", "admin"], required=True, help="reader: SELECT; admin: everything")
    create.add_argument("--tenant", default="", help="reader: sees the rows of this tenant only; default: all")
    create.add_argument("--no-content", action="store_true", help="reader: without prompts, answers and passages")
    actions.add_parser("list", help="names and roles of the keys; never the keys")
    revoke = actions.add_parser("revoke", help="end a key")
    revoke.add_argument("id", help="its id in `key list`")
    command.set_defaults(run=_key)


def _key(args: argparse.Namespace) -> None:
    folder = NodeSettings.from_env().data_dir
    if args.action == "create":
        token = keys.create(folder, args.name, Role(args.role), tenant=args.tenant, content=not args.no_content)
        sys.stdout.write(f"{token}\n")
        _say(
            "The key is shown this once. Send it as the password of any user name, e.g. SIGHTLINE_STORE_PASSWORD=KEY; "
            "from the first key on the node asks for one."
        )
    elif args.action == "list":
        sys.stdout.write(keys.table(folder))
    else:
        key = keys.revoke(folder, args.id)
        sys.stdout.write(f"{key.id} {key.name}: revoked {key.revoked}\n")


def _add_doctor(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("doctor", help="check the confinement of the node's process, and its keys")
    command.set_defaults(run=_doctor)


def _doctor(_: argparse.Namespace) -> None:
    sys.exit(report(doctor.examine(NodeSettings.from_env(), StoreSettings.from_env())))


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
