"""Tables of their own for tests of rollups, in which short windows of few rows read rollups too."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from sightline_store.client import Client
from sightline_store.questions import queries
from sightline_store.rollups import coverage, plan


@pytest.fixture
def client(emptied: Callable[..., Client]) -> Client:
    """A client of this module's own tables; they have no rows."""
    return emptied("rollups")


@pytest.fixture(autouse=True)
def _short_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of some hours with few rows read rollups too, so that little has to be made."""
    monkeypatch.setattr(plan, "SHORTEST", timedelta(hours=1))
    monkeypatch.setattr(plan, "FEWEST_ROWS", 0)
    monkeypatch.setattr(queries, "SHORTEST", timedelta(hours=1))
    monkeypatch.setattr(coverage, "REMEMBERED_S", 0.0)


@pytest.fixture
def end() -> datetime:
    """The end of the traffic: seconds ago, so that its last minutes are open."""
    return datetime.now(UTC) - timedelta(seconds=5)
