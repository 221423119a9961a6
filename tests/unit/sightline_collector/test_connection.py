"""A connection hands a body on whole, in large pieces where it is large, and never to a request that was answered."""

from __future__ import annotations

import http.client
import socket
import threading
import time
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from raw_clients import heard, say

from sightline_collector.receiver.connection import ExportConnection
from sightline_roles.port_settings import PortSettings

_MIB = 1024 * 1024


class _Port(PortSettings):
    prefix = "SIGHTLINE_X_"


async def _app(scope: Any, receive: Any, send: Any) -> None:
    """Says in how many pieces the body came, how long the longest was, and its checksum; /refused reads none of it."""
    pieces: list[bytes] = []
    more = scope["path"] != "/refused"
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        pieces.append(message["body"])
        more = message["more_body"]
    longest = max(map(len, pieces), default=0)
    answer = b"%d %d %d" % (len(pieces), longest, zlib.crc32(b"".join(pieces)))
    headers = [(b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200 if pieces else 401, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of a server of such connections."""
    protocol = ExportConnection.under(_Port())
    config = uvicorn.Config(_app, port=0, http=protocol, ws="none", lifespan="off", log_level="critical")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(30)
    assert not thread.is_alive()


def _answer(client: http.client.HTTPConnection) -> tuple[int, list[int]]:
    answer = client.getresponse()
    return answer.status, [int(number) for number in answer.read().split()]


@pytest.mark.parametrize("size", [0, 1, 65_537, 400_000])
def test_body_comes_whole_in_one_piece(port: int, size: int) -> None:
    """However many pieces the network made of it; the same connection takes the next request."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for index in range(3):
        body = bytes([index]) * size
        client.request("POST", "/", body)
        assert _answer(client) == (200, [1, size, zlib.crc32(body)])
    client.close()


def test_chunked_body_comes_whole_in_one_piece(port: int) -> None:
    """Its length is known only at its end."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    client.request("POST", "/", iter([b"a" * 1000] * 200), encode_chunked=True)
    assert _answer(client) == (200, [1, 200_000, zlib.crc32(b"a" * 200_000)])
    client.close()


def test_large_body_comes_in_pieces_of_bounded_size(port: int) -> None:
    """So that the application can refuse one that is too large before all of it is in memory."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    body = b"0123456789abcdef" * (5 * _MIB // 16)
    client.request("POST", "/", body)
    status, (pieces, longest, checksum) = _answer(client)
    client.close()
    assert status == 200
    assert pieces > 1
    assert longest <= 2 * _MIB
    assert checksum == zlib.crc32(body)


def test_pipelined_requests_have_each_its_own_body(port: int) -> None:
    """The second one comes before the first is answered."""
    head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n{}\r\n{}"
    _, answers = say(port, head.format("", "first") + head.format("Connection: close\r\n", "other"))
    for body in (b"first", b"other"):
        assert f"1 5 {zlib.crc32(body)}" in answers


def test_rest_of_a_refused_body_is_dropped(port: int) -> None:
    """The answer comes before the body does; what comes of it afterwards is not taken for the next one's."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(b"POST /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n")
        received = b""
        while not received.endswith(b"0 0 0"):
            received += client.recv(65536)
        assert received.startswith(b"HTTP/1.1 401")
        client.sendall(b"x" * 300_000)
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
        assert f"1 2 {zlib.crc32(b'ok')}" in heard(client)[1]


def test_client_is_told_to_go_on_before_it_sends_its_body(port: int) -> None:
    """The application waits for the body from the end of the head on: that is when 100 Continue is sent."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(
            b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        )
        assert client.recv(65536).startswith(b"HTTP/1.1 100")
        client.sendall(b"ok")
        assert f"1 2 {zlib.crc32(b'ok')}" in heard(client)[1]
