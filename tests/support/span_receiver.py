"""Receives spans over OTLP/HTTP and keeps them, for tests of processes that send some."""

from __future__ import annotations

import gzip
import http.server
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Received:
    """A span."""

    service: str
    name: str
    trace_id: int
    span_id: int
    parent_id: int
    links: tuple[int, ...]
    """Trace ids of its links."""
    attributes: dict[str, Any] = field(hash=False)


class SpanReceiver:
    """A collector that acknowledges everything; traces are kept, the rest is thrown away."""

    def __init__(self) -> None:
        self.spans: list[Received] = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                if self.path == "/v1/traces":
                    receiver._keep(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def _keep(self, request: ExportTraceServiceRequest) -> None:
        for resource in request.resource_spans:
            named = {each.key: each.value.string_value for each in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    values = {each.key: _value(each.value) for each in span.attributes}
                    ids = [int.from_bytes(each, "big") for each in (span.trace_id, span.span_id, span.parent_span_id)]
                    links = tuple(int.from_bytes(each.trace_id, "big") for each in span.links)
                    self.spans.append(Received(named.get("service.name", ""), span.name, *ids, links, values))

    def until(self, has_come: Callable[[list[Received]], object], timeout_s: float = 30.0) -> list[Received]:
        """Wait until what was received is enough, and return it."""
        deadline = time.monotonic() + timeout_s
        while not has_come(list(self.spans)):
            names = sorted({(each.service, each.name) for each in self.spans})
            assert time.monotonic() < deadline, f"{len(self.spans)} spans: {names}"
            time.sleep(0.02)
        return list(self.spans)

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return None if kind is None else getattr(value, kind)
