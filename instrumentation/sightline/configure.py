"""Settings -> a running pipeline: TracerProvider, bounded queue, OTLP/HTTP exporter; the same for scores.

Promise: an application's own TracerProvider is never replaced. Where the application has one, Sightline adds
its processors to it and says so in the log.
"""

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from opentelemetry import trace as otel_trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider

from sightline import faults, semconv
from sightline.capture import CapturePolicy
from sightline.identity import SpanEnricher
from sightline.late_imports import LATE_IMPORTS
from sightline.otlp_http import OtlpHttpSender
from sightline.outbox import Outbox, Stats
from sightline.runtime import SCOPE_NAME, VERSION, runtime
from sightline.scores import Score
from sightline.settings import Capture, TracingSettings

_logger = logging.getLogger("sightline")
_lock = threading.Lock()
_active: "Tracing | None" = None


class QueueProcessor(SpanProcessor):
    """Hands every ended, sampled span to the outbox."""

    def __init__(self, outbox: Outbox[ReadableSpan]) -> None:
        self._outbox = outbox

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing to do. Called by the SDK."""

    def on_end(self, span: ReadableSpan) -> None:
        """Queue the span. Called by the SDK."""
        context = span.get_span_context()
        if context is not None and context.trace_flags.sampled:
            self._outbox.put(span)

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
        self._spans: Outbox[ReadableSpan] | None = None
        self._scores: Outbox[Score] | None = None

    def force_flush(self, timeout_s: float = 5.0) -> bool:
        """Send what is queued now; False when some of it still waits after ``timeout_s`` seconds."""
        until = time.monotonic() + timeout_s
        outboxes = [outbox for outbox in (self._spans, self._scores) if outbox is not None]
        done = [outbox.flush(max(until - time.monotonic(), 0.0)) for outbox in outboxes]
        return all(done)

    def shutdown(self, timeout_s: float | None = None) -> None:
        """Send what is queued for at most ``timeout_s`` seconds (default: the setting), count the rest as dropped."""
        global _active  # noqa: PLW0603
        until = time.monotonic() + (self.settings.exit_timeout_s if timeout_s is None else timeout_s)
        outboxes = [outbox for outbox in (self._spans, self._scores) if outbox is not None]
        for outbox in outboxes:
            outbox.close(until - time.monotonic())  # both send at once
        for outbox in outboxes:
            outbox.shutdown(max(until - time.monotonic(), 0.05))
        runtime.emit_score = None
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

    def faults(self) -> dict[str, int]:
        """Return how often tracing itself failed, by place. Empty is good."""
        return faults.counts()

    def _start_spans(self) -> SpanProcessor:
        settings = self.settings
        sender = OtlpHttpSender(
            settings.traces_endpoint,
            settings.traces_headers,
            settings.timeout_s,
            settings.compression,
            settings.certificate,
        )
        self._spans = Outbox(
            "spans",
            _encode_spans,
            sender.send,
            rejected=_rejected_spans,
            queue_size=settings.queue_size,
            batch_size=settings.batch_size,
            interval_s=settings.flush_interval_s,
            timeout_s=settings.timeout_s,
            after_fork=sender.forget,
        )
        return QueueProcessor(self._spans)

    def _start_scores(self) -> Callable[[Score], object]:
        settings = self.settings
        sender = OtlpHttpSender(
            settings.logs_endpoint,
            settings.logs_headers,
            settings.timeout_s,
            settings.compression,
            settings.certificate,
        )
        self._scores = Outbox(
            "scores",
            self._encode_scores,
            sender.send,
            rejected=_rejected_scores,
            queue_size=settings.queue_size,
            batch_size=settings.batch_size,
            interval_s=settings.flush_interval_s,
            timeout_s=settings.timeout_s,
            after_fork=sender.forget,
        )
        return self._scores.put

    def _encode_scores(self, batch: Sequence[Score]) -> bytes:
        with LATE_IMPORTS:
            from sightline.score_log import encode_scores  # noqa: PLC0415

        return encode_scores(batch, self._resource())


def configure(
    *,
    service_name: str | None = None,
    service_version: str | None = None,
    endpoint: str | None = None,
    capture: str | None = None,
    capture_max_chars: int | None = None,
    redact: Callable[[str], str] | None = None,
    resource_attributes: Mapping[str, str] | None = None,
    env: Mapping[str, str] | None = None,
) -> Tracing:
    """Start tracing; a second call returns the running handle and changes nothing.

    Arguments win over the environment, except that ``OTEL_SERVICE_NAME`` wins over ``service_name`` (an
    operator's word over a developer's default).

    Args:
        service_name: name of the service.
        service_version: its version.
        endpoint: base URL of the collector; overrides ``OTEL_EXPORTER_OTLP_ENDPOINT``.
        capture: ``none``, ``lengths`` (default), ``truncated`` or ``full``; overrides ``SIGHTLINE_CAPTURE``.
        capture_max_chars: characters of one captured text; overrides ``SIGHTLINE_CAPTURE_MAX_CHARS``.
        redact: masks every captured text before it leaves the process.
        resource_attributes: more attributes of the process.
        env: environment to read; default ``os.environ``.

    Raises:
        SettingsError: a setting cannot be used. Nothing was started.
    """
    global _active  # noqa: PLW0603
    with _lock:
        if _active is not None:
            _logger.info("sightline: already configured; this call changes nothing")
            return _active
        told = dict(os.environ if env is None else env)
        if endpoint is not None:
            told["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint
            told.pop("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", None)
            told.pop("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", None)
        if capture is not None:
            told["SIGHTLINE_CAPTURE"] = capture
        if capture_max_chars is not None:
            told["SIGHTLINE_CAPTURE_MAX_CHARS"] = str(capture_max_chars)
        settings = TracingSettings.from_env(told)
        if settings.disabled:
            _logger.info("sightline: OTEL_SDK_DISABLED is true; nothing is traced")
            return Tracing(settings, lambda: Resource({}))
        attributes: dict[str, Any] = {**(resource_attributes or {}), semconv.SIGHTLINE_VERSION: VERSION}
        name = settings.service_name or service_name
        if name:
            attributes[semconv.SERVICE_NAME] = name
        if service_version:
            attributes[semconv.SERVICE_VERSION] = service_version
        _active = _start(settings, attributes, CapturePolicy(settings.capture, settings.capture_max_chars, redact))
        return _active


def _start(settings: TracingSettings, attributes: dict[str, Any], policy: CapturePolicy) -> Tracing:
    provider = otel_trace.get_tracer_provider()
    if isinstance(provider, otel_trace.ProxyTracerProvider):
        provider = TracerProvider(resource=Resource.create(attributes), shutdown_on_exit=False)
        otel_trace.set_tracer_provider(provider)
    elif isinstance(provider, TracerProvider):
        _logger.info(
            "sightline: the application has a TracerProvider; spans go there and, besides, to %s. Its resource"
            " (service.name %r) stays as it is",
            settings.traces_endpoint,
            provider.resource.attributes.get(semconv.SERVICE_NAME),
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
    sdk.add_span_processor(SpanEnricher())
    sdk.add_span_processor(tracing._start_spans())
    runtime.tracer = sdk.get_tracer(SCOPE_NAME, VERSION, schema_url=semconv.SCHEMA_URL)
    runtime.capture = policy
    runtime.emit_score = tracing._start_scores()
    atexit.register(tracing.shutdown)
    if policy.mode is Capture.LENGTHS:
        _logger.info("sightline: content is not captured (SIGHTLINE_CAPTURE=lengths); set truncated or full to see it")
    return tracing


def _encode_spans(batch: Sequence[ReadableSpan]) -> bytes:
    # Protobuf takes as long to import as the SDK itself: the worker does it, not the application's start.
    with LATE_IMPORTS:
        from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans  # noqa: PLC0415

    return bytes(encode_spans(batch).SerializeToString())


def _rejected_spans(body: bytes) -> int:
    if not body:
        return 0
    with LATE_IMPORTS:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (  # noqa: PLC0415
            ExportTraceServiceResponse,
        )

    try:
        return int(ExportTraceServiceResponse.FromString(body).partial_success.rejected_spans)
    except Exception:
        return 0


def _rejected_scores(body: bytes) -> int:
    with LATE_IMPORTS:
        from sightline.score_log import rejected_scores  # noqa: PLC0415

    return rejected_scores(body)
