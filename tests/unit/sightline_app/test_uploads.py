"""Uploaded documents and their worker, over a vector store in memory."""

from __future__ import annotations

import asyncio
import shutil
import time
from dataclasses import replace
from unittest.mock import Mock

import pytest
from upload_place import GUIDE, TRACE, Place

from sightline import semconv
from sightline.testing import captured
from sightline_app import index_lock
from sightline_app.errors import RetrievalUnavailable
from sightline_app.ingestion import indexing
from sightline_app.ingestion.document import State
from sightline_app.ingestion.process_queue import ProcessQueue


def test_document_becomes_passages_in_the_trace_of_its_upload(place: Place) -> None:
    """Parse, chunk, embed and insert are spans below the upload; ids of passages are the document's own."""
    document = place.keep()
    with captured() as spans:
        place.start()
        stored = place.until(document, State.STORED)
        place.stop()
    assert stored is not None
    assert (stored.passages, stored.embedded, stored.error) == (2, 2, "")
    passages = place.store.passages[document.id]
    assert [each.names for each in passages] == [["travel.md", "travel.md#travel"], ["travel.md", "travel.md#flights"]]
    assert {(each.tenant, each.document) for each in passages} == {("acme", document.id)}
    assert place.folder.passages(stored) == passages
    assert spans.names() == ["document.parse", "document.chunk", "embeddings test-model", "document.insert"]
    for span in spans:
        assert span.parent is not None
        assert f"00-{span.context.trace_id:032x}-{span.parent.span_id:016x}-01" == TRACE
        assert (span.attributes or {})[semconv.TENANT_ID] == "acme"
        assert (span.attributes or {})[semconv.STAGE] != semconv.STAGE_REQUEST
    assert place.folder.pending() == []


def test_same_section_of_two_documents_is_two_passages(place: Place) -> None:
    """What one document loses, the other one keeps."""
    one, two = place.keep(), place.keep(GUIDE + b"\n# More\nWords.\n")
    place.start()
    place.until(one, State.STORED)
    place.until(two, State.STORED)
    ids = [{each.id for each in place.store.passages[document.id]} for document in (one, two)]
    assert not ids[0] & ids[1]


def test_document_without_text_fails_and_is_tried_again_when_it_is_sent_again(place: Place) -> None:
    """Its error says what is wrong; the worker goes on with the next one."""
    empty, good = place.keep(b"# Title\n## Other title\n"), place.keep()
    queue = place.start()
    failed = place.until(empty, State.FAILED)
    assert failed is not None
    assert "holds no text" in failed.error
    place.until(good, State.STORED)
    found, was_there = asyncio.run(queue.accept(empty, b"# Title\n## Other title\n"))
    assert (found.state, was_there) == (State.QUEUED, False)
    place.until(empty, State.FAILED)


