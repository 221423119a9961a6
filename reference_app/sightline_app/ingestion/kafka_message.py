"""A message of Kafka as a document. Pure.

Two forms are read:

* the value is JSON: `{"tenant": "acme", "name": "travel.md", "text": "...", "content_type": "text/markdown"}`, the last
  one where the ending of the name does not say it;
* a header `content-type` says anything but JSON: the value is the document itself, and `tenant` and `name` are headers.

A `traceparent` among the headers is continued. The document is as old as the message.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from sightline_app.conversation.session_key import checked_id
from sightline_app.errors import CorpusError, RequestRefused
from sightline_app.ingestion.document import Document, check, new_document

_JSON = "application/json"


class Record(Protocol):
    """What a consumer returns of a message."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    """Milliseconds since 1970; -1 for none."""
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


class Unreadable(Exception):
    """The message is no document, and never will be; says why."""


def document_of(record: Record, max_bytes: int) -> tuple[Document, bytes]:
    """Return the record and the content of the document in a message.

    Args:
        record: the message.
        max_bytes: largest content.

    Raises:
        Unreadable: there is none.
    """
    headers = text_headers(record)
    if record.value is None:
        raise Unreadable("it has no value")
    media_type = headers.get("content-type", _JSON).partition(";")[0].strip().lower()
    tenant, name, content = headers.get("tenant"), headers.get("name"), record.value
    if media_type == _JSON:
        body = _json(record.value)
        tenant, name, media_type = body.get("tenant"), body.get("name"), body.get("content_type") or ""
        text = body.get("text")
        if not isinstance(text, str) or not isinstance(name, str) or not isinstance(media_type, str):
            raise Unreadable("'tenant', 'name', 'text' and 'content_type' must be texts")
        content = text.encode("utf-8", "surrogatepass")
    try:
        tenant = checked_id(tenant, "tenant")
        if tenant is None:
            raise Unreadable("it names no 'tenant'; `public` is for everybody")
        if len(content) > max_bytes:
            raise Unreadable(f"its document is larger than SIGHTLINE_APP_UPLOAD_MAX_BYTES={max_bytes}")
        document = new_document(tenant, name or "", media_type, content)
        check(content, document)
    except (RequestRefused, CorpusError) as exc:
        raise Unreadable(str(exc)) from exc
    created = document.created if record.timestamp < 0 else _moment(record.timestamp)
    return replace(
        document, source=f"kafka:{record.topic}/{record.partition}/{record.offset}", created=created
    ), content


def text_headers(record: Record) -> Mapping[str, str]:
    """Return the headers of a message, names in lower case."""
    return {name.lower(): (value or b"").decode("utf-8", "replace") for name, value in record.headers}


def _json(value: bytes) -> dict[str, Any]:
    try:
        body = json.loads(value)
    except (ValueError, RecursionError) as exc:
        raise Unreadable(f"it is no JSON: {exc}") from exc
    if not isinstance(body, dict):
        raise Unreadable("it is no JSON object")
    return body


def _moment(timestamp_ms: int) -> str:
    moment = datetime.datetime.fromtimestamp(timestamp_ms / 1000, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
