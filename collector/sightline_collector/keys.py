"""API keys: a file that holds their hashes, and the commands that create, list and revoke them.

A key reads `sl_<id>_<secret>`: the id, 8 hex digits, finds it and may be shown; the secret is 256 random bits in 43
URL-safe characters and is shown once. The file keeps the SHA-256 of the whole token. A slow hash such as scrypt makes
guessing a password dear; 256 random bits cannot be guessed at any speed, so a fast one is right, once a request.

The file is JSON, readable by its owner only, and replaced as a whole: written beside, fsynced, renamed. A running
collector looks at most once a second whether it was replaced: a key holds, or no longer holds, within a second.

Source: https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html (hashing is for secrets of low
entropy).
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import fcntl
import hashlib
import hmac
import json
import logging
import math
import os
import re
import secrets
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sightline_collector.errors import KeysUnusable

_log = logging.getLogger("sightline.collector")
_LOOK_EVERY_S = 1.0
_VERSION = 1
_TOKEN = re.compile(r"sl_([0-9a-f]{8})_[A-Za-z0-9_-]{43}")
_NAME = re.compile(r"[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]{0,126}[^\s\x00-\x1f\x7f])?")
_BURST_S = 5.0
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, kw_only=True)
class Key:
    """What is known of an API key; its secret is not."""

    id: str
    """8 hex digits; part of the token, and no secret."""
    name: str
    """What the key is for, 1 to 128 characters."""
    tenant: str
    """Stamped on everything that is sent with the key, 1 to 128 characters."""
    digest: str
    """SHA-256 of the token, hex."""
    created: str
    """UTC, ISO 8601."""
    rate_spans_per_s: float = 0.0
    """Spans, log records or data points a second in the long run; 0 is no limit."""
    burst_spans: float = 0.0
    """How many may come at once after a rest; 0 only without a rate."""
    revoked: str | None = None
    """UTC, ISO 8601; None while the key holds."""

    def __post_init__(self) -> None:
        """Refuse what no key can be, whether from a command or from a file."""
        if not re.fullmatch(r"[0-9a-f]{8}", self.id) or not re.fullmatch(r"[0-9a-f]{64}", self.digest):
            raise ValueError("a key needs an id of 8 and a digest of 64 hex digits")
        for what in ("name", "tenant"):
            if not _NAME.fullmatch(getattr(self, what)):
                raise ValueError(f"{what} needs 1 to 128 printable characters, no blanks at its ends")
        for what in ("rate_spans_per_s", "burst_spans"):
            value = getattr(self, what)
            if not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
                raise ValueError(f"{what.partition('_')[0]} is {value!r}; needs a number, 0 or more")
        if bool(self.rate_spans_per_s) != bool(self.burst_spans):
            raise ValueError("a burst goes with a rate: neither is 0 without the other")


class KeyRing:
    """The keys of a file. Any thread may ask; a file that is not there is a ring without keys."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Read the file.

        Args:
            path: the file; its folder is made with the first key.
            clock: seconds that never go back.

        Raises:
            KeysUnusable: it is there and cannot be read, is no such file, or others than its owner may write to it.
        """
        self.path = path
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

    def create(self, name: str, tenant: str, rate_spans_per_s: float = 0.0, burst_spans: float = 0.0) -> str:
        """Add a key and return its token, which is kept nowhere.

        Args:
            name: what the key is for.
            tenant: stamped on what is sent with it.
            rate_spans_per_s: limit in the long run; 0 is none.
            burst_spans: how many may come at once; 0 is 5 s of the rate, since an SDK sends every 5 s.

        Raises:
            ValueError: a value cannot be.
            KeysUnusable: the file cannot be read or written.
        """
        with self._locked():
            key_id = secrets.token_hex(4)
            while key_id in self._keys:
                key_id = secrets.token_hex(4)
            token = f"sl_{key_id}_{secrets.token_urlsafe(32)}"
            self._write(
                Key(
                    id=key_id,
                    name=name,
                    tenant=tenant,
                    digest=_digest(token),
                    created=_now(),
                    rate_spans_per_s=rate_spans_per_s,
                    burst_spans=burst_spans or rate_spans_per_s * _BURST_S,
                )
            )
        return token

    def revoke(self, key_id: str) -> Key:
        """End a key; one that was revoked before stays as it was.

        Raises:
            KeysUnusable: there is no such key, or the file cannot be read or written.
        """
        with self._locked():
            key = self._keys.get(key_id)
            if key is None:
                raise KeysUnusable(f"{self.path} holds no key {key_id[:16]!r}; see `keys list`")
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
                # Not a way to open what was closed: the keys end, and the ring keeps their number.
                self._keys = {key.id: dataclasses.replace(key, revoked=_now()) for key in self._keys.values()}
                _log.warning("%s is gone: no API key holds until it is back", self.path)
                return
            try:
                self._keys = self._read()
            except KeysUnusable as exc:
                _log.warning("%s; the API keys known so far go on", exc)
            else:
                _log.info("%d API keys read from %s", len(self._keys), self.path)

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
            raise KeysUnusable(f"cannot read SIGHTLINE_COLLECTOR_KEYS_FILE={self.path}: {exc.strerror}") from exc
        if mode & _OTHERS_MAY_WRITE:
            raise KeysUnusable(
                f"others may write SIGHTLINE_COLLECTOR_KEYS_FILE={self.path} (mode {stat.S_IMODE(mode):o}): "
                f"check its keys, then `chmod 600 {self.path}`"
            )
        try:
            keys = _parse(content)
        except (ValueError, TypeError, KeyError) as exc:
            raise KeysUnusable(f"SIGHTLINE_COLLECTOR_KEYS_FILE={self.path} is no file of keys: {exc}") from None
        return {key.id: key for key in keys}

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time, and none that has not read what the last one wrote."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.path.with_name(f".{self.path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise KeysUnusable(f"cannot write SIGHTLINE_COLLECTOR_KEYS_FILE={self.path}: {exc.strerror}") from exc
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
            raise KeysUnusable(f"cannot write SIGHTLINE_COLLECTOR_KEYS_FILE={self.path}: {exc.strerror}") from exc
        self._keys, self._seen = keys, self._signature()


def _parse(content: bytes) -> list[Key]:
    document: dict[str, Any] = json.loads(content)
    if document["version"] != _VERSION:
        raise ValueError(f"its version is {document['version']!r}, known is {_VERSION}")
    return [Key(**fields) for fields in document["keys"]]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `keys` and what it can do to the commands of the console script."""
    parser = commands.add_parser(
        "keys", help="API keys of SIGHTLINE_COLLECTOR_KEYS_FILE", description="API keys; a running collector follows."
    )
    actions = parser.add_subparsers(dest="action", required=True)
    create = actions.add_parser("create", help="make a key and print it, once")
    create.add_argument("--name", required=True, help="what the key is for")
    create.add_argument("--tenant", required=True, help="stamped on everything that is sent with the key")
    create.add_argument("--rate", type=float, default=0.0, metavar="SPANS_PER_S", help="limit; default: none")
    create.add_argument("--burst", type=float, default=0.0, metavar="SPANS", help="at once; default: 5 s of the rate")
    actions.add_parser("list", help="show the keys, never their secrets")
    revoke = actions.add_parser("revoke", help="end a key")
    revoke.add_argument("id", help="its id, as `list` shows it")


