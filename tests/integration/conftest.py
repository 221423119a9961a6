"""Fixtures of several integration tests: a real Weaviate, once a session, and spans in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sightline.testing import Spans, captured

if TYPE_CHECKING:
    from weaviate_place import Do, Place


@pytest.fixture(scope="session")
def weaviate_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A server with its collections; skipped, with the reason, where there is no binary."""
    from weaviate_place import Place, fill

    from sightline_app.weaviate_install import find

    cache = Path(os.environ.get("SIGHTLINE_CACHE_DIR", "~/.cache/sightline")).expanduser()
    binary = find(cache, os.environ.get("PATH"))
    if binary is None:
        pytest.skip(f"NO WEAVIATE: no binary on PATH or in {cache / 'bin'}; run `sightline-weaviate --install-only`")
    place = Place(tmp_path_factory.mktemp("weaviate"), binary)
    try:
        fill(place.client)
        yield place
    finally:
        place.close()


@pytest.fixture(scope="module")
def place(weaviate_place: Place) -> Iterator[Place]:
    """The server, its client traced."""
    from sightline.weaviate import WeaviateInstrumentor

    assert WeaviateInstrumentor().instrument()
    yield weaviate_place
    WeaviateInstrumentor().uninstrument()


@pytest.fixture(params=["sync", "async"])
def do(request: pytest.FixtureRequest, place: Place) -> Do:
    """The same action with either client."""
    return place.sync if request.param == "sync" else place.asynchronous


@pytest.fixture
def spans() -> Iterator[Spans]:
    """Spans in memory, with content."""
    with captured() as spans:
        yield spans
