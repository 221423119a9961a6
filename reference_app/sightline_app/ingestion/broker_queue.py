"""Lets the workers behind a broker do the documents, and sends a message again where one was lost.

The folder of uploads is the outbox: a document is marked there before its message is sent, and the mark goes when the
document is done. Messages are sent from the marks, and again where no worker can have one:

* a worker began and is gone (its claim is free): after `_ABANDONED_S`;
* nobody began, and no message waits in the broker: after `_ABANDONED_S`, then after twice as long each time, since a
  worker that is busy may hold it;
* nobody began, and messages wait: after `_UNSEEN_S`, then after twice as long each time: it may be among them.

A message too many costs nothing: its worker finds the document done, or claimed.

Source: https://microservices.io/patterns/data/transactional-outbox.html
"""

from __future__ import annotations

import contextvars
import time
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from sightline_app.errors import BrokerUnavailable
from sightline_app.ingestion.document import Document, State
from sightline_app.ingestion.indexing import trace_of
from sightline_app.ingestion.queue import LOOK_S, DocumentQueue
from sightline_app.settings import AppSettings

_ABANDONED_S = 2.0
_UNSEEN_S, _LONGEST_UNSEEN_S = 30.0, 3600.0
_LOOK_SHARE = 10
"""A look at the whole folder is followed by a pause that is so many times as long."""


class Sender(Protocol):
    """Sends messages."""

    def send(self, tenant: str, document: str) -> None:
        """Send one.

        Raises:
            BrokerUnavailable: the broker did not take it.
        """

    def waiting(self) -> int:
        """Return how many messages wait for a worker.

        Raises:
            BrokerUnavailable: the broker did not answer.
        """


@dataclass(frozen=True)
class _Sent:
    at: float
    """When the last message was sent, by `time.monotonic`."""
    before: int
    """Messages that were sent before it."""


class BrokerQueue(DocumentQueue):
    """Hands documents to workers.

    Args:
        settings: data folder and bounds.
        sender: of messages.
    """

    longest_pause_s = 2.0

    def __init__(self, settings: AppSettings, sender: Sender) -> None:
        super().__init__(settings)
        self._sender = sender
        self._fresh: deque[Document] = deque()
        self._sent: dict[str, _Sent] = {}
        self._next_look = 0.0

    async def accept(self, document: Document, content: bytes) -> tuple[Document, bool]:
        """Keep a document and send its message; see `DocumentQueue.accept`."""
        accepted, was_there = await super().accept(document, content)
        if not was_there:
            self._fresh.append(accepted)
            self._wake.set()
        return accepted, was_there

    async def delete(self, document: Document) -> None:
        """Let a document be deleted; see `DocumentQueue.delete`."""
        await super().delete(document)
        self._fresh.append(document)
        self._wake.set()

    def _look(self) -> str:
        while self._fresh:
            fresh = self._fresh[0]
            if failure := self._send(fresh):
                return failure
            self._fresh.popleft()
        if time.monotonic() < self._next_look:
            self.waiting = self.folder.waiting()
            return ""
        began = time.monotonic()
        failure = self._look_at_all()
        self._next_look = time.monotonic() + max(LOOK_S / 2, _LOOK_SHARE * (time.monotonic() - began))
        return failure

    def _look_at_all(self) -> str:
        documents = self.folder.pending()
        self.waiting, failure = len(documents), ""
        self._sent = {each.id: self._sent[each.id] for each in documents if each.id in self._sent}
        try:
            is_idle = bool(documents) and self._sender.waiting() == 0
        except BrokerUnavailable as exc:
            return str(exc)
        for document in documents:
            if self._stopping.is_set() or not self._is_due(document, is_idle=is_idle):
                continue
            if failure := self._send(document):
                return failure
        return next((each.error for each in documents if each.error), "")

    def _is_due(self, document: Document, *, is_idle: bool) -> bool:
        sent = self._sent.get(document.id)
        if sent is None:
            return not self.folder.is_claimed(document)
        silent_s = min(time.monotonic() - sent.at, time.time() - document.retry_at)
        is_begun = document.state is not State.QUEUED and not document.error
        least_s = _ABANDONED_S if is_begun or is_idle else _UNSEEN_S
        if silent_s < min(least_s * 2 ** (0 if is_begun else min(sent.before, 20)), _LONGEST_UNSEEN_S):
            return False
        return not self.folder.is_claimed(document)

    def _send(self, document: Document) -> str:
        """Send the message of a document, and return why it could not be sent.

        In a context of its own: where sending fails, Celery's instrumentation leaves its span open.
        """
        last = self._sent.get(document.id)
        try:
            contextvars.copy_context().run(self._send_in_trace, document)
        except BrokerUnavailable as exc:
            return str(exc)
        self._sent[document.id] = _Sent(time.monotonic(), 0 if last is None else last.before + 1)
        return ""

    def _send_in_trace(self, document: Document) -> None:
        with trace_of(document):
            self._sender.send(document.tenant, document.id)
