"""Traces: find a request by what was asked or answered, by who asked, by its latency, cost or score."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from functools import partial
from html import escape
from typing import get_args

import streamlit as st

from sightline_dashboards import formats, source
from sightline_dashboards.controls import addressed, paging, searchbar
from sightline_dashboards.controls.filterbar import Selection
from sightline_dashboards.downloads import MAX_ROWS, Offer
from sightline_dashboards.panels import empty_store, page, panel, rerun
from sightline_dashboards.tables import listed, trace_table, with_questions
from sightline_store.questions import asking
from sightline_store.questions.request_lists import Sort

_PAGE_ROWS = 50
_SORTS: tuple[Sort, ...] = get_args(Sort)
_ASCENDING_FIRST = {"groundedness", "faithfulness"}


def render() -> None:
    """Show the page."""
    page("Traces", _body)


def _body(selection: Selection, store: Executor) -> Iterator[None]:
    client, filters = source.client(), selection.filters()
    searched, only_errors = searchbar.searched(), addressed.is_ticked("failed")
    text = searched.text if searched else ""
    sort, descending = _sorting()
    shown = paging.page_of("trace", (selection, text, only_errors, sort, descending), _PAGE_ROWS)
    asked = partial(listed, client, filters, search=text, sort=sort, descending=descending, only_errors=only_errors)
    if searched:
        asked_rows = store.submit(asked, limit=shown.size, offset=shown.offset)
        asked_reach = store.submit(searchbar.reach, client, filters, searched, only_errors=only_errors)
    yield

    searchbar.show(key="trace")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        addressed.checkbox("Failed only", name="failed")
        searchbar.show_language()
        summary = st.container(width="content")
    if searched is None:
        return
    rows, questions = asked_rows.result()
    if not rows and shown.number > 1:
        shown.turn_to(1)
    if not rows and not text and not only_errors and sort == "time":
        empty_store(selection)
        return
    matching = rows[0]["matching"] if rows else 0
    reach = asked_reach.result()
    with summary:
        told = f"{formats.count(matching)} requests, {selection.label}"
        st.html(f'<p class="sl-note" data-testid="matching">{escape(f"{told}. {reach}" if reach else told)}</p>')
    clicked_sort = None

    def everything() -> list[asking.Row]:
        return with_questions(*asked(limit=MAX_ROWS))

    with panel(
        "Requests", f"by {sort}, {'highest' if descending else 'lowest'} first" if sort != "time" else "newest first"
    ):
        clicked_sort = trace_table(
            rows,
            key="traces",
            empty=f"Nothing matches. Clear the search, or widen the window. {reach}".rstrip(),
            questions=questions,
            sort=sort,
            descending=descending,
            comparable=True,
            offer=Offer(everything, matching, content=True),
        )
        shown.foot(matching, "requests")
    if clicked_sort:
        _sort_by(clicked_sort, sort, descending)


def _sorting() -> tuple[Sort, bool]:
    parameter = st.query_params.get("sort", "time")
    sort: Sort = next((name for name in _SORTS if name == parameter), "time")
    default = "asc" if sort in _ASCENDING_FIRST else "desc"
    return sort, st.query_params.get("order", default) == "desc"


def _sort_by(clicked: str, sort: str, descending: bool) -> None:
    descending_now = not descending if clicked == sort else clicked not in _ASCENDING_FIRST
    st.query_params["sort"] = clicked
    st.query_params["order"] = "desc" if descending_now else "asc"
    rerun()
