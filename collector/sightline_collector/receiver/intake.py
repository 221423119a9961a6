"""The way of a request from any transport to the spool: let in, redacted, checked, then durable, then counted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from sightline_collector import otlp
from sightline_collector.access import Access, Principal, Sites
from sightline_collector.errors import BadRequest, NotNow
from sightline_collector.redaction import Redactor
from sightline_collector.spool.writer import Spool
from sightline_collector.stamp import stamp_tenant
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

    def admit(self, headers: Mapping[str, str]) -> Principal:
        """Say who sends, before the body is read.

        Args:
            headers: HTTP headers or gRPC metadata, names in lower case.

        Raises:
            BadRequest: 401 or 403.
            NotNow: 429, the key has used up its rate.
        """
        self._sites.check(headers)
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
        if self._redactor is not None:
            body = await asyncio.to_thread(self._redactor.apply, signal, body)
        checked = otlp.check(signal, body)
        if not checked.items:
            return
        self._access.charge(sender, checked.items)
        payload = stamp_tenant(signal, checked.payload, sender.tenant) if sender.tenant else checked.payload
        promise, is_new = self._spool.append(signal, payload, checked.items)
        await asyncio.shield(asyncio.wrap_future(promise))
        self._counts.received(signal, checked.items, len(body), is_new=is_new)

    def refused(self, error: BadRequest | NotNow) -> None:
        """Count a request that was not accepted, by its reason."""
        self._counts.rejected(str(error.status) if isinstance(error, BadRequest) else type(error).__name__)

    def cors(self, headers: Mapping[str, str]) -> list[tuple[str, str]]:
        """Headers by which a browser lets a page see the answer; none where no page asked."""
        return self._sites.cors(headers)
