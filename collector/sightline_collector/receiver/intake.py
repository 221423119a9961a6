"""The way of a request from any transport to the spool: checked, then durable, then counted."""

from __future__ import annotations

import asyncio

from sightline_collector import otlp
from sightline_collector.errors import BadRequest, NotNow
from sightline_collector.spool.writer import Spool
from sightline_collector.telemetry import Counts
from sightline_store.ingest import Signal


class Intake:
    """What both receivers hand their requests to."""

    def __init__(self, spool: Spool, counts: Counts) -> None:
        self._spool = spool
        self._counts = counts

    async def accept(self, signal: Signal, body: bytes) -> None:
        """Return when the request is on disk, fsynced.

        Args:
            signal: what the path or the service said.
            body: the request in Protobuf, decompressed.

        Raises:
            BadRequest: it can never be accepted.
            NotNow: it can be sent again.
        """
        checked = otlp.check(signal, body)
        if checked.items:
            promise, is_new = self._spool.append(signal, checked.payload, checked.items)
            await asyncio.shield(asyncio.wrap_future(promise))
            self._counts.received(signal, checked.items, is_new=is_new)

    def refused(self, error: BadRequest | NotNow) -> None:
        """Count a request that was not accepted, by its reason."""
        self._counts.rejected(str(error.status) if isinstance(error, BadRequest) else type(error).__name__)
