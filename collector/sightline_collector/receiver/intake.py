"""The way of a request from any transport to the spool: admitted, checked, then durable, then counted."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future

from sightline_collector.errors import BadRequest, NotNow
from sightline_collector.receiver.access import Access, Principal, Sites
from sightline_collector.request import otlp
from sightline_collector.request.redaction import Redactor
from sightline_collector.spool.writer import Spool
from sightline_collector.telemetry import Counts
from sightline_store.ingest import Signal


class Intake:
    """What both receivers hand their requests to."""

    def __init__(self, spool: Spool, counts: Counts, access: Access, sites: Sites, redactor: Redactor | None) -> None:
        self._spool = spool
        self._counts = counts
        self._access = access
        self._sites = sites
        self._redactor = redactor
        self._done: deque[asyncio.Future[None]] = deque()
        self._is_waking = False

    def check_site(self, headers: Mapping[str, str], *, takes_pages: bool) -> None:
        """Refuse what a foreign page made a browser send. HTTP only: no page can make a browser speak gRPC.

        Args:
            headers: names in lower case, repeated ones joined.
            takes_pages: whether pages of the origins that may send are taken.

        Raises:
            BadRequest: 403.
        """
        self._sites.check(headers, takes_pages=takes_pages)

    def admit(self, headers: Mapping[str, str]) -> Principal:
        """Say who sends, before the body is read.

        Args:
            headers: HTTP headers or gRPC metadata, names in lower case.

        Raises:
            BadRequest: 401.
            NotNow: 429, the key has used up its rate.
        """
        return self._access.authenticate(headers)

    async def accept(self, signal: Signal, body: bytes, sender: Principal) -> None:
        """Return when the request is on disk, fsynced.

        Args:
            signal: what the path or the service said.
            body: the request in Protobuf, decompressed.
            sender: from `admit`.

        Raises:
            BadRequest: it can never be accepted.
            NotNow: it can be sent again.
        """
        if self._redactor is not None:  # Patterns take long: other requests go on meanwhile.
            checked = await asyncio.to_thread(otlp.check, signal, body, tenant=sender.tenant, redactor=self._redactor)
        else:
            checked = otlp.check(signal, body, tenant=sender.tenant)
        if not checked.items:
            return
        self._access.charge(sender, checked.items)
        promise, is_new = self._spool.append(signal, checked.payload, checked.services)
        await self._kept(promise)
        self._counts.received(signal, checked.services, len(body), is_new=is_new)

    async def _kept(self, promise: Future[None]) -> None:
        """Return when a promise is kept, raise when it is broken. One wake-up of the loop serves all of a sync."""
        if not promise.done():
            loop = asyncio.get_running_loop()
            waiter: asyncio.Future[None] = loop.create_future()

            def done(_: Future[None]) -> None:
                self._done.append(waiter)
                if not self._is_waking:
                    self._is_waking = True
                    loop.call_soon_threadsafe(self._wake)

            promise.add_done_callback(done)
            await waiter
        promise.result()

    def _wake(self) -> None:
        # First, so that whoever still reads it as set has been queued before the queue is looked at.
        self._is_waking = False
        while self._done:
            waiter = self._done.popleft()
            if not waiter.done():  # Its client may have gone.
                waiter.set_result(None)

    def refused(self, error: BadRequest | NotNow) -> None:
        """Count a request that was not accepted, by its reason."""
        self._counts.rejected(str(error.status) if isinstance(error, BadRequest) else type(error).__name__)

    def cors(self, headers: Mapping[str, str]) -> list[tuple[str, str]]:
        """Headers by which a browser lets a page see the answer; none where no page asked."""
        return self._sites.cors(headers)
