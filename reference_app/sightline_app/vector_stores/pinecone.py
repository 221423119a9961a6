"""Pinecone as the vector store: one index that exists, in which each version of the app's index is a namespace.

Searches are by vectors alone. Pinecone is eventually consistent: what it accepted is found some seconds later, which
every write waits for. It takes no vector of zeros. Tested against a local double of its API, not against Pinecone.

Source: https://docs.pinecone.io/reference/api/2025-10/data-plane, https://docs.pinecone.io/guides/index-data/check-data-freshness
"""

from __future__ import annotations

import contextlib
import datetime
import threading
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import httpx
from numpy.typing import NDArray
from pinecone import Pinecone
from pinecone.exceptions import NotFoundException

from sightline_app.corpus import Passage
from sightline_app.embeddings.protocol import Matrix
from sightline_app.errors import AppError, InvalidSetting, RetrievalUnavailable
from sightline_app.retriever import Hit
from sightline_app.settings import AppSettings
from sightline_app.vector_stores.freshness import NEAREST, SAME, wait_until_searchable
from sightline_app.vector_stores.opening import check_words
from sightline_app.vector_stores.protocol import Progress
from sightline_app.vector_stores.threaded import ThreadedRetriever

_BATCH = 100
"""Vectors of one request, which may have 1000 and 2 MB."""
_READY_S = 3.0
_API_VERSION = "2025-10"
_WRITE_S = 120.0
_TEXTS = ("title", "text", "module", "context", "kind")


class PineconeStore:
    """Namespaces of one Pinecone index.

    Raises:
        InvalidSetting: the index' address or the key is missing, or the settings ask for an index of their own.
    """

    backend = "pinecone"

    def __init__(self, settings: AppSettings) -> None:
        where = settings.pinecone
        for name, value in (("index_host", where.index_host), ("api_key", where.api_key)):
            if not value:
                raise where.invalid(name, "a value with SIGHTLINE_RETRIEVAL=pinecone")
        if asked := settings.vector_index.variables_set():
            variable = next(iter(asked))
            raise InvalidSetting(variable, asked[variable], "Pinecone chooses its index itself: unset it")
        self._settings = settings
        self._open: Any = None
        self._opening = threading.Lock()

    @contextlib.contextmanager
    def _asking(self) -> Iterator[Any]:
        """Yield the index; its failures become ours."""
        where = self._settings.pinecone
        try:
            with self._opening:
                if self._open is None:
                    self._open = Pinecone(api_key=where.api_key).Index(host=where.index_host)
            yield self._open
        except (AppError, TypeError, AttributeError):  # ours
            raise
        except Exception as exc:  # Pinecone's own, and those of urllib3 and the system, which its client lets through
            brief = " ".join(str(exc).split())[:200] or type(exc).__name__
            raise RetrievalUnavailable(f"Pinecone at {where.index_host}: {brief}") from exc

    def reachable(self) -> bool:
        """Tell whether it answers now, and knows the key; asked without the client, which would try for 10 seconds."""
        where = self._settings.pinecone
        address = where.index_host if "//" in where.index_host else f"https://{where.index_host}"
        headers = {"Api-Key": where.api_key, "X-Pinecone-API-Version": _API_VERSION}
        try:
            url = f"{address.rstrip('/')}/describe_index_stats"
            return httpx.post(url, json={}, headers=headers, timeout=_READY_S).status_code == 200
        except (httpx.HTTPError, httpx.InvalidURL):
            return False

    def _counts(self) -> dict[str, int]:
        """Return namespace -> vectors in it."""
        with self._asking() as index:
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
        name = f"{self._settings.collection}_{version}"
        self._drop(name)
        self._write(name, passages, vectors, progress)
        self._wait(name, passages, vectors)
        return name

    def insert(self, collection: str, document: str, passages: Sequence[Passage], vectors: Matrix) -> None:
        """Put the passages of an uploaded document in the place of those that it has, and wait until they are found."""
        self.delete(collection, document)
        self._write(collection, passages, vectors, lambda done, total: None)
        self._wait(collection, passages, vectors)

    def delete(self, collection: str, document: str) -> None:
        """Remove the passages of an uploaded document."""
        with self._asking() as index, contextlib.suppress(NotFoundException):
            index.delete(namespace=collection, filter={"document": {"$eq": document}}, _request_timeout=_WRITE_S)

    def unsearchable(self, collection: str, passages: Sequence[Passage], vectors: Matrix) -> list[str]:
        """Return the ids of those passages that a search by their own vector does not find now."""
        missing = []
        for passage, vector in zip(passages, vectors, strict=True):
            if vector.any():
                found = self._search(collection, vector, None, NEAREST, include_metadata=False)
                # Of many passages with one vector, any of them will do.
                if not any(each.id == passage.id or 1 - each.score < SAME for each in found):
                    missing.append(passage.id)
        return missing

    def drop_others(self, keep: Collection[str]) -> None:
        """Drop the namespaces of other versions of the index."""
        for name in self._counts():
            if name.startswith(f"{self._settings.collection}_") and name not in keep:
                self._drop(name)

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
            disconnect=self._disconnect,
        )
        return reading

    def _disconnect(self) -> None:
        with self._opening:
            client, self._open = self._open, None
        if client is not None:
            client.close()

    def _search(
        self, namespace: str, vector: NDArray[Any], wanted: dict[str, Any] | None, limit: int, *, include_metadata: bool
    ) -> list[Any]:
        with self._asking() as index:
            found = index.query(
                namespace=namespace,
                vector=vector.tolist(),
                top_k=limit,
                filter=wanted,
                include_metadata=include_metadata,
                _request_timeout=self._settings.search_timeout_s,
            )
            return list(found.matches)

    def _write(self, namespace: str, passages: Sequence[Passage], vectors: Matrix, progress: Progress) -> None:
        with self._asking() as index:
            for start in range(0, len(passages), _BATCH):
                rows = zip(passages[start : start + _BATCH], vectors[start : start + _BATCH], strict=True)
                index.upsert(
                    namespace=namespace,
                    vectors=[_vector(passage, vector) for passage, vector in rows],
                    _request_timeout=_WRITE_S,
                )
                progress(min(start + _BATCH, len(passages)), len(passages))

    def _drop(self, namespace: str) -> None:
        with self._asking() as index, contextlib.suppress(NotFoundException):
            index.delete(namespace=namespace, delete_all=True, _request_timeout=_WRITE_S)

    def _wait(self, namespace: str, passages: Sequence[Passage], vectors: Matrix) -> None:
        wait_until_searchable(
            "Pinecone",
            passages,
            vectors,
            lambda sample, sampled: self.unsearchable(namespace, sample, sampled),
            self._settings.index_wait_s,
        )


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
            "day": datetime.date.fromisoformat(passage.date).toordinal(),
            "names": passage.names,
            **{name: getattr(passage, name) for name in _TEXTS},
        },
    }


def _hit(found: Any) -> Hit:
    known = found.metadata
    return Hit(
        id=found.id,
        names=list(known["names"]),
        date=datetime.date.fromordinal(int(known["day"])).isoformat(),
        score=float(found.score),
        **{name: known[name] for name in _TEXTS},
    )
