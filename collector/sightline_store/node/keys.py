"""Keys of the embedded node: a file in its data folder that holds their hashes.

A key reads `sls_<id>_<secret>`: the id, 8 hex digits, finds it and may be shown; the secret is 256 random bits in 43
URL-safe characters and is shown once. The file keeps the SHA-256 of the whole token. A slow hash makes guessing a
password dear; 256 random bits cannot be guessed at any speed, so a fast one is right, once a request.

The file is JSON, readable by its owner only, and replaced as a whole: written beside, fsynced, renamed. A running node
looks at most once a second whether it was replaced. A file that goes away or cannot be read closes, it never opens.

Source: https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html (hashing is for secrets of low
entropy).
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import hmac
import json
import logging
import os
import re
import secrets
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sightline_store.errors import StoreError
from sightline_store.node.roles import Role

FILE_NAME = "access_keys.json"
"""Of the file, in the node's data folder."""

READER_FILE_NAME = "reader.key"
"""Where `sightline up` keeps a reader's key, in the node's data folder; an admin's is beside it."""

_log = logging.getLogger("sightline.store")
_LOOK_EVERY_S = 1.0
_VERSION = 1
_TOKEN = re.compile(r"sls_([0-9a-f]{8})_[A-Za-z0-9_-]{43}")
_NAME = re.compile(r"[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]{0,126}[^\s\x00-\x1f\x7f])?")


@dataclass(frozen=True, kw_only=True)
class Key:
    """What is known of a key; its secret is not."""

    id: str
    """8 hex digits; part of the token, and no secret."""
    name: str
    """What the key is for, 1 to 128 characters."""
    role: str
    """`reader` or `admin`."""
    digest: str
    """SHA-256 of the token, hex."""
    created: str
    """UTC, ISO 8601."""
    revoked: str | None = None
    """UTC, ISO 8601; None while the key holds."""

    def __post_init__(self) -> None:
        """Refuse what no key can be, whether from a command or from a file."""
        if not re.fullmatch(r"[0-9a-f]{8}", self.id) or not re.fullmatch(r"[0-9a-f]{64}", self.digest):
            raise ValueError("a key needs an id of 8 and a digest of 64 hex digits")
        if not _NAME.fullmatch(self.name):
            raise ValueError("name needs 1 to 128 printable characters, no blanks at its ends")
        if self.role not in {role.value for role in Role}:
            raise ValueError(f"role is {self.role!r}; needs {' or '.join(role.value for role in Role)}")


