"""Plain HTTP to an embedded node, for its tests."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.parse
import urllib.request


def ask(
    url: str, body: bytes | None = None, headers: dict[str, str] | None = None, *, method: str = "POST", **params: str
) -> tuple[int, bytes, dict[str, str]]:
    """Send one request; returns status, body and headers by lower-case name.

    Where the answer breaks off, the body is what has come.
    """
    request = urllib.request.Request(f"{url}/?{urllib.parse.urlencode(params)}", body, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            try:
                content = answer.read()
            except http.client.IncompleteRead as broken:
                content = broken.partial
            return answer.status, content, {k.lower(): v for k, v in answer.headers.items()}
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code, exc.read(), {k.lower(): v for k, v in exc.headers.items()}
