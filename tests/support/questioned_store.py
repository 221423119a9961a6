"""A store with two hours of traffic, for tests of the questions: what they answer is computed from the same traffic."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import queries_traffic

from sightline_store.client import Client

END = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
HOURS = 2
REQUESTS = 600
DATABASE = "questions"


@dataclass
class Filled:
    """A store and what was put into it."""

    client: Client
    traces: list[Any]

    def roots(self) -> list[dict[str, Any]]:
        """The request span of every trace."""
        return [span for trace in self.traces for span in trace.spans if span["ParentSpanId"] == ""]

    def spans(self, stage: str) -> list[dict[str, Any]]:
        """All spans of a stage."""
        return [s for t in self.traces for s in t.spans if s["SpanAttributes"].get("sightline.stage") == stage]


def fill(client: Client) -> Filled:
    """Insert the traffic and its prices into an empty store."""
    url, database = client.settings.url, client.settings.database
    queries_traffic.insert(url, "model_prices", queries_traffic.price_rows(), database)
    traces = list(queries_traffic.Generator(3).stretch(REQUESTS, END, timedelta(hours=HOURS)))
    for first in range(0, len(traces), 100):
        part = traces[first : first + 100]
        queries_traffic.insert(url, "otel_traces", [span for trace in part for span in trace.spans], database)
        queries_traffic.insert(url, "otel_logs", [score for trace in part for score in trace.scores], database)
    return Filled(client, traces)


def ttft_ms(root: dict[str, Any]) -> float | None:
    """The time to first token that a request span tells, in milliseconds; None where it tells none."""
    text = root["SpanAttributes"].get("sightline.response.time_to_first_token")
    return None if text is None else float(text) * 1e3
