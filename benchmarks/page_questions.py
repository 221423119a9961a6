"""Every question that a page asks, with the widths of buckets and the limits that the pages use.

`tests/unit/sightline_store/test_page_questions.py` holds this list against the pages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sightline_store.client import Client
from sightline_store.questions import (
    changes,
    drift_runs,
    flags,
    judges,
    people,
    queries,
    request_lists,
    tuning,
    written,
)
from sightline_store.questions.asking import Filters
from sightline_store.questions.conditions import sql_text

WINDOWS = {
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "3h": timedelta(hours=3),
    "12h": timedelta(hours=12),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
"""The windows of the filter bar."""
NARROWED_WINDOWS = ("1h", "24h", "30d")
"""The windows that are also asked with a tenant, a model and a route."""

Ask = Callable[[Client, Filters], object]


@dataclass(frozen=True)
class Asked:
    """One question as a page asks it: its label names the question, the window and what it is narrowed to."""

    label: str
    ask: Callable[[Client], object]


def _overview(client: Client, filters: Filters) -> object:
    return queries.overview(client, filters)


def _rollups(client: Client, filters: Filters) -> object:
    """What the questions of a page about one window ask once."""
    return client.query_rows(sql_text("rollups/coverage.sql"), filters.params())


# Label to question. The pages ask with buckets for 60, 40 (bars and sparks) and 24 (scores) points. The questions of a
# list are asked beside its totals.
WINDOWED: dict[str, Ask] = {
    "rollups": _rollups,
    "filter_values": queries.filter_values,
    "labels": queries.labels,
    "overview": _overview,
    "overview before": lambda client, filters: queries.overview(client, filters.previous()),
    "loss": queries.loss,
    "latency_over_time": queries.latency_over_time,
    "latency_over_time sparks": lambda client, filters: queries.latency_over_time(
        client, filters, bucket_s=filters.bucket_s(40)
    ),
    "stage_stack": queries.stage_stack,
    "stage_stack_over_time": queries.stage_stack_over_time,
    "stage_summary": queries.stage_summary,
    "flagged_traces": flags.flagged_traces,
    "spend_over_time": queries.spend_over_time,
    "spend_by model": queries.spend_by,
    "spend_by tenant": lambda client, filters: queries.spend_by(client, filters, "tenant"),
    "spend_by user": lambda client, filters: queries.spend_by(client, filters, "user"),
    "spend_by session": lambda client, filters: queries.spend_by(client, filters, "session"),
    "traces by time": lambda client, filters: request_lists.traces(client, filters, limit=8),
    "traces by ttft": lambda client, filters: request_lists.traces(client, filters, sort="ttft", limit=10),
    "traces by total": lambda client, filters: request_lists.traces(client, filters, sort="total", limit=50),
    "traces by cost": lambda client, filters: request_lists.traces(client, filters, sort="cost", limit=10),
    "traces by faithfulness": lambda client, filters: request_lists.traces(
        client, filters, sort="faithfulness", descending=False, limit=50
    ),
    "questions of traces": lambda client, filters: written.questions(
        client, request_lists.traces(client, filters, limit=50)
    ),
    "questions of traces by cost": lambda client, filters: written.questions(
        client, request_lists.found_requests(client, filters, sort="cost", limit=10)
    ),
    "traces with a word": lambda client, filters: request_lists.traces(client, filters, search="shipping", limit=50),
    "traces with an attribute": lambda client, filters: request_lists.traces(
        client, filters, search="gen_ai.request.top_k:5", limit=50
    ),
    "traces with numbers": lambda client, filters: request_lists.traces(
        client, filters, search="cost>0.001 ttft>200 score.faithfulness<0.8 -stage:cache", limit=50
    ),
    "searched_requests": lambda client, filters: request_lists.searched_requests(
        client, filters, search="cost>0.001 shipping"
    ),
    "data_since": queries.data_since,
    "changes": lambda client, filters: changes.changes(client, filters.start, filters.end),
    "traces page 3": lambda client, filters: request_lists.traces(client, filters, limit=50, offset=100),
    "traces failed": lambda client, filters: request_lists.traces(client, filters, only_errors=True, limit=50),
    "traces of a session": lambda client, filters: request_lists.traces(
        client, filters, search="session-4711", limit=50
    ),
    "scores_over_time": lambda client, filters: queries.scores_over_time(
        client, filters, bucket_s=filters.bucket_s(24)
    ),
    "score_summary": queries.score_summary,
    "score_list": lambda client, filters: queries.score_list(client, filters, "faithfulness"),
    "ingest_over_time": queries.ingest_over_time,
    "retrieval_over_time": queries.retrieval_over_time,
    "retrieval_by_index": queries.retrieval_by_index,
    "retrieval_documents": lambda client, filters: queries.retrieval_documents(client, filters, limit=20),
    "titles of passages": lambda client, filters: written.titles(
        client, queries.retrieval_documents(client, filters, limit=20)
    ),
    "questions of the lowest scores": lambda client, filters: written.conversations(
        client,
        [{**row, "started_ms": row["asked_ms"]} for row in queries.score_list(client, filters, "faithfulness")],
    ),
    "judge health": lambda client, filters: judges.health(client, filters.end - timedelta(days=30), filters.end),
    "drift_runs": lambda client, filters: drift_runs.runs(client, filters.end - timedelta(days=30), filters.end),
    "drift_comparisons": lambda client, filters: [
        drift_runs.comparisons(client, run, limit=25)
        for run in drift_runs.runs(client, filters.end - timedelta(days=30), filters.end, limit=1)
    ],
    "index_tuning": lambda client, filters: tuning.index_tuning(client, filters.end - timedelta(days=30), filters.end),
    "drift_history": lambda client, filters: drift_runs.history(
        client, filters.end - timedelta(days=30), filters.end, ["canaries.overlap", "canaries.recall"]
    ),
    "sessions": people.sessions,
    "review_queue lowest": lambda client, filters: people.review_queue(client, filters, "lowest", reviewer="Ann"),
    "review_queue random": lambda client, filters: people.review_queue(client, filters, "random", reviewer="Ann"),
    "reviews": people.reviews,
    "errors_by_type": queries.errors_by_type,
    "collected": queries.collected,
    "tail_sampling": queries.tail_sampling,
    "budgets_over_time": lambda client, filters: queries.budgets_over_time(
        client, day := filters.at_most(timedelta(days=1)), bucket_s=day.bucket_s(40)
    ),
    "embedding_spend": queries.embedding_spend,
    "embedding_spend bars": lambda client, filters: queries.embedding_spend(
        client, filters, bucket_s=filters.bucket_s(40)
    ),
}
_NEVER_NARROWED = {
    "filter_values",
    "labels",
    "loss",
    "ingest_over_time",
    "collected",
    "tail_sampling",
    "data_since",
    "changes",
    "judge health",
    "drift_runs",
    "drift_comparisons",
    "drift_history",
    "index_tuning",
}
TRACE_LIMIT = 2000
"""Spans of a trace that the page shows."""


def windowed(end: datetime, window: str) -> Iterator[Asked]:
    """The questions of one window that ends at `end`, then narrowed where the window is one of NARROWED_WINDOWS."""
    every = Filters(start=end - WINDOWS[window], end=end)
    narrowed = {"": every}
    if window in NARROWED_WINDOWS:
        narrowed |= {
            " tenant": replace(every, tenant="tenant-03"),
            " model": replace(every, model="gpt-4o"),
            " route": replace(every, route="/v1/search"),
        }
    for narrowing, filters in narrowed.items():
        for name, ask in WINDOWED.items():
            if not (narrowing and name in _NEVER_NARROWED):
                yield Asked(f"{name} {window}{narrowing}", lambda client, a=ask, f=filters: a(client, f))  # type: ignore[misc]


def of_a_trace(trace_id: str, span_id: str) -> Iterator[Asked]:
    """The questions of the page of one trace."""
    yield Asked("trace_spans", lambda client: queries.trace_spans(client, trace_id, limit=TRACE_LIMIT))
    yield Asked("trace_contents", lambda client: queries.trace_contents(client, trace_id, limit=TRACE_LIMIT))
    yield Asked("trace_spend", lambda client: queries.trace_spend(client, trace_id))
    yield Asked("ttft_trace", lambda client: queries.ttft_trace(client, trace_id))
    yield Asked("trace_scores", lambda client: queries.trace_scores(client, trace_id))
    yield Asked("span_detail", lambda client: queries.span_detail(client, trace_id, span_id))


def of_the_store() -> Iterator[Asked]:
    """The questions without a window."""
    yield Asked("freshness", queries.freshness)
    yield Asked("price_list", queries.price_list)
