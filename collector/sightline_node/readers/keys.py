"""Keys of the embedded node: a file in its access folder, and the commands that create, list and revoke them.

A key reads `sls_<id>_<secret>`, has a role and, for a reader, limits; see `key_file` for what is kept of it and how.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sightline_node import access_folder
from sightline_node.readers.roles import Caller, Role
from sightline_roles import key_commands, store_access
from sightline_roles.key_file import HashedKey, KeyFile, Wording, check_label
from sightline_store.errors import StoreError

_WORDING = Wording(
    prefix="sls", error=StoreError, log=logging.getLogger("sightline.store"), list_command="sightline-store key list"
)


def reader_key_file(data_dir: Path) -> Path | None:
    """Where `sightline up` keeps a reader's key for this data folder, with an admin's beside it; None if it has none.

    It is in no folder that the node may open, though the node can see that it is there.
    """
    file = store_access.plain_key_file(data_dir.resolve().parent, Role.READER.value)
    return file if os.path.exists(file) else None  # noqa: PTH110  (Path.exists raises where the folder is closed)


def plain_keys_inside(data_dir: Path) -> list[Path]:
    """Keys in plain text in the data folder itself, where an earlier version of `sightline up` kept them."""
    return [file for role in (Role.ADMIN, Role.READER) if (file := data_dir / f"{role.value}.key").exists()]


@dataclass(frozen=True, kw_only=True)
class Key(HashedKey):
    """A key of the node, without its secret."""

    role: str
    """`reader` or `admin`."""
    tenant: str = ""
    """The only tenant whose rows it reads; '' is all."""
    content: bool = True
    """Whether it reads what people and models wrote."""

    def __post_init__(self) -> None:
        """Refuse an invalid key, from a command or from a file."""
        super().__post_init__()
        if self.role not in {role.value for role in Role}:
            raise ValueError(f"role is {self.role!r}; needs {' or '.join(role.value for role in Role)}")
        if self.role != Role.READER.value and (self.tenant != "" or self.content is not True):
            raise ValueError("only a reader's key can be limited to a tenant, or be without content")
        if self.tenant != "":
            check_label("tenant", self.tenant)

    @property
    def caller(self) -> Caller:
        """Who sends this key, and with which rights."""
        return Caller(Role(self.role), self.tenant, self.content)


class KeyRing(KeyFile[Key]):
    """The keys for a data folder."""

    def __init__(self, data_dir: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Read the file in the access folder, which is made with the first key.

        Raises:
            StoreError: the file is there and cannot be read, is no such file, or others may write to it.
        """
        super().__init__(access_folder.path(data_dir) / store_access.KEYS_FILE, Key, _WORDING, clock)

    def create(self, name: str, role: Role, *, tenant: str = "", content: bool = True) -> str:
        """Add a key and return its token, which is kept nowhere.

        Args:
            name: what it is for.
            role: what it allows.
            tenant: the only one whose rows a reader's key reads; '' is all.
            content: whether a reader's key reads what people and models wrote.

        Raises:
            ValueError: the name or the tenant cannot be, or an admin's key is limited.
            StoreError: the file cannot be read or written.
        """
        return self._add(name=name, role=role.value, tenant=tenant, content=content)


def create(data_dir: Path, name: str, role: Role, *, tenant: str = "", content: bool = True) -> str:
    """`sightline-store key create`: a new key of the node at `data_dir`; returns its token, shown this once.

    The first key closes the node: from then on every statement needs one. The rest is as for `KeyRing.create`.

    Raises:
        ValueError: the name or the tenant cannot be, or an admin's key is limited.
        StoreError: the file of keys cannot be read or written, or the first key would be a reader's, which would lock
            the writers out.
    """
    access_folder.prepare(data_dir)
    ring = KeyRing(data_dir)
    if role is not Role.ADMIN and not any(key.revoked is None and key.role == Role.ADMIN.value for key in ring):
        raise StoreError(
            "the node has no admin key, and with a reader's alone nobody could write: create one with role admin first"
        )
    token = ring.create(name, role, tenant=tenant, content=content)
    try:
        access_folder.set_keys_mark(data_dir)
    except OSError as exc:  # the token is shown this once: it must not be lost
        _WORDING.log.warning(
            "cannot mark %s (%s): until the node starts again, a copy without its access folder would be open",
            data_dir,
            exc.strerror,
        )
    return token


def table(data_dir: Path) -> str:
    """`sightline-store key list`: the keys as lines of text, never their secrets.

    Raises:
        StoreError: the file of keys cannot be read.
    """
    access_folder.prepare(data_dir)
    return key_commands.table(KeyRing(data_dir))


def revoke(data_dir: Path, key_id: str) -> Key:
    """`sightline-store key revoke`: end a key; the running node follows within a second.

    Raises:
        StoreError: there is no such key, or the file of keys cannot be read or written.
    """
    access_folder.prepare(data_dir)
    return KeyRing(data_dir).revoke(key_id)