def run(args: argparse.Namespace, path: Path) -> None:
    """Do what `keys` was asked to do with the file at `path`.

    Raises:
        ValueError: an argument cannot be.
        KeysUnusable: the file cannot be used, or there is no such key.
    """
    ring = KeyRing(path)
    if args.action == "create":
        token = ring.create(args.name, args.tenant, args.rate, args.burst)
        # The key alone on standard output, so that it can be piped into a secret store.
        sys.stderr.write(
            "The key is shown this once. Send it as `Authorization: Bearer KEY` or `x-api-key: KEY`, e.g.\n"
        )
        sys.stderr.write("OTEL_EXPORTER_OTLP_HEADERS=x-api-key=KEY\n")
        sys.stdout.write(f"{token}\n")
    elif args.action == "revoke":
        key = ring.revoke(args.id)
        sys.stdout.write(f"{key.id} {key.name}: revoked {key.revoked}\n")
    else:
        rows = [("ID", "NAME", "TENANT", "SPANS/S", "BURST", "CREATED", "REVOKED")]
        rows += [
            (
                key.id,
                key.name,
                key.tenant,
                f"{key.rate_spans_per_s:g}" if key.rate_spans_per_s else "-",
                f"{key.burst_spans:g}" if key.burst_spans else "-",
                key.created,
                key.revoked or "-",
            )
            for key in ring
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        for row in rows:
            line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            sys.stdout.write(f"{line.rstrip()}\n")


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
