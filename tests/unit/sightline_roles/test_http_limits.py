"""Limits of a server's clients, on a server of its own in a thread."""

from __future__ import annotations

import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from raw_clients import get, heard, say, slow

from sightline_roles.http_limits import LimitedProtocol
from sightline_roles.port_settings import PortSettings


class _Port(PortSettings):
    prefix = "SIGHTLINE_X_"


_HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"


async def _app(scope: Any, receive: Any, send: Any) -> None:
    """Reads the body and answers; /endless answers for as long as somebody reads; /early does not read."""
    if scope["path"] != "/early":
        while (await receive()).get("more_body"):
            pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/endless":
        for _ in range(1000):
            await send({"type": "http.response.body", "body": bytes(100_000), "more_body": True})
    await send({"type": "http.response.body", "body": b"in"})


@contextmanager
def _served(**limits: Any) -> Iterator[int]:
    """The port of a server with these limits."""
    protocol = LimitedProtocol.under(_Port(**limits))
    config = uvicorn.Config(_app, port=0, http=protocol, ws="none", lifespan="off", log_level="critical")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


def test_head_in_time_is_answered_and_late_is_refused_with_408() -> None:
    """408 names the variable; the same connection may ask again and again."""
    with _served(header_timeout_s=0.2) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            for _ in range(3):
                client.sendall(_HEAD)
                time.sleep(0.1)
                client.sendall(b"\r\n")
                assert client.recv(1000).startswith(b"HTTP/1.1 200")
            client.sendall(_HEAD)
            assert heard(client) == (0, "")
        status, text = say(port, _HEAD)
        assert (status, "SIGHTLINE_X_HEADER_TIMEOUT_S=0.2" in text) == (408, True)


def test_oversized_head_is_refused() -> None:
    """Of a head that never ends no more than a little over 1 MiB is kept."""
    with _served() as port:
        assert say(port, _HEAD + b"X: " + b"a" * 3_000_000)[0] in {0, 431}
        assert get(port, "/", "Host: localhost")[0] == 200


def test_body_needs_a_pace() -> None:
    """1 KiB in each window is enough for a body of any length; less ends with 408."""
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 9000\r\n\r\n"
    with _served(body_timeout_s=0.4) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            client.sendall(head)
            for _ in range(9):
                time.sleep(0.15)
                client.sendall(b" " * 1000)
            assert heard(client)[0] == 200
        status, text = say(port, head + b" " * 8000)
        assert (status, "SIGHTLINE_X_BODY_TIMEOUT_S=0.4" in text) == (408, True)


def test_rest_of_a_body_that_is_not_read_holds_nothing() -> None:
    """After an early answer the rest of the body must come as fast as a head must."""
    head = b"POST /early HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\n"
    with _served(header_timeout_s=0.3) as port, slow(port, 5, head) as slow_ones:
        slow_ones.drip_until_gone(3)


def test_answer_that_nobody_takes_is_cut() -> None:
    """A client that reads nothing is closed; one that reads now and then is served to the end."""
    with _served(body_timeout_s=0.4) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            client.sendall(b"GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n")
            time.sleep(1.5)
            assert len(heard(client)[1]) < 90_000_000
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            client.sendall(b"GET /endless HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            came = 0
            while part := client.recv(8_000_000):
                came += len(part)
                time.sleep(0.1 if came < 20_000_000 else 0)
            assert came > 100_000_000


def test_waiting_connections_make_room() -> None:
    """Those that have waited longest for their head are answered 503 and closed; who asks is answered all the while."""
    with _served(max_connections=20) as port, slow(port, 30, _HEAD) as slow_ones:
        for _ in range(5):
            assert get(port, "/", "Host: localhost")[0] == 200
            time.sleep(0.05)
        slow_ones.drip()
        # On a busy machine a request is still open when room is made; then one more makes room for it.
        assert 15 <= slow_ones.open_now <= 20
        assert slow_ones.answers == {503: 30 - slow_ones.open_now}


def test_crowd_that_asks_at_once_is_not_turned_away_for_those_that_say_nothing() -> None:
    """Accepted together with many that send no head, a request is read before room is made."""
    with _served(max_connections=20) as port, slow(port, 15, _HEAD):
        crowd = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(100)]
        try:
            for client in crowd[::10]:
                client.sendall(_HEAD + b"Connection: close\r\n\r\n")
            answers = [heard(client)[0] for client in crowd[::10]]
            assert answers.count(200) >= 8
        finally:
            for client in crowd:
                client.close()


def test_open_files_bound_the_connections(caplog: pytest.LogCaptureFixture) -> None:
    """Where the hard limit of open files is too low, fewer connections are taken, and that is logged once."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        pytest.skip("no hard limit of open files")
    LimitedProtocol.under(_Port(max_connections=hard * 2))
    assert f"SIGHTLINE_X_MAX_CONNECTIONS is {hard * 2}" in caplog.text
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= soft
