"""The store as the pages see it: one client for all sessions, and a sentence when it cannot answer."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from html import escape
from typing import Final

import streamlit as st

from sightline_dashboards.access import current
from sightline_dashboards.access.errors import NotAllowed
from sightline_store.client import Client
from sightline_store.errors import QueryFailed, StoreBusy, StoreError, StoreUnavailable

AT_ONCE: Final = 5
"""Questions of one page that the store answers at the same time."""
_ACCESS_DENIED = 497
_LOG = logging.getLogger("sightline.dashboards")


def client() -> Client:
    """The client of the store at SIGHTLINE_STORE_URL, with the key of whoever looks at the page; threads share it.

    Raises:
        NotAllowed: nobody is signed in, or the store has no key for them.
    """
    return current.client()


@contextmanager
def at_once() -> Iterator[Executor]:
    """Ask the store several questions at the same time: `submit` each, and take its result where it is shown.

    A question is given its client: its thread does not know whose page it is for. What the block leaves behind
    unasked is never asked.
    """
    pool = ThreadPoolExecutor(AT_ONCE, "page-questions")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


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
    if isinstance(exc, NotAllowed):
        return f"<b>This is not for you to see.</b> <span>{escape(str(exc)[:300])}</span>"
    if isinstance(exc, QueryFailed) and exc.code == _ACCESS_DENIED:
        return "<b>Hidden.</b> It is made of what people and models wrote, which you may not read."
    if isinstance(exc, QueryFailed) and exc.code in {60, 81}:
        return (
            "<b>The store has no tables yet.</b> <code>sightline-store migrate</code> makes them; the collector "
            "does so when it starts."
        )
    return f"<b>The store could not answer this question.</b> <span>{escape(str(exc)[:300])}</span>"
