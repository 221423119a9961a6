"""What autoscalers read: work in progress, what waits, times to the first token, times of the model, use of budgets.

The numbers are OpenTelemetry metrics. `/metrics` shows them in Prometheus' form, and those that the library does not
send itself go to the collector over OTLP. Histograms are taken from ended spans, so they are the numbers that the pages
show; with tracing off (`OTEL_SDK_DISABLED`) they stay empty, and the gauges still work.

==========================================  =====================================================================
metric                                      meaning
==========================================  =====================================================================
``sightline_app.answers.open``              answers in progress, streamed or not
``sightline_app.answers.waiting``           of these, those whose passages are found and that have no token yet: they
                                            wait for a slot of the model and for its prompt
``sightline_app.documents.waiting``         uploaded documents that are not indexed yet
``sightline_app.response.time_to_first_token``  from the request to the first token that left for the client
``gen_ai.client.operation.duration``        of each call of a model; on the page only, since the library sends it
``sightline_app.budget.used``               share of a budget that is used, by whoever used most of it
``sightline_app.budget.tokens``             tokens that were charged to callers with limits
``sightline_app.requests.refused``          requests that a limit refused
==========================================  =====================================================================

Source: https://opentelemetry.io/docs/specs/semconv/general/naming/ and
https://github.com/open-telemetry/semantic-conventions/blob/v1.41.1/docs/gen-ai/gen-ai-metrics.md
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx
from opentelemetry import trace as otel_trace
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricExportResult,
    MetricReader,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from prometheus_client import CollectorRegistry, generate_latest

import sightline
from sightline import semconv

SCOPE: Final = "sightline.app"
DURATION_BUCKETS_S: Final = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0)
"""Upper bounds of the histograms, in seconds: close together where targets of a first token are."""
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_CALL_KEYS: Final = (semconv.GEN_AI_OPERATION_NAME, semconv.GEN_AI_REQUEST_MODEL, semconv.ERROR_TYPE)
_TIMEOUT_S = 2.0
_log = logging.getLogger("sightline.app")


@dataclass(frozen=True)
class Watched:
    """What the gauges show; each is asked when somebody reads the metrics."""

    open_answers: Callable[[], int]
    waiting_answers: Callable[[], int]
    waiting_documents: Callable[[], int]
    budgets_used: Callable[[], Mapping[str, float]]
    """Share of each budget, by its name."""
    charged_tokens: Callable[[], int]
    refused: Callable[[], Mapping[str, int]]
    """Refused requests, by the limit's name."""


@dataclass(frozen=True)
class Destination:
    """Where metrics are sent."""

    url: str
    headers: Mapping[str, str]
    interval_s: float
    resource: Mapping[str, str]
    """Attributes of the process."""


