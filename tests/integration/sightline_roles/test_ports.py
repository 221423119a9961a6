"""Every port that a role opens: who may ask it, and how slow and how many its clients may be."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from raw_clients import WEBSOCKET, get, heard, say, slow
from role_process import Role, free_port

_HEADER_S, _BODY_S, _IDLE_S, _MOST = 1.5, 1.5, 2.0, 150
_SLOW = 300


@dataclass(frozen=True)
class Port:
    """A role that runs, and how it is asked."""

    prefix: str
    number: int
    role: Role
    paths: tuple[str, ...]
    """Answered 200 or 404 to whom may ask."""
    post: str
    """Where a body is read."""
    content_type: str = "application/json"

    def head(self, content_length: int) -> str:
        """Of a POST."""
        return (
            f"POST {self.post} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {self.content_type}\r\n"
            f"Content-Length: {content_length}\r\n\r\n"
        )


def _start(name: str, folder: Path, store_url: str) -> Port:
    number = free_port()
    url = f"http://127.0.0.1:{number}"
    prefix = f"SIGHTLINE_{name.upper()}"
    env = {
        f"{prefix}_PORT": str(number),
        f"{prefix}_HEADER_TIMEOUT_S": str(_HEADER_S),
        f"{prefix}_BODY_TIMEOUT_S": str(_BODY_S),
        f"{prefix}_IDLE_TIMEOUT_S": str(_IDLE_S),
        f"{prefix}_MAX_CONNECTIONS": str(_MOST),
        "SIGHTLINE_STORE_URL": store_url,
    }
    if name == "store":
        env |= {"SIGHTLINE_STORE_DATA_DIR": str(folder / "data")}
        role = Role(["sightline-store", "serve"], env, f"{url}/ping", folder / "log")
        port = Port(prefix, number, role, ("/", "/ping", "/?query=SELECT+1"), "/", "text/plain")
    elif name == "collector":
        env |= {
            "SIGHTLINE_COLLECTOR_HTTP_PORT": str(number),
            "SIGHTLINE_COLLECTOR_GRPC_PORT": str(free_port()),
            "SIGHTLINE_COLLECTOR_SPOOL_DIR": str(folder / "spool"),
        }
        role = Role(["sightline-collector", "serve"], env, f"{url}/healthz", folder / "log")
        port = Port(prefix, number, role, ("/healthz", "/stats", "/metrics"), "/v1/traces")
    elif name == "dashboards":
        role = Role(["sightline-dashboards"], env, f"{url}/_stcore/health", folder / "log")
        paths = ("/", "/latency", "/_stcore/health", "/_stcore/host-config", "/media/none")
        port = Port(prefix, number, role, paths, "/_stcore/upload_file/none/none")
    elif name == "model":
        role = Role(["sightline-model"], env, f"{url}/healthz", folder / "log")
        port = Port(prefix, number, role, ("/healthz", "/v1/models"), "/v1/chat/completions")
    else:
        (folder / "docs").mkdir()
        (folder / "docs" / "join.md").write_text("# os.path.join\n\nJoin two or more pathname components.\n" * 3)
        env |= {
            "SIGHTLINE_APP_DATA_DIR": str(folder / "app"),
            "SIGHTLINE_RETRIEVAL": "clickhouse",
            "SIGHTLINE_EMBEDDING": "lexical",
            "SIGHTLINE_APP_COLLECTION": "Ports",
            "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
        }
        ingest = Role(
            ["sightline-app", "ingest", "--docs", str(folder / "docs"), "--wait", "0"], env, "", folder / "log"
        )
        ingest.run()
        role = Role(["sightline-app", "serve"], env, f"{url}/healthz", folder / "log")
        port = Port(prefix, number, role, ("/healthz", "/stats"), "/v1/chat")
    role.start()
    return port


@pytest.fixture(scope="module", params=["store", "collector", "dashboards", "app", "model"], name="port")
def _port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, store_url: str) -> Iterator[Port]:
    port = _start(request.param, tmp_path_factory.mktemp(request.param), store_url)
    yield port
    assert port.role.stop() == 0, port.role.tail()


def test_only_loopbacks_names_are_answered(port: Port) -> None:
    """Each path answers to a name of loopback; a foreign one, none, or two are refused with the setting's name."""
    own = f"127.0.0.1:{port.number}"
    for path in port.paths:
        for host in (own, "localhost", "LOCALHOST:1", "[::1]:80"):
            status, text = get(port.number, path, f"Host: {host}")
            assert status in {200, 404}, (path, host, text[:500])
        for headers in (
            [f"Host: evil.example:{port.number}"],
            ["Host: 192.0.2.1"],
            [f"Host: {own}.evil.example"],
            [f"Host: evil@{own}"],
            ["Host:"],
            [],
            [f"Host: {own}", "Host: evil.example"],
            ["Host: evil.example", f"Host: {own}"],
        ):
            status, text = get(port.number, path, *headers)
            assert status in {400, 403}, (path, headers, text[:500])
            assert f"{port.prefix}_ALLOWED_HOSTS" in text
        assert get(port.number, path, version="1.0")[0] in {400, 403}
        assert get(port.number, path, "Host: localhost", version="1.0")[0] in {200, 404}


