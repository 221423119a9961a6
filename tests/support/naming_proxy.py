"""A reverse proxy on loopback that says in headers who asks, as one that signs people in does."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

_MAX_HEAD_BYTES = 65_536
_TIMEOUT_S = 30.0


class NamingProxy:
    """Passes requests and websockets on; `headers` are those of whoever asks next, in place of the browser's own.

    A connection carries one request, so that each one is named.

    Args:
        url: where to; `self.url` leads there.
    """

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self.headers: Mapping[str, str] = {}
        self._target = (place.hostname, place.port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        """Take no connection any more."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with near, contextlib.suppress(OSError):
            head, rest = _head(near)
            if not head:
                return
            with socket.create_connection(self._target, _TIMEOUT_S) as far:
                far.settimeout(None)
                far.sendall(_named(head, self.headers) + rest)
                back = threading.Thread(target=_pass, args=(far, near), daemon=True)
                back.start()
                _pass(near, far)
                back.join()


@contextmanager
def naming_proxy(url: str) -> Iterator[NamingProxy]:
    """A proxy that serves until the block ends."""
    proxy = NamingProxy(url)
    try:
        yield proxy
    finally:
        proxy.stop()


def _head(near: socket.socket) -> tuple[bytes, bytes]:
    """The head of a request without its last empty line, and what came behind it; nothing where it does not come."""
    read = b""
    while b"\r\n\r\n" not in read:
        data = near.recv(_MAX_HEAD_BYTES)
        if not data or len(read) > _MAX_HEAD_BYTES:
            return b"", b""
        read += data
    head, _, rest = read.partition(b"\r\n\r\n")
    return head, rest


def _named(head: bytes, headers: Mapping[str, str]) -> bytes:
    """A head with these headers, and with the wish that the connection ends with the answer."""
    first, *lines = head.split(b"\r\n")
    is_upgrade = any(line.lower().startswith(b"upgrade:") for line in lines)
    replaced = {name.lower().encode() for name in headers} | (set() if is_upgrade else {b"connection"})
    kept = [line for line in lines if line.partition(b":")[0].strip().lower() not in replaced]
    added = [f"{name}: {value}".encode() for name, value in headers.items() if value]
    closing = [] if is_upgrade else [b"connection: close"]
    return b"\r\n".join([first, *kept, *added, *closing, b"", b""])


def _pass(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
    for each in (source, sink):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
