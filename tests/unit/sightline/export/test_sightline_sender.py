"""One OTLP/HTTP request at a real socket: what is sent, what answers mean, TLS, proxies, forks."""

import os
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sightline.export.otlp_http import OtlpHttpSender, Verdict, retry_after_s


class _Handler(BaseHTTPRequestHandler):
    """Gives the next answer of a list, then 200; keeps what it got."""

    protocol_version = "HTTP/1.1"
    answers: list[tuple[int, dict[str, str]]] = []  # noqa: RUF012
    bodies: list[tuple[bytes, dict[str, str]]] = []  # noqa: RUF012

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        type(self).bodies.append((body, {key.lower(): value for key, value in self.headers.items()}))
        status, headers = self.answers.pop(0) if self.answers else (200, {})
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("content-length", "0")
        self.end_headers()
        if headers.get("connection") == "close":
            self.close_connection = True

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def serve(context: ssl.SSLContext | None) -> Iterator[tuple[int, type[_Handler]]]:
    """A receiver on a free port."""
    handler = type("Handler", (_Handler,), {"answers": [], "bodies": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_address[1], handler
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def server() -> Iterator[tuple[str, type[_Handler]]]:
    """A receiver: where, and what it answers and got."""
    for port, handler in serve(None):
        yield f"http://127.0.0.1:{port}/v1/traces", handler


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate that no authority knows, with its key in the same file."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(file), "-out", f"{file}.crt"],
        check=True, capture_output=True,
    )  # fmt: skip
    file.write_text(file.read_text() + Path(f"{file}.crt").read_text())
    return file


@pytest.fixture
def secure_port(certificate: Path) -> Iterator[int]:
    """A receiver that speaks TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    for port, _ in serve(context):
        yield port


def test_sender_posts_protobuf_with_headers(server: tuple[str, type[_Handler]]) -> None:
    """Body, content type, own headers and gzip are as OTLP wants them."""
    url, handler = server
    sender = OtlpHttpSender(url, (("authorization", "Bearer x"),), compression="gzip")
    assert sender.send(b"abc" * 100).verdict is Verdict.SENT
    sender.close()
    body, headers = handler.bodies[0]
    assert headers["content-type"] == "application/x-protobuf"
    assert headers["authorization"] == "Bearer x"
    assert headers["content-encoding"] == "gzip"
    assert body[:2] == b"\x1f\x8b"


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.SENT),
        (202, Verdict.SENT),
        (400, Verdict.REFUSED),
        (401, Verdict.REFUSED),
        (404, Verdict.REFUSED),
        (413, Verdict.TOO_LARGE),
        (429, Verdict.RETRY),
        (500, Verdict.REFUSED),
        (502, Verdict.RETRY),
        (503, Verdict.RETRY),
        (504, Verdict.RETRY),
    ],
)
def test_sender_judges_statuses(server: tuple[str, type[_Handler]], status: int, verdict: Verdict) -> None:
    """The statuses mean what OTLP/HTTP says."""
    url, handler = server
    handler.answers.append((status, {"Retry-After": "2"}))
    sender = OtlpHttpSender(url)
    answer = sender.send(b"x")
    sender.close()
    assert answer.verdict is verdict
    assert answer.retry_after_s == (2.0 if verdict is Verdict.RETRY else None)


def test_sender_survives_a_closed_connection(server: tuple[str, type[_Handler]]) -> None:
    """A kept connection that the receiver closed is replaced without a failure."""
    url, handler = server
    handler.answers.append((200, {"connection": "close"}))
    sender = OtlpHttpSender(url)
    assert [sender.send(b"x").verdict for _ in range(3)] == [Verdict.SENT] * 3
    sender.close()


def test_sender_says_retry_when_nobody_listens() -> None:
    """No receiver is a reason to wait, not to lose."""
    assert OtlpHttpSender("http://127.0.0.1:9/v1/traces", timeout_s=1).send(b"x").verdict is Verdict.RETRY


@pytest.mark.parametrize(
    ("value", "expected"), [("3", 3.0), ("-1", 0.0), ("nonsense", None), (None, None), ("inf", None)]
)
def test_retry_after_forms(value: str | None, expected: float | None) -> None:
    """Numbers are seconds; nonsense is no wish."""
    assert retry_after_s(value) == expected


def test_retry_after_date() -> None:
    """A date in the past is now."""
    assert retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_certificate_of_ones_own_is_trusted(host: str, secure_port: int, certificate: Path) -> None:
    """OTEL_EXPORTER_OTLP_CERTIFICATE names what is trusted; one connection serves many requests."""
    sender = OtlpHttpSender(f"https://{host}:{secure_port}/v1/traces", certificate=str(certificate))
    assert [sender.send(b"x").verdict for _ in range(3)] == [Verdict.SENT] * 3
    sender.close()


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # of the server, for a handshake that failed
@pytest.mark.parametrize("trusted", ["", "/nowhere/there.pem"])
def test_an_unknown_certificate_gets_nothing(trusted: str, secure_port: int) -> None:
    """Who is not trusted gets no spans, and a certificate file that is not there is a reason to wait, not to break."""
    sender = OtlpHttpSender(f"https://127.0.0.1:{secure_port}/v1/traces", certificate=trusted or None)
    answer = sender.send(b"x")
    assert answer.verdict is Verdict.RETRY
    assert ("FileNotFoundError" if trusted else "CERTIFICATE_VERIFY_FAILED") in answer.reason


def test_proxies_are_not_used(server: tuple[str, type[_Handler]], monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy variables are for others: spans go to the collector and nowhere else."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    sender = OtlpHttpSender(server[0].replace("127.0.0.1", "localhost"))
    assert sender.send(b"x").verdict is Verdict.SENT
    sender.close()


def test_a_child_leaves_the_connection_to_its_parent(server: tuple[str, type[_Handler]]) -> None:
    """What stays of the connection after a fork leads nowhere, and the parent's goes on: here both in one process."""
    sender = OtlpHttpSender(server[0])
    assert sender.send(b"x").verdict is Verdict.SENT
    assert sender._connection is not None
    inherited = sender._connection.sock
    parents = os.dup(inherited.fileno())
    os.set_blocking(parents, True)
    waiting = inherited.makefile("rb")  # as a greenlet that waits for an answer has it: the socket stays open
    sender.leave_to_parent()
    assert sender._connection is None
    os.write(parents, b"POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n")
    with pytest.raises(OSError, match="non-socket"):
        waiting.read(12)
    waiting.close()
    assert os.read(parents, 12) == b"HTTP/1.1 200"
    os.close(parents)
    assert sender.send(b"x").verdict is Verdict.SENT
    sender.close()
