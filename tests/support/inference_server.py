"""A server of the Open Inference Protocol that answers HTTP as Triton does, and embeds by counting."""

from __future__ import annotations

import json
import struct
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from local_server import serving

_HEADER_LENGTH = "inference-header-content-length"


class InferenceServer(ThreadingHTTPServer):
    """The server.

    Attributes:
        ready: whether it says that it is.
        metadata: of its one model, `letters`.
        extensions: what it offers beyond the protocol.
        max_batch_size: as Triton's configuration says it; None where there is no configuration.
        broken: changes the body of an inference before it is sent.
        asked: texts and header fields of each inference.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.ready = True
        self.metadata: dict[str, Any] = {
            "name": "letters",
            "versions": ["1"],
            "platform": "python",
            "inputs": [{"name": "TEXT", "datatype": "BYTES", "shape": [-1, 1]}],
            "outputs": [{"name": "VECTOR", "datatype": "FP32", "shape": [-1, 3]}],
        }
        self.extensions = ["binary_tensor_data"]
        self.max_batch_size: int | None = 2
        self.broken: Any = None
        self.asked: list[tuple[list[str], dict[str, str]]] = []

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_address[1]}"


def vector(text: str) -> list[float]:
    """What the model makes of a text, before its length is made one."""
    return [float(len(text)), float(text.count("e")), 1.0]


class _Handler(BaseHTTPRequestHandler):
    server: InferenceServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        server, config = self.server, self.server.max_batch_size
        if self.path == "/v2/health/ready":
            self._answer(200 if server.ready else 503, b"")
        elif self.path == "/v2":
            self._json(200, {"name": "triton", "version": "2", "extensions": server.extensions})
        elif self.path == "/v2/models/letters":
            self._json(200, server.metadata)
        elif self.path == "/v2/models/letters/config" and config is not None:
            self._json(200, {"max_batch_size": config})
        else:
            self._json(404, {"error": "Request for unknown model: it is not found"})

    def do_POST(self) -> None:
        server = self.server
        body = self.rfile.read(int(self.headers["content-length"]))
        length = int(self.headers.get(_HEADER_LENGTH, len(body)))
        request = json.loads(body[:length])
        (tensor,), (output,) = request["inputs"], request["outputs"]
        texts = tensor["data"] if "data" in tensor else _texts(body[length:])
        server.asked.append((texts, {name.lower(): value for name, value in self.headers.items()}))
        if server.max_batch_size and len(texts) > server.max_batch_size:
            self._json(400, {"error": f"batch-size must be <= {server.max_batch_size}"})
            return
        rows = np.array([vector(text) for text in texts], "<f4")
        told: dict[str, Any] = {"name": output["name"], "datatype": "FP32", "shape": list(rows.shape)}
        if output.get("parameters", {}).get("binary_data"):
            told["parameters"] = {"binary_data_size": rows.nbytes}
            head = json.dumps({"model_name": "letters", "outputs": [told]}).encode()
            self._send(head + rows.tobytes(), {_HEADER_LENGTH: str(len(head))})
        else:
            told["data"] = rows.ravel().tolist()
            self._send(json.dumps({"model_name": "letters", "outputs": [told]}).encode(), {})

    def _send(self, body: bytes, headers: dict[str, str]) -> None:
        self._answer(200, self.server.broken(body) if self.server.broken else body, headers)

    def _json(self, status: int, told: dict[str, Any]) -> None:
        self._answer(status, json.dumps(told).encode())

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _texts(raw: bytes) -> list[str]:
    found = []
    while raw:
        (length,) = struct.unpack("<I", raw[:4])
        found.append(raw[4 : 4 + length].decode())
        raw = raw[4 + length :]
    return found


def running() -> AbstractContextManager[InferenceServer]:
    """A server on a free port."""
    return serving(InferenceServer())
