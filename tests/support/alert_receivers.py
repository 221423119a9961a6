"""Receivers of alerts on loopback: a webhook that remembers requests, and a mail server with STARTTLS."""

from __future__ import annotations

import base64
import contextlib
import http.server
import socketserver
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any


@dataclass
class Received:
    """A request of a webhook."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Hook:
    """A webhook; `answers` are the statuses of the next requests, after which it answers 204."""

    port: int = 0
    answers: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    taken: list[Received] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}/hook?token=k3y"


@contextlib.contextmanager
def hook() -> Iterator[Hook]:
    """A webhook that answers until the block ends."""
    made = Hook()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.taken.append(Received(self.path, dict(self.headers.items()), body))
            self.send_response(made.answers.pop(0) if made.answers else 204)
            for name, value in made.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            made.taken.append(Received(self.path, {}, b""))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made.port = server.server_address[1]
        with _serving(server):
            yield made


@dataclass
class MailBox:
    """A mail server's memory.

    Attributes:
        refuses: receivers that it refuses.
        logins: user and password of each login.
        encrypted: of each mail, whether it came over TLS.
    """

    port: int = 0
    refuses: frozenset[str] = frozenset()
    mails: list[EmailMessage] = field(default_factory=list)
    receivers: list[str] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)


class _Session(socketserver.StreamRequestHandler):
    """As much of RFC 5321 as `smtplib` says to a server: EHLO, STARTTLS, AUTH PLAIN, MAIL, RCPT, DATA, QUIT."""

    server: _MailServer

    def handle(self) -> None:
        box, self._is_tls = self.server.box, False
        self._say("220 mail.test ESMTP")
        while line := self.rfile.readline().decode().strip():
            verb = line.split(" ")[0].upper()
            if verb == "EHLO":
                extra = ("250-AUTH PLAIN", "250 SMTPUTF8") if self._is_tls else ("250 STARTTLS",)
                self._say("250-mail.test", *extra)
            elif verb == "STARTTLS":
                self._say("220 go ahead")
                self.connection = self.server.context.wrap_socket(self.connection, server_side=True)
                self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb")  # type: ignore[assignment]
                self._is_tls = True
            elif verb == "AUTH":
                _, user, password = base64.b64decode(line.split(" ")[2]).decode().split("\0")
                box.logins.append((user, password))
                self._say("235 welcome" if password == "right" else "535 no")
            elif verb == "RCPT":
                receiver = line.split("<")[1].split(">")[0]
                self._say("550 unknown" if receiver in box.refuses else "250 fine")
                if receiver not in box.refuses:
                    box.receivers.append(receiver)
            elif verb == "DATA":
                self._say("354 go on")
                self._take(box)
            else:
                self._say("221 bye" if verb == "QUIT" else "250 fine")
                if verb == "QUIT":
                    return

    def finish(self) -> None:
        """Close the encrypted connection, which the server does not know."""
        super().finish()
        self.connection.close()

    def _take(self, box: MailBox) -> None:
        lines = []
        while (line := self.rfile.readline()) not in {b".\r\n", b""}:
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        mail = message_from_bytes(b"".join(lines), policy=policy.default)
        assert isinstance(mail, EmailMessage)
        box.mails.append(mail)
        box.encrypted.append(self._is_tls)
        self._say("250 taken")

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())
        self.wfile.flush()


class _MailServer(socketserver.ThreadingTCPServer):
    def __init__(self, box: MailBox, context: ssl.SSLContext) -> None:
        self.box, self.context = box, context
        super().__init__(("127.0.0.1", 0), _Session)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that does not trust the certificate ends the connection: no matter for this side."""


@contextlib.contextmanager
def mail_server(certificate: str, key: str) -> Iterator[MailBox]:
    """A mail server that answers until the block ends; files of its certificate and key in PEM."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    box = MailBox()
    with _MailServer(box, context) as server:
        box.port = server.server_address[1]
        with _serving(server):
            yield box


@contextlib.contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
