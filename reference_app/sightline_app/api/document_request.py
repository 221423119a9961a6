"""Reads an uploaded document from a request; refuses what cannot be one."""

from __future__ import annotations

from fastapi import Request

from sightline_app.api.chat_request import parse_object
from sightline_app.errors import CorpusError, RequestRefused
from sightline_app.ingestion.document import Document, check, new_document
from sightline_app.settings import UploadSettings

_JSON = "application/json"
_JSON_GROWTH = 6
"""A text of n bytes in UTF-8 has at most 6n as a string of JSON: a byte of ASCII may be written as \\u0061."""
_OTHER_FIELDS_BYTES = 4096


async def read_document(request: Request, tenant: str, settings: UploadSettings) -> tuple[Document, bytes]:
    """Return the record and the content of an upload.

    A body of JSON is an object with `name`, `text` and, where the name's ending does not say it, `content_type`. Any
    other body is the document itself, with its `Content-Type`, and `name` in the query.

    Args:
        request: the upload.
        tenant: whose document it is.
        settings: its largest size.

    Raises:
        RequestRefused: 413 too large; 415 a type that is not read; 422 no text in it; 400 anything else.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == _JSON:
        limit_bytes = _JSON_GROWTH * settings.max_bytes + _OTHER_FIELDS_BYTES
        name, told_type, content = _of_json(await _read(request, limit_bytes, settings))
    else:
        name, told_type = request.query_params.get("name", ""), media_type
        content = await _read(request, settings.max_bytes, settings)
    if len(content) > settings.max_bytes:
        raise _too_large(settings)
    document = new_document(tenant, name, told_type, content)
    try:
        check(content, document)
    except CorpusError as exc:
        raise RequestRefused(str(exc), kind="document_unreadable", status=422) from exc
    return document, content


async def _read(request: Request, limit_bytes: int, settings: UploadSettings) -> bytes:
    raw = bytearray()
    async for piece in request.stream():
        raw += piece
        if len(raw) > limit_bytes:
            raise _too_large(settings)
    return bytes(raw)


def _too_large(settings: UploadSettings) -> RequestRefused:
    return RequestRefused(
        f"the document is larger than SIGHTLINE_APP_UPLOAD_MAX_BYTES={settings.max_bytes}",
        kind="document_too_large",
        status=413,
    )


def _of_json(raw: bytes) -> tuple[str, str, bytes]:
    """Return name, content type ('' where there is none) and content of a body of JSON."""
    body = parse_object(raw)
    name, text, media_type = body.get("name"), body.get("text"), body.get("content_type") or ""
    if not isinstance(name, str) or not isinstance(text, str) or not isinstance(media_type, str):
        raise RequestRefused("'name', 'text' and 'content_type' must be texts", kind="invalid_document")
    try:
        return name, media_type, text.encode()
    except UnicodeEncodeError as exc:
        raise RequestRefused("'text' holds half of a surrogate pair", kind="invalid_document") from exc
