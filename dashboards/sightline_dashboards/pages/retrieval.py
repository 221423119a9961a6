"""Retrieval: does the search find anything, is it any good, and did the index or the embedding change?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Executor

import streamlit as st

from sightline_dashboards import drift_panel, formats, source, tuning_panel
from sightline_dashboards.controls.filterbar import Selection
from sightline_dashboards.downloads import Offer
from sightline_dashboards.elements import Column, TableRow, table
from sightline_dashboards.panels import charted, empty_message, empty_store, note, note_beginning, page, panel
from sightline_dashboards.plotting import charts, leads, plots
from sightline_dashboards.plotting.vega import HEIGHT_PX
from sightline_dashboards.tables import NONE, local_time
from sightline_store.questions import asking, queries, written


def render() -> None:
    """Show the page."""
    page("Retrieval", _body)


def _body(selection: Selection, store: Executor) -> Iterator[None]:
    client, filters = source.client(), charted(selection.filters())
    bucket_s, width = filters.bucket_s(), filters.bucket_s(40)
    asked = store.submit(queries.retrieval_over_time, client, filters, bucket_s=bucket_s)
    yield

    rows = asked.result()
    asked_scores = store.submit(queries.scores_over_time, client, filters, bucket_s=width)
    drifted = drift_panel.ask(client, filters, store)
    tuned = tuning_panel.ask(client, filters, store)
    note_beginning(selection.filters())
    if not rows:
        empty_store(selection, "searches")
        drift_panel.show(drifted, filters)
        tuning_panel.show(tuned)
        return
    asked_indexes = store.submit(queries.retrieval_by_index, client, filters)
    asked_documents = store.submit(_titled, client, filters)
    left, middle, right = st.columns([4, 4, 3], gap="small")
    with left, panel("Score of the best passage", "median, 10th to 90th percentile"):
        if any(row["scored"] for row in rows):
            plots.show_over_time(
                charts.top_scores(rows, filters, bucket_s),
                filters,
                key="top_scores",
                bucket_s=bucket_s,
                opens=leads.searched,
            )
            note("Scores compare only within one index and embedding: see the table below for changes.")
        else:
            empty_message("The searches recorded no scores.")
    with middle, panel("A right passage among the first five", "95 % interval"):
        if hits := [row for row in asked_scores.result() if row["name"] == "retrieval_hit_at_5"]:
            plots.show_over_time(
                charts.scores(hits, filters, width),
                filters,
                key="hits",
                bucket_s=width,
                opens=leads.scored("retrieval_hit_at_5"),
            )
            note("Only questions whose right passages are known can be counted.")
        else:
            empty_message(
                "No question of this window has known right passages. `sightline-app ask` sends the shipped ones."
            )
    with right, panel("Searches that found nothing", "share"):
        empty_share = charts.shares(rows, "empty", "counted", filters, bucket_s, name="Found nothing", height=HEIGHT_PX)
        plots.show_over_time(empty_share, filters, key="empty_share", bucket_s=bucket_s, opens=leads.searched)
        errors, searches = sum(row["errors"] for row in rows), sum(row["searches"] for row in rows)
        empty, counted = sum(row["empty"] for row in rows), sum(row["counted"] for row in rows)
        note(
            f"{formats.share_of(empty, counted)} searches with a count of results found nothing, "
            f"{formats.share_of(errors, searches)} searches failed."
        )
    drift_panel.show(drifted, filters)
    with panel("Index and embedding"):
        _indexes(asked_indexes.result())
    tuning_panel.show(tuned)
    with panel("Passages found most", "share of the searches that found anything"):
        _documents(*asked_documents.result())


def _titled(client: asking.Asks, filters: asking.Filters) -> tuple[list[asking.Row], dict[str, str]]:
    """The passages that were found most, and the title of each by its id."""
    found = queries.retrieval_documents(client, filters, limit=20)
    return found, written.titles(client, found)


def _indexes(rows: list[asking.Row]) -> None:
    columns = [
        Column("Collection"),
        Column("In"),
        Column("Search"),
        Column("Index"),
        Column("Embedding"),
        Column("Searches", number=True),
        Column("Failed", number=True),
        Column("Empty", number=True),
        Column("Median score", number=True),
        Column("p95", number=True),
        Column("First seen"),
    ]
    table_rows = [
        TableRow(
            cells=(
                row["collection"] or NONE,
                row["system"] or NONE,
                row["operation"] or NONE,
                row["index_version"] or "unknown",
                f"{row['embedding']} {row['embedding_version']}".strip() or "unknown",
                formats.count(row["searches"]),
                formats.count(row["errors"]),
                formats.count(row["empty"]),
                formats.score(row["top_score_p50"]),
                formats.duration(row["p95_ms"]),
                local_time(row["first_ms"], seconds=False),
            ),
            page="traces",
            tones=["", "", "", "", "", "", "bad" if row["errors"] else ""],
        )
        for row in rows
    ]
    table(columns, table_rows, key="indexes", empty="No search in this selection.", offer=Offer(rows))


def _documents(rows: list[asking.Row], titles: Mapping[str, str]) -> None:
    columns = [
        Column("Passage", link=True, wrap=True),
        Column("Id", mono=True),
        Column("Found", number=True),
        Column("Share", number=True),
        Column("Mean rank", number=True),
        Column("Mean score", number=True),
    ]
    table_rows = [
        TableRow(
            cells=(
                formats.shortened(titles.get(row["document_id"], "text not captured"), 120),
                formats.shortened(row["document_id"], 24),
                f"about {formats.compact(row['hits'])}" if row["sampled"] > 1 else formats.count(row["hits"]),
                formats.share(row["share"]),
                formats.significant(row["mean_rank"]),
                formats.score(row["mean_score"]),
            ),
            page="trace",
            params={"trace": row["trace_id"]},
            titles=["", row["document_id"]],
        )
        for row in rows
    ]
    table(
        columns,
        table_rows,
        key="documents",
        empty="The searches recorded no passages.",
        offer=Offer([{**row, "title": titles.get(row["document_id"])} for row in rows], content=True),
    )
    sampled = rows[0]["sampled"] if rows else 1
    read = f" Of so many searches those of one half hour in {sampled} were read." if sampled > 1 else ""
    note(f"A row opens the newest trace that found the passage.{read}")
