"""A file of hashed API keys, for every role that asks its callers for one.

A key is written `<prefix>_<id>_<secret>`: the id, 8 hex digits, identifies it and may be shown; the secret is 256
random bits in 43 URL-safe characters and is shown once. The file holds the SHA-256 of the whole token. A slow hash such
as scrypt makes guessing a password expensive; 256 random bits cannot be guessed at any speed, so a fast hash is right
for a check in every request.

The file is JSON, readable by its owner only, and replaced as a whole: written beside, fsynced, renamed. A running
process checks at most once a second whether it was replaced: a new key is valid, and a revoked one invalid, within a
second. A file that is missing or cannot be read never gives access. What root writes belongs to the owner of the file
before, or of its folder.

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
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, TypeVar

_REFRESH_INTERVAL_S = 1.0
_VERSION = 1
_SECRET_BYTES = 32
_ID = re.compile(r"[0-9a-f]{8}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]{0,126}[^\s\x00-\x1f\x7f])?")


@dataclass(frozen=True, kw_only=True)
class HashedKey:
    """A key without its secret."""

    id: str
    """8 hex digits; part of the token, and no secret."""
    name: str
    """What the key is for, 1 to 128 characters."""
    digest: str
    """SHA-256 of the token, hex."""
    created: str
    """UTC, ISO 8601."""
    revoked: str | None = None
    """UTC, ISO 8601; None while the key is valid."""

    def __post_init__(self) -> None:
        """Refuse an invalid key, from a command or from a file."""
        if not _ID.fullmatch(self.id) or not _DIGEST.fullmatch(self.digest):
            raise ValueError("a key needs an id of 8 and a digest of 64 hex digits")
        check_label("name", self.name)


KeyT = TypeVar("KeyT", bound=HashedKey)


def check_label(what: str, text: str) -> None:
    """Refuse a text that cannot stand in a list of keys.

    Raises:
        ValueError: it is empty, too long, not printable or has blanks at its ends.
    """
    if not _NAME.fullmatch(text):
        raise ValueError(f"{what} needs 1 to 128 printable characters, no blanks at its ends")


@dataclass(frozen=True, kw_only=True)
class Wording:
    """Names that the messages about a file of keys use, and its owner's error and log."""

    prefix: str
    """Prefix of its tokens, without the underscore."""
    error: type[Exception]
    """Raised where the file cannot be used; takes a sentence."""
    log: logging.Logger
    """Receives changes of the file."""
    list_command: str
    """The command that shows the keys."""
    setting: str = ""
    """The setting that holds the path of the file; '' if there is none."""