def test_document_of_too_many_passages_fails_before_they_are_embedded(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its worker would be busy for hours, and the documents of all tenants would wait."""
    monkeypatch.setattr(indexing, "_MAX_PASSAGES", 1)
    document = place.keep()
    place.start()
    place.until(document, State.FAILED, "travel.md makes 2 passages; at most 1 are taken: split it")
    assert not place.served.embedding.is_in.is_set()


def test_fault_of_the_program_fails_one_document_only(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """It is in the log; a client reads its kind."""
    document = place.keep()
    place.store.fault = KeyError("bug")
    place.start()
    place.until(document, State.FAILED, "internal error: KeyError")
    place.store.fault = None
    place.until(place.keep(b"two"), State.STORED)
    assert "was not indexed" in caplog.text


def test_document_waits_for_a_store_that_is_away(place: Place) -> None:
    """Its error says so, nothing is embedded, nothing is lost; it is stored when the store is back."""
    place.store.away = True
    document = place.keep()
    queue = place.start()
    place.until(document, State.QUEUED, "weaviate does not answer; it is tried again")
    assert not place.served.embedding.is_in.is_set()
    place.store.fault, place.store.away = RetrievalUnavailable("broke off"), False
    place.until(document, State.EMBEDDING, "broke off")
    place.store.fault = None
    stored = place.until(document, State.STORED)
    assert stored is not None
    assert stored.error == ""
    deadline = time.monotonic() + 30
    while queue.failure:
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("state", [State.QUEUED, State.PARSING, State.EMBEDDING])
def test_document_that_a_crash_interrupted_is_stored_by_the_next_process(place: Place, state: State) -> None:
    """Also where the crash came before the mark of the queue."""
    document = replace(place.keep(), state=state, passages=2, embedded=1)
    place.folder.update(document)
    place.folder.unmark_pending(document)
    place.start()
    place.until(document, State.STORED)
    assert len(place.store.passages[document.id]) == 2


def test_process_that_stops_leaves_its_document_to_the_next_one(place: Place) -> None:
    """The batch that is being embedded ends, the rest is not done, and nothing counts as failed."""
    document = place.keep()
    place.served.embedding.goes_on.clear()
    queue = place.start()
    assert place.served.embedding.is_in.wait(30)
    queue._stopping.set()
    place.stop()
    assert place.store.inserts == 0
    place.until(document, State.EMBEDDING)
    place.start()
    place.until(document, State.STORED)


def test_document_does_not_fail_by_what_is_closed_when_the_process_stops(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker outlasted the wait for it, and its store is closed under it."""
    document = place.keep()
    place.served.embedding.goes_on.clear()
    queue = place.start()
    assert place.served.embedding.is_in.wait(30)

    def closed(*_: object) -> None:
        queue._stopping.set()
        raise RuntimeError("the client has been closed")

    monkeypatch.setattr(place.store, "insert", closed)
    place.stop()
    found = place.folder.find("acme", document.id)
    assert found is not None
    assert found.state is State.EMBEDDING
    assert place.folder.pending() == [found]


def test_document_is_deleted_while_it_is_embedded(place: Place) -> None:
    """Its passages never reach the store, its original is gone, and a second deletion finds nothing to do."""
    document = place.keep()
    place.served.embedding.goes_on.clear()
    queue = place.start()
    assert place.served.embedding.is_in.wait(30)
    asyncio.run(queue.delete(document))
    place.until(document, State.DELETING)
    place.served.embedding.goes_on.set()
    assert asyncio.run(queue.settled(document)) is None
    assert place.store.inserts == 0
    asyncio.run(queue.delete(document))
    place.keep()


def test_deletion_outlives_a_crash_and_a_store_that_is_away(place: Place) -> None:
    """The mark is on the disk; until the passages are gone, the document says that it is being deleted."""
    document = place.keep()
    place.start()
    place.until(document, State.STORED)
    place.stop()
    place.folder.mark_deleted(document)
    place.folder.unmark_pending(document)  # as a crash between the two leaves it
    place.store.away = True
    queue = place.start()
    deadline = time.monotonic() + 30
    while not queue.failure:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert document.id in place.store.passages
    place.until(document, State.DELETING)
    place.store.away = False
    place.until(document, None)
    assert place.store.passages == {}
    originals = list((place.settings.data_dir / "uploads").rglob("original"))
    assert originals == []


def test_deletion_that_a_crash_interrupts_leaves_no_words(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads that a document is gone can rely on it: its original is removed before its record."""
    document = place.keep()
    place.start()
    place.until(document, State.STORED)
    place.stop()
    monkeypatch.setattr(shutil, "rmtree", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        place.folder.remove(document)
    assert place.folder.find("acme", document.id) is None
    left = {each.name for each in (place.settings.data_dir / "uploads" / "drafts").rglob("*") if each.is_file()}
    assert left == {"record.json", "worker.lock"}


def test_generation_rises_with_each_change_of_what_is_found(place: Place) -> None:
    """Of that tenant alone: cached answers of others stay."""
    document = place.keep()
    assert place.folder.generation("acme") == 0
    place.start()
    place.until(document, State.STORED)
    assert place.folder.generation("acme") == 1
    place.folder.mark_deleted(document)
    place.until(document, None)
    assert (place.folder.generation("acme"), place.folder.generation("globex")) == (2, 0)


def test_worker_waits_for_an_ingest_and_for_its_index_to_be_served(place: Place) -> None:
    """Nothing is written to an index that is being replaced."""
    place.served.newest = False
    with index_lock.held(place.settings.data_dir):
        document = place.keep()
        place.start()
        with index_lock.shared(place.settings.data_dir) as is_held:
            assert not is_held
    place.until(document, State.QUEUED)
    assert place.store.inserts == 0
    place.served.newest = True
    place.until(document, State.STORED)


def test_two_processes_store_a_document_once(place: Place) -> None:
    """They share the folder; the lock of the index and the record say who was first."""
    others = [ProcessQueue(place.settings, place.served, lambda *_: place.store) for _ in range(3)]
    document = place.keep()
    for each in others:
        each.start()
    place.until(document, State.STORED)
    deadline = time.monotonic() + 30
    while place.folder.pending():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    for each in others:
        asyncio.run(each.close())
    assert place.store.inserts == 1
