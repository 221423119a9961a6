"""Settings -> a running pipeline: TracerProvider, bounded queue, OTLP/HTTP exporter; the same for scores.

Promise: an application's own TracerProvider is never replaced. Where the application has one, Sightline adds
its processors to it and logs that.
"""

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opentelemetry import trace as otel_trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider

from sightline import faults, semconv
from sightline.capture.mode import Capture
from sightline.capture.policy import CapturePolicy
from sightline.enrichment import EnrichingSampler, SpanEnricher
from sightline.errors import SettingsError
from sightline.export.delivery import deliver
from sightline.export.ended_span import EndedSpan, ended
from sightline.export.other_exporters import processors, same_place
from sightline.export.otlp_scores import encode_scores
from sightline.export.otlp_spans import SpanEncoder
from sightline.export.outbox import Outbox, Stats
from sightline.forks import IMPORT_LOCK, finish_in_child, renew_in_child
from sightline.runtime import SCOPE_NAME, VERSION, runtime
from sightline.scores import Score
from sightline.settings import TracingSettings, url_to_show

if TYPE_CHECKING:
    from sightline.export.metric_reports import MetricReports

_logger = logging.getLogger("sightline")
_lock = threading.Lock()
_active: "Tracing | None" = None


def _renew_lock() -> None:
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()  # another thread may have held it at the fork


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


class QueueProcessor(SpanProcessor):
    """Hands every ended, sampled span to the outbox.

    A span that is open at a fork ends in both processes. It belongs to the one that started it: the child leaves it out
    where the SDK renews the ``service.instance.id`` (since 1.44).
    """

    def __init__(
        self,
        outbox: Outbox[EndedSpan],
        resource: Callable[[], Resource],
        unsampled: Callable[[EndedSpan], None] | None = None,
    ) -> None:
        self._outbox = outbox
        self._resource = resource
        self._unsampled = unsampled
        self._child_instance: object = None
        renew_in_child(self._note_fork)

    def _note_fork(self) -> None:
        self._child_instance = self._resource().attributes.get(semconv.SERVICE_INSTANCE_ID)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing to do. Called by the SDK."""

    def on_end(self, span: ReadableSpan) -> None:
        """Queue the span. Called by the SDK."""
        instance = self._child_instance
        if instance is not None and span.resource.attributes.get(semconv.SERVICE_INSTANCE_ID) != instance:
            return
        context = span.get_span_context()
        if context is not None and context.trace_flags.sampled:
            self._outbox.put(ended(span))
        elif self._unsampled is not None:
            self._unsampled(ended(span))  # recorded for the metrics only
            self._outbox.start()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what is queued. Called by the SDK."""
        return self._outbox.flush(timeout_millis / 1000)

    def shutdown(self) -> None:
        """Send what is queued, for a second. Called when the application shuts its provider down."""
        self._outbox.shutdown(1.0)


