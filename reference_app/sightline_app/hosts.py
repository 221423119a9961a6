"""Takes requests that were sent to a name of this server, and from no page of another place.

Else a page of any site could ask by a name of its own that it has pointed at this address (DNS rebinding): the browser
would take the answer for that site's.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")
_SAFE_SITES = ("", "same-origin", "none")


class KnownHosts:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, *, listens_on: str, allowed: str, setting: str) -> None:
        """Stand before an application.

        Args:
            app: the application.
            listens_on: address; where others can reach it, any address will do as a name, for none can be rebound.
            allowed: further names, comma separated; `*` for any Host, also for none.
            setting: variable that holds them.
        """
        self._app = app
        self._setting = setting
        self._names = {listens_on.lower(), "localhost", *(name.strip().lower() for name in allowed.split(","))} - {""}
        self._takes_addresses = not _is_loopback(listens_on.lower())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on what may ask; answer 403 to the rest, and to a websocket before it is one."""
        why = self._refusal(Headers(scope=scope)) if scope["type"] in {"http", "websocket"} else ""
        if not why:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await PlainTextResponse(f"{why}\n", 403)(scope, receive, send)

    def _refusal(self, headers: Headers) -> str:
        host = ", ".join(headers.getlist("host")).lower()
        if "*" not in self._names and not self._is_ours(host):
            return f"host {host[:200]!r} is not this server; its names are in {self._setting}"
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in {f"http://{host}", f"https://{host}"}:
            return f"origin {origin[:200]!r} may not ask"
        if headers.get("sec-fetch-site", "") not in _SAFE_SITES:
            return "a page of another site may not ask"
        return ""

    def _is_ours(self, host: str) -> bool:
        match = _HOST.fullmatch(host)
        name = match[1].removesuffix(".").strip("[]") if match else ""
        return name in self._names or _is_loopback(name) or (self._takes_addresses and _address(name) is not None)


def _address(name: str) -> Any:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _is_loopback(name: str) -> bool:
    address = _address(name)
    return name == "localhost" or (address is not None and bool(address.is_loopback))
