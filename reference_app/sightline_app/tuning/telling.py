"""A run's result on its way to the collector: a span for each index that was built, and an event for each figure.

The events are evaluation results as all scores are (`gen_ai.evaluation.result`): their value is the recall, their
explanation everything else as JSON, and the Retrieval page shows the newest run of them. A run answers nobody, so its
trace is no request, and its searches are no spans: they would stand among those of the app's users.
"""

from __future__ import annotations

import json
from typing import Any

import sightline
from sightline import semconv
from sightline_app.tuning.measuring import Measured
from sightline_app.tuning.report import Report

SERVICE_NAME = "sightline-tune"
STAGE = "tune"
"""Stage of the spans."""
VARIANT, LAYOUT = "tune.variant", "tune.layout"
"""Names of the events."""
_FLUSH_S = 5.0


class Telling:
    """Sends to the collector of the environment.

    Args:
        is_on: False sends nothing.
    """

    def __init__(self, *, is_on: bool) -> None:
        self._tracing = sightline.configure(service_name=SERVICE_NAME) if is_on else None

    def results(self, report: Report) -> None:
        """Send the figures of a run, from within its span."""
        if self._tracing is not None:
            send(report)

    def close(self) -> str:
        """Wait until the collector has accepted everything; returns a line for people, '' where nothing is sent."""
        if self._tracing is None:
            return ""
        self._tracing.force_flush(_FLUSH_S)
        lost = sum(each.emitted - each.exported for each in (self._tracing.stats(), self._tracing.score_stats()))
        where = self._tracing.settings.logs_endpoint
        self._tracing.shutdown(1.0)
        if lost:
            return f"the collector at {where} did not take the result: the Retrieval page does not show this run"
        return f"sent to {where}: the Retrieval page shows it"


def send(report: Report) -> None:
    """Hand the figures of a run to the library, one event each."""
    advice = report.recommendation
    for each in report.found:
        fits = "fits" if each.recall >= advice.target else "below_target"
        label = "chosen" if each is advice.chosen else "tied" if each in advice.tied else fits
        told = {**each.as_json(), "at": report.count, "target": advice.target, **report.workload}
        _send(VARIANT, report.run, each.recall, label, told)
    for layout in report.layouts:
        _send(LAYOUT, report.run, layout.recall, "", {**layout.as_json(), "store": "weaviate", "at": report.count})


def _send(name: str, run: str, recall: float, label: str, told: dict[str, Any]) -> None:
    sightline.score(name, recall, label=label, explanation=json.dumps(told), run_id=run)


def annotate(measured: Measured) -> None:
    """Write what was measured onto the span of an index."""
    told = measured.as_json()
    sightline.annotate(
        {
            semconv.DB_SYSTEM_NAME: measured.variant.store,
            **{f"sightline_app.tune.{name}": told[name] for name in told if name not in {"store", "settings"}},
            **{f"sightline_app.tune.setting.{name}": value for name, value in measured.variant.settings().items()},
        }
    )
