"""ASGI middleware that lets only a trusted proxy ask, where that proxy names the viewers."""

from __future__ import annotations

import hmac
import ipaddress
import logging
from typing import Any, Final

from sightline_dashboards.settings import AccessSettings
from sightline_roles.host_gate import App, Receive, Scope, Send

HEALTH: Final = "/_stcore/health"
"""Answered to everybody: whether Streamlit runs."""
SECRET_HEADER: Final = b"x-sightline-proxy-secret"
_POLICY_VIOLATION = 1008
_LOG = logging.getLogger("sightline.dashboards")


class ProxyGate:
    """An ASGI application in front of another.

    A request must come from a listed address, and carry the secret, as far as the settings have them. It may name one
    viewer only: a proxy that appends to a header instead of replacing it would let its clients choose.
    """

    def __init__(self, app: Any, settings: AccessSettings) -> None:
        """Stand before an application.

        Args:
            app: the application.
            settings: with sign-in by header.
        """
        self._app: App = app
        self._networks = [ipaddress.ip_network(text) for text in settings.trusted_proxies]
        self._secret = settings.proxy_secret.encode()
        self._single = {settings.user_header.encode(), settings.groups_header.encode(), SECRET_HEADER}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what the proxy sends; answer the rest 403, also a websocket, before it is opened."""
        is_health = scope["type"] == "http" and scope["path"] == HEALTH
        if scope["type"] not in {"http", "websocket"} or is_health or not (why := self._refusal(scope)):
            await self._app(scope, receive, send)
            return
        _LOG.warning("a request was refused: %s", why)
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": ""})
            return
        body = b"Only the proxy in front of the dashboards may ask.\n"
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 403, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _refusal(self, scope: Scope) -> str:
        address = (scope.get("client") or ("",))[0]
        if self._networks and not self._is_listed(address):
            return f"{address or 'its sender'} is none of SIGHTLINE_DASHBOARDS_TRUSTED_PROXIES"
        sent: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            key = name.lower()
            if key in self._single and key in sent:
                return f"it has the header {key.decode('latin-1')} twice"
            sent[key] = value
        if self._secret and not hmac.compare_digest(sent.get(SECRET_HEADER, b""), self._secret):
            return "it does not carry SIGHTLINE_DASHBOARDS_PROXY_SECRET"
        return ""

    def _is_listed(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._networks)
