"""Spans from the first byte to queryable, beside rotel; durable accepting alone, beside the OpenTelemetry Collector.

Every run ends only when each span is counted in the store. CPU is that of every process but the sender's. rotel
acknowledges from memory and its tables do not fsync; ours do both. Accepting is measured after the first requests, on
both sides: a start is no part of it. What the parts of accepting cost is measured one by one, in this process.
Usage: python benchmarks/ingest.py [REQUESTS]
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import peers
import processes
import rag_load
import results

from sightline_collector.request import otlp, spelling
from sightline_collector.request.flat_types import request_types
from sightline_collector.spool import record
from sightline_store.client import Client
from sightline_store.ingest import Signal
from sightline_store.schema import migrate
from sightline_store.settings import StoreSettings

_ROUNDS = 3
_WARM_REQUESTS = 128


def main() -> None:
    """Run all of it and print one JSON line."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2048
    rotel, rotel_version = peers.rotel()
    otelcol, otelcol_version = peers.otelcol()
    requests = rag_load.make_requests(count)
    ours, theirs, accept, their_accept = [], [], [], []
    for number in range(_ROUNDS):
        ours.append(_ours(requests))
        theirs.append(_rotel(rotel, requests))
        accept.append(_our_accepting(requests))
        their_accept.append(_otelcol_accepting(otelcol, requests))
        print(
            f"round {number + 1}: ours {ours[-1][0]:,.0f} spans/CPU-s, rotel {theirs[-1][0]:,.0f}; "
            f"accepting {accept[-1]:,.0f}, otelcol {their_accept[-1]:,.0f}",
            file=sys.stderr,
        )
    result = {
        "bench": "ingest",
        "spans": count * rag_load.SPANS_PER_REQUEST,
        "rounds": _ROUNDS,
        "spans_per_cpu_s": round(statistics.median(run[0] for run in ours)),
        "rotel_spans_per_cpu_s": round(statistics.median(run[0] for run in theirs)),
        "ratio": round(statistics.median(a[0] / b[0] for a, b in zip(ours, theirs, strict=True)), 2),
        "acked_per_s": round(statistics.median(run[1] for run in ours)),
        "rotel_acked_per_s": round(statistics.median(run[1] for run in theirs)),
        "accept_per_cpu_s": round(statistics.median(accept)),
        "otelcol_accept_per_cpu_s": round(statistics.median(their_accept)),
        "accept_ratio": round(statistics.median(a / b for a, b in zip(accept, their_accept, strict=True)), 2),
        "walk_is_compiled": spelling.is_compiled(),
        "peak_rss_mib": round(max(run[2] for run in ours)),
        **_parts(requests),
    }
    results.keep(result, rotel=rotel_version, otelcol=otelcol_version)


def _ours(requests: list[bytes]) -> tuple[float, float, float]:
    """Spans per CPU-second, acknowledged per second, peak MiB of our collector."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store, url = processes.store(folder)
        with store:
            client = _client(url, fsync=True)
            collector, port = processes.collector(folder, url, "otel")
            with collector:
                before = store.cpu_s() + collector.cpu_s()
                sent = rag_load.send(port, requests)
                _wait_for(client, sent.spans)
                cpu_s = store.cpu_s() + collector.cpu_s() - before
                return sent.spans / cpu_s, sent.spans / sent.seconds, collector.peak_rss_mib


def _rotel(binary: str, requests: list[bytes]) -> tuple[float, float]:
    """The same through rotel, into the same store with the same tables and views, without fsync."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store, url = processes.store(folder)
        port, grpc_port = processes.free_port(), processes.free_port()
        command = [
            binary, "start", "--otlp-http-endpoint", f"127.0.0.1:{port}", "--otlp-grpc-endpoint",
            f"127.0.0.1:{grpc_port}", "--exporter", "clickhouse", "--clickhouse-exporter-endpoint", url,
            "--clickhouse-exporter-compression", "none", "--clickhouse-exporter-async-insert", "false",
        ]  # fmt: skip
        with store:
            client = _client(url, fsync=False)
            with processes.Server(command, is_ready=processes.port_open(port), log=folder / "rotel.log") as rotel:
                before = store.cpu_s() + rotel.cpu_s()
                sent = rag_load.send(port, requests)
                _wait_for(client, sent.spans)
                cpu_s = store.cpu_s() + rotel.cpu_s() - before
                return sent.spans / cpu_s, sent.spans / sent.seconds