class Tracing:
    """Handle on the running pipeline."""

    def __init__(self, settings: TracingSettings, resource: Callable[[], Resource]) -> None:
        self.settings = settings
        """The settings that are in force."""
        self._resource = resource
        self._spans: Outbox[EndedSpan] | None = None
        self._scores: Outbox[Score] | None = None
        self._metrics: MetricReports | None = None
        self._undo: list[Callable[[], None]] = []
        self._encoder = SpanEncoder()
        self._provider: TracerProvider | None = None

    def force_flush(self, timeout_s: float = 5.0) -> bool:
        """Send what is queued now; False when some of it still waits after ``timeout_s`` seconds."""
        until = time.monotonic() + timeout_s
        outboxes = [outbox for outbox in (self._spans, self._scores) if outbox is not None]
        done = [outbox.flush(max(until - time.monotonic(), 0.0)) for outbox in outboxes]
        if self._metrics is not None:
            done.append(self._metrics.flush(max(until - time.monotonic(), 0.0)))
        return all(done)

    def shutdown(self, timeout_s: float | None = None) -> None:
        """Send what is queued for at most ``timeout_s`` seconds (default: the setting), count the rest as dropped."""
        global _active  # noqa: PLW0603
        until = time.monotonic() + (self.settings.exit_timeout_s if timeout_s is None else timeout_s)
        outboxes = [outbox for outbox in (self._spans, self._scores) if outbox is not None]
        for outbox in outboxes:
            outbox.close(until - time.monotonic())  # both send at once
        in_time = [outbox.shutdown(max(until - time.monotonic(), 0.05)) for outbox in outboxes]
        if self._metrics is not None:
            # A collector that did not take the spans in this time does not take metrics either.
            self._metrics.shutdown(until - time.monotonic() if all(in_time) else 0.0)
        runtime.emit_score = None
        runtime.record_chunk_waits = None
        runtime.send_rest = None
        while self._undo:
            self._undo.pop()()
        with _lock:
            if _active is self:
                _active = None
        atexit.unregister(self.shutdown)

    def stats(self) -> Stats:
        """Return the account of spans: ``emitted == exported + dropped + queued``."""
        return Stats(0, 0, 0, 0) if self._spans is None else self._spans.stats()

    def score_stats(self) -> Stats:
        """Return the account of scores: ``emitted == exported + dropped + queued``."""
        return Stats(0, 0, 0, 0) if self._scores is None else self._scores.stats()

    def metric_stats(self) -> Stats:
        """Return the account of metric reports: ``emitted == exported + dropped + queued``."""
        return Stats(0, 0, 0, 0) if self._metrics is None else self._metrics.outbox.stats()

    def faults(self) -> dict[str, int]:
        """Return how often tracing itself failed, by place. Empty is good."""
        return faults.counts()

    def _finish_child(self) -> None:
        """At the end of a forked child: send what it made, if anything."""
        has_observations = self._metrics is not None and self._metrics.meter.has_observations()
        if has_observations or self.stats().emitted or self.score_stats().emitted:
            self.shutdown()

    def _start_spans(self) -> SpanProcessor:
        settings, metrics = self.settings, self._metrics
        self._spans = deliver(
            "spans",
            settings,
            settings.traces_endpoint,
            settings.traces_headers,
            self._encode_spans,
            observe=(lambda _: None) if metrics is None else metrics.observe,
        )
        return QueueProcessor(self._spans, self._resource, None if metrics is None else metrics.meter.add_unsampled)

    def _encode_spans(self, batch: Sequence[EndedSpan]) -> bytes:
        if not batch:
            self._warn_of_second_exporter()  # the worker starts: exporters may have come after configure()
        redact = runtime.capture.redact
        if redact is not None:
            with IMPORT_LOCK:
                from sightline.instruments.foreign_redaction import masked  # noqa: PLC0415

            batch = masked(batch, redact)
        return self._encoder(batch)

    def _warn_of_second_exporter(self) -> None:
        """Log, once, that an exporter of the application sends the same spans to the same collector."""
        if self._provider is None:
            return
        try:
            other = same_place(self._provider, self.settings.traces_endpoint)
        except Exception as fault:
            faults.report("compare exporters", fault)
            return
        if other is not None:
            self._provider = None
            _logger.warning(
                "sightline: every span is SENT TWICE: the application's TracerProvider has an exporter of its own to"
                " %s, and Sightline sends to %s. Remove that exporter, or point it to another collector",
                url_to_show(other),
                url_to_show(self.settings.traces_endpoint),
            )

    def _start_scores(self) -> Callable[[Score], object]:
        settings = self.settings
        self._scores = deliver(
            "scores",
            settings,
            settings.logs_endpoint,
            settings.logs_headers,
            lambda batch: encode_scores(batch, self._resource()),
        )
        return self._scores.put

    def _start_metrics(self) -> None:
        from sightline.export.metric_reports import MetricReports  # noqa: PLC0415  not at import: off by a setting

        accounts = {
            "span": lambda: None if self._spans is None else self._spans.account(),
            "log": lambda: None if self._scores is None else self._scores.account(),
        }
        self._metrics = MetricReports(self.settings, self._resource, accounts)
        runtime.record_chunk_waits = self._metrics.meter.add_chunk_waits


def start_tracing(
    *,
    service_name: str | None,
    service_version: str | None,
    endpoint: str | None,
    capture: str | None,
    capture_max_chars: int | None,
    redact: Callable[[str], str] | None,
    resource_attributes: Mapping[str, str] | None,
    sample_ratio: float | None,
    env: Mapping[str, str] | None,
) -> Tracing:
    """Do what `sightline.configure` promises."""
    global _active  # noqa: PLW0603
    with _lock:
        if _active is not None:
            _logger.info("sightline: already configured; this call changes nothing")
            return _active
        variables = dict(os.environ if env is None else env)
        if endpoint is not None:
            variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint
            variables.pop("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", None)
            variables.pop("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", None)
            variables.pop("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", None)
        if capture is not None:
            variables["SIGHTLINE_CAPTURE"] = capture
        if capture_max_chars is not None:
            variables["SIGHTLINE_CAPTURE_MAX_CHARS"] = str(capture_max_chars)
        if sample_ratio is not None and not 0 <= sample_ratio <= 1:
            raise SettingsError("sample_ratio", str(sample_ratio), "needs a number from 0 to 1")
        settings = TracingSettings.from_env(variables)
        if settings.disabled:
            _logger.info("sightline: OTEL_SDK_DISABLED is true; nothing is traced")
            return Tracing(settings, lambda: Resource({}))
        attributes: dict[str, Any] = {**(resource_attributes or {}), semconv.SIGHTLINE_VERSION: VERSION}
        name = settings.service_name or service_name
        if name:
            attributes[semconv.SERVICE_NAME] = name
        if service_version:
            attributes[semconv.SERVICE_VERSION] = service_version
        policy = CapturePolicy(settings.capture, settings.capture_max_chars, redact, settings.query_sketch)
        _active = _start(settings, attributes, policy, variables, sample_ratio)
        return _active


