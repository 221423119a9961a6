"""Keys of `sightline-mcp --http`: a file of them, and the commands that create, list and revoke them.

A key reads `slm_<id>_<secret>` and may be limited to a tenant; see `sightline_roles.key_file` for what is kept of it.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sightline_mcp.errors import KeysUnusable
from sightline_roles import key_commands
from sightline_roles.key_file import HashedKey, KeyFile, Wording, check_label

_WORDING = Wording(
    prefix="slm",
    error=KeysUnusable,
    log=logging.getLogger("sightline.mcp"),
    list_command="sightline-mcp keys list",
    setting="SIGHTLINE_MCP_KEYS_FILE",
)


@dataclass(frozen=True, kw_only=True)
class Key(HashedKey):
    """A key without its secret."""

    tenant: str = ""
    """The only tenant whose data it reads; '' is the setting's."""

    def __post_init__(self) -> None:
        """Refuse an invalid key, from a command or from a file."""
        super().__post_init__()
        if self.tenant != "":
            check_label("tenant", self.tenant)


class KeyRing(KeyFile[Key]):
    """The keys of SIGHTLINE_MCP_KEYS_FILE.

    Raises:
        KeysUnusable: the file is there and cannot be read, is no such file, or others than its owner may write to it.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(path, Key, _WORDING, clock)

    def create(self, name: str, tenant: str = "") -> str:
        """Add a key and return its token, which is kept nowhere.

        Raises:
            ValueError: a value cannot be.
            KeysUnusable: the file cannot be read or written.
        """
        return self._add(name=name, tenant=tenant)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `keys` and what it can do to the commands of the console script."""
    create = key_commands.add_parser(commands, _WORDING.setting)
    create.add_argument(
        "--tenant", default="", help="the only tenant whose data it reads; default: SIGHTLINE_MCP_TENANT"
    )


def run(args: argparse.Namespace, path: Path | None) -> None:
    """Do what `keys` was asked to do with the file at `path`.

    Raises:
        ValueError: an argument cannot be.
        KeysUnusable: no file is set, it cannot be used, or there is no such key.
    """
    if path is None:
        raise KeysUnusable(f"set {_WORDING.setting} to the path of the file; it is made if it is missing")
    ring = KeyRing(path)
    key_commands.run(args, ring, lambda: ring.create(args.name, args.tenant))