def _our_accepting(requests: list[bytes]) -> float:
    """Durable accepting alone: the store is away. Spans per CPU-second of the collector."""
    with tempfile.TemporaryDirectory() as name:
        away = f"http://127.0.0.1:{processes.free_port()}"
        collector, port = processes.collector(Path(name), away, "otel")
        with collector:
            return _spans_per_cpu_s(collector, port, requests)


def _otelcol_accepting(binary: str, requests: list[bytes]) -> float:
    """The same through the official Collector: file_storage with fsync, its exporter's backend away."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        port, away = processes.free_port(), processes.free_port()
        (folder / "config.yaml").write_text(f"""\
extensions: {{file_storage: {{directory: {folder}/queue, create_directory: true, fsync: true}}}}
receivers: {{otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{port}"}}}}}}}}
exporters:
  otlphttp:
    endpoint: http://127.0.0.1:{away}
    sending_queue: {{storage: file_storage, queue_size: 1000000, num_consumers: 1}}
    retry_on_failure: {{initial_interval: 30s, max_elapsed_time: 0}}
service:
  extensions: [file_storage]
  telemetry: {{metrics: {{level: none}}, logs: {{level: error}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [otlphttp]}}}}
""")
        command = [binary, "--config", str(folder / "config.yaml")]
        with processes.Server(command, is_ready=processes.port_open(port), log=folder / "otelcol.log") as otelcol:
            return _spans_per_cpu_s(otelcol, port, requests)


def _spans_per_cpu_s(server: processes.Server, port: int, requests: Sequence[bytes]) -> float:
    """Spans that a server accepts per CPU-second once it has taken the first requests."""
    rag_load.send(port, requests[:_WARM_REQUESTS])
    before = server.cpu_s()
    sent = rag_load.send(port, requests[_WARM_REQUESTS:])
    return sent.spans / (server.cpu_s() - before)


def _parts(requests: Sequence[bytes]) -> dict[str, int]:
    """Microseconds of CPU a request that the collector spends on each of what it does with its bytes."""
    types = request_types()[Signal.TRACES]
    parts: dict[str, Callable[[bytes], object]] = {
        "walk_us": spelling.Spelling(types.flat).is_own,
        "parse_us": types.flat.FromString,
        "look_for_unknown_us": types.is_flat,
        "check_us": lambda body: otlp.check(Signal.TRACES, body),
        "check_and_stamp_us": lambda body: otlp.check(Signal.TRACES, body, tenant="acme"),
        "digest_us": lambda body: record.digest(Signal.TRACES, body),
        "record_us": record.encode,
    }
    return {name: round(min(_us(part, requests[:64]) for _ in range(10))) for name, part in parts.items()}


def _us(part: Callable[[bytes], object], requests: Sequence[bytes]) -> float:
    began_s = time.thread_time()
    for body in requests:
        part(body)
    return (time.thread_time() - began_s) / len(requests) * 1e6


def _client(url: str, *, fsync: bool) -> Client:
    client = Client(StoreSettings(url=url))
    migrate.apply(client)
    if not fsync:
        for row in client.query_rows("SELECT name FROM system.tables WHERE database = 'otel' AND engine = 'MergeTree'"):
            client.command(f"ALTER TABLE {row['name']} MODIFY SETTING fsync_after_insert = 0, fsync_part_directory = 0")
    return client


def _wait_for(client: Client, spans: int, timeout_s: float = 300) -> None:
    deadline = time.monotonic() + timeout_s
    while (have := client.query_rows("SELECT count() AS n FROM otel_traces")[0]["n"]) < spans:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{have} of {spans} spans are queryable after {timeout_s} s")
        time.sleep(0.1)
    if have != spans:
        raise RuntimeError(f"{have} spans stored, {spans} sent")


if __name__ == "__main__":
    if shutil.which("go") is None:
        sys.exit("bench-ingest builds the OpenTelemetry Collector: it needs Go on PATH")
    try:
        main()
    except subprocess.CalledProcessError as exc:
        sys.exit(f"a peer could not be installed: {exc}")