def _start(
    settings: TracingSettings,
    attributes: dict[str, Any],
    policy: CapturePolicy,
    env: Mapping[str, str],
    sample_ratio: float | None,
) -> Tracing:
    provider = otel_trace.get_tracer_provider()
    if isinstance(provider, otel_trace.ProxyTracerProvider):
        provider = own = TracerProvider(resource=_resource(attributes), shutdown_on_exit=False)
        if sample_ratio is not None or settings.debug_secret is not None or env.get("OTEL_TRACES_SAMPLER"):
            from sightline.sampling import head_sampler  # noqa: PLC0415  imported only where sampling is configured

            provider.sampler = head_sampler(
                provider.sampler, env, sample_ratio, settings.debug_secret, record_models=settings.metrics
            )
        provider.sampler = EnrichingSampler(provider.sampler, lambda: own.resource)
        otel_trace.set_tracer_provider(provider)
    elif isinstance(provider, TracerProvider):
        _logger.info(
            "sightline: the application has a TracerProvider; spans go there and, besides, to %s. Its resource"
            " (service.name %r) stays as it is",
            url_to_show(settings.traces_endpoint),
            provider.resource.attributes.get(semconv.SERVICE_NAME),
        )
        if sample_ratio is not None or settings.debug_secret is not None:
            _logger.warning(
                "sightline: the application's TracerProvider keeps its own sampler: sample_ratio and the debug header"
                " hold only when it is made with sampler=sightline.sampling.HeadSampler(...)"
            )
    else:
        _logger.warning(
            "sightline: the application's TracerProvider (%s) is not OpenTelemetry's SDK: its spans cannot be"
            " exported from here; remove it or set an SDK provider before configure()",
            type(provider).__name__,
        )
        return Tracing(settings, lambda: Resource(attributes))
    sdk = provider
    tracing = Tracing(settings, lambda: sdk.resource)
    if settings.debug_secret is not None:
        from sightline.sampling import listen_for_debug  # noqa: PLC0415

        listen_for_debug(settings.debug_secret, settings.debug_header)
    if settings.metrics:
        tracing._start_metrics()
    if semconv.SERVICE_INSTANCE_ID not in sdk.resource.attributes:
        _logger.warning(
            "sightline: the resource of the application's TracerProvider has no service.instance.id: its spans are not"
            " numbered, and the store cannot tell whether one was lost; Resource.create() adds that attribute from"
            " OpenTelemetry 1.43 on"
        )
    # After a shutdown the provider has one already; a second one would number the process's spans from 1 again.
    enrichers = (sdk.sampler, *processors(sdk))
    if not any(isinstance(each, (EnrichingSampler, SpanEnricher)) for each in enrichers):
        sdk.add_span_processor(SpanEnricher(lambda: sdk.resource))
    sdk.add_span_processor(tracing._start_spans())
    tracing._provider = sdk
    tracing._warn_of_second_exporter()
    runtime.tracer = sdk.get_tracer(SCOPE_NAME, VERSION, schema_url=semconv.SCHEMA_URL)
    runtime.capture = policy
    runtime.emit_score = tracing._start_scores()
    runtime.send_rest = lambda: tracing.force_flush(settings.exit_timeout_s)
    atexit.register(tracing.shutdown)
    from sightline.instruments.thread_pools import carry_context  # noqa: PLC0415  imports thread pools, which few processes use

    tracing._undo += [carry_context(), finish_in_child(tracing._finish_child, settings.exit_timeout_s)]
    if policy.mode is Capture.LENGTHS:
        _logger.info("sightline: content is not captured (SIGHTLINE_CAPTURE=lengths); set truncated or full to see it")
    return tracing


def _resource(attributes: dict[str, Any]) -> Resource:
    resource = Resource.create(attributes)
    if hasattr(TracerProvider, "_handle_fork"):  # since 1.44: the SDK names the process, and a forked child anew
        return resource
    from sightline.export.instance_resource import InstanceResource, is_chosen_by_user  # noqa: PLC0415  older SDKs only

    return resource if is_chosen_by_user(resource) else InstanceResource(resource)
