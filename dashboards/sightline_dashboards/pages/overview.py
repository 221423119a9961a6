"""Overview: how are the answers doing, and where do their time, tokens and truth go?"""

from __future__ import annotations

from typing import Any

import streamlit as st

from sightline_dashboards import addressed, axes, charts, drift, drift_panel, formats, leads, plots, source, spending
from sightline_dashboards.cards import overview_cards
from sightline_dashboards.elements import Card, cards
from sightline_dashboards.filterbar import Selection
from sightline_dashboards.panels import charted, empty_message, empty_store, note, page, panel
from sightline_dashboards.tables import local_time, models_table, trace_table
from sightline_store.questions import queries, written
from sightline_store.questions.queries import Filters, Row, Sort

_SPARK_POINTS = 24
_BARS = 40
_NOTABLE: dict[str, tuple[Sort, bool]] = {
    "Slowest first token": ("ttft", True),
    "Slowest in total": ("total", True),
    "Least grounded": ("groundedness", False),
    "Most expensive": ("cost", True),
}


def render() -> None:
    """Show the page."""
    page("Overview", _body)


def _body(selection: Selection) -> None:
    client, whole = source.client(), selection.filters()
    now = queries.overview(client, whole)
    if not now.requests:
        empty_store(selection)
        return
    filters = charted(whole)
    earlier = selection.compared(whole)
    before = queries.overview(client, earlier)
    # In the buckets of the bars: their sum is the cost on the card.
    over_time, embedded = (
        queries.spend_over_time(client, filters, bucket_s=filters.bucket_s(_BARS)),
        queries.embedding_spend(client, filters, bucket_s=filters.bucket_s(_BARS)),
    )
    spent = (
        spending.spending(now, embedded),
        spending.spending(before, queries.embedding_spend(client, earlier)),
    )
    costs = spending.over_time(over_time, embedded)
    shown = overview_cards(
        now,
        before,
        spent,
        queries.loss(client, whole),
        _sparks(filters, costs),
        since=selection.compared_label,
    )
    cards([*shown[:-1], _drift_card(filters), shown[-1]], key="overview_cards")
    left, right = st.columns([3, 2], gap="small")
    with (
        left,
        panel("Time to first token and total", "p50 to p95 as a band, p99 dashed", more=("latency", "Latency →")),
    ):
        bucket_s = filters.bucket_s()
        plots.show_over_time(
            charts.latency(queries.latency_over_time(client, filters), filters, bucket_s, height=250),
            filters,
            key="latency",
            bucket_s=bucket_s,
            opens=leads.slowest,
        )
        first_token = formats.first_token_note(now.ttft_definition, now.ttft_others)
        note(f"{first_token} A gap means that there was no request.")
    with right, panel("Where the time to first token goes", "p95", more=("latency", "Stages →")):
        stages = queries.stage_stack(client, filters)
        if stages:
            plots.show(charts.stage_cascade(stages, "slow_ms", height=250), filters, key="stages", opens=leads.of_stage)
            note(stage_note(stages))
        else:
            empty_message("No request of this window recorded its first token.")
    left, right = st.columns([2, 3], gap="small")
    with left, panel("Cost and tokens by model", more=("cost", "Cost →")):
        _spend(filters, costs, embedded)
    with right, panel("Traces to look at", more=("traces", "All traces →")):
        sort, descending = _NOTABLE[addressed.one_of("Order", list(_NOTABLE), name="notable")]
        rows = queries.traces(client, filters, sort=sort, descending=descending, limit=8)
        trace_table(
            rows,
            key="notable_rows",
            empty="No answer of this window has been judged yet.",
            questions=written.questions(client, rows),
            compact=True,
        )


def _drift_card(filters: Filters) -> Card:
    runs = drift_panel.runs(source.client(), filters)
    stands = drift.standing(runs)
    return drift.card(runs, local_time(stands.since_ms, seconds=False) if stands else "")


def stage_note(rows: list[dict[str, Any]]) -> str:
    """Return which requests the bars are made of, as a sentence."""
    n, sampled, left_out = (max(row[name] for row in rows) for name in ("slow_n", "sampled", "left_out"))
    text = f"Means over the {formats.count(n)} requests" if n > 1 else "The one request"
    text += " between the 90th and 99th percentile."
    text += f" Sampled 1 in {sampled}." if sampled > 1 else ""
    return text + (f" Left out: {formats.count(left_out)} of more than 500 spans." if left_out else "")


def _sparks(filters: Filters, spend: list[Row]) -> dict[str, list[float | None]]:
    client, width, bar_width = source.client(), filters.bucket_s(_SPARK_POINTS), filters.bucket_s(_BARS)

    def series(rows: list[dict[str, Any]], column: str, bucket_s: int = width) -> list[float | None]:
        return [row.get(column) for row in axes.fill_buckets(rows, filters, bucket_s)]

    latency = queries.latency_over_time(client, filters, bucket_s=bar_width)
    for row in latency:
        row["error_rate"] = row["errors"] / row["requests"]
    requests_by_bucket = {row["bucket"]: row["requests"] for row in latency}
    usd: dict[int, float] = {}
    for row in spend:
        if row["cost_usd"] is not None:
            usd[row["bucket"]] = usd.get(row["bucket"], 0.0) + row["cost_usd"]
    costs = [
        {"bucket": bucket, "cost": cost / requests_by_bucket[bucket]}
        for bucket, cost in usd.items()
        if requests_by_bucket.get(bucket)
    ]
    scores = queries.scores_over_time(client, filters, bucket_s=width)
    spans: dict[int, int] = {}
    for row in queries.ingest_over_time(client, filters, bucket_s=width):
        spans[row["bucket"]] = spans.get(row["bucket"], 0) + row["spans"]
    return {
        "ttft": series(latency, "ttft_p95_ms", bar_width),
        "total": series(latency, "total_p95_ms", bar_width),
        "errors": series(latency, "error_rate", bar_width),
        "cost": series(costs, "cost", bar_width),
        "spans": series([{"bucket": bucket, "n": n} for bucket, n in spans.items()], "n"),
        **{
            name: series([row for row in scores if row["name"] == name], "mean")
            for name in ("groundedness", "faithfulness", "retrieval_hit_at_5")
        },
    }


def _spend(filters: Filters, costs: list[Row], embedded: list[Row]) -> None:
    rows = queries.spend_by(source.client(), filters) + spending.embeddings_row(embedded)
    if not rows:
        empty_message("No model call in this selection.")
        return
    if any(row["cost_usd"] is not None for row in costs):
        bucket_s = filters.bucket_s(_BARS)
        plots.show_over_time(
            charts.stacked_bars(costs, "cost_usd", "model_name", filters, bucket_s, unit="usd", height=170),
            filters,
            key="spend",
            bucket_s=bucket_s,
            opens=leads.of_model,
        )
    models_table(rows, key="spend_rows")
