"""Metrics from ended spans: counted on the exporting thread, sent beside the spans, apart from an application's own.

They cost the caller nothing: an ended span is queued for export anyway, and the exporting thread reads its duration
and token counts. Only the waits between streamed chunks, which a span holds as quantiles, are
handed over, with one append a stream. Model calls that head sampling leaves out are counted too.

Names, units and buckets are those of the conventions:
https://github.com/open-telemetry/semantic-conventions/blob/v1.41.1/docs/gen-ai/gen-ai-metrics.md ,
https://opentelemetry.io/docs/specs/semconv/database/database-metrics/ and
https://opentelemetry.io/docs/specs/semconv/otel/sdk-metrics/
"""

import bisect
import collections
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sightline import faults, semconv
from sightline.export.ended_span import EndedSpan
from sightline.export.outbox import Account
from sightline.forks import renew_in_child
from sightline.runtime import SCOPE_NAME

DURATION_BUCKETS_S: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
"""Upper bounds of the gen_ai duration histograms, seconds."""
TOKEN_BUCKETS: Final = tuple(4**power for power in range(14))
"""Upper bounds of the gen_ai token histogram: 1, 4, 16 ... 67,108,864."""
DB_DURATION_BUCKETS_S: Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)
"""Upper bounds of the database duration histogram, seconds."""
DB_ROW_BUCKETS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
"""Upper bounds of the histogram of returned rows."""

_HISTOGRAMS: Final[dict[str, tuple[str, Sequence[float]]]] = {
    semconv.METRIC_OPERATION_DURATION: ("s", DURATION_BUCKETS_S),
    semconv.METRIC_TOKEN_USAGE: ("{token}", TOKEN_BUCKETS),
    semconv.METRIC_TIME_TO_FIRST_CHUNK: ("s", DURATION_BUCKETS_S),
    semconv.METRIC_TIME_PER_OUTPUT_CHUNK: ("s", DURATION_BUCKETS_S),
    semconv.METRIC_DB_DURATION: ("s", DB_DURATION_BUCKETS_S),
    semconv.METRIC_DB_RETURNED_ROWS: ("{row}", DB_ROW_BUCKETS),
}
_MODEL_KEYS: Final = (
    semconv.GEN_AI_OPERATION_NAME,
    semconv.GEN_AI_PROVIDER_NAME,
    semconv.GEN_AI_REQUEST_MODEL,
    semconv.GEN_AI_RESPONSE_MODEL,
    semconv.SERVER_ADDRESS,
    semconv.SERVER_PORT,
)
_DB_KEYS: Final = (
    semconv.DB_SYSTEM_NAME,
    semconv.DB_COLLECTION_NAME,
    semconv.DB_OPERATION_NAME,
    semconv.SERVER_ADDRESS,
    semconv.SERVER_PORT,
)
_MODEL_OPERATIONS: Final = frozenset({"chat", "text_completion", "generate_content", "embeddings"})
_UNKNOWN_PROVIDER: Final = "unknown"
_MAX_POINTS: Final = 2000
_OVERFLOW: Final = (("otel.metric.overflow", True),)
_MAX_UNSAMPLED: Final = 16_384

Labels = tuple[tuple[str, Any], ...]
Accounts = Mapping[str, Callable[[], Account | None]]


@dataclass(slots=True)
class HistogramPoint:
    """What was observed under one set of attributes."""

    counts: list[int]
    """Observations by bucket; the last one is above all bounds."""
    sum: float = 0.0
    """Sum of what was observed."""
    min: float = float("inf")
    """Smallest observation."""
    max: float = float("-inf")
    """Largest observation."""

    def add(self, value: float, bounds: Sequence[float], count: int = 1) -> None:
        """Count an observation."""
        self.counts[bisect.bisect_left(bounds, value)] += count
        self.sum += value * count
        self.min = min(self.min, value)
        self.max = max(self.max, value)


@dataclass(frozen=True, slots=True)
class Histogram:
    """One histogram at one moment."""

    name: str
    """Name of the metric."""
    unit: str
    """UCUM unit."""
    bounds: Sequence[float]
    """Upper bounds of the buckets."""
    points: Mapping[Labels, HistogramPoint]
    """Observations by attributes."""


