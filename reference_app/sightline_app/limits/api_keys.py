"""API keys of the app: a file of them, and the commands that create, list and revoke them.

A key reads `sla_<id>_<secret>` and is bound to a tenant, a role and limits; see `sightline_roles.key_file` for what is
kept of it (a hash, never the key) and how it is compared (in constant time).
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sightline_app.errors import InvalidSetting, KeysUnusable
from sightline_app.limits.rules import NAMES
from sightline_roles import key_commands
from sightline_roles.key_file import HashedKey, KeyFile, Wording, check_label

MEMBER: Final = "member"
"""Role: asks for the key's own tenant."""
EDITOR: Final = "editor"
"""Role: asks as a member does, and uploads and deletes documents of the key's own tenant."""
SERVICE: Final = "service"
"""Role: a backend that asks, uploads and deletes for the tenant that it names in `x-tenant-id`."""
ROLES: Final = (MEMBER, EDITOR, SERVICE)

_WORDING = Wording(
    prefix="sla",
    error=KeysUnusable,
    log=logging.getLogger("sightline.app"),
    list_command="sightline-app keys list",
    setting="SIGHTLINE_APP_KEYS_FILE",
)


@dataclass(frozen=True, kw_only=True)
class AppKey(HashedKey):
    """What is known of an API key. A limit of None is the setting's, one of 0 is no limit."""

    tenant: str
    role: str = MEMBER
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    tokens_per_day: int | None = None
    tokens_per_month: int | None = None
    user_tokens_per_day: int | None = None
    user_tokens_per_month: int | None = None

    def __post_init__(self) -> None:
        """Refuse what no key can be, whether from a command or from a file."""
        super().__post_init__()
        check_label("tenant", self.tenant)
        if self.role not in ROLES:
            raise ValueError(f"role is {self.role!r}; needs {' or '.join(ROLES)}")
        for name in NAMES:
            value = getattr(self, name)
            if value is not None and (type(value) is not int or not 0 <= value <= 10**12):
                raise ValueError(f"{name} is {value!r}; needs a whole number from 0 to 10^12")


class KeyRing(KeyFile[AppKey]):
    """The keys of SIGHTLINE_APP_KEYS_FILE.

    Raises:
        KeysUnusable: the file is there and cannot be read, is no such file, or others than its owner may write to it.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(path, AppKey, _WORDING, clock)

    def create(self, name: str, tenant: str, role: str = MEMBER, **limits: int | None) -> str:
        """Add a key and return its token, which is kept nowhere.

        Args:
            name: what the key is for.
            tenant: whose documents and sessions it reaches.
            role: `member`, `editor` or `service`.
            limits: those of `rules.NAMES` that differ from the settings.

        Raises:
            ValueError: a value cannot be.
            KeysUnusable: the file cannot be read or written.
        """
        return self._add(name=name, tenant=tenant, role=role, **limits)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `keys` and what it can do to the commands of the console script."""
    create = key_commands.add_parser(commands, _WORDING.setting)
    create.add_argument("--tenant", required=True, help="whose documents and sessions it reaches")
    create.add_argument(
        "--role",
        default=MEMBER,
        choices=ROLES,
        help="an editor may change documents; a service may, too, and names the tenant of each request; default member",
    )
    for name in NAMES:
        create.add_argument(
            f"--{name.replace('_', '-')}", type=int, metavar="N", help="0 is none; default: the setting"
        )


def run(args: argparse.Namespace, path: Path | None) -> int:
    """Do what `keys` was asked to do with the file at `path`; returns 0.

    Raises:
        InvalidSetting: no file is set, or an argument cannot be.
        KeysUnusable: the file cannot be used, or there is no such key.
    """
    if path is None:
        raise InvalidSetting(_WORDING.setting, "", "set it to the path of the file; it is made if it is missing")
    ring = KeyRing(path)

    def create() -> str:
        try:
            return ring.create(args.name, args.tenant, args.role, **{name: getattr(args, name) for name in NAMES})
        except ValueError as exc:
            raise InvalidSetting("arguments", args.name, str(exc)) from exc

    key_commands.run(args, ring, create)
    return 0
