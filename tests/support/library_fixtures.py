"""Fixtures for tests of the library, in its own process and in others: spans in memory, and a receiver of OTLP."""

import http.server
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sightline import faults
from sightline.testing import Spans, captured


@pytest.fixture
def spans() -> Iterator[Spans]:
    """Spans in memory; the test fails when tracing itself had a fault."""
    faults.reset()
    with captured() as recorded:
        yield recorded
    assert faults.counts() == {}


@pytest.fixture
def no_context_errors(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """OpenTelemetry may not complain about a context."""
    with caplog.at_level(logging.WARNING):
        yield
    assert [record.message for record in caplog.records if record.name.startswith("opentelemetry")] == []


class Collector:
    """A receiver on a free port that keeps what it gets."""

    def __init__(self) -> None:
        self.traces: list[ExportTraceServiceRequest] = []
        self.logs: list[ExportLogsServiceRequest] = []
        self.metrics: list[ExportMetricsServiceRequest] = []
        self.refuse = 0
        self.held: threading.Event | None = None
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if collector.held is not None:
                    collector.held.wait(60)
                if collector.refuse:
                    collector.refuse -= 1
                    self.send_response(503)
                    self.send_header("Retry-After", "0.1")
                else:
                    if self.path == "/v1/traces":
                        collector.traces.append(ExportTraceServiceRequest.FromString(body))
                    elif self.path == "/v1/metrics":
                        collector.metrics.append(ExportMetricsServiceRequest.FromString(body))
                    else:
                        collector.logs.append(ExportLogsServiceRequest.FromString(body))
                    self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def spans(self) -> list[Any]:
        """Return all spans."""
        return [
            span
            for request in self.traces
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def counts(self, metric: str) -> list[int]:
        """Return the counts of a histogram's points, in the order of arrival."""
        return [
            point.count
            for request in self.metrics
            for resource in request.resource_metrics
            for scope in resource.scope_metrics
            for reported in scope.metrics
            if reported.name == metric
            for point in reported.histogram.data_points
        ]

    def close(self) -> None:
        """Stop."""
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A receiver."""
    running = Collector()
    yield running
    running.close()
