"""What a worker does for a document: alone or with others, once, tried again or given up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from index_in_memory import Served, Store
from numpy.typing import NDArray

from sightline.testing import captured
from sightline_app import index_lock
from sightline_app.corpus import Passage
from sightline_app.errors import RetrievalUnavailable
from sightline_app.ingestion import retrying
from sightline_app.ingestion.document import Document, State, new_document
from sightline_app.ingestion.indexing import DOCUMENTS, LAG, PASSAGES, Target
from sightline_app.ingestion.work import DocumentWork, Later
from sightline_app.settings import AppSettings, IngestionSettings

TRACES = (1001, 1002, 1003)
"""Apart from the ids that are made in a test."""


class Place:
    """A data folder with waiting documents, and one who works on them."""

    def __init__(self, folder: Path, **changes: float) -> None:
        self.settings = AppSettings(data_dir=folder, ingestion=IngestionSettings(**changes))  # type: ignore[arg-type]
        self.store, self.embedding = Store(), Served().embedding
        target = Target("weaviate", "Documents_1", self.embedding)
        self.work = DocumentWork(self.settings, lambda: target, lambda *_: self.store, passing=(TimeoutError,))
        self.folder = self.work.folder

    def keep(self, text: str, tenant: str = "acme", number: int = 1) -> Document:
        """Keep a document with a trace of its own."""
        content = text.encode()
        document = replace(
            new_document(tenant, "a.md", None, content), traceparent=f"00-{number:032x}-{number:016x}-01"
        )
        assert self.folder.accept(document, content, 100) is None
        return document

    def now(self, document: Document) -> Document:
        """The document as it is."""
        found = self.folder.find(document.tenant, document.id)
        assert found is not None
        return found


@pytest.fixture(name="place")
def _place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_small_documents_that_wait_are_embedded_together_each_in_its_own_trace(place: Place) -> None:
    """One embedding and one insert for all; parse, chunk and insert are in the trace of each, linked to the batch."""
    documents = [place.keep(f"# Title\nText {number}.", f"t{number}", number) for number in TRACES]
    with captured() as spans:
        assert place.work.do(documents[1]) is None
    assert {each: place.now(each).state for each in documents} == dict.fromkeys(documents, State.STORED)
    assert place.folder.pending() == []
    assert place.store.inserts == 1
    assert {name: [each.tenant for each in found] for name, found in place.store.passages.items()} == {
        each.id: [each.tenant] for each in documents
    }
    assert [place.folder.generation(each.tenant) for each in documents] == [1, 1, 1]
    (batch,) = [each for each in spans if each.name == "documents.batch"]
    (embedding,) = [each for each in spans if each.name.startswith("embeddings")]
    assert batch.parent is None
    assert embedding.parent is not None
    assert embedding.parent.span_id == batch.context.span_id
    assert sorted(each.context.trace_id for each in batch.links) == list(TRACES)
    assert ((batch.attributes or {})[DOCUMENTS], (batch.attributes or {})[PASSAGES]) == (3, 3)
    for number in TRACES:
        own = [each for each in spans if each.context.trace_id == number]
        assert [each.name for each in own] == ["document.parse", "document.chunk", "document.insert"]
        assert {each.parent.span_id for each in own if each.parent} == {number}
        assert [each.context.span_id for each in own[-1].links] == [batch.context.span_id]
        assert (own[-1].attributes or {})[LAG] >= 0


def test_document_without_text_takes_none_of_its_company_with_it(place: Place) -> None:
    """It fails, the others are stored."""
    empty, good = place.keep("# Title"), place.keep("Words.")
    assert place.work.do(good) is None
    assert (place.now(empty).state, place.now(good).state) == (State.FAILED, State.STORED)


def test_document_that_is_deleted_while_it_is_embedded_leaves_the_batch(place: Place) -> None:
    """The others are stored, with their own vectors; it is deleted next."""
    gone, kept = place.keep("# A\nOne.\n# B\nTwo.", number=1001), place.keep("Words.", number=1002)
    embed = place.embedding.embed_passages

    def embed_passages(passages: Sequence[Passage], progress: Callable[[int, int], None]) -> NDArray[np.float32]:
        place.folder.mark_deleted(gone)
        return embed(passages, progress)

    place.embedding.embed_passages = embed_passages  # type: ignore[method-assign]
    assert place.work.do(kept) is None
    assert place.now(kept).state is State.STORED
    assert list(place.store.passages) == [kept.id]
    assert place.folder.pending() == [place.now(gone)]
    assert place.work.do(gone) is None
    assert place.folder.find("acme", gone.id) is None


@pytest.mark.parametrize("fault", [KeyError("a bug"), RetrievalUnavailable("refused")])
def test_fault_that_documents_share_is_told_of_none_before_each_was_tried_alone(place: Place, fault: Exception) -> None:
    """One of them may be at fault; the others are not given up with it."""
    documents = [place.keep(f"Text {number}.", number=number) for number in TRACES]
    place.store.fault = fault
    assert place.work.do(documents[0]) is not None
    assert {(place.now(each).state, place.now(each).attempts) for each in documents} == {(State.EMBEDDING, 1)}
    assert sorted(each.id for each in place.folder.pending()) == sorted(each.id for each in documents)
    place.store.fault = None
    for each in documents:
        assert place.work.do(each) is None
        assert place.now(each).state is State.STORED
    assert place.store.inserts == 1 + len(documents)


@pytest.mark.parametrize("changes", [{"batch_documents": 1}, {"batch_bytes": 8}])
def test_document_is_taken_alone_where_batches_are_off_or_too_small(tmp_path: Path, changes: dict[str, int]) -> None:
    """The others wait."""
    place = Place(tmp_path, **changes)
    one, two = place.keep("Words of one."), place.keep("Words of two.")
    assert place.work.do(one) is None
    assert (place.now(one).state, place.now(two).state) == (State.STORED, State.QUEUED)
    assert place.folder.pending() == [two]


def test_document_of_another_worker_is_left_alone(place: Place) -> None:
    """Alone and as company; it is done when the other one has let go."""
    one, two = place.keep("one"), place.keep("two")
    with place.folder.claimed(one) as is_mine:
        assert is_mine
        assert place.folder.is_claimed(one)
        assert place.work.do(one) is None
        assert place.work.do(two) is None
        assert (place.now(one).state, place.now(two).state) == (State.QUEUED, State.STORED)
    assert not place.folder.is_claimed(one)
    assert place.work.do(one) is None
    assert place.now(one).state is State.STORED


def test_document_that_is_done_is_not_done_again(place: Place) -> None:
    """However often its message comes."""
    document = place.keep("one")
    for _ in range(3):
        assert place.work.do(document) is None
    assert place.store.inserts == 1
    assert place.folder.generation("acme") == 1


@pytest.mark.parametrize("fault", [RetrievalUnavailable("broke off"), TimeoutError("too long")])
def test_what_may_pass_is_tried_again_with_growing_waits_then_given_up(tmp_path: Path, fault: Exception) -> None:
    """Each attempt is counted and says why; the last one says how many there were."""
    place = Place(tmp_path, attempts=3)
    document = place.keep("one")
    place.store.fault = fault
    waits = []
    for attempt in (1, 2):
        later = place.work.do(document)
        assert later is not None
        waits.append(later.after_s)
        assert (place.now(document).attempts, place.now(document).error) == (attempt, f"{fault}; it is tried again")
        assert place.now(document).retry_at > 0
    assert 0.5 <= waits[0] <= 1 <= waits[1] <= 2
    assert place.work.do(document) is None
    assert place.now(document).state is State.FAILED
    assert place.now(document).error == f"given up after 3 attempts: {fault}"
    assert place.folder.pending() == []


def test_worker_that_dies_each_time_is_an_attempt(tmp_path: Path) -> None:
    """A document that kills its workers cannot kill them for ever."""
    place = Place(tmp_path, attempts=2)
    document = place.keep("one")
    place.folder.update(replace(document, state=State.EMBEDDING, attempts=2, passages=1))
    assert place.work.do(document) is None
    assert place.now(document).error == "given up after 2 attempts: its worker ended each time"
    assert place.store.inserts == 0


def test_waiting_for_a_store_that_is_away_is_no_attempt(place: Place) -> None:
    """However long it takes."""
    document = place.keep("one")
    place.store.away = True
    for _ in range(20):
        assert place.work.do(document) == Later("weaviate does not answer")
    assert place.now(document).attempts == 0
    place.store.away = False
    assert place.work.do(document) is None
    assert place.now(document).state is State.STORED


def test_ingest_that_waits_goes_before_the_next_document(tmp_path: Path) -> None:
    """Documents beside each other, an ingest alone; while it waits, no further document begins."""
    has_it = threading.Event()

    def ingest() -> None:
        with index_lock.held(tmp_path):
            has_it.set()

    with index_lock.shared(tmp_path) as first, index_lock.shared(tmp_path) as second:
        assert first
        assert second
        thread = threading.Thread(target=ingest)
        thread.start()
        while True:
            with index_lock.shared(tmp_path) as third:
                if not third:
                    break
        assert not has_it.is_set()
    thread.join(30)
    assert has_it.is_set()


def test_waits_grow_to_a_bound_and_differ() -> None:
    """Half of each is chance; no number of failures overflows."""
    assert all(0.5 <= retrying.delay_s(1, 60) <= 1 for _ in range(100))
    assert all(4 <= retrying.delay_s(4, 60) <= 8 for _ in range(100))
    assert all(30 <= retrying.delay_s(10_000, 60) <= 60 for _ in range(100))
    assert len({retrying.delay_s(3, 60) for _ in range(20)}) > 1


def test_vector_store_is_opened_once_for_all_documents(tmp_path: Path) -> None:
    """Connecting takes longer than inserting a document."""
    place, opened = Place(tmp_path, batch_documents=1), []

    def open_writer(_: AppSettings, backend: str) -> Store:
        opened.append(backend)
        return place.store

    target = Target("weaviate", "Documents_1", place.embedding)
    work = DocumentWork(place.settings, lambda: target, open_writer)
    documents = [place.keep(f"# Title\nText {number}.") for number in range(3)]
    assert [work.do(each) for each in documents] == [None] * 3
    assert {place.now(each).state for each in documents} == {State.STORED}
    assert opened == ["weaviate"]
