"""Traces: find a request by what was asked or answered, by who asked, by its latency, cost or score."""

from __future__ import annotations

import csv
import io
from html import escape
from typing import Any, get_args

import streamlit as st

from sightline_dashboards import formats, searchbar, source
from sightline_dashboards.filterbar import Selection
from sightline_dashboards.panels import empty_store, page, panel, rerun
from sightline_dashboards.tables import trace_table
from sightline_store.questions import queries, written
from sightline_store.questions.queries import Sort

_PAGE_ROWS = 50
_SORTS: tuple[Sort, ...] = get_args(Sort)
_ASCENDING_FIRST = {"groundedness", "faithfulness"}


def render() -> None:
    """Show the page."""
    page("Traces", _body)


def _body(selection: Selection) -> None:
    client, filters = source.client(), selection.filters()
    searched = searchbar.show(key="trace")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        only_errors = st.checkbox("Failed only", value=st.query_params.get("failed") == "1", key="trace_failed")
        searchbar.show_language()
        summary = st.container(width="content")
    if searched is None:
        return
    text = searched.text
    sort, descending = _sorting()
    number = _page_number((selection, text, only_errors))
    rows = queries.traces(
        client,
        filters,
        search=text,
        sort=sort,
        descending=descending,
        only_errors=only_errors,
        limit=_PAGE_ROWS,
        offset=(number - 1) * _PAGE_ROWS,
    )
    if not rows and number > 1:
        st.session_state["trace_page"] = 1
        rerun()
    if not rows and not text and not only_errors and sort == "time":
        empty_store(selection)
        return
    matching = rows[0]["matching"] if rows else 0
    reach = searchbar.reach(client, filters, searched, only_errors=only_errors)
    with summary:
        told = f"{formats.count(matching)} requests, {selection.label}"
        st.html(f'<p class="sl-note" data-testid="matching">{escape(f"{told}. {reach}" if reach else told)}</p>')
    clicked_sort = None
    with panel(
        "Requests", f"by {sort}, {'highest' if descending else 'lowest'} first" if sort != "time" else "newest first"
    ):
        questions = written.questions(client, rows)
        clicked_sort = trace_table(
            rows,
            key="traces",
            empty=f"Nothing matches. Clear the search, or widen the window. {reach}".rstrip(),
            questions=questions,
            sort=sort,
            descending=descending,
        )
        _foot(number, matching, [{**row, "question": questions.get(row["trace_id"], "")} for row in rows])
    if clicked_sort:
        _sort_by(clicked_sort, sort, descending)


def as_csv(rows: list[dict[str, Any]]) -> str:
    """Return rows as CSV. Texts that a spreadsheet would run as a formula get an apostrophe in front."""
    buffer = io.StringIO()
    if rows:
        writer = csv.DictWriter(buffer, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows({key: _inert(value) for key, value in row.items()} for row in rows)
    return buffer.getvalue()


def _inert(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"} else value


def _sorting() -> tuple[Sort, bool]:
    parameter = st.query_params.get("sort", "time")
    sort: Sort = next((name for name in _SORTS if name == parameter), "time")
    default = "asc" if sort in _ASCENDING_FIRST else "desc"
    return sort, st.query_params.get("order", default) == "desc"


def _sort_by(clicked: str, sort: str, descending: bool) -> None:
    descending_now = not descending if clicked == sort else clicked not in _ASCENDING_FIRST
    st.query_params["sort"] = clicked
    st.query_params["order"] = "desc" if descending_now else "asc"
    st.session_state["trace_page"] = 1
    rerun()


def _page_number(question: tuple[Selection, str, bool]) -> int:
    """Return the page to show, 1 again whenever the question changes."""
    if st.session_state.get("trace_question") != question:
        st.session_state["trace_question"] = question
        st.session_state["trace_page"] = 1
    return int(st.session_state.setdefault("trace_page", 1))


def _foot(number: int, matching: int, rows: list[dict[str, Any]]) -> None:
    pages = max(1, -(-matching // _PAGE_ROWS))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if st.button("← Back", disabled=number <= 1, key="trace_back"):
            st.session_state["trace_page"] = number - 1
            rerun()
        if st.button("Next →", disabled=number >= pages, key="trace_next"):
            st.session_state["trace_page"] = number + 1
            rerun()
        st.html(f'<p class="sl-note">Page {formats.count(number)} of {formats.count(pages)}</p>', width="content")
        st.download_button("Download CSV", as_csv(rows), "traces.csv", "text/csv", key="trace_csv", on_click="ignore")
