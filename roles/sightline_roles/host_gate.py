"""ASGI middleware that lets an application see only the requests that `HostCheck` takes.

Frameworks serve any Host, and some let pages of other ports of this machine open their websocket.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

from sightline_roles.host_check import HostCheck, headers_by_name
from sightline_roles.port_settings import PortSettings

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_log = logging.getLogger("sightline.http")
_POLICY_VIOLATION = 1008


class HostGate:
    """An ASGI application in front of another."""

    def __init__(self, app: Any, settings: PortSettings, *, links: bool = False, origins: Collection[str] = ()) -> None:
        """Stand before an application.

        Args:
            app: the application.
            settings: of its port.
            links: pages elsewhere may link to its pages.
            origins: foreign origins whose pages may ask, in lower case.
        """
        self._app: App = app
        self._origins = frozenset(origins)
        self._check = HostCheck(settings.variable("allowed_hosts"), settings.host, settings.allowed_hosts, links=links)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may ask; answer the rest 403, also a websocket, before it is opened."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        why = self._check.refusal(headers_by_name(scope["headers"]), self._origins.__contains__)
        if not why:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            _log.warning("websocket refused: %s", why)
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": ""})
        else:
            body = f"{why}\n".encode()
            headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body))]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": body})
