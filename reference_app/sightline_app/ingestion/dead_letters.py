"""What was given up, and what an operator does with it: `sightline-app dead-letters list|show|replay|drop`.

There are two kinds, and one list of them:

* documents that failed: in the folder of uploads, with original and error;
* messages of Kafka that are no document: in `dead_letters/` of the data folder, one file each, named by topic,
  partition and offset, so that the same message read twice is one letter. They are on the disk before their offset is
  committed.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sightline_app.errors import CorpusError
from sightline_app.ingestion.document import Document, State
from sightline_app.ingestion.folder import UploadFolder
from sightline_app.ingestion.queue import again

_ID = re.compile(r"[A-Za-z0-9._-]{1,320}")
_log = logging.getLogger("sightline.app")


@dataclass(frozen=True)
class Message:
    """A message of Kafka that is no document."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    error: str
    """Why it is no document."""
    received: float
    """Seconds since 1970."""

    @property
    def id(self) -> str:
        """Name of the letter."""
        return f"{self.topic}-{self.partition}-{self.offset}"

    @property
    def source(self) -> str:
        """Where it stands."""
        return f"kafka:{self.topic}/{self.partition}/{self.offset}"

    def as_json(self) -> str:
        """Return it as its file holds it."""
        kept = {**asdict(self), "key": _text(self.key), "value": _text(self.value)}
        kept["headers"] = [[name, _text(value)] for name, value in self.headers]
        return json.dumps(kept)

    @classmethod
    def from_json(cls, text: str) -> Message:
        """Read what `as_json` wrote.

        Raises:
            ValueError: it is something else.
        """
        try:
            kept: dict[str, Any] = json.loads(text)
            headers = [(str(name), _bytes(value)) for name, value in kept["headers"]]
            return cls(**{**kept, "key": _bytes(kept["key"]), "value": _bytes(kept["value"]), "headers": headers})
        except (TypeError, KeyError, binascii.Error) as exc:
            raise ValueError(f"this is no dead letter: {exc!r}") from exc


@dataclass(frozen=True)
class Letter:
    """A line of the list."""

    id: str
    source: str
    """`upload`, or where in Kafka it stands."""
    tenant: str
    name: str
    error: str
    attempts: int
    what: Document | Message


class DeadLetters:
    """All dead letters of a data folder.

    Args:
        data_dir: the app's data folder.
    """

    def __init__(self, data_dir: Path) -> None:
        self._documents = UploadFolder(data_dir)
        self._folder = data_dir / "dead_letters"

    def keep(self, message: Message) -> None:
        """Keep a message; it is on the disk when this returns.

        Raises:
            OSError: the disk does not take it.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        draft = self._folder / f".{message.id}.{os.getpid()}"
        with draft.open("w", encoding="utf-8") as file:
            file.write(message.as_json())
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path(message.id))
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def all(self) -> list[Letter]:
        """Return all of them: documents first, then messages, each by id."""
        documents = [
            Letter(each.id, each.source or "upload", each.tenant, each.name, each.error, each.attempts, each)
            for each in self._documents.failed()
        ]
        return documents + [
            Letter(each.id, each.source, "", (each.key or b"").decode("utf-8", "replace"), each.error, 1, each)
            for each in self._messages()
        ]

    def find(self, wanted: str) -> list[Letter]:
        """Return the letters with an id: several tenants never share a document, so at most one.

        Raises:
            CorpusError: there is none.
        """
        found = [each for each in self.all() if each.id == wanted]
        if not found:
            raise CorpusError(f"there is no dead letter {wanted!r}; `sightline-app dead-letters list` shows them all")
        return found

    def original(self, letter: Letter) -> bytes:
        """Return the bytes that were given up."""
        if isinstance(letter.what, Document):
            return self._documents.original(letter.what)
        return letter.what.value or b""

    def replay(self, document: Document) -> None:
        """Let a failed document be tried as if it had just been sent; the app or its workers see it within a second."""
        self._documents.update(again(document))
        self._documents.mark_pending(document)

    def drop(self, letter: Letter) -> None:
        """Forget a letter; a document is deleted, as its owner could."""
        if isinstance(letter.what, Message):
            self._path(letter.id).unlink(missing_ok=True)
        else:
            self._documents.mark_deleted(replace(letter.what, state=State.DELETING))

    def _messages(self) -> Iterator[Message]:
        for path in sorted(self._folder.glob("*.json")) if self._folder.is_dir() else ():
            try:
                yield Message.from_json(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as exc:
                _log.error("%s is left out: %s", path, exc)

    def _path(self, letter_id: str) -> Path:
        assert _ID.fullmatch(letter_id)  # names of topics have these signs only
        return self._folder / f"{letter_id}.json"


def _text(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text, validate=True)
