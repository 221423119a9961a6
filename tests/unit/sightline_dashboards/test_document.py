"""The document of a page tells the browser where Streamlit is; everything else passes unchanged."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import pytest

from sightline_dashboards.document import Document

Message = MutableMapping[str, Any]
HTML = [(b"content-type", b"text/html; charset=utf-8"), (b"content-length", b"30"), (b"etag", b'"a"')]


async def _answered(scope: Message, *answer: Message) -> tuple[list[Message], list[Message]]:
    """What an application was asked, and what the browser gets of its answer."""
    asked: list[Message] = []
    sent: list[Message] = []

    async def app(given: Message, _: Any, send: Any) -> None:
        asked.append(given)
        for message in answer:
            await send(message)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await Document(app)(scope, receive, send)
    return asked, sent


def _get(accept: bytes) -> Message:
    return {"type": "http", "method": "GET", "headers": [(b"accept", accept), (b"accept-encoding", b"gzip")]}


def _part(body: bytes, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


async def test_the_document_says_where_streamlit_is() -> None:
    """Before its own scripts; it comes in parts, is not compressed, and is no more the file that Streamlit names."""
    start = {"type": "http.response.start", "status": 200, "headers": HTML}
    parts = _part(b"<html><he", more=True), _part(b"ad><script src=x>")
    asked, sent = await _answered(_get(b"text/html,*/*"), start, *parts)
    assert asked[0]["headers"] == [(b"accept", b"text/html,*/*")]
    body = sent[1]["body"]
    assert body.startswith(b"<html><head><script>window.__streamlit = { BACKEND_BASE_URL:")
    assert body.endswith(b"</script><script src=x>")
    assert dict(sent[0]["headers"]) == {HTML[0][0]: HTML[0][1], b"content-length": str(len(body)).encode()}
    assert len(sent) == 2


@pytest.mark.parametrize(
    ("scope", "start"),
    [
        (_get(b"*/*"), {"type": "http.response.start", "status": 200, "headers": HTML}),
        (_get(b"text/html"), {"type": "http.response.start", "status": 404, "headers": HTML}),
        (
            _get(b"text/html"),
            {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"image/png")]},
        ),
        ({"type": "websocket", "headers": []}, {"type": "websocket.accept"}),
    ],
    ids=["a file", "an error", "a picture", "a websocket"],
)
async def test_all_else_passes_unchanged(scope: Message, start: Message) -> None:
    """Whatever is no document of a page."""
    part = _part(b"<head>")
    assert (await _answered(scope, start, part))[1] == [start, part]
