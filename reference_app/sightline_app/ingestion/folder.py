"""The uploads of all tenants on the disk: all that a restart needs, fsynced before an upload is acknowledged.

::

    uploads/tenants/<digest of the tenant>/<document id>/original         as it was sent
                                                         record.json      a `Document`
                                                         progress.json    the same, while a worker is busy with it
                                                         passages.jsonl   once it is parsed
                                                         deleted          a mark: it is being deleted
                                                         worker.lock      held by the worker that is busy with it
    uploads/tenants/<digest of the tenant>/generation                     rises with each change of what is found
                                           generation.lock                held while it rises
                                           accept.lock                    held while a document appears
    uploads/pending/<digest of the tenant>.<document id>                  a mark: a worker has something to do
    uploads/drafts/                                                       what is being written or thrown away

A document appears by one rename of a complete folder, and disappears by one; so it is there as a whole or not at all.
Progress and marks are not fsynced: they outlive every process, and after a loss of power `recover` makes the marks
again and a worker the progress.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import itertools
import logging
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from sightline_app.corpus import Passage, read_passages, write_passages
from sightline_app.errors import RequestRefused, UploadsUnavailable
from sightline_app.index_lock import try_lock
from sightline_app.ingestion.document import Document, State

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_OLD_DRAFT_S = 3600.0
_CLAIM_TRIES, _CLAIM_PAUSE_S = 3, 0.01
_log = logging.getLogger("sightline.app")


class UploadFolder:
    """The folder. Thread-safe, and shared by all processes that have the data folder.

    Args:
        data_dir: the app's data folder.
    """

    def __init__(self, data_dir: Path) -> None:
        root = data_dir / "uploads"
        self._tenants, self._pending, self._drafts = root / "tenants", root / "pending", root / "drafts"

    def accept(self, document: Document, content: bytes, max_documents: int) -> Document | None:
        """Keep a new document; it is on the disk when this returns.

        Args:
            document: its record.
            content: the original.
            max_documents: documents that a tenant may have.

        Returns:
            the document that is there already, as it is; None where this one is new.

        Raises:
            RequestRefused: 409: the tenant has as many as it may.
            UploadsUnavailable: the disk does not take it.
        """
        if known := self.find(document.tenant, document.id):
            if not known.state.is_settled:
                self._mark_again(known)
            return known
        home, draft = self._home(document), self._draft()
        _check_room(home.parent, max_documents)  # before anything is written
        try:
            draft.mkdir(parents=True)
            _write(draft / "original", content)
            _write(draft / "record.json", document.as_json().encode())
            _sync(draft)
            _make(home.parent)
            with (home.parent / "accept.lock").open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                _check_room(home.parent, max_documents)  # of two at the same time, one may be the last
                draft.rename(home)
            _sync(home.parent)
            self.mark_pending(document)
        except OSError as exc:
            if exc.errno in {errno.ENOTEMPTY, errno.EEXIST} and (known := self.find(document.tenant, document.id)):
                return known  # the same upload at the same time
            raise UploadsUnavailable(f"the document cannot be kept: {exc.strerror or exc}") from exc
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return None

    def _mark_again(self, document: Document) -> None:
        """Mark a document whose upload broke off between its rename and its mark: the client sends it again."""
        try:
            self.mark_pending(document)
        except OSError as exc:
            raise UploadsUnavailable(f"the document cannot be kept: {exc.strerror or exc}") from exc

    def find(self, tenant: str, document_id: str) -> Document | None:
        """Return a tenant's document; None where there is none, or where the text is no id."""
        if not _ID.fullmatch(document_id):
            return None
        return self._read(self._tenants / _digest(tenant) / document_id)

    def documents(self, tenant: str) -> list[Document]:
        """Return a tenant's documents, the newest first."""
        return sorted(self._all(self._tenants / _digest(tenant)), key=lambda each: each.created, reverse=True)

    def stored(self) -> list[Document]:
        """Return the documents of all tenants whose passages are in the index."""
        return self._in(State.STORED)

    def failed(self) -> list[Document]:
        """Return the documents of all tenants that were given up."""
        return self._in(State.FAILED)

    def _in(self, state: State) -> list[Document]:
        found = (each for home in _folders(self._tenants) for each in self._all(home))
        return sorted((each for each in found if each.state is state), key=lambda each: each.id)

    @contextlib.contextmanager
    def claimed(self, document: Document, tries: int = _CLAIM_TRIES) -> Iterator[bool]:
        """Be the only worker of a document, in all processes; yields whether nobody else is, and it is there.

        The system lets go of a claim when its process ends, however that happens.

        Args:
            document: the one that is claimed.
            tries: after the first, some milliseconds are waited for whoever only looks.
        """
        lock = self._home(document) / "worker.lock"
        try:
            file = lock.open("ab")
        except FileNotFoundError:
            yield False
            return
        with file:
            for _ in range(tries - 1):
                if try_lock(file, fcntl.LOCK_EX):
                    break
                time.sleep(_CLAIM_PAUSE_S)  # somebody may only have looked: `is_claimed`
            yield try_lock(file, fcntl.LOCK_EX)

    def is_claimed(self, document: Document) -> bool:
        """Whether a worker is busy with a document now."""
        try:
            file = (self._home(document) / "worker.lock").open("rb")
        except FileNotFoundError:
            return False
        with file:
            return not try_lock(file, fcntl.LOCK_SH)

    def original(self, document: Document) -> bytes:
        """Return a document as it was sent."""
        return (self._home(document) / "original").read_bytes()

    def keep_passages(self, document: Document, passages: Sequence[Passage]) -> None:
        """Keep the passages of a document, for the next ingest; they are on the disk when this returns."""
        path = self._home(document) / "passages.jsonl"
        write_passages(path, passages)
        _sync(path)

    def passages(self, document: Document) -> list[Passage]:
        """Return the passages of a document.

        Raises:
            CorpusError: they are missing or damaged.
        """
        return read_passages(self._home(document) / "passages.jsonl")

    def update(self, document: Document) -> None:
        """Replace the record of a document that is still there; it is on the disk when this returns."""
        home = self._home(document)
        if self._replace(home / "record.json", document, is_synced=True):
            (home / "progress.json").unlink(missing_ok=True)
            _sync(home)

    def tell(self, document: Document) -> None:
        """Let everybody see how far the worker of a document is, as far as it is still there."""
        self._replace(self._home(document) / "progress.json", document, is_synced=False)

    def _replace(self, path: Path, document: Document, *, is_synced: bool) -> bool:
        draft = self._draft()
        draft.parent.mkdir(parents=True, exist_ok=True)
        _write(draft, document.as_json().encode(), is_synced=is_synced)
        try:
            draft.replace(path)
        except FileNotFoundError:
            draft.unlink()
            return False
        return True

    def is_deleted(self, document: Document) -> bool:
        """Whether a document is to be deleted, or is gone."""
        home = self._home(document)
        return not home.is_dir() or (home / "deleted").exists()

    def mark_deleted(self, document: Document) -> None:
        """Let a worker delete a document, whatever state it is in; the mark outlives a crash.

        Raises:
            UploadsUnavailable: the disk does not take the mark.
        """
        home = self._home(document)
        try:
            _write(home / "deleted", b"")
            _sync(home)
            self.mark_pending(document)
        except FileNotFoundError:
            pass  # it is gone already
        except OSError as exc:
            raise UploadsUnavailable(f"the document cannot be deleted: {exc.strerror or exc}") from exc

    def remove(self, document: Document) -> None:
        """Remove a document with its original. What a crash leaves is still marked as deleted, or has no words."""
        home, draft = self._home(document), self._draft()
        for name in ("original", "passages.jsonl", "passages.draft"):
            (home / name).unlink(missing_ok=True)
        draft.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            home.rename(draft)
            _sync(home.parent)
        shutil.rmtree(draft, ignore_errors=True)
        self.unmark_pending(document)

    def mark_pending(self, document: Document) -> None:
        """Say that there is something to do for a document."""
        _make(self._pending)
        self._mark(document).touch()

    def unmark_pending(self, document: Document) -> None:
        """Say that there is nothing to do any more."""
        self._mark(document).unlink(missing_ok=True)

    def pending(self, at_most: int | None = None) -> list[Document]:
        """Return the documents for which there is something to do, the oldest first.

        Args:
            at_most: look at so many only, any of them; None looks at all.
        """
        found = []
        marks = self._pending.iterdir() if self._pending.is_dir() else iter(())
        for mark in itertools.islice(marks, at_most):
            tenant, _, name = mark.name.partition(".")
            document = self._read(self._tenants / tenant / name)
            if document is None:
                mark.unlink(missing_ok=True)
            else:
                found.append(document)
        return sorted(found, key=lambda each: each.created)

    def waiting(self) -> int:
        """Return for how many documents there is something to do."""
        return sum(1 for _ in self._pending.iterdir()) if self._pending.is_dir() else 0

    def recover(self) -> None:
        """Mark again what a crash left half done, and remove what was never acknowledged. For the start of a process.

        Another process may be writing drafts now: only old ones go.
        """
        for draft in self._drafts.iterdir() if self._drafts.is_dir() else ():
            with contextlib.suppress(FileNotFoundError):  # another process was faster
                if time.time() - draft.stat().st_mtime > _OLD_DRAFT_S:
                    shutil.rmtree(draft) if draft.is_dir() else draft.unlink()
        for home in _folders(self._tenants):
            for document in self._all(home):
                if not document.state.is_settled:
                    self.mark_pending(document)

    def generation(self, tenant: str) -> int:
        """Return the number that rises with each change of what is found in a tenant's uploads; 0 without any."""
        try:
            return int((self._tenants / _digest(tenant) / "generation").read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def raise_generation(self, tenant: str) -> None:
        """Let the number rise, by one for each call, whichever processes call at the same time."""
        draft = self._draft()
        draft.parent.mkdir(parents=True, exist_ok=True)
        home = self._tenants / _digest(tenant)
        with (home / "generation.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _write(draft, str(self.generation(tenant) + 1).encode())
            draft.replace(home / "generation")
            _sync(home)

    def _all(self, home: Path) -> Iterator[Document]:
        """Yield the documents in the folder of a tenant."""
        for name in self._ids(home):
            document = self._read(home / name)
            if document is not None:
                yield document

    @staticmethod
    def _ids(home: Path) -> Iterator[str]:
        return (each.name for each in _folders(home) if _ID.fullmatch(each.name))

    def _read(self, home: Path) -> Document | None:
        try:
            document = Document.from_json((home / "record.json").read_text(encoding="utf-8"))
            is_deleted = (home / "deleted").exists()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ValueError as exc:
            _log.error("%s is damaged and left out: %s", home, exc)
            return None
        if is_deleted:
            return replace(document, state=State.DELETING)
        return document if document.state.is_settled else _progress(home, document)

    def _home(self, document: Document) -> Path:
        return self._tenants / _digest(document.tenant) / document.id

    def _mark(self, document: Document) -> Path:
        return self._pending / f"{_digest(document.tenant)}.{document.id}"

    def _draft(self) -> Path:
        return self._drafts / uuid.uuid4().hex


def _digest(tenant: str) -> str:
    """Return the name of a tenant's folder. A digest, so that no tenant's id names another one's folder."""
    return hashlib.sha256(tenant.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _folders(folder: Path) -> Iterator[Path]:
    return (each for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else iter(())


def _progress(home: Path, document: Document) -> Document:
    """Return a document as its worker told last, or as its record says where that is newer, or nothing was told."""
    try:
        told = Document.from_json((home / "progress.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # after a loss of power it may be cut off
        return document
    return told if told.attempts > document.attempts else document


def _check_room(home: Path, max_documents: int) -> None:
    """Refuse a further document of a tenant that has as many as it may.

    Raises:
        RequestRefused: 409.
    """
    try:
        count = sum(1 for each in home.iterdir() if _ID.fullmatch(each.name))
    except FileNotFoundError:
        count = 0
    if count >= max_documents:
        raise RequestRefused(
            f"this tenant has SIGHTLINE_APP_UPLOAD_MAX_DOCUMENTS={max_documents} documents; delete one first",
            kind="too_many_documents",
            status=409,
        )


def _make(folder: Path) -> None:
    """Make a folder, and let it outlive a loss of power."""
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync(folder.parent)


def _write(path: Path, content: bytes, *, is_synced: bool = True) -> None:
    with path.open("wb") as file:
        file.write(content)
        if is_synced:
            file.flush()
            os.fsync(file.fileno())


def _sync(path: Path) -> None:
    """Let a file's content, or a folder's names, outlive a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