class ScaleSignals(SpanProcessor):
    """The metrics of one process; a processor of its spans.

    Args:
        destination: where metrics are sent; None sends none.
    """

    def __init__(self, destination: Destination | None = None) -> None:
        self._registry = CollectorRegistry()
        readers: list[MetricReader] = [self._page_reader()]
        if destination is not None:
            exporter = _OverHttp(destination)
            readers.append(
                PeriodicExportingMetricReader(exporter, export_interval_millis=1000 * destination.interval_s)
            )
        resource = Resource.create(dict(destination.resource) if destination else {})
        self._provider = MeterProvider(readers, resource, shutdown_on_exit=False)
        self._page_only = MeterProvider([self._page_reader()], shutdown_on_exit=False)
        self._meter = self._provider.get_meter(SCOPE)
        self._ttft = self._meter.create_histogram(
            "sightline_app.response.time_to_first_token",
            "s",
            "From the request to the first token that left for the client",
            explicit_bucket_boundaries_advisory=DURATION_BUCKETS_S,
        )
        self._calls = self._page_only.get_meter(SCOPE).create_histogram(
            semconv.METRIC_OPERATION_DURATION,
            "s",
            "Duration of a call of a model",
            explicit_bucket_boundaries_advisory=DURATION_BUCKETS_S,
        )

    def _page_reader(self) -> PrometheusMetricReader:
        return PrometheusMetricReader(disable_target_info=True, scope_info_enabled=False, registry=self._registry)

    def watch(self, watched: Watched) -> None:
        """Make the gauges and counters of an app; once."""
        meter = self._meter
        meter.create_observable_gauge(
            "sightline_app.answers.open", [_one(watched.open_answers)], "{answer}", "Answers in progress"
        )
        meter.create_observable_gauge(
            "sightline_app.answers.waiting",
            [_one(watched.waiting_answers)],
            "{answer}",
            "Answers whose passages are found and that have no token yet",
        )
        meter.create_observable_gauge(
            "sightline_app.documents.waiting",
            [_one(watched.waiting_documents)],
            "{document}",
            "Uploaded documents that are not indexed yet",
        )
        meter.create_observable_gauge(
            "sightline_app.budget.used",
            [_each(watched.budgets_used, semconv.BUDGET_NAME)],
            "1",
            "Share of a budget that is used, by whoever used most of it",
        )
        meter.create_observable_counter(
            "sightline_app.budget.tokens", [_one(watched.charged_tokens)], "{token}", "Tokens charged under limits"
        )
        meter.create_observable_counter(
            "sightline_app.requests.refused",
            [_each(watched.refused, "limit")],
            "{request}",
            "Requests that a limit refused",
        )

    def on_end(self, span: ReadableSpan) -> None:
        """Count an ended span. A request's has the time to its first token, a model's call its duration."""
        attributes = span.attributes or {}
        first_token_s = attributes.get(semconv.RESPONSE_TIME_TO_FIRST_TOKEN)
        if isinstance(first_token_s, float) and attributes.get(semconv.STAGE) == semconv.STAGE_REQUEST:
            self.record_first_token(first_token_s)
        if semconv.GEN_AI_OPERATION_NAME in attributes and span.start_time is not None and span.end_time is not None:
            labels: dict[str, Any] = {key: attributes[key] for key in _CALL_KEYS if key in attributes}
            self._calls.record((span.end_time - span.start_time) / 1e9, labels)

    @property
    def meter(self) -> Meter:
        """Makes further metrics, which are shown and sent as those here."""
        return self._meter

    def record_first_token(self, seconds: float) -> None:
        """Count the time to the first token of one answer."""
        self._ttft.record(seconds)

    def page(self) -> bytes:
        """Return the metrics in Prometheus' text form."""
        return bytes(generate_latest(self._registry))

    def close(self) -> None:
        """Send once more, and stop; takes as long as one sending at most."""
        self._provider.shutdown(timeout_millis=1000 * _TIMEOUT_S)
        self._page_only.shutdown()


def scale_signals(tracing: sightline.Tracing) -> ScaleSignals:
    """Return the metrics of a process that sends its spans with the library: to the same collector, and from its spans.

    Args:
        tracing: the running handle.
    """
    settings, provider = tracing.settings, otel_trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider) or settings.disabled:
        return ScaleSignals()
    attributes = {name: str(value) for name, value in provider.resource.attributes.items()}
    signals = ScaleSignals(
        Destination(settings.metrics_endpoint, dict(settings.metrics_headers), settings.metrics_interval_s, attributes)
        if settings.metrics
        else None
    )
    provider.add_span_processor(signals)
    return signals


def _one(ask: Callable[[], int]) -> Callable[[CallbackOptions], Iterable[Observation]]:
    return lambda _: [Observation(ask())]


def _each(ask: Callable[[], Mapping[str, float]], key: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
    return lambda _: [Observation(value, {key: name}) for name, value in sorted(ask().items())]


class _OverHttp(MetricExporter):
    """Sends reports to a collector. One that is away costs a report, and the next one holds its totals."""

    def __init__(self, destination: Destination) -> None:
        super().__init__()
        self._url = destination.url
        headers = {**destination.headers, "content-type": "application/x-protobuf"}
        self._client = httpx.Client(headers=headers, timeout=_TIMEOUT_S)

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: Any) -> MetricExportResult:
        try:
            answer = self._client.post(self._url, content=encode_metrics(metrics_data).SerializeToString())
        except httpx.HTTPError as exc:
            _log.debug("metrics were not sent: %s", exc)
            return MetricExportResult.FAILURE
        return MetricExportResult.SUCCESS if answer.is_success else MetricExportResult.FAILURE

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        return True

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:
        self._client.close()
