"""The one worker of a process that indexes and deletes uploaded documents.

The queue is the folder of uploads: what is marked there is done, in the order of the uploads, whichever process took
it. So it survives a restart, and an app beside this one on the same data folder can go on with it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import sightline
from sightline_app import index_lock
from sightline_app.errors import CorpusError, RetrievalUnavailable, Unavailable, UploadsUnavailable
from sightline_app.pipeline import Pipeline
from sightline_app.settings import AppSettings
from sightline_app.uploads.document import Document, State
from sightline_app.uploads.folder import UploadFolder
from sightline_app.uploads.indexing import DOCUMENT_ID, STAGE, Indexing, PassageWriter

_LOOK_S = 1.0
"""Between two looks at the folder, for what another process took and left."""
_LOCKED_S = 0.2
"""Between two tries while an ingest runs, or until its index is served here."""
_WATCH_S = 0.03
"""Between two looks at a document that a request waits for."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0
_STOP_S = 3.0
_log = logging.getLogger("sightline.app")


class _NotWanted(Exception):
    """The document is being deleted, or the process stops."""


class Serving(Protocol):
    """The index that is served here."""

    pipeline: Pipeline

    def is_newest(self) -> bool:
        """Whether no ingest has switched to another one that is not served here yet."""


OpenWriter = Callable[[AppSettings, str], PassageWriter]
"""Returns the writing side of a vector store, by its name in the manifest."""


