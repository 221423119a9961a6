"""Where a reader of a trace chooses the second one: by its id, or of those in which the same was asked."""

from __future__ import annotations

import re
from typing import Final

import streamlit as st

from sightline_dashboards import formats, navigation, source
from sightline_dashboards.controls.filterbar import Selection
from sightline_dashboards.elements import Column, TableRow, table
from sightline_dashboards.panels import empty_message, note
from sightline_dashboards.tables import grounded, local_time, outcome
from sightline_store.questions import request_lists, search, written
from sightline_store.questions.asking import Asks, Filters, Row

TRACE_ID: Final = re.compile(r"[0-9a-f]{1,32}")
_SEARCHED_ROWS: Final = 50
_SEARCHED_CHARS: Final = 120
_ESCAPED: Final = re.compile(r'["\\\x00-\x1f]')
"""Characters that stand otherwise where a question is a part of JSON."""
_MAYBE_ESCAPED: Final = re.compile(r'["\\\x00-\x1f]|[^\x00-\x7f]')
"""The same, with those that some writers of JSON escape."""
_LONG_ENOUGH: Final = 12


def show(trace_id: str, question: str, selection: Selection) -> None:
    """Show a closed drawer; what it holds is asked for when it is opened.

    Args:
        trace_id: the trace that is shown.
        question: what was asked in it; '' where that was not captured.
        selection: of the filter bar: in its window the same question is looked for.
    """
    drawer = st.expander("Compare with another trace", on_change="rerun", key="compare")
    with drawer:
        if not drawer.open:
            return
        entered = st.text_input("Trace id of the other", placeholder="32 hexadecimal digits", width=360, key="other_id")
        other_id = entered.strip().lower()
        if other_id == trace_id:
            empty_message("That is the trace that is shown.")
        elif TRACE_ID.fullmatch(other_id):
            navigation.open_page("trace", trace=trace_id, **{"with": other_id})
        elif other_id:
            empty_message("That is no trace id: those are up to 32 hexadecimal digits.")
        with source.show_errors():
            _alike(trace_id, question, selection)


def same_question(client: Asks, filters: Filters, question: str) -> list[Row]:
    """Requests of a window in which the same was asked, the newest first: of the newest 50 that hold its words.

    Args:
        client: the store.
        filters: the window.
        question: not empty; blanks do not matter.

    Raises:
        StoreError: the store is away or refuses.
    """
    longest = _longest(_MAYBE_ESCAPED, question)
    if len(longest) < _LONG_ENOUGH:  # of a language that is not written in ASCII
        longest = _longest(_ESCAPED, question)
    phrase = search.text_of([search.Term(search.Kind.WORDS, value=longest)])
    rows = request_lists.traces(client, filters, search=phrase, limit=_SEARCHED_ROWS)
    asked = written.questions(client, rows)
    return [row for row in rows if asked.get(row["trace_id"], "").split() == question.split()]


def _longest(parted_by: re.Pattern[str], text: str) -> str:
    """The longest part of a text; the beginning of it where that is long."""
    return max(parted_by.split(text), key=len).strip()[:_SEARCHED_CHARS]


def _alike(trace_id: str, question: str, selection: Selection) -> None:
    if not question:
        note("Its question was not captured, so traces with the same one cannot be found.")
        return
    found = same_question(source.client(), selection.filters(), question)
    columns = (
        Column("Asked the same", link=True),
        Column("Outcome"),
        Column("First token", number=True),
        Column("Total", number=True),
        Column("Cost", number=True),
        Column("Groundedness", number=True),
    )
    rows = [
        TableRow(
            (
                local_time(row["started_ms"]),
                outcome(row),
                formats.first_token(row["ttft_ms"], row["ttft_definition"]),
                formats.duration(row["total_ms"]),
                formats.money(row["cost_usd"]),
                grounded(row),
            ),
            page="trace",
            params={"trace": trace_id, "with": row["trace_id"]},
        )
        for row in found
        if row["trace_id"] != trace_id
    ]
    table(
        columns, rows, key="alike", empty=f"The same was asked in no other request of this window ({selection.label})."
    )
