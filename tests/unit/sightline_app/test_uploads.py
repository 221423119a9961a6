"""Uploaded documents on the disk and their worker, over a vector store in memory."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest
from index_in_memory import Served, Store

from sightline import semconv
from sightline.testing import captured
from sightline_app import index_lock
from sightline_app.errors import RequestRefused, RetrievalUnavailable, UploadsUnavailable
from sightline_app.ingestion import folder as folder_module
from sightline_app.ingestion import indexing, process_queue
from sightline_app.ingestion import queue as queue_module
from sightline_app.ingestion.document import Document, State, new_document
from sightline_app.ingestion.folder import UploadFolder
from sightline_app.ingestion.process_queue import ProcessQueue
from sightline_app.settings import AppSettings, UploadSettings

GUIDE = b"# Travel\nThe office books trains.\n\n# Flights\nNobody books flights.\n"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Place:
    """A data folder, and the processes that work on it one after the other."""

    def __init__(self, folder: Path) -> None:
        self.settings = AppSettings(data_dir=folder, uploads=UploadSettings(wait_s=30, max_documents=3))
        self.folder = UploadFolder(folder)
        self.store, self.served = Store(), Served()
        self.queue: ProcessQueue | None = None

    def start(self) -> ProcessQueue:
        """Begin to work, as a new process does."""
        self.queue = ProcessQueue(self.settings, self.served, lambda *_: self.store)
        self.queue.start()
        return self.queue

    def stop(self) -> None:
        """Stop working."""
        self.served.embedding.goes_on.set()
        if self.queue is not None:
            asyncio.run(self.queue.close())

    def keep(self, content: bytes = GUIDE, tenant: str = "acme", name: str = "travel.md") -> Document:
        """Keep a document, without a worker."""
        document = replace(new_document(tenant, name, None, content), traceparent=TRACE)
        assert self.folder.accept(document, content, 3) is None
        return document

    def until(self, document: Document, state: State | None, error: str = "") -> Document | None:
        """Wait until a document has a state (None: is gone), and an error that holds some words."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            found = self.folder.find(document.tenant, document.id)
            if (found and found.state) == state and (not error or (found is not None and error in found.error)):
                return found
            time.sleep(0.005)
        raise AssertionError(f"the document is {found}")