class KeyFile(Generic[KeyT]):
    """The keys of a file. Thread-safe; a missing file holds no key."""

    def __init__(
        self, path: Path, key_type: type[KeyT], wording: Wording, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Read the file.

        Args:
            path: the file; its folder is made with the first key.
            key_type: type of the file's entries.
            wording: names and errors of its owner.
            clock: monotonic seconds.

        Raises:
            wording.error: the file cannot be read, is no file of keys, or others than its owner may write to it.
        """
        self.path = path
        self.key_type = key_type
        self._wording = wording
        self._called = f"{wording.setting}={path}" if wording.setting else str(path)
        self._token = re.compile(rf"{wording.prefix}_({_ID.pattern})_[A-Za-z0-9_-]{{43}}")
        self._clock = clock
        self._lock = threading.Lock()
        self._known_signature = self._signature()
        self._keys = self._read()
        self._refreshed_s = clock()

    def __len__(self) -> int:
        """The number of keys ever created, with the revoked ones."""
        self._refresh()
        return len(self._keys)

    def __iter__(self) -> Iterator[KeyT]:
        """All keys, the oldest first."""
        self._refresh()
        return iter(sorted(self._keys.values(), key=lambda key: (key.created, key.id)))

    def find(self, token: str) -> KeyT | None:
        """The key of a token; None if the token is unknown, wrong or revoked.

        The comparison takes the same time for every wrong secret; the id is no secret.
        """
        self._refresh()
        match = self._token.fullmatch(token)
        key = self._keys.get(match[1]) if match else None
        digest = _digest(token)
        if not hmac.compare_digest(digest, key.digest if key else "0" * len(digest)):
            return None
        return key if key and key.revoked is None else None

    def revoke(self, key_id: str) -> KeyT:
        """Revoke a key; a key that is revoked already stays unchanged.

        Raises:
            wording.error: there is no such key, or the file cannot be read or written.
        """
        with self._locked():
            key = self._keys.get(key_id)
            if key is None:
                raise self._wording.error(
                    f"{self.path} holds no key {key_id[:16]!r}; see `{self._wording.list_command}`"
                )
            if key.revoked is None:
                key = dataclasses.replace(key, revoked=_now())
                self._write(key)
        return key

    def _add(self, **fields: Any) -> str:
        """Add a key with the fields of its type and return its token, which is stored nowhere.

        Raises:
            ValueError: a field is invalid.
            wording.error: the file cannot be read or written.
        """
        with self._locked():
            key_id = secrets.token_hex(4)
            while key_id in self._keys:
                key_id = secrets.token_hex(4)
            token = f"{self._wording.prefix}_{key_id}_{secrets.token_urlsafe(_SECRET_BYTES)}"
            self._write(self.key_type(id=key_id, digest=_digest(token), created=_now(), **fields))
        return token

    def _refresh(self) -> None:
        """Read the file again after it was replaced; if it cannot be read, the known keys stay."""
        if self._clock() - self._refreshed_s < _REFRESH_INTERVAL_S:
            return
        with self._lock:
            if self._clock() - self._refreshed_s < _REFRESH_INTERVAL_S:
                return
            self._refreshed_s = self._clock()
            signature = self._signature()
            if signature == self._known_signature:
                return
            self._known_signature = signature
            log = self._wording.log
            if signature is None:
                self._revoke_all()
                log.warning("%s is missing: no key is valid until it is back", self.path)
                return
            try:
                self._keys = self._read()
            except self._wording.error as exc:
                if isinstance(exc.__cause__, OSError):
                    self._revoke_all()
                    log.error("%s: no key is valid until this process can read it", exc)  # noqa: TRY400
                else:
                    log.warning("%s; the keys read before stay valid", exc)
            else:
                log.info("%d keys read from %s", len(self._keys), self.path)

    def _revoke_all(self) -> None:
        """Without its file no key gives access: they count as revoked, and `len` stays above 0."""
        self._keys = {key.id: dataclasses.replace(key, revoked=_now()) for key in self._keys.values()}

    def _signature(self) -> tuple[int, int, int] | None:
        """Changes when the file is replaced, and when its owner or mode changes."""
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_ctime_ns, status.st_size

    def _read(self) -> dict[str, KeyT]:
        error = self._wording.error
        try:
            with self.path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                content = file.read()
        except FileNotFoundError:
            return {}
        except OSError as exc:
            advice = f" (it must belong to user {os.geteuid()})" if isinstance(exc, PermissionError) else ""
            raise error(f"cannot read {self._called}: {exc.strerror}{advice}") from exc
        if mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise error(
                f"others may write {self._called} (mode {stat.S_IMODE(mode):o}): "
                f"check its keys, then `chmod 600 {self.path}`"
            )
        try:
            keys = [self.key_type(**fields) for fields in _entries(content)]
        except (ValueError, TypeError, KeyError) as exc:
            raise error(f"{self._called} is no file of keys: {exc}") from None
        return {key.id: key for key in keys}

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Admit one writer at a time, after it has read the file again."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = _open_lock(self.path)
        except OSError as exc:
            raise self._wording.error(f"cannot write {self._called}: {exc.strerror}") from exc
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with self._lock:
                self._keys = self._read()
                yield
        finally:
            os.close(lock)

    def _write(self, key: KeyT) -> None:
        keys = self._keys | {key.id: key}
        document = {"version": _VERSION, "keys": [dataclasses.asdict(entry) for entry in keys.values()]}
        try:
            _replace(self.path, json.dumps(document, indent=1) + "\n")
        except OSError as exc:
            raise self._wording.error(f"cannot write {self._called}: {exc.strerror}") from exc
        self._keys, self._known_signature = keys, self._signature()


def aligned(rows: Iterable[Sequence[str]]) -> str:
    """Lines of a table whose columns are aligned; the first row is the head."""
    rows = list(rows)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "".join(f"{line}\n" for line in lines)


def _open_lock(path: Path) -> int:
    """Open the file that admits one writer; a new one belongs to whoever owns the keys.

    Root gives away only what it has just made, and follows no link: the folder's owner could place one that leads to a
    file of root's.
    """
    name, flags = path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        lock = os.open(name, flags | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return os.open(name, flags)
    _give(lock, path)
    return lock


def _give(descriptor: int, path: Path) -> None:
    """Where root writes, give a file to the owner of the file at `path`, else of its folder: that user reads it."""
    if os.geteuid() == 0:
        like = path.stat() if path.is_file() else path.parent.stat()
        os.fchown(descriptor, like.st_uid, like.st_gid)


def _replace(path: Path, content: str) -> None:
    """Replace a file durably by one that only its owner can read."""
    fd, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # makes it with mode 600
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            _give(file.fileno(), path)
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _entries(content: bytes) -> list[dict[str, Any]]:
    document: dict[str, Any] = json.loads(content)
    if document["version"] != _VERSION:
        raise ValueError(f"its version is {document['version']!r}, not {_VERSION}")
    entries: list[dict[str, Any]] = document["keys"]
    return entries


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
