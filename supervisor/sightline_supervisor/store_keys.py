"""Two keys of the embedded store, made once per data folder: one for who writes, one for who only reads.

The store's own command makes them. Their files stand in a folder of their own, 0700 and 0600, so that a second terminal
can read what it needs: `export SIGHTLINE_STORE_PASSWORD=$(cat .sightline/keys/reader.key)`. The store's process can
neither open that folder nor write the one with the keys' hashes. A key that was revoked with `sightline-store key
revoke` is replaced at the next start.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sightline_roles import store_access
from sightline_supervisor.errors import StepFailed
from sightline_supervisor.process import describe_exit, find_command
from sightline_supervisor.settings import SupervisorSettings

_COMMAND = "sightline-store"
_ROLES = ("admin", "reader")  # the store takes an admin's first
_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class StoreKeys:
    """What a role is given, by what it does; empty where the user's own settings are passed on."""

    admin: Mapping[str, str] = field(default_factory=dict)
    """For who writes: the collector, migrations, the reference application's own tables."""
    reader: Mapping[str, str] = field(default_factory=dict)
    """For who only reads: dashboards, evals, questions."""
    renewed: tuple[Path, ...] = field(default=(), compare=False)
    """Files whose keys no longer held, so that new ones were made."""


NO_KEYS = StoreKeys()


def key_file(settings: SupervisorSettings, role: str) -> Path:
    """Return where the key of a role (`admin` or `reader`) is kept."""
    return store_access.plain_key_file(settings.data_dir, role)


def is_ours(settings: SupervisorSettings, environ: Mapping[str, str]) -> bool:
    """Say whether the keys are made here: not for a store at a URL, nor where the user gave a password."""
    return settings.store_url is None and not environ.get("SIGHTLINE_STORE_PASSWORD", "").strip()


async def store_keys(settings: SupervisorSettings, environ: Mapping[str, str]) -> StoreKeys:
    """Return the keys of the data folder; what is missing is made. Call while this supervisor owns the folder.

    Raises:
        StepFailed: the store's command did not make one.
        RoleMissing: the store's command is not installed.
    """
    if not is_ours(settings, environ):
        return NO_KEYS
    _move_old(settings)
    given, renewed = {}, []
    for role in _ROLES:
        file, hashes = key_file(settings, role), _hashes(settings)
        key = file.read_text().strip() if hashes.exists() and file.exists() else ""  # else they are another folder's
        if key and not _holds(key, hashes):
            key = ""
            renewed.append(file)
        if not key:
            key = await _create(settings, role, environ)
            _write(file, key)
        given[role] = {"SIGHTLINE_STORE_USER": "default", "SIGHTLINE_STORE_PASSWORD": key}
    return StoreKeys(**given, renewed=tuple(renewed))


def _hashes(settings: SupervisorSettings) -> Path:
    """The store's file of hashed keys; in its data folder until a store of this version has started once."""
    store = settings.folder("store")
    access = store_access.access_folder(store)
    return (access if access.is_dir() else store) / store_access.KEYS_FILE


def _move_old(settings: SupervisorSettings) -> None:
    """Make the folder of the keys, and move there what an earlier version kept in the store's."""
    folder = key_file(settings, _ROLES[0]).parent
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    for role in _ROLES:
        old, file = settings.folder("store") / f"{role}.key", key_file(settings, role)
        if not old.exists():
            continue
        if file.exists():
            old.unlink()
        else:
            _write(file, old.read_text().strip())
            old.unlink()


def _holds(key: str, hashes: Path) -> bool:
    """Say whether a key is known and was not revoked; a file that cannot be read is for the store to complain of."""
    digest = hashlib.sha256(key.encode()).hexdigest()
    try:
        known = json.loads(hashes.read_text())["keys"]
        return any(entry["digest"] == digest and not entry.get("revoked") for entry in known)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return True


async def _create(settings: SupervisorSettings, role: str, environ: Mapping[str, str]) -> str:
    process = await asyncio.create_subprocess_exec(
        find_command(_COMMAND, "embedded"),
        *("key", "create", "--name", f"sightline-{role}", "--role", role),
        env={**environ, "SIGHTLINE_STORE_DATA_DIR": str(settings.folder("store"))},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), _TIMEOUT_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    key = out.decode().strip()
    if process.returncode or not key:
        exit_text = describe_exit(process.returncode or 0)
        raise StepFailed(
            f"{_COMMAND} key create", exit_text, settings.folder("store"), err.decode(errors="replace").strip()
        )
    return key


def _write(file: Path, key: str) -> None:
    """Keep a key; nobody but its owner can read it, at no moment."""
    beside = file.with_suffix(".new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(f"{key}\n")
        out.flush()
        os.fsync(out.fileno())
    beside.replace(file)