class KeyRing:
    """The keys of a data folder. Any thread may ask; a file that is not there is a ring without keys."""

    def __init__(self, data_dir: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Read the file.

        Args:
            data_dir: the node's folder; it is made with the first key.
            clock: seconds that never go back.

        Raises:
            StoreError: the file is there and cannot be read, is no such file, or others may write to it.
        """
        self.path = data_dir / FILE_NAME
        self._clock = clock
        self._lock = threading.Lock()
        self._seen = self._signature()
        self._keys = self._read()
        self._looked_s = clock()

    def __len__(self) -> int:
        """Keys that were ever created, the revoked among them."""
        self._look()
        return len(self._keys)

    def __iter__(self) -> Iterator[Key]:
        """Every key, the oldest first."""
        self._look()
        return iter(sorted(self._keys.values(), key=lambda key: (key.created, key.id)))

    def find(self, token: str) -> Key | None:
        """The key that a token opens; None where it is unknown, wrong or revoked.

        The comparison takes the same time whatever is wrong with the secret; the id is no secret.
        """
        self._look()
        found = _TOKEN.fullmatch(token)
        key = self._keys.get(found[1]) if found else None
        digest = _digest(token)
        if not hmac.compare_digest(digest, key.digest if key else "0" * len(digest)):
            return None
        return key if key and key.revoked is None else None

    def create(self, name: str, role: Role) -> str:
        """Add a key and return its token, which is kept nowhere.

        Raises:
            ValueError: the name cannot be.
            StoreError: the file cannot be read or written.
        """
        with self._locked():
            key_id = secrets.token_hex(4)
            while key_id in self._keys:
                key_id = secrets.token_hex(4)
            token = f"sls_{key_id}_{secrets.token_urlsafe(32)}"
            self._write(Key(id=key_id, name=name, role=role.value, digest=_digest(token), created=_now()))
        return token

    def revoke(self, key_id: str) -> Key:
        """End a key; one that was revoked before stays as it was.

        Raises:
            StoreError: there is no such key, or the file cannot be read or written.
        """
        with self._locked():
            key = self._keys.get(key_id)
            if key is None:
                raise StoreError(f"{self.path} holds no key {key_id[:16]!r}; see `sightline-store key list`")
            if key.revoked is None:
                key = dataclasses.replace(key, revoked=_now())
                self._write(key)
        return key

    def _look(self) -> None:
        """Read the file again when it was replaced; what cannot be read leaves the keys that were known."""
        if self._clock() - self._looked_s < _LOOK_EVERY_S:
            return
        with self._lock:
            if self._clock() - self._looked_s < _LOOK_EVERY_S:
                return
            self._looked_s = self._clock()
            signature = self._signature()
            if signature == self._seen:
                return
            self._seen = signature
            if signature is None:
                self._keys = {key.id: dataclasses.replace(key, revoked=_now()) for key in self._keys.values()}
                _log.warning("%s is gone: no key holds until it is back", self.path)
                return
            try:
                self._keys = self._read()
            except StoreError as exc:
                _log.warning("%s; the keys known so far go on", exc)
            else:
                _log.info("%d keys read from %s", len(self._keys), self.path)

    def _signature(self) -> tuple[int, int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _read(self) -> dict[str, Key]:
        try:
            with self.path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                content = file.read()
        except FileNotFoundError:
            return {}
        except OSError as exc:
            raise StoreError(f"cannot read {self.path}: {exc.strerror}") from exc
        if mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise StoreError(
                f"others may write {self.path} (mode {stat.S_IMODE(mode):o}): check its keys, "
                f"then `chmod 600 {self.path}`"
            )
        try:
            keys = _parse(json.loads(content))
        except (ValueError, TypeError, KeyError) as exc:
            raise StoreError(f"{self.path} is no file of keys: {exc}") from None
        return {key.id: key for key in keys}

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time, and none that has not read what the last one wrote."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.path.with_name(f".{self.path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise StoreError(f"cannot write {self.path}: {exc.strerror}") from exc
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with self._lock:
                self._keys = self._read()
                yield
        finally:
            os.close(lock)

    def _write(self, key: Key) -> None:
        keys = self._keys | {key.id: key}
        content = json.dumps(
            {"version": _VERSION, "keys": [dataclasses.asdict(one) for one in keys.values()]}, indent=1
        )
        try:
            # mkstemp makes the file readable and writable by its owner only.
            fd, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
            try:
                with os.fdopen(fd, "w", encoding="utf-8") as file:
                    file.write(content + "\n")
                    file.flush()
                    os.fsync(file.fileno())
                Path(name).replace(self.path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as exc:
            raise StoreError(f"cannot write {self.path}: {exc.strerror}") from exc
        self._keys, self._seen = keys, self._signature()


def create(data_dir: Path, name: str, role: Role) -> str:
    """`sightline-store key create`: a new key of the node at `data_dir`; returns its token, shown this once.

    The first key closes the node: from then on every statement needs one.

    Raises:
        ValueError: the name cannot be.
        StoreError: the file of keys cannot be read or written, or the first key would be a reader's, which would lock
            the writers out.
    """
    ring = KeyRing(data_dir)
    if role is not Role.ADMIN and not any(key.revoked is None and key.role == Role.ADMIN.value for key in ring):
        raise StoreError(
            "the node has no admin key, and with a reader's alone nobody could write: create one with role admin first"
        )
    return ring.create(name, role)


def table(data_dir: Path) -> str:
    """`sightline-store key list`: the keys as lines of text, never their secrets.

    Raises:
        StoreError: the file of keys cannot be read.
    """
    rows = [("ID", "NAME", "ROLE", "CREATED", "REVOKED")]
    rows += [(key.id, key.name, key.role, key.created, key.revoked or "-") for key in KeyRing(data_dir)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "".join(f"{line}\n" for line in lines)


def revoke(data_dir: Path, key_id: str) -> Key:
    """`sightline-store key revoke`: end a key; the running node follows within a second.

    Raises:
        StoreError: there is no such key, or the file of keys cannot be read or written.
    """
    return KeyRing(data_dir).revoke(key_id)


def _parse(document: Any) -> list[Key]:
    if document["version"] != _VERSION:
        raise ValueError(f"its version is {document['version']!r}, known is {_VERSION}")
    return [Key(**fields) for fields in document["keys"]]


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
