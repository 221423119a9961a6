"""Embedding a collection again on a real Temporal: resumed, cancelled, followed, and switched to in one step."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ingested_place import IngestedPlace, text_of, until
from scale_peers import Temporal, why_no_temporal

import sightline
from sightline.testing import Spans
from sightline_app.index import ingest, open_writer, read_manifest
from sightline_app.ingestion.document import State, new_document
from sightline_app.ingestion.indexing import Target
from sightline_app.ingestion.loaded_index import LoadedIndex
from sightline_app.ingestion.reembedding.steps import Reembedding
from sightline_app.ingestion.work import DocumentWork
from sightline_app.settings import AppSettings

if TYPE_CHECKING:
    from temporalio.client import Client, WorkflowHandle
    from weaviate_place import Place

QUEUE = "reembed"


@pytest.fixture(scope="module", name="address")
def _address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if why_no_temporal():
        pytest.skip(f"!!! SKIPPED: {why_no_temporal()}")
    with Temporal(tmp_path_factory.mktemp("temporal")) as server:
        yield server.address


@pytest.fixture(name="client")
async def _client(address: str) -> Client:
    from temporalio.client import Client
    from temporalio.contrib.opentelemetry import TracingInterceptor

    return await Client.connect(address, interceptors=[TracingInterceptor()])


@pytest.fixture(name="place")
def _place(weaviate_place: Place, tmp_path: Path, request: pytest.FixtureRequest) -> IngestedPlace:
    return IngestedPlace(tmp_path, weaviate_place, f"Temporal{abs(hash(request.node.name)) % 10**6}")


class Steps(Reembedding):
    """The steps; a test can hold the embedding at a passage, and sees which parts were embedded."""

    def __init__(self, settings: AppSettings) -> None:
        super().__init__(settings)
        self.embedded: list[int] = []
        self.held_at: int | None = None
        self.is_held = False

    def embed(self, version: str, start: int, count: int, progress: Any) -> None:
        """Embed a part, or wait until the activity is given up."""
        while self.held_at is not None and start >= self.held_at:
            self.is_held = True
            progress(0, count)
            time.sleep(0.01)
        super().embed(version, start, count, progress)
        self.embedded.append(start)


@asynccontextmanager
async def worker(client: Client, steps: Reembedding) -> AsyncIterator[None]:
    """A worker on the steps. Whatever waits in it, for its end too, fails after two minutes."""
    from temporalio.worker import Worker

    from sightline_app.ingestion.reembedding.activities import ReembedActivities
    from sightline_app.ingestion.reembedding.workflow import ReembedCollection

    working = Worker(
        client,
        task_queue=QUEUE,
        workflows=[ReembedCollection],
        activities=ReembedActivities(steps).all(),
        activity_executor=ThreadPoolExecutor(1),
        max_concurrent_activities=1,
        max_cached_workflows=0,  # the next worker need not wait until Temporal misses this one
    )
    async with asyncio.timeout(120), working:
        yield


async def begin(client: Client, batch: int = 4) -> WorkflowHandle[Any, Any]:
    """Begin the workflow."""
    from sightline_app.ingestion.reembedding.workflow import Order, ReembedCollection

    return await client.start_workflow(ReembedCollection.run, Order(batch), id="reembed", task_queue=QUEUE)


async def progress(handle: WorkflowHandle[Any, Any]) -> Any:
    """How far it is."""
    from sightline_app.ingestion.reembedding.workflow import ReembedCollection

    return await handle.query(ReembedCollection.progress)


def upload(place: IngestedPlace, number: int) -> str:
    """Store a document in the index that is served."""
    content = text_of(number).encode()
    document = new_document("acme", f"{number}.md", None, content)
    assert place.folder.accept(document, content, 100) is None
    work = DocumentWork(place.settings, LoadedIndex(place.settings).target, open_writer)
    assert work.do(document) is None
    found = place.folder.find("acme", document.id)
    assert found is not None
    assert found.state is State.STORED
    return document.id


async def test_workflow_goes_on_with_another_worker_and_switches_the_index(
    client: Client, place: IngestedPlace, spans: Spans
) -> None:
    """What was embedded is not embedded again; uploads of the time between are in the new index, deletions are not."""
    gone = upload(place, 1)
    before, old = read_manifest(place.settings.data_dir), place.version
    smaller = replace(place.settings, lexical_dimensions=6)
    first, second = Steps(smaller), Steps(smaller)
    first.held_at = 8
    with sightline.trace("index.reembed"):
        handle = await begin(client)
    async with worker(client, first):
        await until(lambda: first.is_held)
        assert first.embedded == [0, 4]
        assert (await progress(handle)).passages == 18
    fresh = await asyncio.to_thread(upload, place, 2)
    deleted = place.folder.find("acme", gone)
    assert deleted is not None
    place.folder.mark_deleted(deleted)
    work = DocumentWork(place.settings, LoadedIndex(place.settings).target, open_writer)
    await asyncio.to_thread(work.do, deleted)
    assert place.version == old
    async with worker(client, second):
        done = await asyncio.wait_for(handle.result(), 60)
    assert (done.state, done.embedded, done.passages) == ("done", 18, 18)
    assert second.embedded == [8, 12, 16]
    manifest = read_manifest(place.settings.data_dir)
    assert manifest.version == done.version != old
    assert (manifest.dimensions, manifest.corpora) == (6, before.corpora)
    assert place.collections() == sorted({before.collection, manifest.collection})
    assert (place.stored(gone), place.stored(fresh), place.stored()) == (0, 2, 18)
    assert not list((place.settings.data_dir / "reembed").iterdir())
    target: Target | None = LoadedIndex(smaller).target()
    assert target is not None
    assert target.embedding.dimensions == 6
    (root,) = [each for each in spans if each.name == "index.reembed"]
    steps = ["reembed.plan", *["embeddings lexical"] * 5, "reembed.build", "reembed.switch"]
    assert [each.name for each in spans if each.context.trace_id == root.context.trace_id][1:] == steps
    assert not await asyncio.to_thread(lambda: ingest(smaller, place.source)[1])


async def test_cancelled_workflow_leaves_the_index_as_it_was(client: Client, place: IngestedPlace) -> None:
    """And nothing of what it made."""
    from temporalio.client import WorkflowFailureError

    before, collections = read_manifest(place.settings.data_dir), place.collections()
    steps = Steps(place.settings)
    steps.held_at = 4
    handle = await begin(client)
    async with worker(client, steps):
        await until(lambda: steps.is_held)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError):
            await asyncio.wait_for(handle.result(), 60)
        assert (await progress(handle)).state == "cancelled"
    assert read_manifest(place.settings.data_dir) == before
    assert place.collections() == collections
    assert not list((place.settings.data_dir / "reembed").iterdir())


async def test_ingest_meanwhile_ends_the_workflow(client: Client, place: IngestedPlace) -> None:
    """Its version would lose the documents of the ingest; the error says to begin again."""
    from temporalio.client import WorkflowFailureError

    steps = Steps(place.settings)
    steps.held_at = 4
    handle = await begin(client)
    async with worker(client, steps):
        await until(lambda: steps.is_held)
        (place.source.root / "77.md").write_text(text_of(77))
        assert (await asyncio.to_thread(ingest, place.settings, place.source))[1]
        steps.held_at = None
        with pytest.raises(WorkflowFailureError):
            await asyncio.wait_for(handle.result(), 60)
        assert "begin again" in (await progress(handle)).error
