"""An application that answers as the reference application does, and fails as a test wants it to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from local_server import serving

Events = list[tuple[str, Any]]


class AnsweringApp(ThreadingHTTPServer):
    """The application.

    Attributes:
        asked: bodies and headers of all questions.
        before: looks at a question; (status, headers, body) of its own takes the place of the answer.
        answer: the answer to a question.
        context: the passage that it is taken from.
        ending: the events after the tokens.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[dict[str, Any], dict[str, str]]] = []
        self.before: Callable[[str], tuple[int, dict[str, str], bytes] | None] = lambda _: None
        self.answer: Callable[[str], str] = lambda question: f"It is a red house, {question}"
        self.context = "It is a red house."
        self.ending: Events = [("done", {"usage": {"input_tokens": 7, "output_tokens": 3}, "note": ""})]
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is part of these tests."""


class _Handler(BaseHTTPRequestHandler):
    server: AnsweringApp
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.server.lock:
            self.server.asked.append((body, {name.lower(): value for name, value in self.headers.items()}))
            number = len(self.server.asked)
            reply = self.server.before(body["question"])
        if self.path != "/v1/chat":
            reply = (404, {}, b"no such path")
        if reply is not None:
            status, headers, content = reply
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            return
        words = self.server.answer(body["question"]).split(" ")
        events: Events = [
            ("meta", {"trace_id": f"{number:032x}", "span_id": f"{number:016x}"}),
            ("sources", [{"id": "a", "text": self.server.context}]),
            *(("token", {"text": word if place == 0 else f" {word}"}) for place, word in enumerate(words)),
            *self.server.ending,
        ]
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        for name, data in events:
            self.wfile.write(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode())
            self.wfile.flush()


def running() -> AbstractContextManager[AnsweringApp]:
    """An application on a free port."""
    return serving(AnsweringApp())
