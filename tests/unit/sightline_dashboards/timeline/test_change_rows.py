"""What changed in a window is asked once for those who see the same of the store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sightline_dashboards.timeline import change_rows
from sightline_store.questions.asking import Filters

END = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = Filters(start=END - timedelta(hours=1), end=END)


class Store:
    """A client; counts what it is asked."""

    asked = 0


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The state of a session; `clear` makes it another one's."""

    def rows(client: Store, start: datetime, end: datetime) -> list[dict[str, Any]]:
        client.asked += 1
        return [{"asked": client.asked}]

    state: dict[str, Any] = {}
    monkeypatch.setattr(change_rows.st, "session_state", state)
    monkeypatch.setattr(change_rows.changes, "changes", rows)
    return state


def moved(by: timedelta) -> Filters:
    """The same window, later."""
    return Filters(start=HOUR.start + by, end=HOUR.end + by)


def test_a_session_asks_again_when_the_window_has_moved(session: dict[str, Any]) -> None:
    """By more than one of 120 parts; a window that is much shorter is asked by itself."""
    store: Any = Store()
    assert (
        change_rows.of_window(store, HOUR)
        == change_rows.of_window(store, moved(timedelta(seconds=29)))
        == [{"asked": 1}]
    )
    assert change_rows.of_window(store, moved(timedelta(seconds=31))) == [{"asked": 2}]
    assert change_rows.of_window(store, Filters(start=END - timedelta(minutes=9), end=END)) == [{"asked": 3}]


def test_sessions_of_one_client_share_for_a_minute(session: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A client is what those have in common who see the same; another one shares nothing with it."""
    store, other, now_s = Store(), Store(), [100.0]
    monkeypatch.setattr(change_rows.time, "monotonic", lambda: now_s[0])
    first: Any = store
    change_rows.of_window(first, HOUR)
    session.clear()
    assert change_rows.of_window(first, HOUR) == [{"asked": 1}]
    session.clear()
    second: Any = other
    change_rows.of_window(second, HOUR)
    assert (store.asked, other.asked) == (1, 1)
    session.clear()
    now_s[0] += 61
    assert change_rows.of_window(first, HOUR) == [{"asked": 2}]
