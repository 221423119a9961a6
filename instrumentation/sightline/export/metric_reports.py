"""Sends the metrics: every interval, on demand and at exit, always from the exporting thread."""

import threading
import time
from collections.abc import Callable, Sequence

from opentelemetry.sdk.resources import Resource

from sightline import faults
from sightline.export.delivery import deliver
from sightline.export.ended_span import EndedSpan
from sightline.export.metrics import Accounts, Meter, Snapshot
from sightline.export.otlp_http import Answer, Verdict
from sightline.export.otlp_metrics import encode_snapshots, rejected_points
from sightline.export.outbox import Outbox
from sightline.forks import renew_in_child
from sightline.settings import TracingSettings

_QUEUE_SIZE = 64
_MIN_TIMEOUT_S = 0.05
_NO_METRICS_ENDPOINT = ("HTTP 404", "HTTP 405", "HTTP 501")


class MetricReports:
    """A meter, its clock and the queue to the collector.

    Args:
        settings: endpoint, interval and temporality.
        resource: returns what the metrics are about.
        accounts: the pipelines to report on, by signal.
    """

    def __init__(
        self,
        settings: TracingSettings,
        resource: Callable[[], Resource],
        accounts: Accounts,
    ) -> None:
        self.meter = Meter(accounts, delta=settings.metrics_delta)
        """Where spans are counted."""
        self._interval_s = settings.metrics_interval_s
        self._endpoint_missing = False
        self.outbox: Outbox[Snapshot] = deliver(
            "metric reports",
            settings,
            settings.metrics_endpoint,
            settings.metrics_headers,
            lambda batch: encode_snapshots(batch, resource()),
            rejected=rejected_points,
            answered=self._read_answer,
            queue_size=_QUEUE_SIZE,
            batch_size=8,
        )
        """Reports on their way."""
        self._reset()
        renew_in_child(self._reset)

    def _reset(self) -> None:
        self._next_report_at = time.monotonic() + self._interval_s
        self._report_lock = threading.Lock()

    def observe(self, spans: Sequence[EndedSpan]) -> None:
        """Count spans that leave the queue, and report when it is time. On the exporting thread; never raises."""
        self.meter.observe(spans)
        if time.monotonic() >= self._next_report_at:
            self.report()

    def report(self) -> None:
        """Queue a report of everything up to now. Never raises."""
        try:
            with self._report_lock:
                self._next_report_at = time.monotonic() + self._interval_s
                if self._endpoint_missing:
                    return
                snapshot = self.meter.snapshot()
                if snapshot is not None:
                    self.outbox.put(snapshot)
        except Exception as fault:
            faults.report("report metrics", fault)

    def flush(self, timeout_s: float) -> bool:
        """Report now and wait for it; False when it still waits after ``timeout_s`` seconds."""
        self.report()
        return self.outbox.flush(timeout_s)

    def shutdown(self, timeout_s: float) -> None:
        """Report for the last time, when there is time left for it."""
        if timeout_s > _MIN_TIMEOUT_S:
            self.report()
        self.outbox.shutdown(max(timeout_s, _MIN_TIMEOUT_S))

    def _read_answer(self, answer: Answer) -> None:
        if answer.verdict is Verdict.REFUSED and answer.reason.startswith(_NO_METRICS_ENDPOINT):
            # The receiver takes traces only: the queue logs that once, and no more reports are sent.
            self._endpoint_missing = True
