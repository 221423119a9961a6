"""What rollups there are of a window, and how long that is remembered."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sightline_store.errors import StoreUnavailable
from sightline_store.rollups import coverage
from sightline_store.rollups.tables import DAY, FORMAT, HOUR, MINUTE, Sets

_FULL: dict[str, Any] = {
    "cut": 0, "format": FORMAT, "days": [], "hours": [], "minutes": [], "of_hours": 0, "of_days": 0, "first_filled": 0,
    "sees_all": True,
}  # fmt: skip


class _Store:
    """Answers with some rows, or fails; counts how often it was asked."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.rows, self.asked, self.is_away = list(rows), 0, False
        self.may_answer = threading.Event()
        self.may_answer.set()

    def query_rows(self, sql: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Answer when it may."""
        self.asked += 1
        self.may_answer.wait(30)
        if self.is_away:
            raise StoreUnavailable("http://127.0.0.1:1", "away")
        return self.rows


def _covered(store: _Store, needed: Sets = Sets.ALL, since_format: int = 0, begin: str = "a") -> coverage.Coverage:
    return coverage.coverage(store, begin, "b", needed=int(needed), since_format=since_format)


def test_periods_answer_what_their_rows_have() -> None:
    """Those of an older format and those of which a set was cut do not answer a question that needs it."""
    store = _Store(
        {**_FULL, "hours": [2 * HOUR, HOUR], "minutes": [5 * HOUR], "of_hours": 7, "of_days": 3, "first_filled": HOUR},
        {**_FULL, "hours": [3 * HOUR], "format": 0, "of_hours": 20},
        {**_FULL, "hours": [4 * HOUR], "cut": int(Sets.TENANT), "of_hours": 100},
    )
    of_all = _covered(store)
    assert of_all.starts == {DAY: [], HOUR: [HOUR, 2 * HOUR, 3 * HOUR, 4 * HOUR], MINUTE: [5 * HOUR]}
    assert of_all.source_rows == 127
    assert _covered(store, since_format=FORMAT).starts[HOUR] == [HOUR, 2 * HOUR, 4 * HOUR]
    by_tenant = _covered(store, Sets.ALL | Sets.TENANT)
    assert by_tenant.starts[HOUR] == [HOUR, 2 * HOUR, 3 * HOUR]
    assert by_tenant.source_rows == 27
    assert coverage.first_filled(store, "a", "b") == HOUR
    assert store.asked == 1
    assert _covered(_Store()).starts == {DAY: [], HOUR: [], MINUTE: []}
    assert not _covered(_Store()).sees_all
    assert coverage.first_filled(_Store(_FULL), "a", "b") is None


def test_threads_that_ask_the_same_get_one_answer() -> None:
    """Another window is another question, and so is that of another client."""
    store, other = _Store(_FULL), _Store(_FULL)
    store.may_answer.clear()
    with ThreadPoolExecutor(4) as threads:
        answers = [threads.submit(_covered, store) for _ in range(4)]
        store.may_answer.set()
        assert len({id(answer.result(30).starts) for answer in answers}) == 4
    assert store.asked == 1
    _covered(store, begin="elsewhere")
    _covered(other)
    assert (store.asked, other.asked) == (2, 1)


def test_what_is_remembered_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """And an error is not remembered."""
    store = _Store(_FULL)
    store.is_away = True
    with pytest.raises(StoreUnavailable):
        _covered(store)
    store.is_away = False
    _covered(store)
    _covered(store)
    assert store.asked == 2
    monkeypatch.setattr(time, "monotonic", lambda: 1e12)
    _covered(store)
    assert store.asked == 3
