"""Takes documents, and sees in a thread of its own that something is done for each.

The queue is the folder of uploads: what is marked there is done, whichever process took it. So it survives a restart,
and an app beside this one on the same data folder can go on with it. Who does the work is told by the two that derive
from it: this process (`process_queue`), or the workers behind a broker (`broker_queue`).
"""

from __future__ import annotations

import abc
import asyncio
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from sightline_app.errors import UploadsUnavailable
from sightline_app.ingestion.document import Document, State
from sightline_app.ingestion.folder import UploadFolder
from sightline_app.settings import AppSettings

LOOK_S = 1.0
"""Between two looks at the folder, for what another process took and left."""
_WATCH_S = 0.03
"""Between two looks at a document that a request waits for."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
_STOP_S = 3.0
_log = logging.getLogger("sightline.app")


class DocumentQueue(abc.ABC):
    """The documents of an app.

    Args:
        settings: data folder and bounds.
    """

    longest_pause_s = LONGEST_PAUSE_S
    """Between two looks while something is in the way; the pauses double."""

    def __init__(self, settings: AppSettings) -> None:
        self.folder = UploadFolder(settings.data_dir)
        self._settings = settings
        self._wake, self._stopping = threading.Event(), threading.Event()
        # A daemon: a server that hangs must not keep the process from ending. What it was doing goes on at the next
        # start.
        self._thread = threading.Thread(target=self._run, name="uploads", daemon=True)
        self.waiting = 0
        """Documents with something to do, as of the last look."""
        self.failure = ""
        """Why they wait; '' where nothing is in the way."""

    @abc.abstractmethod
    def _look(self) -> str:
        """See that something is done for what is marked; return why something of it could not be done now."""

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
            document = again(replace(known, traceparent=document.traceparent))
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
        """Begin, in a thread."""
        self._thread.start()

    async def close(self) -> None:
        """Stop soon; what is left goes on at the next start."""
        self._stopping.set()
        self._wake.set()
        await asyncio.to_thread(self._thread.join, _STOP_S)

    def _run(self) -> None:
        self._guarded(self.folder.recover)
        pause_s = FIRST_PAUSE_S
        while not self._stopping.is_set():
            self._wake.clear()
            failure = self._guarded(self._look)
            if failure and not self.failure:
                _log.warning("uploaded documents wait: %s", failure)
            self.failure = failure
            pause_s = min(2 * pause_s, self.longest_pause_s) if failure else FIRST_PAUSE_S
            self._wake.wait(pause_s if failure else LOOK_S)

    @staticmethod
    def _guarded(do: Callable[[], str | None]) -> str:
        """Do something, and return why it could not be done; the thread outlives whatever happens."""
        try:
            return do() or ""
        except OSError as exc:
            return of_folder(exc)
        except Exception as exc:
            _log.exception("the queue of uploads failed")
            return f"internal error: {type(exc).__name__}"


def again(document: Document) -> Document:
    """Return a document that was given up as one that nobody has tried yet."""
    return replace(document, state=State.QUEUED, error="", attempts=0, retry_at=0.0, passages=0, embedded=0)


def of_folder(exc: OSError) -> str:
    """Return why the folder of uploads cannot be used."""
    return f"the folder of uploads cannot be used: {exc.strerror or exc}"
