"""A traced application with a search, for tests: `python canary_app.py PORT FILE`.

FILE holds JSON: question to the ids of what is found. It is read for each question, so tests can change it.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from opentelemetry import context
from opentelemetry.propagate import extract

import sightline

INDEX = Path(sys.argv[2])


class Handler(BaseHTTPRequestHandler):
    """Answers POST with what was found, as a trace that continues the caller's."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Health."""
        self._answer({})

    def do_POST(self) -> None:
        """One question."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        token = context.attach(extract({name.lower(): value for name, value in self.headers.items()}))
        try:
            with sightline.request("ask"), sightline.retrieval("Docs"):
                sightline.record_search(query=body["question"], collection="Docs", index_version="v1")
                found = json.loads(INDEX.read_text())[body["question"]]
                sightline.record_documents([{"id": each, "score": 1.0 / (i + 1)} for i, each in enumerate(found)])
        finally:
            context.detach(token)
        self._answer({"found": found})

    def _answer(self, value: Any) -> None:
        payload = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


if __name__ == "__main__":
    sightline.configure(service_name="rag")
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
