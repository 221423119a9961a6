"""Metrics: the specified names, units, buckets and attributes, counted off the caller's thread."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.sdk.resources import Resource

import sightline
from sightline import TracingSettings, faults, semconv
from sightline.export import metrics
from sightline.export.ended_span import ended
from sightline.export.metric_reports import MetricReports
from sightline.export.metrics import Meter, Snapshot
from sightline.export.otlp_http import Answer, OtlpHttpSender, Verdict
from sightline.export.otlp_metrics import encode_snapshots, rejected_points
from sightline.export.outbox import Account
from sightline.runtime import runtime
from sightline.testing import Spans


def told(snapshot: Snapshot | None) -> dict[str, Any]:
    """Return the histograms by name."""
    assert snapshot is not None
    return {each.name: each for each in snapshot.histograms}


def points(snapshot: Snapshot | None, name: str) -> list[tuple[dict[str, Any], Any]]:
    """Return attributes and point of one histogram."""
    return [(dict(labels), point) for labels, point in told(snapshot)[name].points.items()]


def test_buckets_are_those_of_the_conventions() -> None:
    """The bounds that the conventions advise, to the digit."""
    assert metrics.TOKEN_BUCKETS == (
        1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864,
    )  # fmt: skip
    assert tuple(pytest.approx(0.01 * 2**power) for power in range(14)) == metrics.DURATION_BUCKETS_S
    assert metrics.DB_DURATION_BUCKETS_S == (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)


def test_a_streamed_model_call(spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    """Duration, tokens, first chunk and the waits between chunks, with their attributes."""
    meter = Meter()
    monkeypatch.setattr(runtime, "record_chunk_waits", meter.add_chunk_waits)

    @sightline.llm("m", provider="openai")
    def stream() -> Iterator[str]:
        sightline.record_usage(input_tokens=100, output_tokens=5, response_model="m-1")
        yield from ("", "a", "b", "c")

    list(stream())
    meter.observe(list(map(ended, spans)))
    snapshot = meter.snapshot()
    labels = {
        semconv.GEN_AI_OPERATION_NAME: "chat",
        semconv.GEN_AI_PROVIDER_NAME: "openai",
        semconv.GEN_AI_REQUEST_MODEL: "m",
        semconv.GEN_AI_RESPONSE_MODEL: "m-1",
    }
    ((found, duration),) = points(snapshot, semconv.METRIC_OPERATION_DURATION)
    assert found == labels
    assert sum(duration.counts) == 1
    tokens = {found[semconv.GEN_AI_TOKEN_TYPE]: point for found, point in points(snapshot, semconv.METRIC_TOKEN_USAGE)}
    assert tokens["input"].sum == 100
    assert tokens["input"].counts[metrics.TOKEN_BUCKETS.index(256)] == 1
    assert tokens["output"].sum == 5
    ((found, first),) = points(snapshot, semconv.METRIC_TIME_TO_FIRST_CHUNK)
    assert found == labels
    assert first.sum == spans.attributes()[semconv.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK]
    ((found, waits),) = points(snapshot, semconv.METRIC_TIME_PER_OUTPUT_CHUNK)
    assert found == labels
    assert sum(waits.counts) == 3


def test_errors_databases_and_what_is_not_counted(spans: Spans) -> None:
    """A failed call has error.type; a search is a database call; others' spans and plain stages are not counted."""
    meter = Meter()
    with pytest.raises(TimeoutError), sightline.embedding("e"):
        raise TimeoutError
    searched = {semconv.DB_SYSTEM_NAME: "weaviate", semconv.DB_RESPONSE_RETURNED_ROWS: 5}
    with sightline.retrieval("D", attributes=searched):
        pass
    with sightline.workflow("w"), sightline.tool("t"):
        pass
    attributes = {semconv.GEN_AI_OPERATION_NAME: "chat"}
    with spans.provider.get_tracer("somebody.else").start_as_current_span("chat x", attributes=attributes):
        pass
    meter.observe(list(map(ended, spans)))
    snapshot = meter.snapshot()
    assert set(told(snapshot)) == {
        semconv.METRIC_OPERATION_DURATION,
        semconv.METRIC_DB_DURATION,
        semconv.METRIC_DB_RETURNED_ROWS,
    }
    ((found, _),) = points(snapshot, semconv.METRIC_OPERATION_DURATION)
    assert found[semconv.ERROR_TYPE] == "TimeoutError"
    assert found[semconv.GEN_AI_PROVIDER_NAME] == "unknown"
    ((found, rows),) = points(snapshot, semconv.METRIC_DB_RETURNED_ROWS)
    assert found == {semconv.DB_SYSTEM_NAME: "weaviate"}
    assert rows.sum == 5


