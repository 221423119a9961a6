"""The document that the address of a page answers, with a word of where Streamlit is served.

Without it the browser looks for Streamlit below the page first (`/traces/_stcore/health`), is answered 404, and waits
0.1 s before it looks one step above, where Streamlit is.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, Final

from sightline_roles.host_gate import App, Receive, Scope, Send

_HEAD: Final = b"<head>"
# Pages are one step below where Streamlit is served, which its document takes for granted for its own files too.
_BASE: Final = b'<script>window.__streamlit = { BACKEND_BASE_URL: new URL("./", document.baseURI).href };</script>'
_OF_THE_FILE: Final = {b"content-length", b"etag", b"last-modified", b"accept-ranges"}


class Document:
    """An ASGI application in front of Streamlit's; it changes the document alone."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a browser that opens a page with the document, and pass everything else on."""
        if not _opens_a_page(scope):
            await self._app(scope, receive, send)
            return
        held: list[MutableMapping[str, Any]] = []  # the document, until all of it is there

        async def told(message: MutableMapping[str, Any]) -> None:
            if not held and not _begins_a_document(message):
                await send(message)
                return
            held.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                await _send(held, send)

        headers = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        await self._app({**scope, "headers": headers}, receive, told)


def _opens_a_page(scope: Scope) -> bool:
    return scope["type"] == "http" and any(
        name == b"accept" and value.startswith(b"text/html") for name, value in scope["headers"]
    )


def _begins_a_document(message: MutableMapping[str, Any]) -> bool:
    return bool(message["type"] == "http.response.start" and message["status"] == 200) and any(
        name == b"content-type" and value.startswith(b"text/html") for name, value in message["headers"]
    )


async def _send(held: list[MutableMapping[str, Any]], send: Send) -> None:
    start, *parts = held
    body = b"".join(part.get("body", b"") for part in parts).replace(_HEAD, _HEAD + _BASE, 1)
    headers = [(name, value) for name, value in start["headers"] if name not in _OF_THE_FILE]
    await send({**start, "headers": [*headers, (b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
