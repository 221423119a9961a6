"""A data folder with uploaded documents, and the processes that work on it, over a vector store in memory."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

from index_in_memory import Served, Store

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
