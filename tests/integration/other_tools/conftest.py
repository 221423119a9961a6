"""A store with keys and traffic that the modules of this folder share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from keyed_store import KeyedStore, filled_store


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyedStore]:
    """A node that asks for keys, with two hours of traffic."""
    with filled_store(tmp_path_factory.mktemp("keyed")) as filled:
        yield filled
