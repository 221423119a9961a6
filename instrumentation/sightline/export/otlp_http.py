"""One OTLP/HTTP request: bytes in, a verdict out. No retries, no queue.

Uses ``http.client`` with one kept connection: no client that an application may have instrumented, and no
dependency.

Source: https://opentelemetry.io/docs/specs/otlp/#otlphttp-response
"""

import contextlib
import enum
import math
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sightline.forks import IMPORT_LOCK

if TYPE_CHECKING:
    import http.client

_RETRYABLE = frozenset({408, 429, 502, 503, 504})


class Verdict(enum.Enum):
    """What to do with a batch after one attempt."""

    SENT = "sent"
    RETRY = "retry"
    REFUSED = "refused"
    TOO_LARGE = "too large"


@dataclass(frozen=True, slots=True)
class Answer:
    """Result of one attempt."""

    verdict: Verdict
    """What to do."""
    reason: str = ""
    """For people."""
    retry_after_s: float | None = None
    """``Retry-After``, seconds; None without one."""
    body: bytes = b""
    """Response body of a success: holds ``partial_success``."""


class OtlpHttpSender:
    """Posts protobuf bodies to one URL. Used by one thread at a time."""

    def __init__(
        self,
        url: str,
        headers: tuple[tuple[str, str], ...] = (),
        timeout_s: float = 10.0,
        compression: str = "none",
        certificate: str | None = None,
    ) -> None:
        parts = urlsplit(url)
        self.url = url
        self._host = parts.hostname or "127.0.0.1"
        self._secure = parts.scheme == "https"
        self._port = parts.port or (443 if self._secure else 80)
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._timeout_s = timeout_s
        self._gzip = compression == "gzip"
        self._certificate = certificate
        self._headers = {"content-type": "application/x-protobuf", "user-agent": "sightline-python", **dict(headers)}
        if self._gzip:
            self._headers["content-encoding"] = "gzip"
        self._connection: http.client.HTTPConnection | None = None

    def send(self, body: bytes, timeout_s: float | None = None) -> Answer:
        """Post a body once and return what to do next. Never raises.

        Args:
            body: a serialized Export*ServiceRequest.
            timeout_s: seconds for this request; default is the sender's.
        """
        payload = body
        if self._gzip:
            with IMPORT_LOCK:
                import gzip  # noqa: PLC0415

            payload = gzip.compress(body, compresslevel=1)
        seconds = self._timeout_s if timeout_s is None else max(timeout_s, 0.01)
        for new_connection in (False, True):
            # A kept connection that the receiver closed in the meantime is no failure: try once on a new one.
            connection = self._connection
            try:
                if new_connection or connection is None:
                    self.close()
                    connection = self._connection = self._make_connection(seconds)
                    new_connection = True  # noqa: PLW2901
                    self._open(connection, seconds)
                    if connection is not self._connection:
                        connection.close()
                        return Answer(Verdict.RETRY, "this process was forked in the meantime")
                elif connection.sock is not None:
                    connection.sock.settimeout(seconds)
                connection.request("POST", self._path, body=payload, headers=self._headers)
                response = connection.getresponse()
                answer_body = response.read()
            except (ConnectionResetError, BrokenPipeError) as error:
                self._drop(connection)
                if new_connection:
                    return Answer(Verdict.RETRY, f"{type(error).__name__}: {error}")
            except Exception as error:
                self._drop(connection)
                return Answer(Verdict.RETRY, f"{type(error).__name__}: {error}")
            else:
                return _judge(response.status, response.reason, response.getheader("Retry-After"), answer_body)
        return Answer(Verdict.RETRY, "connection closed")

    def close(self) -> None:
        """Close the kept connection; the next ``send`` opens a new one."""
        self._drop(self._connection)

    def leave_to_parent(self) -> None:
        """After a fork: give up the connection, which goes on in the parent process.

        A greenlet that waits for an answer lives on in the child: what it reads or writes from here on goes nowhere.
        """
        sock = None if self._connection is None else self._connection.sock
        if sock is not None:
            with contextlib.suppress(OSError), Path(os.devnull).open("r+b", buffering=0) as nowhere:
                os.dup2(nowhere.fileno(), sock.fileno(), inheritable=False)
        self.close()

    def _drop(self, connection: "http.client.HTTPConnection | None") -> None:
        if connection is self._connection:
            self._connection = None
        if connection is not None:
            connection.close()

    def _make_connection(self, timeout_s: float) -> "http.client.HTTPConnection":
        # Imported on the worker: http.client and ssl would be a third of this library's import time.
        with IMPORT_LOCK:
            import http.client  # noqa: PLC0415

        if self._secure:
            with IMPORT_LOCK:
                import ssl  # noqa: PLC0415

            context = ssl.create_default_context(cafile=self._certificate)
            return http.client.HTTPSConnection(self._host, self._port, timeout=timeout_s, context=context)
        return http.client.HTTPConnection(self._host, self._port, timeout=timeout_s)

    def _open(self, connection: "http.client.HTTPConnection", timeout_s: float) -> None:
        with IMPORT_LOCK:
            import socket  # noqa: PLC0415

        try:
            socket.inet_pton(socket.AF_INET, self._host)
        except OSError:
            is_ip_address = False
        else:
            is_ip_address = not self._secure
        if not is_ip_address:
            connection.connect()
            return
        # Nothing to resolve. Under gevent that would take a thread, and CPython 3.12 starts none at exit.
        connection.sock = sock = socket.socket()
        sock.settimeout(timeout_s)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.connect((self._host, self._port))


def _judge(status: int, reason: str, retry_after: str | None, body: bytes) -> Answer:
    if 200 <= status < 300:
        return Answer(Verdict.SENT, body=body)
    text = f"HTTP {status} {reason}"
    if status in _RETRYABLE:
        return Answer(Verdict.RETRY, text, retry_after_s(retry_after))
    if status == 413:
        return Answer(Verdict.TOO_LARGE, text)
    return Answer(Verdict.REFUSED, text)


def retry_after_s(value: str | None) -> float | None:
    """Return the seconds of a ``Retry-After`` header (a number or an HTTP date), None when it cannot be read."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        with IMPORT_LOCK:
            from email.utils import parsedate_to_datetime  # noqa: PLC0415

        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (TypeError, ValueError):
            return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None
