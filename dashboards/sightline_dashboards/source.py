"""The store as the pages see it: one client for all sessions, and a sentence when it cannot answer."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape

import streamlit as st

from sightline_store.client import Client
from sightline_store.contents import traces as traces_content
from sightline_store.contents.spans import SpanContent
from sightline_store.errors import QueryFailed, StoreBusy, StoreError, StoreUnavailable
from sightline_store.questions import queries
from sightline_store.settings import StoreSettings

MAX_SPANS = 2000
"""The most spans of a trace that are read, in the order in which they began."""
_TRACE_KEPT_S = 5
_LOG = logging.getLogger("sightline.dashboards")


@st.cache_resource(show_spinner=False)
def client() -> Client:
    """The client of the store at SIGHTLINE_STORE_URL; threads share it."""
    return Client(StoreSettings.from_env())


@dataclass(frozen=True)
class StoredTrace:
    """What the store knows of a trace: the rows of the questions of these names, and the content of its spans."""

    trace_spans: list[queries.Row]
    ttft_trace: list[queries.Row]
    trace_spend: list[queries.Row]
    trace_scores: list[queries.Row]
    contents: list[SpanContent]


@st.cache_data(ttl=_TRACE_KEPT_S, max_entries=8, show_spinner=False)
def stored_trace(trace_id: str) -> StoredTrace | None:
    """Read a trace; None where it is unknown. It is kept for some seconds, since each click runs the page once more.

    Raises:
        StoreError: the store is away or refuses; nothing is kept then.
    """
    store = client()
    if not (spans := queries.trace_spans(store, trace_id, limit=MAX_SPANS)):
        return None
    return StoredTrace(
        spans,
        queries.ttft_trace(store, trace_id),
        queries.trace_spend(store, trace_id),
        queries.trace_scores(store, trace_id),
        traces_content.read(queries.trace_contents(store, trace_id, limit=MAX_SPANS)),
    )


@contextmanager
def show_errors() -> Iterator[None]:
    """Show why the store gave no answer, in place of the content of the block."""
    try:
        yield
    except StoreError as exc:
        _LOG.warning("%s: %s", type(exc).__name__, exc)
        st.html(f'<div class="sl-away" role="alert">{_error_sentence(exc)}</div>')
    except Exception:  # a defect breaks one panel only; its details go to the log, not to the browser
        _LOG.exception("a panel failed")
        st.html('<div class="sl-away" role="alert"><b>This panel failed.</b> The log says why.</div>')


def _error_sentence(exc: StoreError) -> str:
    if isinstance(exc, StoreBusy):
        return (
            f"<b>The store is busy and could not answer now.</b> {escape(exc.way_out)} The page asks again when you "
            f"reload it, or by itself while it is live. <span>{escape(exc.reason[:300])}</span>"
        )
    if isinstance(exc, StoreUnavailable):
        return (
            f"<b>No store answers at SIGHTLINE_STORE_URL={escape(exc.url)}.</b> Start it with "
            "<code>sightline up</code> or <code>sightline-store serve</code>, or set the variable to your ClickHouse "
            "and restart the pages. The page asks again when you reload it, or by itself while it is live. "
            f"<span>{escape(exc.reason[:300])}</span>"
        )
    if isinstance(exc, QueryFailed) and exc.code in {60, 81}:
        return (
            "<b>The store has no tables yet.</b> <code>sightline-store migrate</code> makes them; the collector "
            "does so when it starts."
        )
    return f"<b>The store could not answer this question.</b> <span>{escape(str(exc)[:300])}</span>"
