"""The routes of uploaded documents: taking one, saying how far it is, listing and deleting."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from opentelemetry import context as otel_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import sightline
from sightline_app.api import schema
from sightline_app.api.document_request import read_document
from sightline_app.api.openapi import KEYED, TENANT, body_of, errors
from sightline_app.errors import RequestRefused
from sightline_app.ingestion.document import MEDIA_TYPES, Document, State
from sightline_app.ingestion.indexing import DOCUMENT_BYTES, DOCUMENT_ID, DOCUMENT_TYPE, STAGE
from sightline_app.ingestion.queue import DocumentQueue
from sightline_app.limits.access import Access, Caller
from sightline_app.limits.limiter import Limiter
from sightline_app.settings import UploadSettings

PATH: Final = "/v1/documents"
_PROPAGATOR: Final = TraceContextTextMapPropagator()
_ID: Final = {"name": "document_id", "in": "path", "required": True, "schema": {"type": "string"}}
_NAME: Final = {
    "name": "name",
    "in": "query",
    "required": False,
    "description": "Name of the document, where the body is the document itself",
    "schema": {"type": "string"},
}
_AS_IT_IS: Final[dict[str, Any]] = {each: {"schema": {"type": "string"}} for each in MEDIA_TYPES}
_AS_JSON: Final = body_of(schema.DocumentRequest)
_BODY: Final = {**_AS_JSON, "content": {**_AS_JSON["content"], **_AS_IT_IS}}
_LOCATION: Final = {"Location": {"description": "Where its state is read", "schema": {"type": "string"}}}
_UNKNOWN: Final = {404: ("No such document of this tenant", "document_unknown", "there is no such document")}
_REFUSED: Final = {
    403: ("The API key may not change documents", "role_forbidden", "this API key has the role 'member'"),
    409: ("The document is being deleted, or there are too many", "document_deleting", "the document is being deleted"),
    413: ("The document is too large", "document_too_large", "larger than SIGHTLINE_APP_UPLOAD_MAX_BYTES=5000000"),
    415: ("A type that is not read", "content_type_not_supported", "image/png is not read"),
    422: ("There is no text in it", "document_unreadable", "a.md is empty"),
    503: (
        "The disk does not take it, or limits are away",
        "uploads_unavailable",
        "the document cannot be kept",
    ),
}


def add_documents(
    app: FastAPI, settings: UploadSettings, access: Access, limiter: Limiter, queue: DocumentQueue
) -> None:
    """Add the routes.

    Args:
        app: gets them.
        settings: largest size of a document.
        access: who may read and write.
        limiter: counts uploads.
        queue: the documents.
    """
    _add_upload(app, settings, access, limiter, queue)
    _add_states(app, access, queue)
    _add_delete(app, access, queue)


def _add_upload(app: FastAPI, settings: UploadSettings, access: Access, limiter: Limiter, queue: DocumentQueue) -> None:
    @app.post(
        PATH,
        tags=["documents"],
        summary="Upload a document",
        operation_id="upload_document",
        status_code=201,
        responses={
            200: {"model": schema.DocumentBody, "description": "The same upload was stored before"},
            201: {"model": schema.DocumentBody, "description": "It is stored: questions find it", "headers": _LOCATION},
            202: {"model": schema.DocumentBody, "description": "It is kept, and indexed soon", "headers": _LOCATION},
            **errors(400, 401, 403, 409, 413, 415, 422, 429, 503, own=_REFUSED),
        },
        openapi_extra={"requestBody": _BODY, "parameters": [_NAME, TENANT], "security": KEYED},
    )
    async def upload(request: Request) -> Response:
        """Take a document of the tenant: JSON with `name` and `text`, or the document itself with its `Content-Type`.

        The original is on the disk before the response. A document that is not stored within a short time is a 202;
        `Location` says how far it is. The same content is the same document, however often it is sent. An upload counts
        against `requests_per_minute`, as a question does.
        """
        caller = access.caller(request.headers)
        caller.check_writes()
        limits = await limiter.count(caller)
        document, content = await read_document(request, caller.reads_as, settings)
        document, was_there = await _accept(queue, document, content, request.headers)
        if document.state is State.DELETING:
            raise RequestRefused(
                "the document is being deleted; send it again in a moment",
                kind="document_deleting",
                status=409,
                headers={"retry-after": "1"},
            )
        found = await queue.settled(document)
        if found is None:
            raise RequestRefused("the document was deleted meanwhile", kind="document_deleting", status=409)
        if found.state is State.FAILED:
            raise RequestRefused(found.error, kind="document_unreadable", status=422, headers={"location": found.path})
        status = (200 if was_there else 201) if found.state is State.STORED else 202
        return JSONResponse(found.told(), status, {"location": found.path} | _later(status) | limits)


def _add_states(app: FastAPI, access: Access, queue: DocumentQueue) -> None:
    @app.get(
        PATH,
        tags=["documents"],
        summary="List the documents of the tenant",
        operation_id="list_documents",
        responses={
            200: {"model": schema.DocumentList, "description": "The newest first"},
            **errors(400, 401, 403),
        },
        openapi_extra={"parameters": [TENANT], "security": KEYED},
    )
    async def documents(request: Request) -> JSONResponse:
        """Return what was uploaded for the tenant, whatever state it is in; not what `sightline-app ingest` read."""
        caller = access.caller(request.headers)
        found = await asyncio.to_thread(queue.folder.documents, caller.reads_as)
        return JSONResponse({"documents": [each.told() for each in found]})

    @app.get(
        PATH + "/{document_id}",
        tags=["documents"],
        summary="How far a document is",
        operation_id="get_document",
        responses={
            200: {"model": schema.DocumentBody, "description": "Its state"},
            **errors(400, 401, 403, 404, own=_UNKNOWN),
        },
        openapi_extra={"parameters": [_ID, TENANT], "security": KEYED},
    )
    async def document(request: Request) -> JSONResponse:
        """Return a document's state, how many passages it has and how many are embedded, and why it failed or waits."""
        return JSONResponse((await _find(queue, access.caller(request.headers), request)).told())


