"""What the page of a trace asks the store, and how often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from threading import Barrier, Event
from typing import Any
from unittest.mock import patch

import pytest
from streamlit.testing.v1 import AppTest

from sightline_dashboards import source
from sightline_dashboards.trace_detail.opened import read
from sightline_store.errors import StoreUnavailable
from sightline_store.questions import asking


class CountingStore:
    """A store with one trace, of one span."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.is_away = False

    def query_rows(self, sql: str, params: Mapping[str, Any] | None = None) -> list[asking.Row]:
        """Answer with the span where the question is about the trace's spans."""
        trace_id = (params or {})["trace_id"]
        self.asked[trace_id] += 1
        if self.is_away:
            raise StoreUnavailable("http://127.0.0.1:1", "refused")
        return [{"span_id": "a"}] if trace_id == "ab" and sql == asking.sql("trace_spans") else []


def _script() -> None:
    import streamlit as st

    from sightline_dashboards.trace_detail.opened import opened

    for trace_id in ("ab", "ab", "cd"):
        trace = opened(trace_id)
        st.text(f"{trace_id} {trace.trace_spans if trace else 'unknown'}")


def test_a_trace_is_read_once_for_the_clicks_of_some_seconds() -> None:
    """Each of its questions once, however often the page runs; another session reads it for itself."""
    store = CountingStore()
    with patch("sightline_dashboards.source.client", lambda: store):
        app = AppTest.from_function(_script).run(timeout=60)
        app.run(timeout=60)
        assert not app.exception
        assert [line.value for line in app.text] == ["ab [{'span_id': 'a'}]"] * 2 + ["cd unknown"]
        assert store.asked == {"ab": 5, "cd": 5}
        AppTest.from_function(_script).run(timeout=60)
    assert store.asked == {"ab": 10, "cd": 10}


def test_a_store_that_was_away_is_asked_again() -> None:
    """An error is not kept."""
    store = CountingStore()
    store.is_away = True
    with pytest.raises(StoreUnavailable):
        read(store, "ab")
    store.is_away = False
    trace = read(store, "ab")
    assert trace is not None
    assert trace.trace_spans == [{"span_id": "a"}]


def test_questions_are_asked_at_once_and_those_that_nobody_waits_for_are_not() -> None:
    """The first ones end only when all of them run; the one behind them is dropped when the page fails."""
    asked: list[str] = []
    all_run, dropped = Barrier(source.AT_ONCE + 1), Event()

    def fail() -> None:
        with source.at_once() as store:
            for _ in range(source.AT_ONCE):
                store.submit(lambda: (all_run.wait(30), dropped.wait(30)))
            store.submit(asked.append, "late").add_done_callback(lambda _: dropped.set())
            all_run.wait(30)
            raise StoreUnavailable("http://127.0.0.1:1", "refused")

    with pytest.raises(StoreUnavailable):
        fail()
    assert dropped.is_set()
    assert not asked