def test_attributes_without_end_become_one_point(spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model name for each call does not fill the memory: what is beyond the limit is one point."""
    monkeypatch.setattr(metrics, "_MAX_POINTS", 3)
    meter = Meter()
    for number in range(10):
        with sightline.llm(f"m{number}"):
            pass
    meter.observe(list(map(ended, spans)))
    found = points(meter.snapshot(), semconv.METRIC_OPERATION_DURATION)
    assert [sum(point.counts) for _, point in found] == [1, 1, 1, 7]
    assert found[-1][0] == {"otel.metric.overflow": True}


def test_delta_starts_again(spans: Spans) -> None:
    """With delta temporality a report holds what came since the last one; cumulative ones hold everything."""
    account = Account(10, 6, 3, 1, 2, 1)
    delta, whole = Meter({"span": lambda: account}, delta=True), Meter({"span": lambda: account})
    with sightline.llm("m"):
        pass
    counts = []
    for _ in range(2):
        delta.observe(list(map(ended, spans)))
        whole.observe(list(map(ended, spans)))
        taken = delta.snapshot(), whole.snapshot()
        counts.append([sum(points(each, semconv.METRIC_OPERATION_DURATION)[0][1].counts) for each in taken])
        sums = [{each.name: each.points for each in (one.sums if one else ())} for one in taken]
    assert counts == [[1, 1], [1, 2]]
    assert sums[0]["otel.sdk.processor.span.processed"][()] == 0
    assert sums[1]["otel.sdk.processor.span.processed"] == {
        (): 6,
        (("error.type", "queue_full"),): 2,
        (("error.type", "lost"),): 1,
    }
    assert sums[1]["otel.sdk.processor.span.queue.size"] == {(): 1}


def test_request_on_the_wire(spans: Spans) -> None:
    """What is sent parses, with units, bounds, counts and temporality."""
    meter = Meter({"span": lambda: Account(3, 1, 2, 0, 2, 0), "log": lambda: None})
    with sightline.llm("m", provider="p"):
        pass
    meter.observe(list(map(ended, spans)))
    snapshot = meter.snapshot()
    assert snapshot is not None
    request = ExportMetricsServiceRequest.FromString(encode_snapshots([snapshot], Resource({"service.name": "s"})))
    found = {each.name: each for each in request.resource_metrics[0].scope_metrics[0].metrics}
    histogram = found[semconv.METRIC_OPERATION_DURATION].histogram
    assert found[semconv.METRIC_OPERATION_DURATION].unit == "s"
    assert histogram.aggregation_temporality == 2
    (point,) = histogram.data_points
    assert tuple(point.explicit_bounds) == metrics.DURATION_BUCKETS_S
    assert len(point.bucket_counts) == 15
    assert point.count == sum(point.bucket_counts) == 1
    assert point.start_time_unix_nano < point.time_unix_nano
    dropped = found["otel.sdk.processor.span.processed"].sum
    assert dropped.is_monotonic
    values = {tuple(pair.value.string_value for pair in each.attributes): each.as_int for each in dropped.data_points}
    assert values == {(): 1, ("queue_full",): 2}
    assert rejected_points(b"") == rejected_points(b"\xff") == 0


def test_metrics_are_counted_off_the_callers_thread(spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller only appends; reading and adding up happens where the spans are exported, and never raises there."""
    faults.reset()
    meter = Meter()
    threads = set()
    add = Meter._add

    def noted(self: Meter, *args: Any) -> None:
        threads.add(threading.get_ident())
        add(self, *args)

    monkeypatch.setattr(Meter, "_add", noted)
    monkeypatch.setattr(runtime, "record_chunk_waits", meter.add_chunk_waits)

    @sightline.llm("m")
    def stream() -> Iterator[str]:
        yield from "abc"

    list(stream())
    assert threads == set()
    worker = threading.Thread(target=meter.observe, args=(list(spans),))
    worker.start()
    worker.join()
    assert threads == {worker.ident}
    meter.observe([object()])  # type: ignore[list-item]
    assert faults.counts() == {"measure spans": 1}
    faults.reset()


def test_settings() -> None:
    """The standard names are read."""
    settings = TracingSettings.from_env(
        {
            "OTEL_METRICS_EXPORTER": "otlp,console",
            "OTEL_METRIC_EXPORT_INTERVAL": "5000",
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta",
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://m:1/x",
            "SIGHTLINE_DEBUG_HEADER": "X-Debug",
        }
    )
    assert settings.metrics
    assert settings.metrics_interval_s == 5
    assert settings.metrics_delta
    assert settings.metrics_endpoint == "http://m:1/x"
    assert settings.debug_header == "x-debug"
    assert settings.debug_secret is None
    assert not TracingSettings.from_env({"OTEL_METRICS_EXPORTER": "prometheus"}).metrics


def test_a_receiver_without_metrics_is_logged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where /v1/metrics is not known, reports stop after the first; the drop is counted."""
    asked: list[bytes] = []

    def refuse(self: OtlpHttpSender, body: bytes, timeout_s: float | None = None) -> Answer:
        asked.append(body)
        return Answer(Verdict.REFUSED, "HTTP 404 Not Found")

    monkeypatch.setattr(OtlpHttpSender, "send", refuse)
    account = Account(1, 1, 0, 0, 0, 0)
    reports = MetricReports(TracingSettings(), lambda: Resource({}), {"span": lambda: account})
    assert reports.flush(10)
    assert reports.flush(10)
    reports.shutdown(1)
    assert len(asked) == 1
    assert reports.outbox.stats().dropped == 1
