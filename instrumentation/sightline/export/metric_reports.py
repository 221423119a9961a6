"""Sends the metrics: every interval, on demand and at exit, never from the thread of a caller's request."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan

from sightline import faults
from sightline.export.delivery import deliver
from sightline.export.metrics import Meter, Snapshot
from sightline.export.otlp_http import Answer, Verdict
from sightline.export.otlp_metrics import encode_snapshots, rejected_points
from sightline.export.outbox import Account, Outbox
from sightline.forks import renew_in_child
from sightline.settings import TracingSettings

_WAITING_REPORTS = 64
_LEAST_S = 0.05
_TAKES_NO_METRICS = ("HTTP 404", "HTTP 405", "HTTP 501")


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
        accounts: Mapping[str, Callable[[], Account | None]],
    ) -> None:
        self.meter = Meter(accounts, delta=settings.metrics_delta)
        """Where spans are counted."""
        self._interval_s = settings.metrics_interval_s
        self._unwanted = False
        self.outbox: Outbox[Snapshot] = deliver(
            "metric reports",
            settings,
            settings.metrics_endpoint,
            settings.metrics_headers,
            lambda batch: encode_snapshots(batch, resource()),
            rejected=rejected_points,
            answered=self._answered,
            queue_size=_WAITING_REPORTS,
            batch_size=8,
        )
        """Reports on their way."""
        self._fresh()
        renew_in_child(self._fresh)

    def _fresh(self) -> None:
        self._due = time.monotonic() + self._interval_s
        self._turn = threading.Lock()

    def observe(self, spans: Sequence[ReadableSpan]) -> None:
        """Count spans that leave the queue, and report when it is time. On the exporting thread; never raises."""
        self.meter.observe(spans)
        if time.monotonic() >= self._due:
            self.report()

    def report(self) -> None:
        """Queue a report of everything up to now. Never raises."""
        try:
            with self._turn:
                self._due = time.monotonic() + self._interval_s
                if self._unwanted:
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
        if timeout_s > _LEAST_S:
            self.report()
        self.outbox.shutdown(max(timeout_s, _LEAST_S))

    def _answered(self, answer: Answer) -> None:
        if answer.verdict is Verdict.REFUSED and answer.reason.startswith(_TAKES_NO_METRICS):
            # A receiver of traces only: said once, in the log of the queue, not every minute.
            self._unwanted = True
