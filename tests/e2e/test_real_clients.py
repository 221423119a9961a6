"""Exporters of other projects against the collector as a process: what they sent stands in the store's rows.

Their packages are installed once, with exact versions, into the cache folder. Where one cannot be had its test is
skipped and says why.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from collector_role import start_collector
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from role_process import StartRole, free_port

from sightline_store.client import Client

_CACHE = Path(os.environ.get("SIGHTLINE_CACHE_DIR") or Path.home() / ".cache" / "sightline")
_JS_PACKAGES = (
    "@opentelemetry/api@1.9.1",
    "@opentelemetry/sdk-trace-base@2.12.0",
    "@opentelemetry/sdk-metrics@2.12.0",
    "@opentelemetry/sdk-logs@0.223.0",
    "@opentelemetry/exporter-trace-otlp-proto@0.223.0",
    "@opentelemetry/exporter-trace-otlp-http@0.223.0",
    "@opentelemetry/exporter-trace-otlp-grpc@0.223.0",
    "@opentelemetry/exporter-metrics-otlp-proto@0.223.0",
    "@opentelemetry/exporter-logs-otlp-http@0.223.0",
)
_JS_PROGRAM = """\
const { SpanKind, SpanStatusCode, trace, ROOT_CONTEXT } = require("@opentelemetry/api");
const { resourceFromAttributes } = require("@opentelemetry/resources");
const { BasicTracerProvider, SimpleSpanProcessor } = require("@opentelemetry/sdk-trace-base");
const { MeterProvider, PeriodicExportingMetricReader } = require("@opentelemetry/sdk-metrics");
const { LoggerProvider, SimpleLogRecordProcessor } = require("@opentelemetry/sdk-logs");
const { OTLPMetricExporter } = require("@opentelemetry/exporter-metrics-otlp-proto");
const { OTLPLogExporter } = require("@opentelemetry/exporter-logs-otlp-http");
const [http, grpc] = process.argv.slice(2);

async function main() {
  const sent = {};
  const failures = [];
  const kinds = {
    proto: ["proto", { url: `${http}/v1/traces` }],
    "proto-gzip": ["proto", { url: `${http}/v1/traces`, compression: "gzip" }],
    json: ["http", { url: `${http}/v1/traces` }],
    grpc: ["grpc", { url: `http://${grpc}` }],
    "grpc-gzip": ["grpc", { url: `http://${grpc}`, compression: "gzip" }],
  };
  for (const [name, [kind, options]] of Object.entries(kinds)) {
    const { OTLPTraceExporter } = require(`@opentelemetry/exporter-trace-otlp-${kind}`);
    const exporter = new OTLPTraceExporter(options);
    const send = exporter.export.bind(exporter);
    exporter.export = (spans, done) => send(spans, (result) => {
      if (result.code !== 0) failures.push(`${name}: ${result.error}`);
      done(result);
    });
    const provider = new BasicTracerProvider({
      resource: resourceFromAttributes({ "service.name": name }),
      spanProcessors: [new SimpleSpanProcessor(exporter)],
    });
    const tracer = provider.getTracer("tested", "1.2.3");
    const root = tracer.startSpan("root", { kind: SpanKind.SERVER });
    const child = tracer.startSpan(
      "child",
      { attributes: { text: "grüße 🦊", whole: 7, part: 0.5, yes: true, tags: ["a", "b"], numbers: [1, 2] } },
      trace.setSpan(ROOT_CONTEXT, root),
    );
    child.addEvent("happened", { why: "because" });
    child.setStatus({ code: SpanStatusCode.ERROR, message: "it broke" });
    child.end();
    root.end();
    await provider.forceFlush();
    await provider.shutdown();
    const [above, below] = [root.spanContext(), child.spanContext()];
    sent[name] = { trace: above.traceId, root: above.spanId, child: below.spanId };
  }
  const resource = resourceFromAttributes({ "service.name": "others" });
  const reader = new PeriodicExportingMetricReader({
    exporter: new OTLPMetricExporter({ url: `${http}/v1/metrics` }), exportIntervalMillis: 600000,
  });
  const meters = new MeterProvider({ resource, readers: [reader] });
  meters.getMeter("tested").createCounter("orders").add(5, { shop: "north" });
  const advice = { explicitBucketBoundaries: [1, 10] };
  const durations = meters.getMeter("tested").createHistogram("duration", { advice });
  durations.record(0.5);
  durations.record(5);
  await meters.shutdown();
  const logs = new LoggerProvider({
    resource, processors: [new SimpleLogRecordProcessor({ exporter: new OTLPLogExporter({ url: `${http}/v1/logs` }) })],
  });
  logs.getLogger("tested").emit({ severityNumber: 9, severityText: "INFO", body: "a line", attributes: { n: 1 } });
  await logs.forceFlush();
  await logs.shutdown();
  if (failures.length) throw new Error(failures.join("; "));
  console.log(JSON.stringify(sent));
}
main().catch((error) => { console.error(error); process.exit(1); });
"""


@dataclass(frozen=True)
class _Collector:
    http_port: int
    grpc_port: int
    client: Client

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def rows(self, query: str, count: int) -> list[dict[str, Any]]:
        """The rows of a query once there are `count`, or what there is after 30 s."""
        deadline, rows = time.monotonic() + 30, list[dict[str, Any]]()
        while len(rows) < count and time.monotonic() < deadline:
            time.sleep(0.05)
            rows = self.client.query_rows(query)
        return rows


@pytest.fixture
def collector(roles: StartRole, tmp_path: Path, emptied: Callable[..., Client]) -> _Collector:
    """A collector with both ports, over the session's store, whose tables have no rows."""
    client = emptied()
    of_the_store = {"COLLECTOR_SEGMENT_MAX_AGE_S": "0.1", "STORE_DATABASE": client.settings.database}
    started = start_collector(roles, tmp_path, client.settings.url, **of_the_store)
    return _Collector(started.port, started.grpc_port, client)


