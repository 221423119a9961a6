"""Stands before everything that the dashboards serve, pages, media, health and websockets: judges who asks.

Streamlit serves whatever name it is asked by and lets pages of other ports of this machine open its websocket, over
which all that the pages show can be read.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from sightline_dashboards.settings import DashboardSettings
from sightline_roles import host_check

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_LOG = logging.getLogger("sightline.dashboards")
_POLICY_VIOLATION = 1008


class Gate:
    """An ASGI application in front of another."""

    def __init__(self, app: App, settings: DashboardSettings) -> None:
        self._app = app
        self._callers = host_check.Callers(
            "SIGHTLINE_DASHBOARDS_ALLOWED_HOSTS", settings.host, settings.allowed_hosts, links=True
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on what may ask; answer 403 to the rest, and to a websocket before it is one."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        why = self._callers.refusal(host_check.by_name(scope["headers"]))
        if not why:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            _LOG.warning("websocket refused: %s", why)
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": ""})
        else:
            body = f"{why}\n".encode()
            headers = [
                (b"content-type", b"text/plain; charset=utf-8"),
                (b"content-length", str(len(body)).encode()),
            ]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": body})
