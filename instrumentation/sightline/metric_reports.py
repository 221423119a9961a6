"""Sends the metrics: every interval, on demand and at exit, never from the thread of a caller's request."""

import os
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan

from sightline import faults
from sightline.late_imports import LATE_IMPORTS
from sightline.metrics import Meter, Snapshot
from sightline.otlp_http import Answer, OtlpHttpSender, Verdict
from sightline.outbox import Account, Outbox
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
        self._resource = resource
        self._unwanted = False
        sender = self._sender = OtlpHttpSender(
            settings.metrics_endpoint,
            settings.metrics_headers,
            settings.timeout_s,
            settings.compression,
            settings.certificate,
        )
        self.outbox: Outbox[Snapshot] = Outbox(
            "metric reports",
            self._encode,
            self._send,
            rejected=_rejected,
            queue_size=_WAITING_REPORTS,
            batch_size=8,
            interval_s=settings.flush_interval_s,
            timeout_s=settings.timeout_s,
            after_fork=sender.forget,
        )
        """Reports on their way."""
        self._fresh()
        if hasattr(os, "register_at_fork"):
            restart = weakref.WeakMethod(self._fresh)

            def in_child() -> None:
                if method := restart():
                    method()

            os.register_at_fork(after_in_child=in_child)

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

    def _send(self, body: bytes, timeout_s: float) -> Answer:
        answer = self._sender.send(body, timeout_s)
        if answer.verdict is Verdict.REFUSED and answer.reason.startswith(_TAKES_NO_METRICS):
            # A receiver of traces only: said once, in the log of the queue, not every minute.
            self._unwanted = True
        return answer

    def _encode(self, batch: Sequence[Snapshot]) -> bytes:
        with LATE_IMPORTS:
            from sightline.metric_log import encode_snapshots  # noqa: PLC0415

        return encode_snapshots(batch, self._resource())


def _rejected(body: bytes) -> int:
    with LATE_IMPORTS:
        from sightline.metric_log import rejected_points  # noqa: PLC0415

    return rejected_points(body)
