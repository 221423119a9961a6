"""ASGI middleware that lets only callers with a valid key ask, and says which tenant they may read."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any, Final

from sightline_mcp.keys import KeyRing
from sightline_roles.host_check import headers_by_name
from sightline_roles.host_gate import App, Receive, Scope, Send

TENANT: Final = "sightline.tenant"
"""Entry of a request's scope: the only tenant whose data its caller may read; '' is any."""

HEALTH: Final = "/healthz"
"""Answered without a key: whether the server runs."""

_log = logging.getLogger("sightline.mcp")
_NEEDED = "a key is needed: send `Authorization: Bearer KEY` or `x-api-key: KEY`; `sightline-mcp keys create` makes one"


class KeyGate:
    """An ASGI application in front of another.

    Args:
        app: the application.
        ring: the keys; None lets everybody ask.
        tenant: what callers may read whose key names no tenant; '' is any.
    """

    def __init__(self, app: Any, ring: KeyRing | None, tenant: str) -> None:
        self._app: App = app
        self._ring = ring
        self._tenant = tenant

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what has a valid key, and who asks for `HEALTH`; answer the rest 401."""
        if scope["type"] == "lifespan" or scope["path"] == HEALTH:
            await self._app(scope, receive, send)
            return
        tenant = self._tenant
        if self._ring is not None:
            token = _token(headers_by_name(scope["headers"]))
            key = self._ring.find(token) if token else None
            if key is None:
                await _refuse(send, "this key is not valid" if token else _NEEDED)
                return
            tenant = key.tenant or tenant
        await self._app({**scope, TENANT: tenant}, receive, send)


def _token(headers: Mapping[str, str]) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "").strip()


async def _refuse(send: Send, why: str) -> None:
    _log.warning("a request was refused: %s", why)
    body = json.dumps({"error": why}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"www-authenticate", b'Bearer realm="sightline-mcp"'),
    ]
    await send({"type": "http.response.start", "status": 401, "headers": headers})
    await send({"type": "http.response.body", "body": body})
