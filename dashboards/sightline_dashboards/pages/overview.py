"""Overview: how are the answers doing, and where do their time, tokens and truth go?"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from typing import Any

import streamlit as st

from sightline_dashboards import drift, drift_panel, formats, source, spending
from sightline_dashboards.cards import overview_cards
from sightline_dashboards.controls import addressed
from sightline_dashboards.controls.filterbar import Selection
from sightline_dashboards.elements import Card, cards
from sightline_dashboards.panels import charted, empty_message, empty_store, note, note_beginning, page, panel
from sightline_dashboards.plotting import axes, charts, leads, plots
from sightline_dashboards.tables import listed, local_time, models_table, trace_table
from sightline_store.questions import queries
from sightline_store.questions.asking import Filters, Row
from sightline_store.questions.request_lists import Sort

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


def _body(selection: Selection, store: Executor) -> Iterator[None]:
    """Ask everything at once, and show each answer as soon as those before it are there."""
    client, whole = source.client(), selection.filters()
    earlier = selection.compared(whole)
    asked_now, asked_before = (store.submit(queries.overview, client, each) for each in (whole, earlier))
    filters = charted(whole)
    # Cost in the buckets of the bars: their sum is the cost on the card.
    bar_s, spark_s, bucket_s = filters.bucket_s(_BARS), filters.bucket_s(_SPARK_POINTS), filters.bucket_s()
    embedded = store.submit(queries.embedding_spend, client, filters, bucket_s=bar_s)
    embedded_before = store.submit(queries.embedding_spend, client, earlier)
    spend = store.submit(queries.spend_over_time, client, filters, bucket_s=bar_s)
    loss = store.submit(queries.loss, client, whole)
    latency = store.submit(queries.latency_over_time, client, filters, bucket_s=bar_s)
    scores = store.submit(queries.scores_over_time, client, filters, bucket_s=spark_s)
    ingested = store.submit(queries.ingest_over_time, client, filters, bucket_s=spark_s)
    drifted = store.submit(drift_panel.runs, client, filters)
    drawn_latency = store.submit(queries.latency_over_time, client, filters, bucket_s=bucket_s)
    stages = store.submit(queries.stage_stack, client, filters)
    by_model = store.submit(queries.spend_by, client, filters)
    sort, descending = _NOTABLE[addressed.chosen_of(list(_NOTABLE), name="notable")]
    notable = store.submit(listed, client, filters, sort=sort, descending=descending, limit=8)
    yield

    now = asked_now.result()
    if not now.requests:
        empty_store(selection)
        return
    note_beginning(whole)
    costs = spending.over_time(spend.result(), embedded.result())
    *shown, lost = overview_cards(
        now,
        asked_before.result(),
        (
            spending.spending(now, embedded.result()),
            spending.spending(asked_before.result(), embedded_before.result()),
        ),
        loss.result(),
        _sparks(filters, costs, latency=latency.result(), scores=scores.result(), ingested=ingested.result()),
        since=selection.compared_label,
    )
    cards([*shown, _drift_card(drifted.result()), lost], key="overview_cards")
    left, right = st.columns([3, 2], gap="small")
    with (
        left,
        panel("Time to first token and total", "p50 to p95 as a band, p99 dashed", more=("latency", "Latency →")),
    ):
        plots.show_over_time(
            charts.latency(drawn_latency.result(), filters, bucket_s, height=250),
            filters,
            key="latency",
            bucket_s=bucket_s,
            opens=leads.slowest,
        )
        first_token = formats.first_token_note(now.ttft_definition, now.ttft_others)
        note(f"{first_token} A gap means that there was no request.")
    with right, panel("Where the time to first token goes", "p95", more=("latency", "Stages →")):
        if parts := stages.result():
            plots.show(charts.stage_cascade(parts, "slow_ms", height=250), filters, key="stages", opens=leads.of_stage)
            note(stage_note(parts))
        else:
            empty_message("No request of this window recorded its first token.")
    left, right = st.columns([2, 3], gap="small")
    with left, panel("Cost and tokens by model", more=("cost", "Cost →")):
        _spend(filters, costs, by_model.result() + spending.embeddings_row(embedded.result()))
    with right, panel("Traces to look at", more=("traces", "All traces →")):
        addressed.one_of("Order", list(_NOTABLE), name="notable")
        rows, questions = notable.result()
        trace_table(
            rows,
            key="notable_rows",
            empty="No answer of this window has been judged yet.",
            questions=questions,
            compact=True,
        )


def _drift_card(runs: list[Row]) -> Card:
    stands = drift.standing(runs)
    return drift.card(runs, local_time(stands.since_ms, seconds=False) if stands else "")


def stage_note(rows: list[dict[str, Any]]) -> str:
    """Return which requests the bars are made of, as a sentence."""
    n, sampled, left_out = (max(row[name] for row in rows) for name in ("slow_n", "sampled", "left_out"))
    text = f"Means over the {formats.count(n)} requests" if n > 1 else "The one request"
    text += " between the 90th and 99th percentile."
    text += f" Sampled 1 in {sampled}." if sampled > 1 else ""
    return text + (f" Left out: {formats.count(left_out)} of more than 500 spans." if left_out else "")


def _sparks(
    filters: Filters, spend: list[Row], *, latency: list[Row], scores: list[Row], ingested: list[Row]
) -> dict[str, list[float | None]]:
    width, bar_width = filters.bucket_s(_SPARK_POINTS), filters.bucket_s(_BARS)

    def series(rows: list[dict[str, Any]], column: str, bucket_s: int = width) -> list[float | None]:
        return [row.get(column) for row in axes.fill_buckets(rows, filters, bucket_s)]

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
    spans: dict[int, int] = {}
    for row in ingested:
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


def _spend(filters: Filters, costs: list[Row], rows: list[Row]) -> None:
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
