"""Questions to the store: one typed function a question, its SQL in `sql/queries/NAME.sql`.

Rows come back as dicts with the column names of the SQL. Times end in `_ms` (epoch, or a duration: the column says), in
`_ns` or, for `bucket`, are epoch seconds in UTC. NULL is None and means unknown, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from sightline_store.contents import traces as traces_content
from sightline_store.contents.spans import StoredSpan
from sightline_store.moments import sql_moment
from sightline_store.questions import conditions, spending
from sightline_store.questions.asking import Asks, Filters, Row, ask, ask_rolled, sampled, sees_content, send
from sightline_store.questions.estimates import Estimate, estimate
from sightline_store.rollups.coverage import first_filled
from sightline_store.rollups.plan import SHORTEST, Reads
from sightline_store.rollups.tables import MOST_LOWEST, Sets

SpendBy = Literal["model", "tenant", "user", "session"]

SAMPLED_SEARCHES: Final = 1_500_000
"""Of a window with more some are read to tell which passages are found most."""
_FEWEST_SEARCHES = 20_000
"""As long as so many are among them: a share of 5 % is right to 0.3 % in 19 cases of 20, were they drawn one by one."""


@dataclass(frozen=True, kw_only=True)
class Overview:
    """One window in numbers. Times in ms, cost in USD; None is unknown."""

    requests: int
    errors: int
    ttft_n: int
    """Requests with a time to first token of `ttft_definition`: those that the percentiles are of."""
    ttft_definition: str = ""
    """'delivered', 'first_token' or 'first_chunk'; '' where no request has such a time."""
    ttft_others: int = 0
    """Requests with a time of another definition."""
    ttft_p50_ms: float | None
    ttft_p95_ms: float | None
    total_p50_ms: float | None
    total_p95_ms: float | None
    llm_calls: int
    unpriced_calls: int
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    """Cost of the model calls whose price is known; None where none is. Compare `unpriced_calls`, `embedding_spend`."""
    groundedness: Estimate
    groundedness_failed: int
    faithfulness: Estimate
    faithfulness_failed: int
    hit_at_5: Estimate

    @property
    def error_rate(self) -> float | None:
        """Share of the requests that failed."""
        return self.errors / self.requests if self.requests else None


def overview(client: Asks, filters: Filters) -> Overview:
    """How did the window go? Ask again with `filters.previous()` for the one before."""
    row = ask_rolled(client, "overview", filters, filters.params(), Reads.REQUESTS, Reads.CALLS, Reads.SCORES)[0]
    names = ("groundedness", "faithfulness")
    grounded, faithful = (estimate(row.pop(name), row.pop(f"{name}_sd"), row.pop(f"{name}_n")) for name in names)
    hit = estimate(row.pop("hit"), None, row.pop("hit_n"))
    return Overview(**row, groundedness=grounded, faithfulness=faithful, hit_at_5=hit)


def latency_over_time(client: Asks, filters: Filters, *, bucket_s: int | None = None) -> list[Row]:
    """Time to first token and total, as percentiles a bucket (ms); empty buckets are absent."""
    params = {**filters.params(), "bucket_s": bucket_s or filters.bucket_s()}
    return ask_rolled(client, "latency_over_time", filters, params, Reads.REQUESTS)


def stage_stack(client: Asks, filters: Filters, *, max_requests: int = 1_500) -> list[Row]:
    """What each stage adds to the time to first token, over the window (ms); see `ttft_over_time.sql` for the rule.

    The rows of a mean sum to it exactly. Of more than `max_requests` one in `sampled` is read, chosen by trace id;
    `mean_se_ms`, `median_se_ms` and `slow_se_ms` are the standard errors that this brings.
    """
    params = {**filters.params(), "bucket_s": 0, "max_requests": max_requests}
    return ask_rolled(client, "ttft_over_time", filters, params, Reads.REQUESTS)


def stage_stack_over_time(
    client: Asks, filters: Filters, *, bucket_s: int | None = None, max_requests: int = 3_000
) -> list[Row]:
    """`stage_stack` for each bucket of the window."""
    width = bucket_s or filters.bucket_s(40)
    params = {**filters.params(), "bucket_s": width, "max_requests": max_requests}
    return ask_rolled(client, "ttft_over_time", filters, params, Reads.REQUESTS)


def ttft_trace(client: Asks, trace_id: str) -> list[Row]:
    """The critical path of a trace to its first token, in order (`start_ms`, `end_ms` from the request's start).

    The pieces sum to `until_ms`, and `until` says what that is: "delivered", "first token", "first chunk" or "total".
    [] where the trace has no request.
    """
    return ask(client, "ttft_trace", {"trace_id": trace_id.lower()})


def stage_summary(client: Asks, filters: Filters) -> list[Row]:
    """How long each stage takes by itself (ms), how often it fails and flags."""
    return ask_rolled(client, "stage_summary", filters, filters.params(), Reads.STAGES)


def spend_over_time(client: Asks, filters: Filters, *, bucket_s: int | None = None) -> list[Row]:
    """Tokens and cost by model, a bucket; cost_usd None where no call of the bucket had a price."""
    params = {**filters.params(), "bucket_s": bucket_s or filters.bucket_s(40)}
    return ask_rolled(client, "spend_over_time", filters, params, Reads.CALLS)


def spend_by(client: Asks, filters: Filters, by: SpendBy = "model", *, limit: int = 50) -> list[Row]:
    """Tokens and cost by model, tenant, user or session, the dearest first.

    In `requests` of a long window, by model or tenant, a trace counts twice whose calls lie on both sides of midnight
    (of the edge of an hour or minute, near the edges of the window).
    """
    params = {**filters.params(), "by": by, "limit": limit}
    if by in {"user", "session"}:
        return spending.by_name(client, filters, params)
    rows = ask_rolled(
        client,
        "spend_by",
        filters,
        params,
        Reads.CALLERS,
        rows_by=Sets.TENANT if by == "tenant" else None,
        of_rows=lambda: spending.by_name(client, filters, params),
    )
    return _compared(client, params, rows) if rows and "comparable_calls" in rows[0] else rows


def _compared(client: Asks, params: Row, rows: list[Row]) -> list[Row]:
    """Spending of rollups with how many reported costs are not the computed ones, which calls tell one by one."""
    compared = sum(row.pop("comparable_calls") for row in rows)
    told = send(client, conditions.sql_text("rollups/questions/spend_differing.sql"), params) if compared else []
    differing = {row.pop("name"): row for row in told}
    none = {"differing_calls": 0, "differing_reported_usd": None, "differing_computed_usd": None}
    return [{**row, **differing.get(row["name"], none)} for row in rows]


def errors_by_type(client: Asks, filters: Filters, *, limit: int = 20) -> list[Row]:
    """Failed requests by type of error, each with its newest trace."""
    return ask(client, "errors_by_type", {**filters.params(), "limit": limit})


def retrieval_over_time(client: Asks, filters: Filters, *, bucket_s: int | None = None) -> list[Row]:
    """Quantiles of the best passage's score, empty and failed searches, a bucket."""
    params = {**filters.params(), "bucket_s": bucket_s or filters.bucket_s()}
    return ask_rolled(client, "retrieval_over_time", filters, params, Reads.RETRIEVALS)


def retrieval_by_index(client: Asks, filters: Filters, *, limit: int = 50) -> list[Row]:
    """Searches by collection, index version and embedding."""
    params = {**filters.params(), "limit": limit}
    return ask_rolled(client, "retrieval_by_index", filters, params, Reads.RETRIEVALS)


def retrieval_documents(client: Asks, filters: Filters, *, limit: int = 50) -> list[Row]:
    """The passages that searches return most, with the share of searches and their rank.

    Of a window with many searches those of one half hour in `sampled` are read, and `hits` is that many times theirs.
    """
    params = {**filters.params(), "limit": limit}
    return sampled(
        lambda most: ask(client, "retrieval_documents", {**params, "sampled_searches": most}),
        SAMPLED_SEARCHES,
        lambda row: row["searches"] >= _FEWEST_SEARCHES,
    )


def scores_over_time(client: Asks, filters: Filters, *, bucket_s: int | None = None) -> list[Row]:
    """Scores by name, a bucket of the time of asking; each row has an `estimate`."""
    return _scored(client, filters, bucket_s or filters.bucket_s(40))


def score_summary(client: Asks, filters: Filters) -> list[Row]:
    """Scores by name over the whole window; each row has an `estimate`."""
    return _scored(client, filters, 0)


def score_list(client: Asks, filters: Filters, name: str, *, limit: int = 20) -> list[Row]:
    """The answers that scored lowest on `name`, with the judge's reasons; unjudged ones last."""
    params = {**filters.params(), "name": name, "limit": limit}
    if limit > MOST_LOWEST:
        return ask(client, "score_list", params)
    return ask_rolled(client, "score_list", filters, params, Reads.SCORES, is_whole=lambda rows: len(rows) == limit)


def trace_spans(client: Asks, trace_id: str, *, limit: int = 2000) -> list[Row]:
    """The spans of a trace in the order in which they began, without payloads; [] where the trace is unknown."""
    return ask(client, "trace_spans", {"trace_id": trace_id.lower(), "limit": limit})


def span_detail(client: Asks, trace_id: str, span_id: str) -> Row | None:
    """All that a span holds; None where it is unknown."""
    rows = ask(client, "span_detail", {"trace_id": trace_id.lower(), "span_id": span_id.lower()})
    return rows[0] if rows else None


def trace_contents(client: Asks, trace_id: str, *, limit: int = 2000) -> list[StoredSpan]:
    """What holds the content of a trace's spans, for `sightline_store.contents`.

    [] where the trace is unknown, and to who may not read content.
    """
    if not sees_content(client):
        return []
    return traces_content.stored_spans(ask(client, "trace_contents", {"trace_id": trace_id.lower(), "limit": limit}))


def embedding_spend(client: Asks, filters: Filters, *, bucket_s: int = 0) -> list[Row]:
    """Tokens and cost by embedding model, a bucket (0: over the window), the dearest first.

    They are not part of `overview`, `spend_over_time` and `spend_by`, which are about models that answer.
    """
    params = {**filters.params(), "bucket_s": bucket_s}

    def is_whole(rows: list[Row]) -> bool:
        """Whether no reported cost can differ from a computed one, which calls tell one by one."""
        return not any(row["comparable_calls"] for row in rows)

    rows = ask_rolled(client, "embedding_spend", filters, params, Reads.EMBEDDINGS, is_whole=is_whole)
    none = {"differing_calls": 0, "differing_reported_usd": None, "differing_computed_usd": None}
    return [none | row if row.pop("comparable_calls", None) is not None else row for row in rows]


def budgets_over_time(client: Asks, filters: Filters, *, bucket_s: int | None = None) -> list[Row]:
    """How far each token budget was spent at the end of each bucket; [] where no span says a budget.

    It reads attributes of raw spans: a page asks for a day at most.
    """
    width = bucket_s or filters.bucket_s(40)
    return ask(client, "budgets_over_time", {**_window(filters), "tenant": filters.tenant, "bucket_s": width})


def price_list(client: Asks) -> list[Row]:
    """Every provider/model name called and what is known of its price now (USD per million tokens)."""
    return ask(client, "price_list", {})


def trace_spend(client: Asks, trace_id: str) -> list[Row]:
    """Tokens and cost of each model call of a trace."""
    return ask(client, "trace_spend", {"trace_id": trace_id.lower()})


def trace_scores(client: Asks, trace_id: str, *, limit: int = 200) -> list[Row]:
    """Every score given to a trace, the newest first."""
    return ask(client, "trace_scores", {"trace_id": trace_id.lower(), "limit": limit})


def data_since(client: Asks, filters: Filters) -> datetime | None:
    """When the data of the window begins (its narrowing is ignored); None where it holds none."""
    window = _window(filters)
    hour_s = first_filled(client, window["from"], window["to"]) if filters.duration >= SHORTEST else None
    until = sql_moment(datetime.fromtimestamp(hour_s, UTC) + timedelta(hours=1)) if hour_s else window["to"]
    first_ms = ask(client, "data_since", {**window, "to": min(until, window["to"])})[0]["first_ms"]
    if first_ms is None and until < window["to"]:  # its rows are gone
        first_ms = ask(client, "data_since", window)[0]["first_ms"]
    return None if first_ms is None else datetime.fromtimestamp(first_ms / 1000, UTC)


def filter_values(client: Asks, filters: Filters) -> dict[str, list[str]]:
    """The tenants, models and routes of the window (its own narrowing is ignored)."""
    every = Filters(start=filters.start, end=filters.end)
    sets = Sets.ALL | Sets.TENANT | Sets.ROUTE
    return ask_rolled(client, "filter_values", every, _window(filters), Reads.REQUESTS, Reads.CALLS, sets=sets)[0]


def labels(client: Asks, filters: Filters) -> dict[str, list[str]]:
    """What qualifies the window: notes, priced_as, systems, embeddings, judges, judge_notes; each a sorted list."""
    every = Filters(start=filters.start, end=filters.end)
    return ask_rolled(client, "labels", every, _window(filters), Reads.LABELS, Reads.RETRIEVALS)[0]


def loss(client: Asks, filters: Filters) -> list[Row]:
    """Spans numbered against spans stored, a service, of the processes that lived in the window."""
    return ask(client, "loss", _window(filters))


def collected(client: Asks, filters: Filters) -> list[Row]:
    """Spans received, shipped, queryable and sampled out in the window, a service; at most 100 services."""
    every = Filters(start=filters.start, end=filters.end)
    return ask_rolled(client, "collected", every, _window(filters), Reads.SPANS)


def tail_sampling(client: Asks, filters: Filters) -> Row:
    """Spans that the collectors received in the window, those sampled out, and those that came too late for it."""
    return ask(client, "tail_sampling", _window(filters))[0]


def ingest_over_time(client: Asks, filters: Filters, *, bucket_s: int | None = None) -> list[Row]:
    """Stored spans a bucket and service, by the time of the spans."""
    every = Filters(start=filters.start, end=filters.end)
    params = {**_window(filters), "bucket_s": bucket_s or filters.bucket_s()}
    return ask_rolled(client, "ingest_over_time", every, params, Reads.SPANS)


def freshness(client: Asks) -> Row:
    """How many spans the store holds and when the newest began (`newest_ms`, `now_ms`: the store's clock, epoch ms)."""
    return ask(client, "freshness", {})[0]


def demo_summary(client: Asks, since: datetime) -> Row:
    """Requests, latency, tokens, cost, scores and stored spans since a moment, in one row."""
    return ask(client, "demo_summary", {"since": sql_moment(since)})[0]


def _window(filters: Filters) -> Row:
    return {"from": sql_moment(filters.start), "to": sql_moment(filters.end)}


def _scored(client: Asks, filters: Filters, bucket_s: int) -> list[Row]:
    params = {**filters.params(), "bucket_s": bucket_s}
    rows = ask_rolled(client, "scores_over_time", filters, params, Reads.SCORES)
    for row in rows:
        row["estimate"] = estimate(row["mean"], None if row["is_binary"] else row["sd"], row["n"])
    return rows
