"""`--strategy drifted` on a real store: samples come from the topic of questions that grew."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sightline import semconv
from sightline_evals.errors import UsageError
from sightline_evals.runs import samples
from sightline_store.client import Client

HOUR = timedelta(hours=1)
NUMBERS = 32
ASKED = {0: "How do I join paths?", 1: "How do I cancel a coroutine?"}


def _sketch(draw: random.Random, topic: int) -> str:
    """A sketch around the topic's own direction."""
    vector = [draw.randint(-8, 8) + 100 * (place == topic) for place in range(NUMBERS)]
    return base64.b64encode(bytes(number % 256 for number in vector)).decode()


def _trace(draw: random.Random, at: datetime, topic: int) -> list[dict[str, Any]]:
    """A request with a search and a call of a model."""
    trace_id = f"{draw.getrandbits(128):032x}"
    spans: list[dict[str, Any]] = []
    for number, (stage, attributes) in enumerate(
        (
            ("request", {"tenant.id": "acme"}),
            (
                "search",
                {
                    "gen_ai.retrieval.query.text": ASKED[topic],
                    "gen_ai.retrieval.documents": json.dumps([{"id": "a", "score": 0.9, "content": "A passage."}]),
                    "gen_ai.data_source.id": "Docs",
                    semconv.EMBEDDING_NAME: "m",
                    semconv.QUERY_SKETCH: _sketch(draw, topic),
                    semconv.QUERY_SKETCH_VERSION: f"rp:1:{NUMBERS}",
                },
            ),
            (
                "model",
                {
                    "gen_ai.output.messages": json.dumps(
                        [{"role": "assistant", "parts": [{"type": "text", "content": "An answer."}]}]
                    )
                },
            ),
        )
    ):
        began = at + timedelta(milliseconds=number)
        spans.append(
            {
                "Timestamp": began.strftime("%Y-%m-%d %H:%M:%S.%f"),
                "TraceId": trace_id,
                "SpanId": f"{number + 1:016x}",
                "ParentSpanId": "" if number == 0 else f"{1:016x}",
                "SpanName": stage,
                "ServiceName": "rag",
                "ScopeName": "sightline",
                "SpanAttributes": {"sightline.stage": stage, **attributes},
                "Duration": 1_000_000,
            }
        )
    return spans


def _insert(client: Client, counts: dict[tuple[float, int], int], seed: int = 3) -> dict[str, int]:
    """Insert traces, by hours ago and topic; the topic of each trace."""
    draw, now, spans = random.Random(seed), datetime.now(UTC), []
    topics: dict[str, int] = {}
    for (hours, topic), count in counts.items():
        for _ in range(count):
            trace = _trace(draw, now - hours * HOUR + timedelta(minutes=draw.uniform(-20, 20)), topic)
            topics[trace[0]["TraceId"]] = topic
            spans += trace
    payload = "\n".join(map(json.dumps, spans)).encode()
    client.insert_raw("otel_traces", payload, "JSONEachRow", {"date_time_input_format": "best_effort"})
    return topics


def test_samples_come_from_the_topic_that_grew(emptied: Callable[..., Client]) -> None:
    """Half of the newer questions are new ones: they are drawn, each weighted by what it stands for in its topic."""
    client = emptied()
    topics = _insert(client, {(1.5, 0): 250, (0.5, 0): 125, (0.5, 1): 125})
    drawn = samples.draw(client, since_s=3600, limit=25, strategy="drifted")
    assert len(drawn.rows) == 25
    assert {topics[row["trace_id"]] for row in drawn.rows} == {1}
    assert drawn.drawn_from == 125
    assert {row["weight"] for row in drawn.rows} == {5.0}
    assert "50% of the traffic, 0% before" in drawn.topic
    assert ASKED[1] in drawn.topic
    (read, *_) = samples.read(client, drawn.rows, samples.Completeness())
    assert (read.question, read.answer) == (ASKED[1], "An answer.")


def test_too_few_searches_are_told(emptied: Callable[..., Client]) -> None:
    """Topics need some hundred queries; without them another strategy is named."""
    client = emptied()
    with pytest.raises(UsageError, match=r"there are 0 and 0: use another --strategy"):
        samples.draw(client, since_s=3600, limit=25, strategy="drifted")
    _insert(client, {(1.5, 0): 20, (0.5, 0): 20})
    with pytest.raises(UsageError, match="needs at least 100 searches with a query sketch"):
        samples.draw(client, since_s=3600, limit=25, strategy="drifted")
    _insert(client, {(1.5, 0): 200, (1.5, 1): 200, (0.5, 0): 100, (0.5, 1): 100}, seed=4)
    with pytest.raises(UsageError, match="no topic of the questions grew"):
        samples.draw(client, since_s=3600, limit=25, strategy="drifted")