@cache
def _javascript() -> Path:
    """Folder with the JavaScript SDK; installed where it is absent."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("SKIPPED: node and npm are not on PATH, so the JavaScript SDK cannot be tested")
    folder = _CACHE / "clients" / "js"
    installed = folder / "installed.txt"
    if not installed.exists() or installed.read_text().split() != list(_JS_PACKAGES):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private": true}\n')
        npm = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", *_JS_PACKAGES]
        done = subprocess.run(npm, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            pytest.skip(f"SKIPPED: npm cannot install the JavaScript SDK: {done.stderr[-500:]}")
        installed.write_text("\n".join(_JS_PACKAGES))
    return folder


@cache
def _peers() -> ModuleType:
    """The benchmarks' module that installs them."""
    path = Path(__file__).parents[2] / "benchmarks" / "peers.py"
    spec = importlib.util.spec_from_file_location("peers_of_benchmarks", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _otelcol() -> str:
    binary: Path = _peers().OTELCOL
    if not binary.exists():
        pytest.skip(f"SKIPPED: no {binary}; `make bench-ingest` builds the official Collector (Go, several minutes)")
    return str(binary)


def _rotel() -> str:
    try:
        return str(_peers().rotel()[0])
    except (subprocess.CalledProcessError, OSError, ValueError) as exc:
        pytest.skip(f"SKIPPED: pip cannot install rotel: {exc}")


def _feed(port: int) -> tuple[str, str]:
    """All three signals through the Python SDK to a peer's OTLP/HTTP receiver; ids of the trace and of its child."""
    resource = Resource.create({"service.name": "fed"})
    url = f"http://127.0.0.1:{port}/v1"
    tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{url}/traces")))
    tracer = tracers.get_tracer("tested", "1.2.3")
    with tracer.start_as_current_span("root"), tracer.start_as_current_span("child") as child:
        child.set_attributes({"text": "grüße 🦊", "whole": 7, "part": 0.5, "yes": True, "tags": ["a", "b"]})
        context = child.get_span_context()
        loggers = LoggerProvider(resource=resource, shutdown_on_exit=False)
        loggers.add_log_record_processor(SimpleLogRecordProcessor(OTLPLogExporter(f"{url}/logs")))
        loggers.get_logger("tested").emit(
            timestamp=time.time_ns(), severity_number=SeverityNumber.INFO, body="a line", attributes={"n": 1}
        )
        loggers.shutdown()
    tracers.shutdown()
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{url}/metrics"), export_interval_millis=600_000)
    meters = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
    meters.get_meter("tested").create_counter("orders").add(5, {"shop": "north"})
    meters.shutdown()
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


def _fed_rows_hold(collector: _Collector, trace_id: str, child_id: str) -> None:
    spans = collector.rows("SELECT TraceId, SpanId, ParentSpanId, SpanName, SpanAttributes FROM otel_traces", 2)
    by_name = {row["SpanName"]: row for row in spans}
    assert sorted(by_name) == ["child", "root"]
    assert {row["TraceId"] for row in spans} == {trace_id}
    assert by_name["child"]["SpanId"] == child_id
    assert by_name["child"]["ParentSpanId"] == by_name["root"]["SpanId"]
    assert by_name["child"]["SpanAttributes"] == {
        "part": "0.5", "tags": '["a","b"]', "text": "grüße 🦊", "whole": "7", "yes": "true"
    }  # fmt: skip
    logs = collector.rows("SELECT TraceId, SpanId, Body, SeverityNumber, LogAttributes, ServiceName FROM otel_logs", 1)
    assert logs == [
        {
            "TraceId": trace_id,
            "SpanId": child_id,
            "Body": "a line",
            "SeverityNumber": 9,
            "LogAttributes": {"n": "1"},
            "ServiceName": "fed",
        }
    ]
    points = collector.rows("SELECT MetricName, Value, Attributes, IsMonotonic FROM otel_metrics_sum", 1)
    assert points == [{"MetricName": "orders", "Value": 5.0, "Attributes": {"shop": "north"}, "IsMonotonic": True}]


def test_javascript_sdk(collector: _Collector) -> None:
    """Protobuf, JSON and gRPC of the JavaScript SDK, compressed and not; its metrics and logs too."""
    folder = _javascript()
    program = folder / "send.cjs"
    program.write_text(_JS_PROGRAM)
    done = subprocess.run(
        ["node", str(program), collector.http, f"127.0.0.1:{collector.grpc_port}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    sent: dict[str, dict[str, str]] = json.loads(done.stdout)
    rows = collector.rows(
        "SELECT ServiceName, TraceId, SpanId, ParentSpanId, SpanName, SpanKind, StatusCode, StatusMessage,"
        " ScopeVersion, SpanAttributes, Events.Name AS events, Events.Attributes AS event_attributes FROM otel_traces",
        2 * len(sent),
    )
    found = {(row["ServiceName"], row["SpanName"]): row for row in rows}
    assert len(rows) == len(found) == 2 * len(sent) == 10
    for name, ids in sent.items():
        root, child = found[name, "root"], found[name, "child"]
        assert (root["TraceId"], root["SpanId"], root["ParentSpanId"]) == (ids["trace"], ids["root"], "")
        assert (child["TraceId"], child["SpanId"], child["ParentSpanId"]) == (ids["trace"], ids["child"], ids["root"])
        assert (root["SpanKind"], root["ScopeVersion"]) == ("Server", "1.2.3")
        assert (child["StatusCode"], child["StatusMessage"]) == ("Error", "it broke")
        assert child["SpanAttributes"] == {
            "numbers": "[1,2]", "part": "0.5", "tags": '["a","b"]', "text": "grüße 🦊", "whole": "7", "yes": "true"
        }  # fmt: skip
        assert (child["events"], child["event_attributes"]) == (["happened"], [{"why": "because"}])
    points = collector.rows("SELECT MetricName, Value, Attributes FROM otel_metrics_sum", 1)
    assert points == [{"MetricName": "orders", "Value": 5.0, "Attributes": {"shop": "north"}}]
    durations = collector.rows("SELECT Count, Sum, BucketCounts, ExplicitBounds FROM otel_metrics_histogram", 1)
    assert durations == [{"Count": 2, "Sum": 5.5, "BucketCounts": [1, 1, 0], "ExplicitBounds": [1.0, 10.0]}]
    logs = collector.rows("SELECT Body, SeverityText, LogAttributes, ServiceName FROM otel_logs", 1)
    assert logs == [{"Body": "a line", "SeverityText": "INFO", "LogAttributes": {"n": "1"}, "ServiceName": "others"}]


@pytest.mark.parametrize("exporter", ["otlphttp", "otlphttp-json", "otlphttp-zstd", "otlp"])
def test_official_collector(collector: _Collector, tmp_path: Path, exporter: str) -> None:
    """The official Collector's exporters pass on all three signals, unchanged."""
    binary, port = _otelcol(), free_port()
    to = {
        "otlphttp": f"otlphttp: {{endpoint: {collector.http}}}",
        "otlphttp-json": f"otlphttp: {{endpoint: {collector.http}, encoding: json, compression: deflate}}",
        "otlphttp-zstd": f"otlphttp: {{endpoint: {collector.http}, compression: zstd}}",
        "otlp": f"otlp: {{endpoint: 127.0.0.1:{collector.grpc_port}, tls: {{insecure: true}}}}",
    }[exporter]
    pipeline = f"{{receivers: [otlp], exporters: [{to.partition(':')[0]}]}}"
    config = tmp_path / "otelcol.yaml"
    config.write_text(f"""\
receivers: {{otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{port}"}}}}}}}}
exporters: {{{to}}}
service:
  telemetry: {{metrics: {{level: none}}, logs: {{level: warn}}}}
  pipelines: {{traces: {pipeline}, metrics: {pipeline}, logs: {pipeline}}}
""")
    _through([binary, "--config", str(config)], port, tmp_path / "otelcol.log", collector)


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_rotel(collector: _Collector, tmp_path: Path, protocol: str) -> None:
    """Rotel's OTLP exporter passes on all three signals, unchanged, over gRPC and HTTP."""
    binary, port = _rotel(), free_port()
    endpoint = collector.http if protocol == "http" else f"http://127.0.0.1:{collector.grpc_port}"
    command = [
        binary, "start", "--otlp-http-endpoint", f"127.0.0.1:{port}", "--otlp-grpc-endpoint",
        f"127.0.0.1:{free_port()}", "--exporter", "otlp", "--otlp-exporter-endpoint", endpoint,
        "--otlp-exporter-protocol", protocol,
    ]  # fmt: skip
    _through(command, port, tmp_path / "rotel.log", collector)


def _through(command: list[str], port: int, log: Path, collector: _Collector) -> None:
    """Start a peer, feed it, and look for the rows behind the collector."""
    with log.open("wb") as file:
        peer = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)
    try:
        _until(lambda: _is_open(port) or peer.poll() is not None)
        assert peer.poll() is None, log.read_text(errors="replace")[-3000:]
        _fed_rows_hold(collector, *_feed(port))
    finally:
        peer.terminate()
        try:
            peer.wait(10)
        except subprocess.TimeoutExpired:
            peer.kill()
            peer.wait()


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _until(holds: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.05)
