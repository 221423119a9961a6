"""What is known of an uploaded document. Pure."""

from __future__ import annotations

import datetime
import enum
import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePath
from typing import Any, Final

from sightline_app import pdf
from sightline_app.documents import SUFFIXES, decode
from sightline_app.errors import RequestRefused

MEDIA_TYPES: Final[Mapping[str, str]] = {
    "text/markdown": "markdown",
    "text/x-markdown": "markdown",
    "text/html": "html",
    "application/xhtml+xml": "html",
    "text/plain": "text",
    "text/x-rst": "text",
    pdf.MEDIA_TYPE: "pdf",
}
"""Media types that are read, and how: as `documents.SUFFIXES`."""
MAX_NAME_CHARS: Final = 200
_NAMESPACE = uuid.UUID("b7b2f2c4-6a63-5c0e-9d5e-0d6c0f3a7c11")
_SAYS_NOTHING = {"application/octet-stream", "application/x-www-form-urlencoded"}
"""What clients send that do not know the type; the second one is curl's default."""
_USUAL = {"markdown": "text/markdown", "html": "text/html", "text": "text/plain", "pdf": pdf.MEDIA_TYPE}


class State(enum.StrEnum):
    """How far a document is."""

    QUEUED = "queued"
    """Its original is on the disk."""
    PARSING = "parsing"
    EMBEDDING = "embedding"
    """Passages are embedded, then written to the vector store."""
    STORED = "stored"
    """All of its passages are found."""
    FAILED = "failed"
    """It cannot be indexed as it is; `error` says why."""
    DELETING = "deleting"
    """Its passages are being removed."""

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing left to do."""
        return self in {State.STORED, State.FAILED}


@dataclass(frozen=True)
class Document:
    """An uploaded document of a tenant."""

    id: str
    """UUID derived from tenant and content: the same upload is the same document."""
    tenant: str
    name: str
    """As its sources show it."""
    media_type: str
    size_bytes: int
    """Of the original."""
    created: str
    """UTC, ISO 8601."""
    traceparent: str = ""
    """W3C trace context of the upload; the trace goes on after a restart."""
    state: State = State.QUEUED
    passages: int = 0
    """Passages that it was cut into; 0 until it is parsed."""
    embedded: int = 0
    """Of those, how many have a vector."""
    error: str = ""
    """Why it failed; of one that is not settled, why it waits."""
    attempts: int = 0
    """How often a worker began with it since it was sent, or replayed."""
    retry_at: float = 0.0
    """Seconds since 1970 before which it is not tried again; 0: now."""
    source: str = ""
    """Where it was read, such as `kafka:documents/0/17`; '' for an upload."""

    @property
    def kind(self) -> str:
        """How it is parsed: a value of `documents.SUFFIXES`."""
        return MEDIA_TYPES[self.media_type]

    @property
    def path(self) -> str:
        """Where its state is read."""
        return f"/v1/documents/{self.id}"

    def as_json(self) -> str:
        """Return it as the folder keeps it."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Document:
        """Read what `as_json` wrote.

        Raises:
            ValueError: it is something else.
        """
        try:
            kept = json.loads(text)
            return cls(**{**kept, "state": State(kept["state"])})
        except (TypeError, KeyError) as exc:
            raise ValueError(f"this is no record of a document: {exc!r}") from exc

    def told(self) -> dict[str, Any]:
        """Return what a response says of it."""
        return {
            "id": self.id,
            "name": self.name,
            "content_type": self.media_type,
            "size_bytes": self.size_bytes,
            "created": self.created,
            "state": str(self.state),
            "passages": self.passages,
            "embedded": self.embedded,
            "attempts": self.attempts,
            "error": self.error or None,
        }


def document_id(tenant: str, content: bytes) -> str:
    """Return the id of a content of a tenant."""
    return str(uuid.uuid5(uuid.uuid5(_NAMESPACE, tenant), hashlib.sha256(content).hexdigest()))


def new_document(tenant: str, name: str, media_type: str | None, content: bytes) -> Document:
    """Return the record of an upload.

    Args:
        tenant: whose it is.
        name: as the client calls it; what stands before the last slash is left out.
        media_type: as the client says it, with or without parameters; None or '': what the name's ending says.
        content: the original.

    Raises:
        RequestRefused: the name or the type cannot be used.
    """
    kept_type, name = _checked_type(media_type, name), _checked_name(name)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Document(document_id(tenant, content), tenant, name, kept_type, len(content), created=now)


def _checked_name(name: str) -> str:
    name = name.replace("\\", "/").rpartition("/")[2].strip()
    if not name or len(name) > MAX_NAME_CHARS or not name.isprintable():
        raise RequestRefused(
            f"'name' must have 1 to {MAX_NAME_CHARS} printable characters, such as guide.md", kind="invalid_name"
        )
    return name


def _checked_type(media_type: str | None, name: str) -> str:
    plain = (media_type or "").partition(";")[0].strip().lower()
    plain = "" if plain in _SAYS_NOTHING else plain
    of_name = SUFFIXES.get(PurePath(name).suffix.lower())
    if not plain and of_name:
        plain = _USUAL[of_name]
    if plain == pdf.MEDIA_TYPE and not pdf.is_readable():
        raise RequestRefused(f"{plain} is not read here: {pdf.MISSING}", kind="content_type_not_supported", status=415)
    if plain in MEDIA_TYPES:
        return plain
    told = f"{plain} is not read" if plain else f"neither a content type nor the ending of {name!r} says what it is"
    raise RequestRefused(f"{told}; what is: {', '.join(MEDIA_TYPES)}", kind="content_type_not_supported", status=415)


def check(content: bytes, document: Document) -> None:
    """Refuse a content that cannot be of its document's type, at the first look.

    Raises:
        CorpusError: it is empty, binary where text is announced, or no PDF where one is.
    """
    if document.kind == "pdf":
        pdf.check(content, document.name)
    else:
        decode(content, document.name)
