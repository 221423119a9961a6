"""One contract for every vector store, on real ones (Pinecone: a local double); its table is that of the docs."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from vector_store_contract import CAPABILITIES, Filled, read_table
from vector_store_places import DIMENSIONS, TITLES, NotHere, opened

from sightline.testing import Spans
from sightline_app.api import open_pipeline
from sightline_app.index import ingest
from sightline_app.pipeline import Question
from sightline_app.retriever import Hit
from sightline_app.settings import AppSettings
from sightline_demo_corpus.standard_library import StandardLibrary

# weaviate-client and grpc leave sockets to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module", params=TITLES)
def filled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, store_url: str
) -> Iterator[Filled]:
    """A store with ten thousand passages, for all that is checked on it."""
    try:
        with opened(request.param, tmp_path_factory.mktemp(request.param), store_url) as place:
            yield Filled.at(place)
    except NotHere as exc:
        pytest.skip(str(exc))


@functools.cache
def _page() -> dict[str, dict[str, str]]:
    return read_table()


@pytest.mark.parametrize("title", CAPABILITIES)
def test_store_has_what_the_docs_say_of_it(filled: Filled, title: str) -> None:
    """The check passes, and what the store has is what stands in docs/vector-stores.md."""
    check: Callable[[Filled], str] = CAPABILITIES[title]
    assert check(filled) == _page()[title][filled.place.name], (
        "run `python tests/support/vector_store_contract.py --write`"
    )


def find(settings: AppSettings, question: Question) -> list[Hit]:
    """Search as the app does."""

    async def search() -> list[Hit]:
        pipeline = open_pipeline(settings)
        try:
            return await pipeline.find(question)
        finally:
            await pipeline.close()

    return asyncio.run(search())


# Of Weaviate and exact ClickHouse, files of their own tell more.
@pytest.mark.parametrize("filled", ["milvus", "pinecone", "clickhouse-hnsw"], indirect=True)
def test_pipeline_works_with_the_store_and_its_search_is_a_span(filled: Filled, spans: Spans, tmp_path: Path) -> None:
    """Ingest, a second one that has nothing to do, and a question; the span says which store was asked, and how."""
    settings = replace(
        filled.place.settings,
        data_dir=tmp_path,
        collection=f"{filled.place.settings.collection}Pipeline",
        embedding="lexical",
        lexical_dimensions=DIMENSIONS,
    )
    source = StandardLibrary(("json", "shutil", "bisect", "random", "copy"))
    manifest, built = ingest(settings, source)
    assert built
    assert not ingest(settings, source)[1]
    hits = find(settings, Question("copy a whole folder with everything in it", tenant="acme"))
    assert "shutil.copytree" in {name for hit in hits for name in hit.names}
    span = next(each for each in spans if each.name.startswith("retrieval"))
    attributes = span.attributes or {}
    assert attributes["db.system.name"] == filled.place.backend
    assert attributes["db.collection.name"] == manifest.collection
    operations = {"milvus": "search", "pinecone": "query", "clickhouse": "hybrid"}
    assert attributes["db.operation.name"] == operations[filled.place.backend]
    assert attributes["db.response.returned_rows"] > 0  # type: ignore[operator]
    filled.place.store(collection=settings.collection).drop_others(())


def test_table_in_the_docs_has_every_capability() -> None:
    """Nothing stands there that is not checked."""
    assert list(_page()) == list(CAPABILITIES)
