"""Pipeline: did every span arrive, how fresh is the store, and what fails?"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import asdict
from datetime import UTC, datetime

import streamlit as st

from sightline_dashboards import formats, source
from sightline_dashboards.cards import pipeline_cards
from sightline_dashboards.controls.filterbar import Selection
from sightline_dashboards.downloads import Offer
from sightline_dashboards.elements import Column, TableRow, cards, table
from sightline_dashboards.panels import empty_store, note, page, panel
from sightline_dashboards.plotting import charts, leads, plots
from sightline_dashboards.tables import local_time
from sightline_store.conventions import report
from sightline_store.questions import asking, queries

_LOOKED_AT_SPANS = 10_000
"""The most spans about models and searches in which unread keys are looked for."""
_READ_SPANS = 100_000
"""The newest spans of all kinds among which those are: reading them takes about 0.3 s."""


def render() -> None:
    """Show the page."""
    page("Pipeline", _body)


def _body(selection: Selection, store: Executor) -> Iterator[None]:
    client, filters = source.client(), selection.filters()
    asked_fresh = store.submit(queries.freshness, client)
    asked_loss = store.submit(queries.loss, client, filters)
    asked_sampling = store.submit(queries.tail_sampling, client, filters)
    yield

    fresh = asked_fresh.result()
    if not fresh["spans"]:
        empty_store(selection)
        return
    shown = filters.fitted(datetime.fromtimestamp(fresh["oldest_ms"] / 1e3, UTC))  # charts begin where data does
    bucket_s = shown.bucket_s()
    loss, sampling = asked_loss.result(), asked_sampling.result()
    asked_ingested = store.submit(queries.ingest_over_time, client, shown, bucket_s=bucket_s)
    asked_flow = store.submit(queries.collected, client, filters)
    asked_requests = store.submit(queries.latency_over_time, client, shown, bucket_s=bucket_s)
    asked_errors = store.submit(queries.errors_by_type, client, filters)
    cards(
        pipeline_cards(fresh, loss, sampling, since=local_time(fresh["oldest_ms"], seconds=False)), key="pipeline_cards"
    )
    if fresh["misdated_spans"]:
        note(
            f"Spans that began after 2106 by their own time, which is wrong: {formats.count(fresh['misdated_spans'])}. "
            "They are stored as of its last second, and no window shows them."
        )
    left, right = st.columns([3, 2], gap="small")
    with left, panel("Queryable spans", "by service and the time of the span"):
        ingested = asked_ingested.result()
        looked_at = _looked_at_from(ingested, filters), filters.end
        asked_keys = store.submit(report.unread_keys, client, *looked_at, max_spans=_LOOKED_AT_SPANS)
        if ingested:
            plots.show_over_time(
                charts.stacked_bars(ingested, "spans", "service", shown, bucket_s, unit="count"),
                shown,
                key="ingest",
                bucket_s=bucket_s,
                opens=leads.of_service,
            )
        else:
            empty_store(selection, "spans")
    with right, panel("Numbered against stored", "a service"):
        _loss(loss)
    with panel("Emitted, received, stored, queryable", "spans a service"):
        _flow(asked_flow.result(), {row["service"]: emitted_text(row) for row in loss})
        if sampling["late_spans"]:
            note(late_spans_note(sampling))
    left, right = st.columns([3, 2], gap="small")
    with left, panel("Requests and failures", more=("traces", "Failed ones →"), failed="1"):
        if rows := asked_requests.result():
            plots.show_over_time(
                charts.failures(rows, shown, bucket_s), shown, key="failures", bucket_s=bucket_s, opens=leads.of_outcome
            )
        else:
            empty_store(selection)
    with right, panel("What fails"):
        _errors(asked_errors.result())
    with panel("Keys that nobody reads", "of spans about models and searches"):
        _unread(asked_keys.result())


def late_spans_note(sampling: asking.Row) -> str:
    """Return what late spans mean and what to do, from a row of `queries.tail_sampling`."""
    late, received = sampling["late_spans"], sampling["received_spans"]
    count_text = f"{formats.count(late)} spans"
    if received:
        count_text = (
            f"{formats.count(late)} of {formats.count(received)} spans received ({formats.share(late / received)})"
        )
    return (
        f"{count_text} came late: tail sampling had decided on their trace. An error or a slow span among them cannot "
        "restore what was sampled out before, so such a trace is shown in part. Rates, times, tokens and cost count "
        "every span all the same. To have fewer: set SIGHTLINE_COLLECTOR_SAMPLE_WINDOW_S to more seconds than your "
        "longest requests take; rows come so much later."
    )


def emitted_text(row: asking.Row) -> str:
    """How many spans a service's processes have numbered; in words while no minute of them is over."""
    return formats.count(row["emitted"]) if row["emitted"] or not row["recent_spans"] else "not counted yet"


