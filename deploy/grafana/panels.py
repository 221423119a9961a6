"""What the dashboard for Grafana shows: rows of panels, each with the question that it asks and its columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Final, Literal

TIME: Final = "toDateTime(bucket, 'UTC') AS time"
"""First column of a time series."""

Kind = Literal["stat", "timeseries", "table"]


@dataclass(frozen=True)
class Panel:
    """A panel.

    Attributes:
        title: what it shows.
        kind: of Grafana's panels.
        question: that it asks.
        columns: of the answer, as SQL with an alias.
        width: of the 24 columns of the grid.
        height: in rows of the grid.
        unit: of its numbers, by Grafana's name.
        units: column to unit, where they differ.
        label: column that names the series.
        stacked: whether the series are stacked.
        bounds: least and greatest value of the axis.
    """

    title: str
    kind: Kind
    question: str
    _: KW_ONLY
    columns: Sequence[str]
    width: int
    height: int = 8
    unit: str = "short"
    units: Mapping[str, str] = field(default_factory=dict)
    label: str = ""
    stacked: bool = False
    bounds: tuple[float, float] | None = None


ROWS: Final[Mapping[str, Sequence[Panel]]] = {
    "The window": (
        Panel("Requests, times, cost and scores", "stat", "overview", width=24, height=4,
              columns=("requests AS Requests", "errors / requests AS Failed", "ttft_p50_ms AS `TTFT p50`",
                       "ttft_p95_ms AS `TTFT p95`", "total_p50_ms AS `Total p50`", "total_p95_ms AS `Total p95`",
                       "cost_usd AS `Known cost`", "unpriced_calls AS `Calls without a cost`",
                       "groundedness AS Groundedness", "faithfulness AS Faithfulness"),
              units={"Failed": "percentunit", "TTFT p50": "ms", "TTFT p95": "ms", "Total p50": "ms",
                     "Total p95": "ms", "Known cost": "currencyUSD", "Groundedness": "percentunit",
                     "Faithfulness": "percentunit"}),
    ),
    "Requests": (
        Panel("Requests and errors", "timeseries", "latency_over_time", width=8,
              columns=(TIME, "requests", "errors")),
        Panel("Time to the first token", "timeseries", "latency_over_time", width=8,
              columns=(TIME, "ttft_p50_ms AS p50", "ttft_p95_ms AS p95", "ttft_p99_ms AS p99"), unit="ms"),
        Panel("Total time", "timeseries", "latency_over_time", width=8,
              columns=(TIME, "total_p50_ms AS p50", "total_p95_ms AS p95", "total_p99_ms AS p99"), unit="ms"),
        Panel("Time to the first token, by stage (means, which sum to it)", "timeseries", "ttft_over_time", width=14,
              columns=(TIME, "stage", "mean_ms"), unit="ms", label="stage", stacked=True),
        Panel("Stages", "table", "stage_summary", width=10,
              columns=("stage", "p50_ms AS p50", "p95_ms AS p95", "p99_ms AS p99", "spans", "errors", "flagged"),
              units={"p50": "ms", "p95": "ms", "p99": "ms"}),
        Panel("Failed requests, by type", "table", "errors_by_type", width=24, height=6,
              columns=("error_type", "requests", "tenants", "fromUnixTimestamp64Milli(last_ms, 'UTC') AS last",
                       "trace_id AS newest_trace")),
    ),
    "Tokens and cost": (
        Panel("Tokens, by model", "timeseries", "spend_over_time", width=8,
              columns=(TIME, "toString(model_name) AS model", "input_tokens AS `in`", "output_tokens AS `out`"),
              label="model", stacked=True),
        Panel("Known cost, by model", "timeseries", "spend_over_time", width=8,
              columns=(TIME, "toString(model_name) AS model", "cost_usd"),
              unit="currencyUSD", label="model", stacked=True),
        Panel("Spending, by model", "table", "spend_by", width=8,
              columns=("name AS model", "calls", "unpriced_calls AS unpriced", "input_tokens", "output_tokens",
                       "cost_usd"),
              units={"cost_usd": "currencyUSD"}),
    ),
    "Retrieval": (
        Panel("Searches that found nothing, and that failed", "timeseries", "retrieval_over_time", width=8,
              columns=(TIME, "empty / nullIf(counted, 0) AS nothing", "errors / searches AS failed"),
              unit="percentunit"),
        Panel("Score of the best passage", "timeseries", "retrieval_over_time", width=8,
              columns=(TIME, "top_score_p10 AS p10", "top_score_p50 AS p50", "top_score_p90 AS p90"), unit="none"),
        Panel("Searches, by index", "table", "retrieval_by_index", width=8,
              columns=("collection", "index_version", "embedding", "searches", "empty", "errors",
                       "top_score_p50 AS top_score", "p95_ms AS p95"),
              units={"p95": "ms", "top_score": "none"}),
    ),
    "Groundedness": (
        Panel("Scores of answers, by the time of asking", "timeseries", "scores_over_time", width=12,
              columns=(TIME, "name", "mean"), unit="percentunit", label="name", bounds=(0, 1)),
        Panel("The lowest answers on the score ${score}", "table", "score_list", width=12,
              columns=("fromUnixTimestamp64Milli(asked_ms, 'UTC') AS asked", "tenant_name AS tenant", "value",
                       "judge", "explanation", "trace_id"),
              units={"value": "none"}),
    ),
    "Pipeline": (
        Panel("Age of the newest span", "stat", "freshness", width=6,
              columns=("(now_ms - newest_ms) / 1000 AS `Newest span`", "spans AS `Queryable spans`"),
              units={"Newest span": "s"}),
        Panel("Queryable spans, by service", "timeseries", "ingest_over_time", width=18,
              columns=(TIME, "service", "spans"), label="service", stacked=True),
        Panel("Spans numbered against spans stored", "table", "loss", width=12,
              columns=("service", "instances", "emitted", "stored_spans AS stored", "lost", "doubled",
                       "recent_spans AS recent")),
        Panel("Spans received, shipped, queryable, sampled out", "table", "collected", width=12,
              columns=("service", "received_spans AS received", "shipped_spans AS shipped",
                       "queryable_spans AS queryable", "sampled_out_spans AS sampled_out")),
    ),
}  # fmt: skip
"""Row to its panels, from the left and then down."""
