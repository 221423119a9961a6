"""The description of the HTTP interface: `/openapi.json`, and how routes describe themselves.

Both it and `/docs` are open where API keys are asked for: they are the same for every installation, hold neither data
nor addresses, and whoever writes a client reads them before there is a key. `SIGHTLINE_APP_DOCS=false` serves neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from types import MappingProxyType
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from sightline_app.api import schema
from sightline_app.api.docs_page import HEADERS, page

_REFS: Final = "#/components/schemas/{model}"
_MODELS: Final[tuple[type[BaseModel], ...]] = (
    schema.ChatRequest,
    schema.FeedbackRequest,
    schema.DocumentRequest,
    schema.Source,
    *schema.EVENTS.values(),
    schema.SocketQuestion,
    schema.SocketCancel,
    schema.SocketEvent,
)
_DESCRIPTION: Final = """\
Answers questions from documents, with the passages that each answer is made from.

Failures have a JSON body with `error.type` for programs and `error.message` for people. A stream that has begun ends
with an event `error` instead. 429 and 503 have `Retry-After`.
"""
_TAGS: Final = [
    {"name": "chat", "description": "Questions, the streams of their answers, conversations, verdicts"},
    {"name": "documents", "description": "What clients upload for their tenant, beside the corpus"},
    {"name": "operations", "description": "For load balancers, supervisors and readers of this page; none needs a key"},
]
KEYED: Final[list[dict[str, list[str]]]] = [{"bearer": []}, {"apiKey": []}]
"""`security` of what needs an API key, where the app asks for keys."""
_SCHEMES: Final = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key of `sightline-app keys create`"},
    "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "The same, in a field of its own"},
}

Told = tuple[str, str, str]
"""What a failure means, its type, and an example of its message."""

_EXAMPLES: Final[Mapping[int, Told]] = {
    400: ("The request cannot be used", "empty_question", "'question' must be a text that is not empty"),
    401: ("No API key, or none that is valid", "api_key_missing", "an API key is needed"),
    403: ("The API key belongs to another tenant", "tenant_forbidden", "this API key belongs to another tenant"),
    404: ("No such stream, or no longer, or another caller's", "stream_unknown", "there is no such stream"),
    409: ("The stream has no such event yet", "event_unknown", "the stream has no event 99 yet"),
    410: ("The events after that one are no longer kept", "events_gone", "the events 3 to 80 are no longer kept"),
    413: ("Too large, or more than a whole limit", "question_too_long", "the question has 5000 characters"),
    422: ("A parameter of the address cannot be used", "invalid_request", "flush: should be a whole number"),
    429: ("A rate or a budget is used up", "requests_per_minute", "the limit requests_per_minute=60 is reached"),
    503: ("Something that is needed is away", "retrieval_unavailable", "Weaviate did not answer"),
}


def errors(*statuses: int, own: Mapping[int, Told] = MappingProxyType({})) -> dict[int | str, dict[str, Any]]:
    """Return `responses` of a route for the statuses with which it can fail.

    Args:
        statuses: all of them.
        own: what some of them mean for this route alone.
    """
    return {status: _error(status, own.get(status) or _EXAMPLES[status]) for status in statuses}


def _error(status: int, told_as: Told) -> dict[str, Any]:
    description, kind, message = told_as
    example = {"error": {"message": message, "type": kind}}
    told: dict[str, Any] = {
        "model": schema.ErrorBody,
        "description": description,
        "content": {"application/json": {"examples": {kind: {"value": example}}}},
    }
    if status in {429, 503}:
        told["headers"] = {"Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}}
    return told


def header(name: str, description: str) -> dict[str, Any]:
    """Return a header field as a parameter."""
    return {"name": name, "in": "header", "required": False, "description": description, "schema": {"type": "string"}}


TENANT: Final = header("x-tenant-id", "Whose documents are searched; a member's key says it already")
USER: Final = header("x-user-id", "Who asks, for the budgets of users and for the trace")
SESSION: Final = header("x-session-id", "The conversation: at most 200 printable characters")
STREAM_ID: Final = {"name": "stream_id", "in": "path", "required": True, "schema": {"type": "string"}}


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return `requestBody` of a route that reads a model, with its examples."""
    examples = model.model_json_schema()["examples"]
    numbered = {f"{model.__name__} {number}": {"value": each} for number, each in enumerate(examples, start=1)}
    content = {"schema": {"$ref": _REFS.format(model=model.__name__)}, "examples": numbered}
    return {"required": True, "content": {"application/json": content}}


def describe(app: FastAPI, *, asks_keys: bool) -> dict[str, Any]:
    """Return the description of an app.

    Args:
        app: all its routes.
        asks_keys: whether keyed routes need one; otherwise they take one, and need none.
    """
    told = get_openapi(
        title="sightline-app",
        version=metadata.version("sightline-platform"),
        summary="The reference RAG backend",
        description=_DESCRIPTION,
        routes=app.routes,
        tags=_TAGS,
    )
    _, models = models_json_schema([(model, "validation") for model in _MODELS], ref_template=_REFS)
    components = told.setdefault("components", {})
    components["schemas"] = dict(sorted({**models["$defs"], **components.get("schemas", {})}.items()))
    components["securitySchemes"] = _SCHEMES
    told["paths"]["/v1/chat/ws"] = {"get": _socket()}
    if not asks_keys:
        for operation in (each for path in told["paths"].values() for each in path.values()):
            if "security" in operation:
                operation["security"] = [{}, *operation["security"]]
    return told


def _socket() -> dict[str, Any]:
    """OpenAPI has no WebSockets: the handshake, and the messages in words."""
    return {
        "tags": ["chat"],
        "summary": "Ask over a WebSocket, one question after the other",
        "operationId": "chat_socket",
        "description": (
            "The client sends `SocketQuestion`, and `SocketCancel` while an answer comes; the app sends `SocketEvent`. "
            "A refused question is an event `error` with `status`, and the socket stays open. Close codes: 1003 a "
            "binary message, 1009 one that is too large, 4400 a header that cannot be used, 4401 no valid API key, "
            "4403 another tenant's key."
        ),
        "security": KEYED,
        "parameters": [TENANT, USER, SESSION],
        "responses": {
            "101": {"description": "The socket is open"},
            "403": {"description": "The page's origin may not ask: SIGHTLINE_APP_ALLOWED_ORIGINS"},
        },
    }


def add_docs(app: FastAPI, *, asks_keys: bool) -> None:
    """Serve the description, as JSON and as a page."""
    app.openapi = lambda: app.openapi_schema or _remember(app, asks_keys)  # type: ignore[method-assign]  # as FastAPI says

    @app.get("/openapi.json", include_in_schema=False)
    async def description() -> JSONResponse:
        return JSONResponse(app.openapi())

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(page(app.openapi()), headers=HEADERS)


def _remember(app: FastAPI, asks_keys: bool) -> dict[str, Any]:
    app.openapi_schema = describe(app, asks_keys=asks_keys)
    return app.openapi_schema
