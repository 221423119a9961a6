"""Where the collector's own metrics go: the /metrics page, and the spool, by which they reach the store."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import Meter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricExportResult,
    MetricReader,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import Resource
from prometheus_client import REGISTRY, generate_latest


class SelfMetrics:
    """The collector's own meter. Exporting starts with `send_to`."""

    def __init__(self, interval_s: float) -> None:
        """Make the meter; every `interval_s` seconds its metrics are sent, 0 never."""
        readers: list[MetricReader] = [PrometheusMetricReader(disable_target_info=True)]
        self._exporter = _Requests()
        if interval_s > 0:
            readers.append(PeriodicExportingMetricReader(self._exporter, export_interval_millis=interval_s * 1000))
        resource = Resource.create(
            {"service.name": "sightline-collector", "service.instance.id": f"{socket.gethostname()}-{os.getpid()}"}
        )
        self._provider = MeterProvider(metric_readers=readers, resource=resource, shutdown_on_exit=False)

    @property
    def meter(self) -> Meter:
        """The meter with which instruments are created."""
        return self._provider.get_meter("sightline.collector")

    def send_to(self, take: Callable[[bytes], None]) -> None:
        """Hand each ExportMetricsServiceRequest to `take`, on a thread of its own."""
        self._exporter.take = take

    def page(self) -> bytes:
        """The metrics in Prometheus's text format."""
        return bytes(generate_latest(REGISTRY))

    def stop(self) -> None:
        """Export once more, and stop."""
        self._provider.shutdown()


class _Requests(MetricExporter):
    """Turns what the SDK collects into OTLP requests."""

    def __init__(self) -> None:
        super().__init__()
        self.take: Callable[[bytes], None] | None = None

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: Any) -> MetricExportResult:
        if self.take is None:
            return MetricExportResult.FAILURE
        self.take(encode_metrics(metrics_data).SerializeToString())
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        return True

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:
        self.take = None
