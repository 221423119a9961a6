"""Metrics of a process as a receiver gets them: at exit, every interval, or not at all."""

import json
import os
import subprocess
import sys
import textwrap
from typing import Any

from sightline import semconv


def run(script: str, **env: str) -> str:
    """Run a script in a process of its own and return what it printed."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "SIGHTLINE_"))}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        env=clean | env,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout


def sent(collector: Any) -> dict[str, Any]:
    """Return the last metric of each name that the collector has got."""
    return {
        metric.name: metric
        for request in collector.metrics
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


MODEL_CALL = """
    import sightline
    tracing = sightline.configure()
    with sightline.llm("m", provider="openai"):
        sightline.record_usage(input_tokens=7, output_tokens=2)
"""


def test_metrics_leave_at_exit(collector: Any) -> None:
    """A script that just ends reports once, with its service and its account of spans."""
    run(MODEL_CALL, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, SIGHTLINE_EXIT_TIMEOUT_S="20", OTEL_SERVICE_NAME="svc")
    found = sent(collector)
    assert found[semconv.METRIC_OPERATION_DURATION].histogram.data_points[0].count == 1
    assert found["otel.sdk.exporter.span.exported"].sum.data_points[0].as_int == 1
    resource = collector.metrics[0].resource_metrics[0].resource
    assert {pair.key: pair.value.string_value for pair in resource.attributes}[semconv.SERVICE_NAME] == "svc"


def test_metrics_leave_every_interval(collector: Any) -> None:
    """A service reports while it runs, without anybody asking."""
    script = (
        MODEL_CALL
        + """
    import time
    until = time.monotonic() + 20
    while tracing.metric_stats().exported < 3 and time.monotonic() < until:
        time.sleep(0.01)
    print(tracing.metric_stats().exported >= 3)
    """
    )
    told = run(script, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_METRIC_EXPORT_INTERVAL="50")
    assert told.strip() == "True"
    assert sent(collector)[semconv.METRIC_OPERATION_DURATION].histogram.data_points[0].count == 1


def test_drops_are_exported_as_a_number(collector: Any) -> None:
    """Spans that a full queue dropped are counted under their own reason."""
    script = """
    import json, sightline
    tracing = sightline.configure()
    for _ in range(5000):
        with sightline.trace("x"):
            pass
    tracing.force_flush(20)
    stats = tracing.stats()
    print(json.dumps([stats.exported, stats.dropped]))
    """
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_MAX_QUEUE_SIZE": "20"}
    exported, dropped = json.loads(run(script, OTEL_BSP_SCHEDULE_DELAY="5000", **env))
    assert dropped > 0
    points = sent(collector)["otel.sdk.processor.span.processed"].sum.data_points
    assert {tuple(pair.value.string_value for pair in each.attributes): each.as_int for each in points} == {
        (): exported,
        ("queue_full",): dropped,
    }


def test_metrics_can_be_turned_off(collector: Any) -> None:
    """OTEL_METRICS_EXPORTER=none sends none; spans are as before."""
    run(MODEL_CALL, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_METRICS_EXPORTER="none")
    assert collector.metrics == []
    assert len(collector.spans()) == 1


def test_an_applications_meter_provider_is_left_alone(collector: Any) -> None:
    """Ours goes beside it: the global one stays what the application made it."""
    script = (
        """
    from opentelemetry import metrics
    from opentelemetry.sdk.metrics import MeterProvider
    mine = MeterProvider(shutdown_on_exit=False)
    metrics.set_meter_provider(mine)
    """
        + MODEL_CALL
        + """
    assert metrics.get_meter_provider() is mine
    assert tracing.force_flush(20)
    mine.shutdown()
    """
    )
    run(script, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    assert semconv.METRIC_OPERATION_DURATION in sent(collector)
