"""Pinecone as the vector store: one index that exists, in which each version of the app's index is a namespace.

Searches are by vectors alone. Pinecone is eventually consistent: what it accepted is found some seconds later, which
every write waits for. It takes no vector of zeros. Tested against a local double of its API, not against Pinecone.

Source: https://docs.pinecone.io/reference/api/2025-10/data-plane, https://docs.pinecone.io/guides/index-data/check-data-freshness
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterable, Sequence
from typing import Any

import httpx
from numpy.typing import NDArray
from pinecone import Pinecone
from pinecone.exceptions import NotFoundException, PineconeException
from urllib3.exceptions import HTTPError

from sightline_app.corpus import Passage
from sightline_app.embeddings.protocol import Matrix
from sightline_app.errors import InvalidSetting, RetrievalUnavailable
from sightline_app.retriever import Hit
from sightline_app.settings import AppSettings
from sightline_app.vector_stores.base import BaseStore, batches, day_of, hit_of, kept
from sightline_app.vector_stores.connection import Connection
from sightline_app.vector_stores.freshness import NEAREST, SAME
from sightline_app.vector_stores.opening import check_words
from sightline_app.vector_stores.protocol import Progress
from sightline_app.vector_stores.threaded import ThreadedRetriever

_BATCH = 100
"""Vectors of one request, which may have 1000 and 2 MB."""
_READY_S = 3.0
_API_VERSION = "2025-10"
_WRITE_S = 120.0


class PineconeStore(BaseStore):
    """Namespaces of one Pinecone index.

    Raises:
        InvalidSetting: the index' address or the key is missing, or the settings ask for an index of their own.
    """

    backend, title = "pinecone", "Pinecone"

    def __init__(self, settings: AppSettings) -> None:
        where = settings.pinecone
        for name, value in (("index_host", where.index_host), ("api_key", where.api_key)):
            if not value:
                raise where.invalid(name, "a value with SIGHTLINE_RETRIEVAL=pinecone")
        if asked := settings.vector_index.variables_set():
            variable = next(iter(asked))
            raise InvalidSetting(variable, asked[variable], "Pinecone chooses its index itself: unset it")
        super().__init__(settings)
        self._connection: Connection[Any] = Connection(
            f"Pinecone at {where.index_host}",
            lambda: Pinecone(api_key=where.api_key).Index(host=where.index_host),
            (PineconeException, HTTPError, OSError),  # its client lets errors of urllib3 and the system through
            disconnect=lambda index: index.close(),
        )
        self._readiness = Connection(
            f"Pinecone at {where.index_host}",
            httpx.Client,
            (httpx.HTTPError, httpx.InvalidURL),
            disconnect=lambda client: client.close(),
        )

    def reachable(self) -> bool:
        """Tell whether it answers now, and knows the key; asked without the client, which would try for 10 seconds."""
        where = self._settings.pinecone
        address = where.index_host if "//" in where.index_host else f"https://{where.index_host}"
        headers = {"Api-Key": where.api_key, "X-Pinecone-API-Version": _API_VERSION}
        try:
            with self._readiness.asking() as client:
                url = f"{address.rstrip('/')}/describe_index_stats"
                return client.post(url, json={}, headers=headers, timeout=_READY_S).is_success
        except RetrievalUnavailable:
            return False

    def _counts(self) -> dict[str, int]:
        """Return namespace -> vectors in it."""
        with self._connection.asking() as index:
            stats = index.describe_index_stats(_request_timeout=self._settings.search_timeout_s)
            return {name: int(each.vector_count) for name, each in (stats.namespaces or {}).items()}

    def count(self, collection: str) -> int:
        """Return how many passages a namespace holds; it follows some seconds behind the writes."""
        return self._counts().get(collection, 0)

    def build(self, version: str, passages: Sequence[Passage], vectors: Matrix, progress: Progress) -> str:
        """Write all passages into an empty namespace and wait until they are found and counted.

        Raises:
            RetrievalUnavailable: also where a passage has a vector of zeros, which Pinecone refuses.
        """
        name = self.name(version)
        self._drop(name)
        self._write(name, passages, vectors, progress)
        self._wait(name, passages, vectors)
        return name

    def delete(self, collection: str, *documents: str) -> None:
        """Remove the passages of uploaded documents."""
        if not documents:
            return
        wanted = {"document": {"$in": list(documents)}}
        with self._connection.asking() as index, contextlib.suppress(NotFoundException):
            index.delete(namespace=collection, filter=wanted, _request_timeout=_WRITE_S)

    def _found(self, collection: str, wanted: Sequence[tuple[str, NDArray[Any]]]) -> set[str]:
        def is_found(passage: str, vector: NDArray[Any]) -> bool:
            nearest = self._search(collection, vector, None, NEAREST, include_metadata=False)
            return any(each.id == passage or 1 - each.score < SAME for each in nearest)

        return {passage for passage, vector in wanted if is_found(passage, vector)}

    def _names(self) -> Iterable[str]:
        return self._counts()

    def retriever(self, collection: str) -> ThreadedRetriever:
        """Return the search by vectors."""
        check_words(self._settings, self.backend)

        def nearest(vector: NDArray[Any], tenants: list[str], since: datetime.date | None, limit: int) -> list[Hit]:
            wanted: dict[str, Any] = {"tenant": {"$in": tenants}}
            if since is not None:
                wanted = {"$and": [wanted, {"day": {"$gte": since.toordinal()}}]}
            found = self._search(reading.collection, vector, wanted, limit, include_metadata=True)
            return [_hit(each) for each in found]

        reading = ThreadedRetriever(
            self.backend,
            "query",
            collection,
            nearest=nearest,
            reachable=self.reachable,
            timeout_s=self._settings.search_timeout_s,
            disconnect=self._connection.close,
        )
        return reading

    def _search(
        self, namespace: str, vector: NDArray[Any], wanted: dict[str, Any] | None, limit: int, *, include_metadata: bool
    ) -> list[Any]:
        with self._connection.asking() as index:
            found = index.query(
                namespace=namespace,
                vector=vector.tolist(),
                top_k=limit,
                filter=wanted,
                include_metadata=include_metadata,
                _request_timeout=self._settings.search_timeout_s,
            )
            return list(found.matches)

    def _write(self, collection: str, passages: Sequence[Passage], vectors: Matrix, progress: Progress) -> None:
        with self._connection.asking() as index:
            for rows in batches(passages, vectors, _BATCH, progress):
                told = [_vector(passage, vector) for passage, vector in rows]
                index.upsert(namespace=collection, vectors=told, _request_timeout=_WRITE_S)

    def _drop(self, collection: str) -> None:
        with self._connection.asking() as index, contextlib.suppress(NotFoundException):
            index.delete(namespace=collection, delete_all=True, _request_timeout=_WRITE_S)


def _vector(passage: Passage, vector: NDArray[Any]) -> dict[str, Any]:
    if not vector.any():
        raise RetrievalUnavailable(
            f"Pinecone takes no vector of zeros, which {passage.title!r} has: choose another SIGHTLINE_EMBEDDING"
        )
    return {
        "id": passage.id,
        "values": [float(value) for value in vector],
        "metadata": {
            "tenant": passage.tenant,
            "document": passage.document,
            "day": day_of(passage.date),
            **kept(passage),
        },
    }


def _hit(found: Any) -> Hit:
    return hit_of(found.id, found.metadata, int(found.metadata["day"]), float(found.score))
