"""What stands before an application: the name that it is asked by, and the page that asks."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from sightline_roles.host_gate import HostGate
from sightline_roles.port_settings import PortSettings
from sightline_roles.settings import lower_names


class _Port(PortSettings):
    prefix = "SIGHTLINE_X_"


async def _greet(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close()


def _client(listens_on: str = "127.0.0.1", allowed: str = "", origins: tuple[str, ...] = ()) -> TestClient:
    routes = [Route("/", lambda _: PlainTextResponse("in")), WebSocketRoute("/ws", _greet)]
    port = _Port(host=listens_on, allowed_hosts=lower_names(allowed))
    return TestClient(HostGate(Starlette(routes=routes), port, origins=origins))


@pytest.mark.parametrize(
    ("listens_on", "allowed", "host", "passes"),
    [
        ("127.0.0.1", "", "localhost:8000", True),
        ("127.0.0.1", "", "LOCALHOST.", True),
        ("127.0.0.1", "", "127.0.0.9:8000", True),
        ("127.0.0.1", "", "[::1]:8000", True),
        ("127.0.0.1", "", "", False),
        ("127.0.0.1", "", "192.0.2.1", False),
        ("127.0.0.1", "", "evil.example:8000", False),
        ("127.0.0.1", "", "localhost.evil.example", False),
        ("127.0.0.1", "", "evil@localhost", False),
        ("127.0.0.1", "", "localhost, evil.example", False),
        ("127.0.0.1", "", "[::1", False),
        ("127.0.0.1", "chat.example.org, other", "Chat.Example.Org", True),
        ("127.0.0.1", "*", "evil.example", True),
        ("127.0.0.1", "*", "", True),
        ("0.0.0.0", "", "192.0.2.1:8000", True),
        ("0.0.0.0", "", "[2001:db8::1]:8000", True),
        ("0.0.0.0", "", "evil.example", False),
        ("chat.internal", "", "chat.internal:8000", True),
    ],
)
def test_host_must_be_one_of_its_names(listens_on: str, allowed: str, host: str, passes: bool) -> None:
    """Loopback's names, listed ones and, where others can reach it, addresses; the refusal names the setting."""
    answer = _client(listens_on, allowed).get("/", headers={"host": host})
    assert answer.status_code == (200 if passes else 403)
    assert passes or "SIGHTLINE_X_ALLOWED_HOSTS" in answer.text


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({"origin": "http://localhost:8000"}, True),
        ({"origin": "https://localhost:8000", "sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"origin": "http://localhost:3000"}, False),
        ({"origin": "http://127.0.0.1:8000"}, False),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "null"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"referer": "http://localhost:8000/page"}, True),
        ({"referer": "https://evil.example/page"}, False),
    ],
)
def test_only_its_own_pages_may_ask(headers: dict[str, str], passes: bool) -> None:
    """An Origin is the place that was asked, or none; the same holds for a websocket."""
    client = _client()
    sent = {"host": "localhost:8000", **headers}
    assert client.get("/", headers=sent).status_code == (200 if passes else 403)
    if passes:
        with client.websocket_connect("/ws", headers=sent):
            return
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/ws", headers=sent):
        pass


def test_pages_of_listed_origins_may_ask() -> None:
    """They alone, by the names that the port has; the list opens no other host."""
    client = _client(origins=("https://www.example.org",))
    sent = {"host": "localhost:8000", "sec-fetch-site": "cross-site"}
    assert client.get("/", headers=sent | {"origin": "https://www.example.org"}).status_code == 200
    with client.websocket_connect("/ws", headers=sent | {"origin": "https://www.example.org"}):
        pass
    assert client.get("/", headers=sent | {"origin": "https://www.example.org.evil.example"}).status_code == 403
    foreign = {"host": "www.example.org", "origin": "https://www.example.org"}
    assert client.get("/", headers=foreign).status_code == 403
