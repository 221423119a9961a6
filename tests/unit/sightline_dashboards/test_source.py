"""What the pages ask the store, and how often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from sightline_dashboards import source
from sightline_store.errors import StoreUnavailable
from sightline_store.questions import queries


class CountingStore:
    """A store with one trace, of one span."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.is_away = False

    def query_rows(self, sql: str, params: Mapping[str, Any] | None = None) -> list[queries.Row]:
        """Answer with the span where the question is about the trace's spans."""
        if self.is_away:
            raise StoreUnavailable("http://127.0.0.1:1", "refused")
        trace_id = (params or {})["trace_id"]
        self.asked[trace_id] += 1
        return [{"span_id": "a"}] if trace_id == "ab" and sql == queries.sql("trace_spans") else []


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> CountingStore:
    """The store of the pages; nothing of another test is kept."""
    store = CountingStore()
    monkeypatch.setattr(source, "client", lambda: store)
    source.stored_trace.clear()
    return store


def test_a_trace_is_read_once_for_the_clicks_of_some_seconds(store: CountingStore) -> None:
    """Each of its questions once, however often the page runs; another trace is read for itself."""
    first = source.stored_trace("ab")
    assert first is not None
    assert first.trace_spans == [{"span_id": "a"}]
    assert source.stored_trace("ab") == first
    assert source.stored_trace("cd") is None
    assert store.asked == {"ab": 5, "cd": 1}


def test_a_store_that_was_away_is_asked_again(store: CountingStore) -> None:
    """An error is not kept."""
    store.is_away = True
    with pytest.raises(StoreUnavailable):
        source.stored_trace("ab")
    store.is_away = False
    assert source.stored_trace("ab") is not None
