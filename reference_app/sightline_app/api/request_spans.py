"""Which requests are traced, and how a failure gets onto a request's span."""

from __future__ import annotations

import re

from opentelemetry import trace as otel_trace
from opentelemetry.trace import Status, StatusCode
from starlette.types import ASGIApp, Receive, Scope, Send

import sightline
from sightline import semconv
from sightline.asgi import RequestMiddleware
from sightline_app import chat_page

_UNTRACED = (
    "/healthz",
    "/readyz",
    "/stats",
    "/metrics",
    "/v1/chaos",
    "/docs",
    "/openapi.json",
    "/v1/conversation",
    "/v1/feedback",
    "/v1/chat/ws",  # each of its questions is a request of its own
    *chat_page.PATHS,
)
_PATHS = "|".join(
    (*(re.escape(path) for path in _UNTRACED), "/v1/chat/streams/[^/]*", "/v1/documents(?:/[^/?]*)?(?:[?].*)?")
)
_IS_UNTRACED = re.compile(_PATHS)
UNTRACED_URLS = f"^[a-z]+://[^/]+(?:{_PATHS})$"
"""Paths that answer no question, as OpenTelemetry's instrumentation takes them: patterns of whole addresses."""


def mark_failed(exc: BaseException, kind: str) -> None:
    """Write a failure that the client reads in a 200 stream onto the request's span."""
    span = otel_trace.get_current_span()
    span.record_exception(exc)
    span.set_status(Status(StatusCode.ERROR, str(exc)[:200]))
    sightline.annotate_request({semconv.ERROR_TYPE: kind})


class TracedRequests:
    """The library's request middleware, except for what supervisors ask every second.

    Args:
        app: the ASGI application behind it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._plain = app
        self._traced = RequestMiddleware(app, content_events={"token"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        plain = scope["type"] != "http" or _IS_UNTRACED.fullmatch(scope["path"])
        await (self._plain if plain else self._traced)(scope, receive, send)
