"""Reviews go through a real collector into the store, and a collector that is away is told."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from collector_role import start_collector
from role_process import StartRole

from sightline_dashboards.reviewing import Review, ReviewNotSent, Sender
from sightline_store.client import Client
from sightline_store.questions import asking, people, queries

TRACE = "ab" * 16
REVIEW = Review(
    trace_id=TRACE,
    span_id="cd" * 8,
    reviewer="Ann <b>",
    queue="random",
    is_good=False,
    sentences=["It costs $3.", "It is free."],
    wrong={1},
    comment="contradicts itself",
    correction="It costs $3.",
)


def test_a_review_is_in_the_store(roles: StartRole, tmp_path: Path, emptied: Callable[..., Client]) -> None:
    """Three scores with a human source, the reviewer as judge and the queue; away, a sentence names the collector."""
    client = emptied()
    collector = start_collector(
        roles,
        tmp_path,
        client.settings.url,
        STORE_DATABASE=client.settings.database,
        COLLECTOR_SEGMENT_MAX_AGE_S="0.1",
    )
    sender = Sender({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url})
    try:
        assert sender.send(REVIEW) == 3
        deadline = time.monotonic() + 30
        while len(rows := queries.trace_scores(client, TRACE)) < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert {(row["name"], row["value"], row["label"]) for row in rows} == {
            (people.REVIEW, 0.0, "bad"),
            (people.REVIEW_SENTENCES, 0.5, "unsupported"),
            (people.REVIEW_CORRECTION, None, "corrected"),
        }
        assert {(row["judge"], row["source"], row["note"]) for row in rows} == {("Ann <b>", "human", "queue: random")}
        collector.role.kill()
        with pytest.raises(ReviewNotSent, match=r"accepted 0 of 3 scores of this review\. Start one"):
            sender.send(REVIEW)
    finally:
        sender.close()
    window = asking.Filters(start=datetime.now(UTC) - timedelta(hours=1), end=datetime.now(UTC))
    assert people.reviews(client, window) == []  # its trace has no request in this store