def _loss(rows: list[asking.Row]) -> None:
    columns = [
        Column("Service"),
        Column("Processes", number=True),
        Column("Numbered", number=True),
        Column("Stored", number=True),
        Column("Lost", number=True),
        Column("Last seen"),
    ]
    table_rows = [
        TableRow(
            cells=(
                row["service"],
                formats.count(row["instances"]),
                emitted_text(row),
                *(formats.count(row[name]) if row["emitted"] else "" for name in ("stored_spans", "lost")),
                local_time(row["last_seen_s"] * 1e3),
            ),
            tones=["", "", "", "", "bad" if row["lost"] else "", ""],
        )
        for row in rows
    ]
    table(
        columns,
        table_rows,
        key="loss_rows",
        empty="No process of this window numbers its spans: only those with the library do.",
        offer=Offer(rows),
    )
    note(
        "A process numbers its spans from 1: the highest number against the count shows what "
        "never arrived. The last two minutes are not counted yet."
        + (
            " Lost spans fell out of a full queue while no collector answered, or their process ended before it had "
            "sent them: see its log."
            if any(row["lost"] for row in rows)
            else ""
        )
    )


def _flow(rows: list[asking.Row], emitted: dict[str, str]) -> None:
    """Each service's spans along the way; a column for sampled out ones where there are any."""
    is_sampled = any(row["sampled_out_spans"] for row in rows)
    names = ["Emitted", "Received", "Stored", "Queryable", *(["Sampled out"] if is_sampled else [])]
    table_rows = []
    for row in rows:
        counts = [row["received_spans"], row["shipped_spans"], row["queryable_spans"]]
        counts += [row["sampled_out_spans"]] if is_sampled else []
        cells = [emitted.get(row["service"], "not numbered"), *map(formats.count, counts)]
        table_rows.append(TableRow(cells=(row["service"] or "(no service.name)", *cells)))
    table(
        [Column("Service"), *(Column(name, number=True) for name in names)],
        table_rows,
        key="flow_rows",
        empty="No span and no count of a collector lies in this window.",
        offer=Offer(rows),
    )
    note(
        "Emitted: what the processes that live in this window have numbered since their start, but for the last two "
        "minutes. The others are of this window. Received and stored: counted by Sightline's collectors as spans "
        "arrive, reported every half minute; what other writers store is not among them. Queryable: rows, by the time "
        "of the span."
        + (
            " Sampled out: stored without a row, counted by the hour; they are in all figures but those of single "
            "traces."
            if is_sampled
            else ""
        )
    )


def _errors(rows: list[asking.Row]) -> None:
    columns = [
        Column("Error", link=True),
        Column("Requests", number=True),
        Column("Tenants", number=True),
        Column("Last"),
    ]
    table_rows = [
        TableRow(
            cells=(
                row["error_type"],
                formats.count(row["requests"]),
                formats.count(row["tenants"]),
                local_time(row["last_ms"]),
            ),
            page="trace",
            params={"trace": row["trace_id"]},
        )
        for row in rows
    ]
    table(columns, table_rows, key="error_rows", empty="No request of this window failed.", offer=Offer(rows))


def _looked_at_from(ingested: list[asking.Row], filters: asking.Filters) -> datetime:
    """Return the start of the newest buckets that hold `_READ_SPANS` spans, of rows of `ingest_over_time`."""
    spans = 0
    for row in sorted(ingested, key=lambda row: -row["bucket"]):
        spans += row["spans"]
        if spans >= _READ_SPANS:
            return max(filters.start, datetime.fromtimestamp(row["bucket"], UTC))
    return filters.start


def _unread(keys: tuple[report.UnknownKey, ...]) -> None:
    columns = [
        Column("Key", mono=True),
        Column("Spans", number=True),
        Column("Written by"),
        Column("Example", mono=True),
    ]
    table_rows = [
        TableRow(
            cells=(
                key.key,
                formats.count(key.spans),
                ", ".join(scope or "(no scope)" for scope in key.scopes),
                key.example,
            )
        )
        for key in keys
    ]
    table(
        columns,
        table_rows,
        key="unread_keys",
        empty="Every key of these spans is read.",
        offer=Offer([asdict(key) for key in keys], content=True),
    )
    note(
        "Attributes and events that no figure of these pages is made of, in spans about models and searches, at most "
        f"{formats.count(_LOOKED_AT_SPANS)} of them, from the newest part of the window. What a page lacks, such as a "
        "model, tokens or a cost, may be in one."
    )