def _add_delete(app: FastAPI, access: Access, queue: DocumentQueue) -> None:
    @app.delete(
        PATH + "/{document_id}",
        tags=["documents"],
        summary="Delete a document",
        operation_id="delete_document",
        status_code=204,
        responses={
            204: {"description": "Its passages and its original are gone"},
            202: {"model": schema.DocumentBody, "description": "It will be deleted, also after a restart"},
            **errors(400, 401, 403, 404, 503, own={**_REFUSED, **_UNKNOWN}),
        },
        openapi_extra={"parameters": [_ID, TENANT], "security": KEYED},
    )
    async def delete(request: Request) -> Response:
        """Remove a document's passages and its original, also while it is being indexed."""
        caller = access.caller(request.headers)
        caller.check_writes()
        document = await _find(queue, caller, request)
        await queue.delete(document)
        found = await queue.settled(document)
        return Response(status_code=204) if found is None else JSONResponse(found.told(), 202, _later(202))


async def _accept(
    queue: DocumentQueue, document: Document, content: bytes, headers: Mapping[str, str]
) -> tuple[Document, bool]:
    """Keep a document. Its trace begins here, or goes on where the client has one; the worker goes on with it."""
    token = otel_context.attach(_PROPAGATOR.extract(headers))
    try:
        with sightline.trace("document.upload", stage=STAGE, capture="recorded"):
            sightline.identify(tenant=document.tenant)
            told = {DOCUMENT_ID: document.id, DOCUMENT_TYPE: document.media_type, DOCUMENT_BYTES: document.size_bytes}
            sightline.annotate(told)
            carrier: dict[str, str] = {}
            _PROPAGATOR.inject(carrier)
            return await queue.accept(replace(document, traceparent=carrier.get("traceparent", "")), content)
    finally:
        otel_context.detach(token)


async def _find(queue: DocumentQueue, caller: Caller, request: Request) -> Document:
    document_id = request.path_params["document_id"]
    found = await asyncio.to_thread(queue.folder.find, caller.reads_as, document_id)
    if found is None:
        raise RequestRefused("there is no such document", kind="document_unknown", status=404)
    return found


def _later(status: int) -> dict[str, str]:
    return {"retry-after": "1"} if status == 202 else {}
