"""The reading side of stores whose clients block: their searches run in threads of its own, and by vectors alone."""

from __future__ import annotations

import asyncio
import contextvars
import datetime
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from numpy.typing import NDArray

from sightline_app.errors import RetrievalUnavailable
from sightline_app.retriever import Hit, visible_to
from sightline_app.vector_stores.connection import search_circuit

_AT_ONCE = 16
"""Searches at once; a search that was given up holds its thread until the client gives up too."""
_READY_S = 3.0
_R = TypeVar("_R")

Nearest = Callable[[NDArray[Any], list[str], datetime.date | None, int], list[Hit]]
"""Vector, tenants, first date and limit -> the nearest passages; raises RetrievalUnavailable."""


class ThreadedRetriever:
    """Searches by vectors.

    Args:
        backend: name of the store.
        operation: the store's own name of the search.
        collection: what is searched.
        nearest: the search.
        reachable: whether the store answers.
        timeout_s: longest wait for one search.
        disconnect: lets go of the client's connections.
    """

    def __init__(
        self,
        backend: str,
        operation: str,
        collection: str,
        *,
        nearest: Nearest,
        reachable: Callable[[], bool],
        timeout_s: float,
        disconnect: Callable[[], None] = lambda: None,
    ) -> None:
        self.backend, self.operation, self.collection = backend, operation, collection
        self._nearest, self._reachable = nearest, reachable
        self._timeout_s, self._disconnect = timeout_s, disconnect
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix=f"search-{backend}")
        self._circuit = search_circuit()

    async def search(
        self, question: str, vector: NDArray[Any], *, tenant: str, since: datetime.date | None, limit: int
    ) -> list[Hit]:
        """Return the passages that are nearest to the vector; the question's words are not looked at.

        Raises:
            RetrievalUnavailable: the store did not answer in time, or has not for a while and was not asked.
        """
        del question
        if not vector.any():
            return []
        if not self._circuit.admits():
            raise RetrievalUnavailable(f"{self.backend} did not answer the last questions in time")
        try:
            hits = await self._in_thread(
                lambda: self._nearest(vector, visible_to(tenant), since, limit), self._timeout_s
            )
        except TimeoutError as exc:
            self._circuit.failed()
            raise RetrievalUnavailable(f"{self.backend} did not answer within {self._timeout_s:g} s") from exc
        self._circuit.worked()
        return hits

    async def _in_thread(self, do: Callable[[], _R], timeout_s: float) -> _R:
        async with asyncio.timeout(timeout_s):
            # With its context, so that spans of an instrumented client stand below that of the search.
            return await asyncio.get_running_loop().run_in_executor(self._threads, contextvars.copy_context().run, do)

    async def ready(self) -> bool:
        """Tell whether the store answers now."""
        try:
            is_ready = await self._in_thread(self._reachable, min(_READY_S, self._timeout_s))
        except TimeoutError:
            return False
        if is_ready:
            self._circuit.worked()
        return is_ready

    async def close(self) -> None:
        """Let go of threads and connections; a search that still waits ends with its client's timeout."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._disconnect()
