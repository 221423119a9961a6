"""A store with traffic that the modules of this folder share, and the window of all of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from drift_windows import ComparedStore
from questioned_store import DATABASE, END, HOURS, Filled, fill

from sightline_store.client import Client
from sightline_store.questions.asking import Filters


@pytest.fixture(scope="session")
def filled(database: Callable[[str], Client]) -> Filled:
    """Two hours of traffic in a database of their own."""
    return fill(database(DATABASE))


@pytest.fixture
def window() -> Filters:
    """All of the traffic."""
    return Filters(start=END - timedelta(hours=HOURS), end=END + timedelta(seconds=1))


@pytest.fixture
def store(emptied: Callable[..., Client]) -> ComparedStore:
    """An empty store."""
    return ComparedStore(emptied())
