"""What a worker does for one document, whoever calls it: a thread of the app, a Celery worker, the Kafka consumer.

However often and by however many processes it is called for the same document, the document is stored once: a claim
lets one worker at it (`folder`), its record says whether there is anything left to do, and its passages have ids of
their own, so writing them again changes nothing. A process that is killed lets go of its claims, and the document is as
it was.

What fails is told apart:

============================  =============================================================
the document's own fault      `failed` at once: the same bytes would fail again
a server is away              tried again for as long as it takes; that is no attempt
anything else that may pass   tried again with growing waits, `INGEST_ATTEMPTS` times; then `failed`
a fault of the program        `failed` at once; where it was tried together with others, each is tried again alone
a worker that dies with it    an attempt as well: no document can kill workers for ever
============================  =============================================================

A `failed` document is a dead letter (`dead_letters`): it is kept, shown, and can be replayed.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import sightline
from sightline_app import index_lock
from sightline_app.errors import CorpusError, RetrievalUnavailable, Unavailable
from sightline_app.ingestion import retrying
from sightline_app.ingestion.document import Document, State
from sightline_app.ingestion.folder import UploadFolder
from sightline_app.ingestion.indexing import DOCUMENT_ID, STAGE, Indexing, PassageWriter, Target, trace_of
from sightline_app.settings import AppSettings

LOCKED_S = 0.2
"""Between two tries while an ingest runs, or until its index is served here."""
_LOOKED_AT = 64
"""Waiting documents that are looked at for company of the one that a worker was asked for."""
_log = logging.getLogger("sightline.app")

OpenWriter = Callable[[AppSettings, str], PassageWriter]
"""Returns the writing side of a vector store, by its name in the manifest."""


class NotWanted(Exception):
    """The document is being deleted, or the process stops."""


@dataclass(frozen=True)
class Later:
    """There is something left to do for a document."""

    why: str
    """'' where somebody else writes to the index."""
    after_s: float = 0.0
    """Seconds until it may be tried again; 0 where the caller decides."""


class DocumentWork:
    """Stores and deletes documents. Thread-safe.

    Args:
        settings: data folder, sizes of batches, and how often something is tried.
        target: returns the index that is served; None while a newer one is not loaded yet.
        open_writer: of the vector store.
        is_stopping: whether the process ends: then what was begun is left to another one.
        passing: exceptions beside `Unavailable` that may pass, such as a time limit.
    """

    def __init__(
        self,
        settings: AppSettings,
        target: Callable[[], Target | None],
        open_writer: OpenWriter,
        is_stopping: Callable[[], bool] = lambda: False,
        passing: tuple[type[Exception], ...] = (),
    ) -> None:
        self.folder = UploadFolder(settings.data_dir)
        self._settings = settings
        self._target = target
        self._open_writer = open_writer
        self._writers: dict[str, PassageWriter] = {}
        self._is_stopping = is_stopping
        self._passing = passing

    def do(self, document: Document) -> Later | None:
        """Do what there is to do for a document, and for small ones that wait beside it.

        Returns:
            None where nothing is left to do for it here: it is stored, failed or gone, or another worker is busy
            with it.

        Raises:
            OSError: the folder of uploads cannot be used.
        """
        with index_lock.shared(self._settings.data_dir) as is_held, contextlib.ExitStack() as claims:
            target = self._target() if is_held else None
            if target is None:
                return Later("")
            if not claims.enter_context(self.folder.claimed(document)):
                return None
            found = self.folder.find(document.tenant, document.id)
            if found is None or found.state.is_settled:
                self._settle(document)
                return None
            try:
                writer = self._reachable(target)
                if found.state is State.DELETING:
                    self._delete(found, target, writer)
                    return None
                return self._index([found, *self._company(found, claims)], target, writer)[found.id]
            except Unavailable as exc:
                if found.state is not State.DELETING:
                    self.folder.update(replace(found, error=f"{exc}; it is tried again"))
                return Later(str(exc))

    def _reachable(self, target: Target) -> PassageWriter:
        """Return the vector store, once it answers: nothing is embedded in vain.

        Raises:
            RetrievalUnavailable: it does not.
        """
        writer = self._writers.get(target.backend)
        if writer is None:  # it keeps its connection, which takes longer to make than a document to insert
            writer = self._writers[target.backend] = self._open_writer(self._settings, target.backend)
        if not writer.reachable():
            raise RetrievalUnavailable(f"{writer.backend} does not answer")
        return writer

    def _company(self, first: Document, claims: contextlib.ExitStack) -> list[Document]:
        """Claim other small documents that wait, so that their passages are embedded together."""
        most, left = self._settings.ingestion.batch_documents, self._settings.ingestion.batch_bytes - first.size_bytes
        company: list[Document] = []
        for each in self.folder.pending(_LOOKED_AT) if most > 1 and left > 0 else ():
            if len(company) + 1 >= most:
                break
            if each.id == first.id or not _is_new(each) or each.size_bytes > left:
                continue
            if not claims.enter_context(self.folder.claimed(each, tries=1)):
                continue
            now = self.folder.find(each.tenant, each.id)
            if now is not None and _is_new(now):
                company.append(now)
                left -= now.size_bytes
        return company

    def _index(self, documents: Sequence[Document], target: Target, writer: PassageWriter) -> dict[str, Later | None]:
        most = self._settings.ingestion.attempts
        ready = [each for each in documents if each.attempts < most]
        for each in documents:
            if each.attempts >= most:
                self._fail(each, each.error or "its worker ended each time")
        failures = Indexing(self.folder, writer, target, self._check).index(ready)
        return {each.id: self._ended(each, failures.get(each.id), is_alone=len(ready) == 1) for each in documents}

    def _check(self, document: Document) -> None:
        if self._is_stopping() or self.folder.is_deleted(document):
            raise NotWanted

    def _ended(self, document: Document, failure: Exception | None, *, is_alone: bool) -> Later | None:
        """Write down how it ended for a document, and take its mark away if nothing is left to do."""
        if isinstance(failure, NotWanted) or (failure is not None and self._is_stopping()):
            return None  # its mark stays; what the worker uses may be closed already
        later = None if failure is None else self._failed(document, failure, is_alone=is_alone)
        if later is None:
            self._settle(document)
        return later

    def _failed(self, document: Document, failure: Exception, *, is_alone: bool) -> Later | None:
        now = self.folder.find(document.tenant, document.id)
        if now is None or now.state is State.DELETING:
            return None
        if isinstance(failure, CorpusError):
            self._fail(now, str(failure))
            return None
        may_pass = isinstance(failure, (Unavailable, *self._passing))
        if isinstance(failure, OSError) and not may_pass:
            raise failure  # a full disk: the record cannot be written either
        if not may_pass and is_alone:
            _log.error("document %s was not indexed", document.id, exc_info=failure)
            self._fail(now, f"internal error: {type(failure).__name__}")
            return None
        told = (str(failure) if may_pass else "") or type(failure).__name__
        if now.attempts >= self._settings.ingestion.attempts:
            self._fail(now, told)
            return None
        after_s = retrying.delay_s(now.attempts, self._settings.ingestion.longest_wait_s)
        self.folder.update(replace(now, error=f"{told}; it is tried again", retry_at=time.time() + after_s))
        return Later(told, after_s)

    def _fail(self, document: Document, error: str) -> None:
        error = error.removesuffix("; it is tried again")
        if document.attempts >= self._settings.ingestion.attempts:
            error = f"given up after {document.attempts} attempts: {error}"
        self.folder.update(replace(document, state=State.FAILED, error=error, retry_at=0.0))

    def _settle(self, document: Document) -> None:
        """Take the mark away, but not the one of a client that wants something else meanwhile."""
        self.folder.unmark_pending(document)
        found = self.folder.find(document.tenant, document.id)
        if found is not None and not found.state.is_settled:
            self.folder.mark_pending(found)

    def _delete(self, document: Document, target: Target, writer: PassageWriter) -> None:
        with trace_of(document), sightline.trace("document.delete", stage=STAGE, capture="recorded"):
            sightline.annotate({DOCUMENT_ID: document.id})
            writer.delete(target.collection, document.id)
            self.folder.raise_generation(document.tenant)
            self.folder.remove(document)


def _is_new(document: Document) -> bool:
    """Whether nobody has tried a document yet: what failed before is tried alone."""
    return document.state is State.QUEUED and document.attempts == 0
