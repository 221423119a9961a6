"""What the page of a trace asks the store, and how often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from threading import Barrier, Event
from typing import Any
from unittest.mock import patch

import pytest
from streamlit.testing.v1 import AppTest

from sightline_dashboards import source
from sightline_store.errors import StoreUnavailable
from sightline_store.questions import asking


class CountingStore:
    """A store with one trace, of one span."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.is_away = ""
        """The question that it does not answer."""

    def query_rows(self, sql: str, params: Mapping[str, Any] | None = None) -> list[asking.Row]:
        """Answer with the span where the question is about the trace's spans."""
        trace_id = (params or {})["trace_id"]
        self.asked[trace_id] += 1
        if self.is_away and sql == asking.sql(self.is_away):
            raise StoreUnavailable("http://127.0.0.1:1", "refused")
        return [{"span_id": "a"}] if trace_id == "ab" and sql == asking.sql("trace_spans") else []


def _script() -> None:
    import streamlit as st

    from sightline_dashboards import source
    from sightline_dashboards.trace_detail.opened import begin
    from sightline_store.errors import StoreUnavailable

    for trace_id in ("ab", "ab", "cd"):
        try:
            with source.at_once() as store:
                if trace := begin(trace_id, store)():
                    trace.ask_rest(store)
                told = f"{trace.trace_spans} {trace.trace_spend}" if trace else "unknown"
                assert not trace or trace.trace_scores == trace.contents == []
        except StoreUnavailable:
            told = "away"
        st.text(f"{trace_id} {told}")


@pytest.fixture
def store() -> Iterator[CountingStore]:
    """What the page asks."""
    counting = CountingStore()
    with patch("sightline_dashboards.source.client", lambda: counting):
        yield counting


def _told(app: AppTest) -> list[str]:
    assert not app.run(timeout=60).exception
    return [line.value for line in app.text]


def test_a_trace_is_read_once_for_the_clicks_of_some_seconds(store: CountingStore) -> None:
    """Each of its questions once, however often the page runs; another session reads it for itself."""
    app = AppTest.from_function(_script)
    for _ in range(2):
        assert _told(app) == ["ab [{'span_id': 'a'}] []"] * 2 + ["cd unknown"]
    assert store.asked["ab"] == 5
    _told(AppTest.from_function(_script))
    assert store.asked["ab"] == 10


def test_a_store_that_was_away_is_asked_again(store: CountingStore) -> None:
    """An error is not kept, neither of the spans nor of what is asked behind them."""
    app = AppTest.from_function(_script)
    store.is_away = "trace_spans"
    assert _told(app) == ["ab away", "ab away", "cd away"]
    store.is_away = "trace_spend"
    assert _told(app) == ["ab away", "ab away", "cd unknown"]
    store.is_away = ""
    assert _told(app) == ["ab [{'span_id': 'a'}] []"] * 2 + ["cd unknown"]


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