@pytest.fixture(name="place")
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setattr(queue_module, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(queue_module, "LOOK_S", 0.01)
    monkeypatch.setattr(process_queue, "LOCKED_S", 0.01)
    place = Place(tmp_path)
    yield place
    place.stop()


def test_same_content_of_a_tenant_is_one_document() -> None:
    """Name and type make no difference, another tenant or another content does."""
    first = new_document("acme", "a.md", None, GUIDE)
    assert new_document("acme", "b.html", "text/html", GUIDE).id == first.id
    assert new_document("globex", "a.md", None, GUIDE).id != first.id
    assert new_document("acme", "a.md", None, GUIDE + b" ").id != first.id


@pytest.mark.parametrize(
    ("name", "media_type", "expected"),
    [
        ("a.md", None, "text/markdown"),
        ("A.HTM", "", "text/html"),
        ("a.rst", None, "text/plain"),
        ("a.md", "application/x-www-form-urlencoded", "text/markdown"),
        ("a.bin", "text/plain; charset=utf-8", "text/plain"),
        ("C:\\docs\\a.md", "TEXT/HTML", "text/html"),
    ],
)
def test_type_is_the_clients_word_or_the_ending(name: str, media_type: str | None, expected: str) -> None:
    """Parameters and case do not count; of a path, the last part is the name."""
    document = new_document("acme", name, media_type, GUIDE)
    assert document.media_type == expected
    assert document.name == name.rpartition("\\")[2]


@pytest.mark.parametrize(
    ("name", "media_type", "status", "kind"),
    [
        ("a.md", "image/png", 415, "content_type_not_supported"),
        ("a.docx", None, 415, "content_type_not_supported"),
        ("a", None, 415, "content_type_not_supported"),
        ("", "multipart/form-data; boundary=x", 415, "content_type_not_supported"),
        ("", "text/plain", 400, "invalid_name"),
        ("a/", "text/plain", 400, "invalid_name"),
        ("a\n.md", None, 400, "invalid_name"),
        ("x" * 201, "text/plain", 400, "invalid_name"),
    ],
)
def test_name_or_type_that_cannot_be_is_refused(name: str, media_type: str | None, status: int, kind: str) -> None:
    """With its reason, and with what would be taken."""
    with pytest.raises(RequestRefused) as refused:
        new_document("acme", name, media_type, GUIDE)
    assert (refused.value.status, refused.value.kind) == (status, kind)
    assert "text/markdown" in str(refused.value) or "characters" in str(refused.value)


def test_folders_of_tenants_never_meet(place: Place) -> None:
    """Whatever a tenant or an id is called, it reaches its own documents alone."""
    mine = place.keep()
    for tenant in ("globex", "", "ACME", "acme/../acme", "../acme", "\ud800"):
        assert place.folder.find(tenant, mine.id) is None
        assert place.folder.documents(tenant) == []
    for odd in ("", ".", "..", "generation", "../" + mine.id, mine.id.upper(), mine.id + "/original"):
        assert place.folder.find("acme", odd) is None
    assert place.folder.find("acme", mine.id) == mine


def test_upload_that_is_there_is_returned_as_it_is(place: Place) -> None:
    """A second one changes nothing; one more than a tenant may have is refused, another tenant's is not."""
    mine = place.keep()
    again = new_document("acme", "other.txt", None, GUIDE)
    assert place.folder.accept(again, GUIDE, 3) == mine
    place.keep(b"two")
    place.keep(b"three")
    with pytest.raises(RequestRefused, match="SIGHTLINE_APP_UPLOAD_MAX_DOCUMENTS=3"):
        place.keep(b"four")
    place.keep(b"four", tenant="globex")
    assert len(place.folder.documents("acme")) == 3


def test_disk_that_takes_nothing_is_said_and_leaves_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The upload is not acknowledged, and is not there."""

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(UploadsUnavailable, match="No space left"):
            place.keep()
    assert place.folder.documents("acme") == []
    assert place.folder.pending() == []
    assert list((place.settings.data_dir / "uploads" / "drafts").iterdir()) == []
    place.keep()


def test_upload_whose_mark_did_not_fit_is_indexed_when_it_is_sent_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The document appeared, the disk was full then, and the client read 503."""
    queue = place.start()
    with monkeypatch.context() as patched:
        patched.setattr(UploadFolder, "mark_pending", Mock(side_effect=OSError(28, "No space left on device")))
        for _ in range(2):
            with pytest.raises(UploadsUnavailable, match="No space left"):
                place.keep()
    document, was_there = asyncio.run(queue.accept(new_document("acme", "travel.md", None, GUIDE), GUIDE))
    assert was_there
    place.until(document, State.STORED)


def test_last_place_of_a_tenant_goes_to_one_of_two_uploads_at_the_same_time(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both were counted before either of them was there."""
    first, second = (new_document("acme", "a.md", None, each) for each in (b"one", b"two"))
    sync = folder_module._sync

    def sync_late(path: Path) -> None:
        monkeypatch.setattr(folder_module, "_sync", sync)
        assert place.folder.accept(second, b"two", 1) is None
        sync(path)

    monkeypatch.setattr(folder_module, "_sync", sync_late)
    with pytest.raises(RequestRefused, match="SIGHTLINE_APP_UPLOAD_MAX_DOCUMENTS=1"):
        place.folder.accept(first, b"one", 1)
    assert place.folder.documents("acme") == [second]
    assert list((place.settings.data_dir / "uploads" / "drafts").iterdir()) == []


def test_progress_is_seen_and_its_loss_costs_nothing(place: Place) -> None:
    """It is not fsynced: after a loss of power it is cut off, or of an attempt that the record knows."""
    document = place.keep()
    embedding = replace(document, state=State.EMBEDDING, attempts=1, passages=2, embedded=1)
    place.folder.tell(embedding)
    assert place.folder.find("acme", document.id) == embedding
    assert place.folder.pending() == [embedding]
    (progress,) = (place.settings.data_dir / "uploads").glob(f"tenants/*/{document.id}/progress.json")
    told = progress.read_text()
    for cut in ("", told[:20], "{}"):
        progress.write_text(cut)
        assert place.folder.find("acme", document.id) == document
    tried = replace(embedding, error="away; it is tried again")
    place.folder.update(tried)
    assert not progress.exists()
    progress.write_text(told)
    assert place.folder.find("acme", document.id) == tried


def test_marks_that_were_lost_are_made_again(place: Place) -> None:
    """A loss of power may take them: they are not fsynced."""
    document = place.keep()
    place.folder.unmark_pending(document)
    assert place.folder.pending() == []
    place.folder.recover()
    assert place.folder.pending() == [document]


def test_damaged_record_hides_one_document_only(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """The log says which; the others are there."""
    one, two = place.keep(), place.keep(b"two")
    (path,) = (place.settings.data_dir / "uploads").glob(f"tenants/*/{one.id}/record.json")
    path.write_text("{}")
    assert place.folder.documents("acme") == [two]
    assert "is damaged" in caplog.text


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


def test_old_drafts_of_a_crash_are_removed(place: Place) -> None:
    """Those of a process that may be writing now stay."""
    drafts = place.settings.data_dir / "uploads" / "drafts"
    old, new = drafts / "old", drafts / "new"
    old.mkdir(parents=True)
    (old / "original").write_bytes(b"x")
    os.utime(old, (1, 1))
    new.mkdir()
    place.folder.recover()
    assert list(drafts.iterdir()) == [new]
