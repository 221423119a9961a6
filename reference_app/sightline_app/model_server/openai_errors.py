"""Errors in OpenAI's form, and the check of the API key."""

from __future__ import annotations

import hmac

from fastapi import Request
from fastapi.responses import JSONResponse

from sightline_app.settings import ModelSettings


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


async def read_body(request: Request, limit_bytes: int) -> bytes:
    """Return the body.

    Raises:
        RequestInvalid: it is larger than the limit.
    """
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > limit_bytes:
            raise RequestInvalid(f"the request is larger than {limit_bytes} bytes", status=413)
    return bytes(body)
