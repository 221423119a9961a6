"""Clients that say what no library lets them: heads of one's own, and many connections that are slow."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

WEBSOCKET = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: streamlit\r\n"
)
"""Headers of a websocket's handshake."""


def say(port: int, text: str | bytes, timeout_s: float = 10.0) -> tuple[int, str]:
    """Send bytes on a connection of their own; returns the answer's status, 0 where none came, and all of it."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as client:
        client.sendall(text.encode("latin-1") if isinstance(text, str) else text)
        return heard(client)


def get(port: int, path: str, *headers: str, version: str = "1.1") -> tuple[int, str]:
    """Ask for a path with exactly these headers."""
    lines = [f"GET {path} HTTP/{version}", *headers, "Connection: close", "", ""]
    return say(port, "\r\n".join(lines))


def heard(client: socket.socket) -> tuple[int, str]:
    """All that comes until the server closes; of a websocket that opens, its head."""
    received = b""
    with suppress(OSError):
        while not received.startswith(b"HTTP/1.1 101") and (part := client.recv(65536)):
            received += part
    status = received[9:12]
    return int(status) if status.isdigit() else 0, received.decode("latin-1")


class Slow:
    """Connections that send a byte now and then, until the server has closed them."""

    def __init__(self, port: int, clients: int, first: bytes, byte: bytes) -> None:
        self._byte = byte
        self._selector = selectors.DefaultSelector()
        self.answers: dict[int, int] = {}
        """How often each status was heard; 0 for none."""
        for _ in range(clients):
            client = socket.create_connection(("127.0.0.1", port), timeout=10)
            client.sendall(first)
            client.setblocking(False)
            self._selector.register(client, selectors.EVENT_READ)

    @property
    def open_now(self) -> int:
        """Connections that the server has not closed yet."""
        return len(self._selector.get_map())

    def drip(self) -> None:
        """Send a byte on each, and look which are closed."""
        for key, _ in self._selector.select(0):
            assert isinstance(key.fileobj, socket.socket)
            self._end(key.fileobj)
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            try:
                key.fileobj.send(self._byte)
            except OSError:
                self._end(key.fileobj)

    def drip_until_gone(self, timeout_s: float) -> None:
        """Go on until none is open.

        Raises:
            AssertionError: some are, after the time.
        """
        deadline = time.monotonic() + timeout_s
        while self.open_now:
            assert time.monotonic() < deadline, f"{self.open_now} slow connections are open after {timeout_s} s"
            self.drip()
            time.sleep(0.05)

    def close(self) -> None:
        """Close those that are open."""
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            self._selector.unregister(key.fileobj)
            key.fileobj.close()
        self._selector.close()

    def _end(self, client: socket.socket) -> None:
        self._selector.unregister(client)
        received = b""
        with suppress(OSError):
            received = client.recv(65536)
        status = int(received[9:12]) if received[9:12].isdigit() else 0
        self.answers[status] = self.answers.get(status, 0) + 1
        client.close()


@contextmanager
def slow(port: int, clients: int, first: bytes, byte: bytes = b"a") -> Iterator[Slow]:
    """Slow connections, closed at the end."""
    opened = Slow(port, clients, first, byte)
    try:
        yield opened
    finally:
        opened.close()
