"""The embedded default: a thread of the app stores and deletes the documents itself, in the order of the uploads."""

from __future__ import annotations

import time
from typing import Protocol

from sightline_app.ingestion.document import Document
from sightline_app.ingestion.indexing import Target
from sightline_app.ingestion.queue import DocumentQueue, of_folder
from sightline_app.ingestion.work import LOCKED_S, DocumentWork, OpenWriter
from sightline_app.pipeline import Pipeline
from sightline_app.settings import AppSettings


class Serving(Protocol):
    """The index that is served here."""

    pipeline: Pipeline

    def is_newest(self) -> bool:
        """Whether no ingest has switched to another one that is not served here yet."""


class ProcessQueue(DocumentQueue):
    """Works on the documents in this process.

    Args:
        settings: data folder and bounds.
        serving: the index that is served, and its embedding.
        open_writer: of the vector store.
    """

    def __init__(self, settings: AppSettings, serving: Serving, open_writer: OpenWriter) -> None:
        super().__init__(settings)

        def target() -> Target | None:
            if not serving.is_newest():
                return None
            manifest = serving.pipeline.manifest
            return Target(manifest.backend, manifest.collection, serving.pipeline.embedding)

        self._work = DocumentWork(settings, target, open_writer, self._stopping.is_set)

    def _look(self) -> str:
        documents = self.folder.pending()
        self.waiting, failure = len(documents), ""
        for document in documents:
            try:
                why = document.error if document.retry_at > time.time() else self._finish(document)
            except OSError as exc:  # a full disk; the next one may be a deletion, which makes room
                why = of_folder(exc)
            failure = why or failure
            self.waiting -= not why
        return failure

    def _finish(self, document: Document) -> str:
        """Do what there is to do for a document, and return why it could not be done now."""
        while not self._stopping.is_set():
            later = self._work.do(document)
            if later is None:
                break
            if later.why:
                return later.why
            self._stopping.wait(LOCKED_S)
        return ""