def test_pages_of_other_places_may_not_ask(port: Port) -> None:
    """Neither a foreign page nor one of another port of this machine, even under a name that was pointed here."""
    own = f"127.0.0.1:{port.number}"
    for path in port.paths:
        assert get(port.number, path, f"Host: {own}", f"Origin: http://{own}")[0] in {200, 404}
        for origin in ("https://evil.example", "http://127.0.0.1:3000", f"http://localhost:{port.number}", "null"):
            assert get(port.number, path, f"Host: {own}", f"Origin: {origin}")[0] == 403, (path, origin)
        evil = f"evil.example:{port.number}"
        assert get(port.number, path, f"Host: {evil}", f"Origin: http://{evil}")[0] == 403
    status, _ = say(port.number, port.head(2).replace("\r\n\r\n", "\r\nOrigin: https://evil.example\r\n\r\n") + "{}")
    assert status == 403


def test_websockets_are_for_the_pages_own_place(port: Port) -> None:
    """The dashboards' websocket opens for its own page only; elsewhere there is none."""
    own, evil = f"127.0.0.1:{port.number}", f"evil.example:{port.number}"

    def opened(host: str, origin: str) -> int:
        head = f"GET /_stcore/stream HTTP/1.1\r\nHost: {host}\r\n{origin}{WEBSOCKET}\r\n"
        return say(port.number, head, timeout_s=3)[0]

    if "DASHBOARDS" not in port.prefix:
        assert opened(own, f"Origin: http://{own}\r\n") != 101
        assert opened(evil, f"Origin: http://{evil}\r\n") == 403
        return
    assert opened(own, f"Origin: http://{own}\r\n") == 101
    assert opened(own, "") == 101
    for host, origin in (
        (evil, f"http://{evil}"),
        (own, f"http://{evil}"),
        (own, "http://127.0.0.1:3000"),
        (own, f"http://localhost:{port.number}"),
        (own, "null"),
    ):
        assert opened(host, f"Origin: {origin}\r\n") == 403, (host, origin)


def test_slow_heads_lock_nobody_out_and_go(port: Port) -> None:
    """More slow connections than may be open: others are served meanwhile, and all the slow ones are closed in time."""
    with slow(port.number, _SLOW, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ") as slow_ones:
        until = time.monotonic() + _HEADER_S
        while time.monotonic() < until:
            slow_ones.drip()
            status, text = get(port.number, port.paths[0], "Host: localhost")
            assert status == 200, text
        slow_ones.drip_until_gone(_HEADER_S + 3)
        assert sum(slow_ones.answers.values()) == _SLOW
        assert set(slow_ones.answers) <= {0, 408, 503}
        assert slow_ones.answers.get(408, 0) > 10


def test_slow_heads_are_answered_with_the_setting(port: Port) -> None:
    """A head that does not come is answered 408 with the variable; a connection that says nothing is closed."""
    with socket.create_connection(("127.0.0.1", port.number), timeout=10) as silent:
        status, text = say(port.number, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        assert status == 408
        assert f"{port.prefix}_HEADER_TIMEOUT_S=1.5" in text
        assert heard(silent)[0] in {0, 408}


def test_slow_bodies_go(port: Port) -> None:
    """A body that comes a byte now and then ends with 408 and the variable; a path that reads none answers at once."""
    with slow(port.number, 100, port.head(100_000).encode(), b" ") as slow_ones:
        slow_ones.drip_until_gone(_BODY_S + 4)
        if "DASHBOARDS" in port.prefix:
            assert 408 not in slow_ones.answers
        else:
            assert slow_ones.answers == {408: 100}


def test_steady_bodies_are_taken(port: Port) -> None:
    """A body that takes longer than the time, at a pace that is enough, is answered by the role itself."""
    with socket.create_connection(("127.0.0.1", port.number), timeout=10) as client:
        client.sendall(port.head(10 * 1500).encode())
        status, text = 0, ""
        try:
            for _ in range(10):
                time.sleep(_BODY_S / 7)
                client.sendall(b" " * 1500)
        except OSError:
            assert "DASHBOARDS" in port.prefix
        status, text = heard(client)
    assert status not in {408, 503}, text


def test_idle_connections_are_closed(port: Port) -> None:
    """A connection that is kept after an answer is closed after its time, without another word."""
    with socket.create_connection(("127.0.0.1", port.number), timeout=10) as client:
        client.sendall(f"GET {port.paths[0]} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        begun = time.monotonic()
        status, text = heard(client)
    assert status == 200
    assert text.count("HTTP/1.1") == 1
    assert _IDLE_S - 0.5 < time.monotonic() - begun < _IDLE_S + 3


def test_surplus_of_busy_connections_is_answered_with_the_setting(port: Port) -> None:
    """Where all connections are at work a new one hears 503 and the variable; it is served once one is free."""
    if "DASHBOARDS" in port.prefix:
        pytest.skip("no path of the dashboards waits for a body without a session")
    head, body = port.head(100_000).encode(), b" " * 4000
    busy = [socket.create_connection(("127.0.0.1", port.number), timeout=10) for _ in range(_MOST)]
    try:
        for part in (head, body):
            for client in busy:
                client.sendall(part)
            time.sleep(0.2)
        status, text = get(port.number, port.paths[0], "Host: localhost")
        assert status == 503
        assert f"{port.prefix}_MAX_CONNECTIONS={_MOST}" in text
    finally:
        for client in busy:
            client.close()
    time.sleep(0.3)
    assert get(port.number, port.paths[0], "Host: localhost")[0] == 200


def test_idle_connections_make_room(port: Port) -> None:
    """As many as may be open, all kept by clients that ask no more: a new one is served all the same."""
    kept = [socket.create_connection(("127.0.0.1", port.number), timeout=10) for _ in range(_MOST)]
    try:
        for client in kept:
            client.sendall(f"GET {port.paths[0]} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        time.sleep(1)
        for _ in range(20):
            assert get(port.number, port.paths[0], "Host: localhost")[0] == 200
    finally:
        for client in kept:
            client.close()
