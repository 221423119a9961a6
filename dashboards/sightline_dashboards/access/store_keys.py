"""The file of SIGHTLINE_STORE_KEYS_FILE: which key of the store belongs to which limits.

::

    [[keys]]
    tenant = "acme"
    key = "sls_..."              # sightline-store key create --name acme --role reader --tenant acme

    [[keys]]
    content = false              # of all tenants, without prompts and answers
    key = "sls_..."

A ClickHouse server has users with passwords: `user` names one, `key` is the password. Who has no limits uses
SIGHTLINE_STORE_USER and SIGHTLINE_STORE_PASSWORD. Limits without a key of their own get none at all.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sightline_dashboards.access.errors import AccessInvalid, NotAllowed
from sightline_dashboards.access.toml_file import TomlFile, entries, typed
from sightline_store.client import Client
from sightline_store.settings import StoreSettings

SETTING = "SIGHTLINE_STORE_KEYS_FILE"
_KEYS = frozenset({"tenant", "content", "key", "user"})


@dataclass(frozen=True)
class Limits:
    """What of the store somebody sees: one tenant or all ('' as tenant), with content or without."""

    tenant: str = ""
    content: bool = True

    def __str__(self) -> str:
        """In words, for a message."""
        return f"{f'tenant {self.tenant!r}' if self.tenant else 'all tenants'}{'' if self.content else ', no content'}"


class Stores:
    """The store as somebody with some limits sees it: one client for all who have the same."""

    def __init__(self, settings: StoreSettings, keys_file: Path | None) -> None:
        """Read the file; the clients connect when they are first used.

        Args:
            settings: of the store, with the key of those who have no limits.
            keys_file: the file of the others' keys; None where there are none.

        Raises:
            AccessInvalid: the file cannot be used.
        """
        self._settings = settings
        self._file = None if keys_file is None else TomlFile(SETTING, keys_file, read, secret=True)
        self._lock = threading.Lock()
        self._clients: dict[StoreSettings, Client] = {}

    def client(self, limits: Limits) -> Client:
        """The client of those with these limits.

        Raises:
            NotAllowed: there is no key with these limits; nobody gets another one.
        """
        settings = self._of(limits)
        with self._lock:
            if settings not in self._clients:
                self._clients[settings] = Client(settings, sees_content=limits.content)
            return self._clients[settings]

    def close(self) -> None:
        """Close all clients."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    def _of(self, limits: Limits) -> StoreSettings:
        if limits == Limits():
            return self._settings
        try:
            keys: Mapping[Limits, tuple[str, str]] = {} if self._file is None else self._file.get()
        except AccessInvalid as exc:
            raise NotAllowed(f"the keys of the store cannot be read: {exc}") from exc
        if limits not in keys:
            raise NotAllowed(f"{SETTING} has no key of the store for {limits}: whoever runs this server can add one")
        user, key = keys[limits]
        return replace(self._settings, user=user, password=key)


def read(document: dict[str, Any]) -> dict[Limits, tuple[str, str]]:
    """Limits to user and key.

    Raises:
        ValueError: an entry cannot be; the message says which, and no key.
    """
    found: dict[Limits, tuple[str, str]] = {}
    for number, entry in enumerate(entries(document, "keys", _KEYS), 1):
        limits = Limits(typed(entry, "tenant", ""), typed(entry, "content", True))
        if not isinstance(entry.get("key"), str) or not entry["key"]:
            raise ValueError(f"entry {number} of [[keys]] needs a `key`")
        if limits == Limits():
            raise ValueError(f"entry {number} of [[keys]] needs a `tenant`, or `content = false`")
        if limits in found:
            raise ValueError(f"entry {number} of [[keys]] is the second for {limits}")
        found[limits] = typed(entry, "user", "default"), entry["key"]
    return found
