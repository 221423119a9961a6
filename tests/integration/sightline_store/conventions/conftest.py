"""A store for spans that tests write by hand, and the way in."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from convention_spans import Insert, insert_into

from sightline_store.client import Client


@pytest.fixture(scope="session")
def client(database: Callable[[str], Client]) -> Client:
    """A client of a database that all modules share: each test empties it first."""
    return database("conventions")


@pytest.fixture(scope="session")
def insert(client: Client) -> Insert:
    """Puts an OTLP request into the store."""
    return insert_into(client)