class DocumentQueue:
    """Takes documents and works on them.

    Args:
        settings: data folder and bounds.
        serving: the index that is served, and its embedding.
        open_writer: of the vector store.
    """

    def __init__(self, settings: AppSettings, serving: Serving, open_writer: OpenWriter) -> None:
        self.folder = UploadFolder(settings.data_dir)
        self._settings = settings
        self._serving = serving
        self._open_writer = open_writer
        self._wake, self._stopping = threading.Event(), threading.Event()
        # A daemon: a vector store that hangs must not keep the process from ending. What it was doing goes on at the
        # next start.
        self._thread = threading.Thread(target=self._run, name="uploads", daemon=True)
        self.waiting = 0
        """Documents with something to do, as of the last look."""
        self.failure = ""
        """Why they wait; '' where nothing is in the way."""

    async def accept(self, document: Document, content: bytes) -> tuple[Document, bool]:
        """Keep a document and let it be indexed; one that failed before is tried again.

        Returns:
            the document as it is now, and whether it was there already.

        Raises:
            RequestRefused: the tenant has as many as it may.
            UploadsUnavailable: the disk does not take it.
        """
        known = await asyncio.to_thread(self.folder.accept, document, content, self._settings.uploads.max_documents)
        if known is not None and known.state is State.FAILED:
            document = replace(known, state=State.QUEUED, error="", traceparent=document.traceparent)
            await asyncio.to_thread(self._queue_again, document)
            known = None
        self._wake.set()
        return known or document, known is not None

    def _queue_again(self, document: Document) -> None:
        try:
            self.folder.update(document)
            self.folder.mark_pending(document)
        except OSError as exc:
            raise UploadsUnavailable(f"the document cannot be kept: {exc.strerror or exc}") from exc

    async def delete(self, document: Document) -> None:
        """Let a document be deleted; it cannot come back."""
        await asyncio.to_thread(self.folder.mark_deleted, document)
        self._wake.set()

    async def settled(self, document: Document) -> Document | None:
        """Wait until there is nothing left to do for a document, but not longer than a request may.

        Returns:
            the document as it is then; None where it is gone.
        """
        deadline = time.monotonic() + self._settings.uploads.wait_s
        while True:
            found = await asyncio.to_thread(self.folder.find, document.tenant, document.id)
            if found is None or found.state.is_settled or time.monotonic() >= deadline:
                return found
            await asyncio.sleep(_WATCH_S)

    def start(self) -> None:
        """Begin to work, in a thread of its own."""
        self._thread.start()

    async def close(self) -> None:
        """Stop after the batch that is being embedded; what is left goes on at the next start."""
        self._stopping.set()
        self._wake.set()
        await asyncio.to_thread(self._thread.join, _STOP_S)

    def _run(self) -> None:
        self._guarded(self.folder.recover)
        pause_s = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            self._wake.clear()
            failure = self._guarded(self._look)
            if failure and not self.failure:
                _log.warning("uploaded documents wait: %s", failure)
            self.failure = failure
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S) if failure else _FIRST_PAUSE_S
            self._wake.wait(pause_s if failure else _LOOK_S)

    @staticmethod
    def _guarded(do: Callable[[], str | None]) -> str:
        """Do something, and return why it could not be done; the worker outlives whatever happens."""
        try:
            return do() or ""
        except OSError as exc:
            return _of_folder(exc)
        except Exception as exc:
            _log.exception("the worker of uploads failed")
            return f"internal error: {type(exc).__name__}"

    def _look(self) -> str:
        """Do what is marked, and return why something of it could not be done now."""
        documents = self.folder.pending()
        self.waiting, failure = len(documents), ""
        for document in documents:
            try:
                while not self._stopping.is_set() and not self._work(document):
                    self._stopping.wait(_LOCKED_S)
                self.waiting -= 1
            except Unavailable as exc:
                failure = str(exc)
            except OSError as exc:  # a full disk; the next one may be a deletion, which makes room
                failure = _of_folder(exc)
        return failure

    def _work(self, document: Document) -> bool:
        """Do what there is to do for a document; False while somebody else writes to the index."""
        with index_lock.tried(self._settings.data_dir) as is_held:
            if not is_held or not self._serving.is_newest():
                return False
            found = self.folder.find(document.tenant, document.id)
            if found is not None and found.state is State.DELETING:
                self._delete(found, self._writer())
            elif found is not None and not found.state.is_settled:
                self._index(found)
            self._settle(document)
        return True

    def _settle(self, document: Document) -> None:
        """Take the mark away, but not the one of a client that wants something else meanwhile."""
        self.folder.unmark_pending(document)
        found = self.folder.find(document.tenant, document.id)
        if found is not None and not found.state.is_settled:
            self.folder.mark_pending(found)

    def _index(self, document: Document) -> None:
        def check() -> None:
            if self._stopping.is_set() or self.folder.is_deleted(document):
                raise _NotWanted

        try:
            pipeline, writer = self._serving.pipeline, self._writer()
            work = Indexing(self.folder, writer, pipeline.manifest.collection, pipeline.embedding, check)
            work.index(document)
        except _NotWanted:
            return
        except Unavailable as exc:
            self.folder.update(replace(self._now(document), error=f"{exc}; it is tried again"))
            raise
        except CorpusError as exc:
            self._fail(document, str(exc))
        except OSError:
            raise
        except Exception as exc:
            if self._stopping.is_set():  # what it works with is closed already
                return
            _log.exception("document %s was not indexed", document.id)
            self._fail(document, f"internal error: {type(exc).__name__}")

    def _writer(self) -> PassageWriter:
        """Return the vector store, once it answers: nothing is embedded in vain.

        Raises:
            RetrievalUnavailable: it does not.
        """
        writer = self._open_writer(self._settings, self._serving.pipeline.manifest.backend)
        if not writer.reachable():
            raise RetrievalUnavailable(f"{writer.backend} does not answer")
        return writer

    def _fail(self, document: Document, error: str) -> None:
        self.folder.update(replace(self._now(document), state=State.FAILED, error=error))

    def _now(self, document: Document) -> Document:
        return self.folder.find(document.tenant, document.id) or document

    @sightline.trace("document.delete", stage=STAGE, capture="recorded")
    def _delete(self, document: Document, writer: PassageWriter) -> None:
        sightline.identify(tenant=document.tenant)
        sightline.annotate({DOCUMENT_ID: document.id})
        writer.delete(self._serving.pipeline.manifest.collection, document.id)
        self.folder.raise_generation(document.tenant)
        self.folder.remove(document)


def _of_folder(exc: OSError) -> str:
    return f"the folder of uploads cannot be used: {exc.strerror or exc}"
