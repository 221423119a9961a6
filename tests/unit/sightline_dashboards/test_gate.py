"""What stands before everything that Streamlit serves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import streamlit
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

import sightline_dashboards
from sightline_dashboards.settings import DashboardSettings
from sightline_roles.host_gate import HostGate

_SCRIPT = Path(sightline_dashboards.__file__).parent / "entry" / "script.py"


async def _open(scope: Any, receive: Any, send: Any) -> None:
    """Lets everybody in."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
    else:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"in"})


def _client(app: Any = _open, **settings: Any) -> TestClient:
    return TestClient(HostGate(app, DashboardSettings(**settings), links=True))


@pytest.mark.parametrize(
    ("settings", "host", "passes"),
    [
        ({}, "localhost:8501", True),
        ({}, "evil.example:8501", False),
        ({}, "", False),
        ({"allowed_hosts": ("pages.example.org",)}, "pages.example.org", True),
        ({"host": "0.0.0.0"}, "192.0.2.7:8501", True),
        ({"host": "0.0.0.0"}, "evil.example:8501", False),
        ({"host": "0.0.0.0", "allowed_hosts": ("pages.example.org",)}, "pages.example.org", True),
        ({"host": "0.0.0.0", "allowed_hosts": ("*",)}, "evil.example", True),
    ],
)
def test_page_and_websocket_need_a_name_of_the_dashboards(settings: dict[str, Any], host: str, passes: bool) -> None:
    """What a page of a foreign name asks reaches Streamlit neither by HTTP nor by websocket."""
    client, headers = _client(**settings), {"host": host, "origin": f"http://{host}"} if host else {"host": ""}
    answer = client.get("/_stcore/health", headers=headers)
    assert answer.status_code == (200 if passes else 403)
    assert passes or "SIGHTLINE_DASHBOARDS_ALLOWED_HOSTS" in answer.text
    if passes:
        with client.websocket_connect("/_stcore/stream", headers=headers):
            return
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/_stcore/stream", headers=headers):
        pass


def test_a_link_from_a_chat_opens_a_page() -> None:
    """A link may come from anywhere; a frame, and a fetch of another port, may not."""
    link = {"host": "localhost:8501", "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert _client().get("/trace", headers={**link, "sec-fetch-dest": "document"}).status_code == 200
    assert _client().get("/trace", headers={**link, "sec-fetch-dest": "iframe"}).status_code == 403
    fetch = {"host": "localhost:8501", "origin": "http://localhost:3000", "sec-fetch-site": "same-site"}
    assert _client().get("/_stcore/health", headers=fetch).status_code == 403


def test_streamlit_is_an_asgi_application_as_a_whole() -> None:
    """Its pages, its health and its websocket are all behind the one callable that the gate calls."""
    app = streamlit.App(_SCRIPT)
    paths = {route.path for route in app._build_starlette_app().routes if hasattr(route, "path")}
    assert {"/_stcore/health", "/_stcore/stream"} <= paths
