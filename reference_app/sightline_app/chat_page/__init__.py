"""The chat page: one HTML file, one style sheet and four scripts, served as they are. No build step, no CDN."""

from __future__ import annotations

import html
from functools import cache
from importlib import resources

from fastapi import FastAPI
from fastapi.responses import Response

PATHS = ("/", "/chat.css", "/chat.js", "/documents.js", "/events.js", "/markup.js")
"""Where the page's files are served."""

_MEDIA_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "cache-control": "no-cache",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def add_chat_page(app: FastAPI, dashboards_url: str) -> None:
    """Serve the page at `/`.

    Args:
        app: answers the page's questions at `v1/chat`, relative to the page.
        dashboards_url: where the Trace page is, without a slash at its end; empty: answers have no link to their trace.
    """
    for path in PATHS:
        name = path[1:] or "index.html"
        content = _file(name)
        if name == "index.html":
            content = content.replace("{dashboards_url}", html.escape(dashboards_url))
        _add_file(app, path, content, _MEDIA_TYPES[name.rpartition(".")[2]])


def _add_file(app: FastAPI, path: str, content: str, media_type: str) -> None:
    @app.get(path, include_in_schema=False)
    async def file() -> Response:
        return Response(content, media_type=media_type, headers=_HEADERS)


@cache
def _file(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")
