"""Fixtures for tests of the library that start processes."""

from collections.abc import Iterator

import pytest
from library_fixtures import collector, no_context_errors, spans

import sightline

__all__ = ["collector", "no_context_errors", "spans"]


@pytest.fixture(autouse=True)
def no_instruments_left() -> Iterator[None]:
    """What a test turned on is off afterwards, and with it the variables that forbid content to other packages."""
    yield
    sightline.uninstrument()
