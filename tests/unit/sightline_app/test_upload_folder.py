"""Uploaded documents on the disk: what they are called, and what outlives a full disk, a damage and a crash."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest
from upload_place import GUIDE, Place

from sightline_app.errors import RequestRefused, UploadsUnavailable
from sightline_app.ingestion import folder as folder_module
from sightline_app.ingestion.document import State, new_document
from sightline_app.ingestion.folder import UploadFolder


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
