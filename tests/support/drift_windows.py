"""Two windows of rows for the questions that compare them, and short ways to fill a store with such rows."""

from __future__ import annotations

import base64
import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import store_rows

from sightline_store.client import Client
from sightline_store.questions import drift

END = datetime(2026, 3, 1, 12, tzinfo=UTC)
WINDOWS = drift.Windows(
    reference_from=END - timedelta(hours=4),
    reference_to=END - timedelta(hours=2),
    current_from=END - timedelta(hours=1),
    current_to=END,
)
THEN, NOW = END - timedelta(hours=3), END - timedelta(minutes=30)
VERSION = "cs1:sightline:32:384"
FIELDS: dict[str, Any] = {
    "collection": "Docs",
    "operation": "hybrid",
    "embedding": "m",
    "embedding_version": "1",
    "sketch_version": VERSION,
}
DOCS = drift.Comparison(**FIELDS)
HOSTILE = "'); DROP TABLE retrievals; -- {tenant:String} \\' \x00 ☃"


def sketch(first: float, rng: random.Random, size: int = 32) -> str:
    """A sketch as searches carry it, of a vector whose first number lies around `first`."""
    numbers = [first + rng.gauss(0, 1), *(rng.gauss(0, 1) for _ in range(size - 1))]
    length = sum(number * number for number in numbers) ** 0.5
    return base64.b64encode(bytes(round(number * 127 / length) & 255 for number in numbers)).decode()


class ComparedStore:
    """A store and short ways to fill it; each row has an id of its own."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._next = 0

    def trace(self) -> str:
        """A new trace id."""
        self._next += 1
        return f"{self._next * 0x9E3779B97F4A7C15 % 2**64:016x}{self._next:016x}"

    def put(self, table: str, rows: list[dict[str, Any]]) -> None:
        """Insert rows."""
        store_rows.insert(self.client, table, rows)

    def search(self, moment: datetime, **others: Any) -> dict[str, Any]:
        """A row of `retrievals`."""
        return {
            "Timestamp": moment.strftime("%Y-%m-%d %H:%M:%S.%f"),
            "TraceId": self.trace(),
            "SpanId": "b",
            "Collection": "Docs",
            "Operation": "hybrid",
            "Embedding": "m",
            "EmbeddingVersion": "1",
            "IndexVersion": "v1",
            "QuerySketchVersion": VERSION,
            **others,
        }

    def call(self, moment: datetime, system: str, answer: str, **attributes: str) -> dict[str, Any]:
        """A span of a model call, of a system prompt and with an answer."""
        return {
            "Timestamp": moment.strftime("%Y-%m-%d %H:%M:%S.%f"),
            "TraceId": self.trace(),
            "SpanId": "c" * 16,
            "ServiceName": "rag",
            "SpanName": "chat m",
            "SpanKind": "Client",
            "Duration": 10**9,
            "StatusCode": "Ok",
            "SpanAttributes": {
                "sightline.stage": "model",
                "gen_ai.operation.name": "chat",
                "gen_ai.request.model": "m",
                "gen_ai.usage.output_tokens": str(len(answer)),
                "gen_ai.response.finish_reasons": '["stop"]',
                "gen_ai.input.messages": json.dumps(
                    [{"role": "system", "content": system}, {"role": "user", "content": "x"}]
                ),
                "gen_ai.output.messages": json.dumps(
                    [{"role": "assistant", "parts": [{"type": "text", "content": answer}]}]
                ),
                **attributes,
            },
        }


def plan_of(*comparisons: drift.Comparison, **others: Any) -> drift.Plan:
    """A plan of both windows, of `DOCS` where nothing else is said."""
    return drift.Plan(windows=WINDOWS, comparisons=comparisons or (DOCS,), **others)
