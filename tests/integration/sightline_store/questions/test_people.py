"""Conversations and reviews, asked of a real store, against the same traffic in Python."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import queries_traffic
from questioned_store import END, Filled

from sightline_store.questions import people, request_lists
from sightline_store.questions.asking import Filters


def _session(root: dict[str, Any]) -> tuple[str, str]:
    return str(root["SpanAttributes"]["session.id"]), str(root["SpanAttributes"]["tenant.id"])


def test_sessions_are_those_of_the_traffic(filled: Filled, window: Filters) -> None:
    """Each conversation of each tenant once, with its requests, the newest first."""
    counted = Counter(map(_session, filled.roots()))
    rows = people.sessions(filled.client, window, limit=1000)
    assert {(row["session_id"], row["tenant_name"]): row["requests"] for row in rows} == counted
    assert rows[0]["matching"] == len(counted)
    assert [row["last_ms"] for row in rows] == sorted((row["last_ms"] for row in rows), reverse=True)
    begun: dict[tuple[str, str], str] = {}
    for root in sorted(filled.roots(), key=lambda span: span["Timestamp"]):
        begun.setdefault(_session(root), root["TraceId"])
    assert {(row["session_id"], row["tenant_name"]): row["trace_id"] for row in rows} == begun


def test_sessions_spend_what_their_requests_spend(filled: Filled, window: Filters) -> None:
    """Tokens and money of a conversation are the sums of its requests'; a missing price makes the sum unknown."""
    tokens: dict[tuple[str, str], int] = defaultdict(int)
    cost: dict[tuple[str, str], float | None] = {}
    for row in request_lists.traces(filled.client, window, limit=1000):
        key = row["session_id"], row["tenant_name"]
        if row["llm_calls"]:
            tokens[key] += row["input_tokens"] or 0
            before = cost.get(key, 0.0)
            cost[key] = None if before is None or row["cost_usd"] is None else before + row["cost_usd"]
    for row in people.sessions(filled.client, window, limit=1000):
        key = row["session_id"], row["tenant_name"]
        assert (row["input_tokens"] or 0) == tokens[key]
        assert row["cost_usd"] == (None if cost.get(key) is None else pytest.approx(cost[key]))


def test_sessions_page_and_search(filled: Filled, window: Filters) -> None:
    """Pages hold each conversation once; a search narrows them to its requests."""
    pages = [people.sessions(filled.client, window, limit=100, offset=offset) for offset in range(0, 500, 100)]
    keys = [(row["session_id"], row["tenant_name"]) for page in pages for row in page]
    assert len(keys) == len(set(keys)) == pages[0][0]["matching"]
    session, tenant = keys[0]
    (found,) = people.sessions(filled.client, window, search=f"session:{session} tenant:{tenant}")
    assert found["matching"] == 1
    assert sum(row["failed"] for row in people.sessions(filled.client, window, only_errors=True, limit=1000)) == sum(
        row["requests"] for row in people.sessions(filled.client, window, only_errors=True, limit=1000)
    )


@pytest.fixture
def reviewable(filled: Filled) -> Iterator[Filled]:
    """The store, without the reviews of a test afterwards."""
    yield filled
    for table, name in (("scores", "Name"), ("otel_logs", "LogAttributes['gen_ai.evaluation.name']")):
        filled.client.command(f"DELETE FROM {table} WHERE {name} IN ('review', 'feedback')")


def test_of_many_answers_the_random_queue_counts_a_sample(
    filled: Filled, window: Filters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the same order, and with a count that is near; where too few are among the first of it, all are read."""
    every = people.review_queue(filled.client, window, "random", reviewer="Ann", limit=10)
    monkeypatch.setattr(people, "_SAMPLED_REQUESTS", len(filled.roots()) // 3)
    monkeypatch.setattr(people, "_FEWEST_COUNTED", 30)
    sampled = people.review_queue(filled.client, window, "random", reviewer="Ann", limit=10)
    assert [row["trace_id"] for row in sampled] == [row["trace_id"] for row in every]
    assert {row["sampled"] for row in sampled} == {4}
    assert abs(sampled[0]["waiting"] / every[0]["waiting"] - 1) < 0.5
    monkeypatch.setattr(people, "_FEWEST_COUNTED", len(filled.roots()))
    assert people.review_queue(filled.client, window, "random", reviewer="Ann", limit=10) == every


def test_review_queues_choose_and_leave_out_what_is_reviewed(reviewable: Filled, window: Filters) -> None:
    """By score, by disagreement, or at random; an answer goes when this reviewer or enough others have read it."""
    client = reviewable.client
    lowest = people.review_queue(client, window, "lowest", reviewer="Ann", limit=500)
    scores = [row["groundedness"] for row in lowest]
    assert scores == sorted(scores)
    assert lowest[0]["waiting"] == len(lowest)
    apart = people.review_queue(client, window, "disagreement", reviewer="Ann", limit=500)
    spreads = [row["spread"] for row in apart]
    assert spreads == sorted(spreads, reverse=True)
    assert spreads[-1] > 0
    anything = people.review_queue(client, window, "random", reviewer="Ann", limit=1000)
    assert len(anything) == len(reviewable.roots())
    assert people.review_queue(client, window, "complaints", reviewer="Ann") == []

    first, second = lowest[0]["trace_id"], lowest[1]["trace_id"]
    queries_traffic.insert(
        client.settings.url,
        "otel_logs",
        [
            _score(first, "review", 0.0, "bad", "Ann", END + timedelta(seconds=1)),
            _score(first, "review", 1.0, "good", "Ann", END + timedelta(seconds=2)),
            _score(first, "review", 1.0, "good", "Bob", END + timedelta(seconds=3)),
            _score(second, "review", 0.0, "bad", "Bob", END + timedelta(seconds=4)),
            _score(second, "feedback", 0.0, "thumbs_down", "", END + timedelta(seconds=5)),
        ],
        client.settings.database,
    )
    for_ann = [row["trace_id"] for row in people.review_queue(client, window, "lowest", reviewer="Ann", limit=500)]
    assert for_ann[0] == second
    assert first not in for_ann
    for_bob = {row["trace_id"] for row in people.review_queue(client, window, "lowest", reviewer="Bob", limit=500)}
    assert not {first, second} & for_bob
    assert people.review_queue(client, window, "lowest", reviewer="Cy", limit=500)[0]["trace_id"] == second
    (complaint,) = people.review_queue(client, window, "complaints", reviewer="Ann")
    assert (complaint["trace_id"], complaint["complaint"]) == (second, "why not")

    told = people.reviews(client, window)
    assert [(row["trace_id"], row["reviewer"], row["value"]) for row in told] == [
        (second, "Bob", 0.0),
        (first, "Bob", 1.0),
        (first, "Ann", 1.0),
    ]
    assert people.agreement(told) == (1, 1.0, None)


def _score(trace_id: str, name: str, value: float, label: str, judge: str, at: datetime) -> dict[str, Any]:
    """A row of otel_logs: a person's score of a trace."""
    return {
        "Timestamp": at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
        "TraceId": trace_id,
        "SpanId": "",
        "ServiceName": "test",
        "EventName": "gen_ai.evaluation.result",
        "LogAttributes": {
            "gen_ai.evaluation.name": name,
            "gen_ai.evaluation.score.value": str(value),
            "gen_ai.evaluation.score.label": label,
            "gen_ai.evaluation.explanation": "why not",
            "sightline.evaluation.judge": judge,
            "sightline.evaluation.source": "human",
        },
    }