@dataclass(frozen=True, slots=True)
class Sum:
    """One counter at one moment."""

    name: str
    """Name of the metric."""
    unit: str
    """UCUM unit."""
    monotonic: bool
    """Whether it only grows."""
    points: Mapping[Labels, int]
    """Values by attributes."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All metrics of the process at one moment."""

    start_time_ns: int
    """Start of what is counted, nanoseconds since the epoch."""
    time_ns: int
    """When it was taken, nanoseconds since the epoch."""
    delta: bool
    """Whether it holds only what came since the last one."""
    histograms: tuple[Histogram, ...]
    """Histograms with at least one point."""
    sums: tuple[Sum, ...]
    """Counters of the pipeline itself."""


class Meter:
    """Reads metrics off ended spans.

    Everything but ``add_chunk_waits`` and ``add_unsampled`` runs on exporting threads.

    Args:
        accounts: the pipelines to report on, by signal (``span``, ``log``).
        delta: whether each snapshot starts at zero again (``OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE``).
    """

    def __init__(self, accounts: Accounts | None = None, *, delta: bool = False) -> None:
        self._accounts = dict(accounts or {})
        self._delta = delta
        self._reset()
        renew_in_child(self._reset)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._start_time_ns = time.time_ns()
        self._points: dict[str, dict[Labels, HistogramPoint]] = {}
        self._chunk_waits: collections.deque[tuple[Mapping[str, Any], Sequence[float], int]] = collections.deque()
        self._unsampled_spans: collections.deque[EndedSpan] = collections.deque(maxlen=_MAX_UNSAMPLED)
        self._reported: dict[tuple[str, Labels], int] = {}

    def add_chunk_waits(self, attributes: Mapping[str, Any], chunk_waits: Sequence[float], weight: int) -> None:
        """Take the waits between the chunks of one stream. On the caller's thread: one append.

        Args:
            attributes: the span's.
            chunk_waits: seconds.
            weight: how many waits each value stands for.
        """
        if len(self._chunk_waits) < _MAX_UNSAMPLED:
            self._chunk_waits.append((attributes, chunk_waits, weight))

    def add_unsampled(self, span: EndedSpan) -> None:
        """Take a span that is recorded but not sent. On the caller's thread: one append."""
        self._unsampled_spans.append(span)

    def observe(self, spans: Sequence[EndedSpan]) -> None:
        """Count ended spans, and what was handed over in the meantime. Never raises."""
        try:
            with self._lock:
                for span in spans:
                    self._span(span)
                while self._unsampled_spans:
                    self._span(self._unsampled_spans.popleft())
                while self._chunk_waits:
                    attributes, chunk_waits, weight = self._chunk_waits.popleft()
                    labels = _model_labels(attributes)
                    for wait in chunk_waits:
                        self._add(semconv.METRIC_TIME_PER_OUTPUT_CHUNK, labels, wait, weight)
        except Exception as fault:
            faults.report("measure spans", fault)

    def _span(self, span: EndedSpan) -> None:
        scope = span.instrumentation_scope
        if scope is None or not scope.name.startswith(SCOPE_NAME):
            return
        attributes = span.attributes
        if span.start_time is None or span.end_time is None:
            return
        seconds = (span.end_time - span.start_time) / 1e9
        error_type = attributes.get(semconv.ERROR_TYPE)
        error: Labels = () if error_type is None else ((semconv.ERROR_TYPE, error_type),)
        if attributes.get(semconv.GEN_AI_OPERATION_NAME) in _MODEL_OPERATIONS:
            labels = _model_labels(attributes)
            self._add(semconv.METRIC_OPERATION_DURATION, labels + error, seconds)
            first_chunk_s = attributes.get(semconv.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK)
            if isinstance(first_chunk_s, float):
                self._add(semconv.METRIC_TIME_TO_FIRST_CHUNK, labels, first_chunk_s)
            for kind, key in _TOKENS:
                count = attributes.get(key)
                if isinstance(count, int):
                    self._add(semconv.METRIC_TOKEN_USAGE, (*labels, (semconv.GEN_AI_TOKEN_TYPE, kind)), count)
        if semconv.DB_SYSTEM_NAME in attributes:
            labels = tuple((key, attributes[key]) for key in _DB_KEYS if key in attributes)
            self._add(semconv.METRIC_DB_DURATION, labels + error, seconds)
            rows = attributes.get(semconv.DB_RESPONSE_RETURNED_ROWS)
            if isinstance(rows, int):
                self._add(semconv.METRIC_DB_RETURNED_ROWS, labels, rows)

    def _add(self, name: str, labels: Labels, value: float, count: int = 1) -> None:
        bounds = _HISTOGRAMS[name][1]
        points = self._points.setdefault(name, {})
        point = points.get(labels)
        if point is None:
            if len(points) >= _MAX_POINTS:
                labels = _OVERFLOW
            point = points.setdefault(labels, HistogramPoint([0] * (len(bounds) + 1)))
        point.add(value, bounds, count)

    def has_observations(self) -> bool:
        """Whether a call was counted, since the last snapshot where these are deltas."""
        self.observe(())
        return bool(self._points)

    def snapshot(self) -> Snapshot | None:
        """Return all metrics as of now, None when there is nothing to report."""
        self.observe(())
        with self._lock:
            now = time.time_ns()
            histograms = tuple(
                Histogram(name, *_HISTOGRAMS[name], {labels: _copy(point) for labels, point in points.items()})
                for name, points in self._points.items()
            )
            sums = self._sums()
            snapshot = Snapshot(self._start_time_ns, now, self._delta, histograms, sums)
            if self._delta:
                self._points = {}
                self._start_time_ns = now
        return snapshot if histograms or sums else None

    def _sums(self) -> tuple[Sum, ...]:
        sums: list[Sum] = []
        for signal, account in self._accounts.items():
            counts = account()
            if counts is None or not counts.emitted:
                continue
            processed: dict[Labels, int] = {
                (): counts.exported,
                _error_labels("queue_full"): counts.dropped_queue_full,
                _error_labels("lost"): counts.dropped_undelivered,
            }
            exported: dict[Labels, int] = {(): counts.exported, _error_labels("refused"): counts.dropped_undelivered}
            unit = f"{{{'log_record' if signal == 'log' else signal}}}"
            queue_size: dict[Labels, int] = {(): counts.queued}
            for name, monotonic, points in (
                (f"otel.sdk.processor.{signal}.processed", True, processed),
                (f"otel.sdk.exporter.{signal}.exported", True, exported),
                (f"otel.sdk.processor.{signal}.queue.size", False, queue_size),
            ):
                sums.append(Sum(name, unit, monotonic, self._since_last_report(name, points) if monotonic else points))
        return tuple(sums)

    def _since_last_report(self, name: str, points: Mapping[Labels, int]) -> dict[Labels, int]:
        """Return counters as they are, or what they grew by since the last snapshot."""
        points_to_report: dict[Labels, int] = {}
        for labels, value in points.items():
            if not value and labels:
                continue
            points_to_report[labels] = value - self._reported.get((name, labels), 0) if self._delta else value
            self._reported[name, labels] = value
        return points_to_report


_TOKENS: Final = (
    ("input", semconv.GEN_AI_USAGE_INPUT_TOKENS),
    ("output", semconv.GEN_AI_USAGE_OUTPUT_TOKENS),
)


def _error_labels(reason: str) -> Labels:
    return ((semconv.ERROR_TYPE, reason),)


def _model_labels(attributes: Mapping[str, Any]) -> Labels:
    labels = tuple((key, attributes[key]) for key in _MODEL_KEYS if key in attributes)
    if semconv.GEN_AI_PROVIDER_NAME in attributes:
        return labels
    return (*labels, (semconv.GEN_AI_PROVIDER_NAME, _UNKNOWN_PROVIDER))  # the conventions require one


def _copy(point: HistogramPoint) -> HistogramPoint:
    return HistogramPoint(list(point.counts), point.sum, point.min, point.max)
