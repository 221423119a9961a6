"""What both servers share of OpenAI's interface: requests and their checks, the form of errors."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from sightline_app.settings import ModelSettings

MAX_BODY_BYTES = 4_000_000
"""Largest request body."""


class RequestInvalid(Exception):
    """A request that is refused before anything is computed.

    Args:
        message: shown to the client.
        param: the part of the request that is wrong.
        status: HTTP status.
        code: OpenAI's short name of the error.
    """

    def __init__(self, message: str, *, param: str | None = None, status: int = 400, code: str | None = None) -> None:
        super().__init__(message)
        self.param = param
        self.status = status
        self.code = code


def response(message: str, status: int, param: str | None = None, code: str | None = None) -> JSONResponse:
    """Return an error response."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    headers = {"retry-after": "1"} if status == 503 else None
    return JSONResponse({"error": {"message": message, "type": kind, "param": param, "code": code}}, status, headers)


def check_key(request: Request, settings: ModelSettings) -> None:
    """Let a request pass that sends the key, where one is set.

    Raises:
        RequestInvalid: it sends none or another one.
    """
    if settings.api_key is None:
        return
    sent = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
    if not hmac.compare_digest(sent.encode(), settings.api_key.encode()):
        raise RequestInvalid("the API key is missing or wrong", status=401, code="invalid_api_key")


def check_model(body: dict[str, Any], known: str, note: str = "") -> None:
    """Let a request pass that names the only model of this server.

    Args:
        body: of the request.
        known: name of the model.
        note: what the message says of it.

    Raises:
        RequestInvalid: it names none or another one.
    """
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise RequestInvalid("'model' is required", param="model")
    if model != known:
        message = f"the model {model!r} does not exist here; this server has {known!r} only"
        message += f" ({note})" if note else ""
        raise RequestInvalid(message, param="model", status=404, code="model_not_found")


async def read_body(request: Request) -> bytes:
    """Return the body.

    Raises:
        RequestInvalid: it is larger than `MAX_BODY_BYTES`.
    """
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise RequestInvalid(f"the request is larger than {MAX_BODY_BYTES} bytes", status=413)
    return bytes(body)


def read_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a body.

    Raises:
        RequestInvalid: it is none.
    """
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise RequestInvalid(f"the body is not JSON: {exc}") from exc
    if not isinstance(parsed, dict):
        raise RequestInvalid("the body must be a JSON object")
    return parsed


def new_app(lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None) -> FastAPI:
    """Return an application without routes, whose errors have OpenAI's form.

    Args:
        lifespan: what runs around the requests.
    """
    app = FastAPI(title="sightline-model", lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None)

    @app.exception_handler(RequestInvalid)
    async def refused(request: Request, exc: RequestInvalid) -> JSONResponse:
        del request
        return response(str(exc), exc.status, exc.param, exc.code)

    @app.exception_handler(Exception)
    async def failed(request: Request, exc: Exception) -> JSONResponse:
        del request
        return response(f"internal error: {type(exc).__name__}", 500)

    @app.exception_handler(404)
    @app.exception_handler(405)
    async def unknown(request: Request, exc: Exception) -> JSONResponse:
        return response(f"{request.method} {request.url.path} is not served here", getattr(exc, "status_code", 404))

    return app
