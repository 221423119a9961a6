"""Weaviate, the default: one collection for each version of the index, and the passages of uploads in it.

Searches are in `weaviate_search`, the forms of the vector index in `weaviate_config`.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from typing import Any

import httpx
import numpy as np
import weaviate
from numpy.typing import NDArray
from weaviate.classes.config import Configure, DataType, Property, Tokenization
from weaviate.classes.data import DataObject
from weaviate.classes.query import Filter
from weaviate.exceptions import WeaviateBaseError

from sightline_app.analysis import name_terms, terms
from sightline_app.corpus import Passage
from sightline_app.embeddings.protocol import Matrix
from sightline_app.errors import InvalidSetting, RetrievalUnavailable
from sightline_app.settings import AppSettings
from sightline_app.vector_stores import weaviate_config
from sightline_app.vector_stores.base import BaseStore, batches
from sightline_app.vector_stores.connection import Connection
from sightline_app.vector_stores.freshness import NEAREST, SAME
from sightline_app.vector_stores.protocol import Progress
from sightline_app.vector_stores.weaviate_search import WeaviateRetriever, location, weaviate_address

_BATCH = 500
_DELETED_AT_ONCE = 10_000
"""Passages that Weaviate deletes for one request at most (QUERY_MAXIMUM_RESULTS)."""
_READY_S = 3.0


class WeaviateStore(BaseStore):
    """Collections of Weaviate.

    A new version is built beside the one that is being served; only when it is complete are older ones dropped.

    Raises:
        InvalidSetting: Weaviate has no index such as the settings ask for, or WEAVIATE_URL is no address.
    """

    backend, title = "weaviate", "Weaviate"

    def __init__(self, settings: AppSettings) -> None:
        super().__init__(settings)
        weaviate_config.check(settings.vector_index)
        try:
            self._address = weaviate_address(settings)
        except ValueError as exc:  # its port is no number
            raise InvalidSetting("WEAVIATE_URL", settings.weaviate_url or "", f"{exc}") from exc
        place, failures = f"Weaviate at {self._address}", (WeaviateBaseError, httpx.HTTPError, OSError)
        self._connection = Connection(
            place, lambda: _connected(settings), failures, disconnect=lambda client: client.close(), renewed=True
        )
        # The client's own question prints what went wrong.
        self._readiness = Connection(place, httpx.Client, (httpx.HTTPError,), disconnect=lambda client: client.close())

    def reachable(self) -> bool:
        """Tell whether Weaviate answers now."""
        try:
            with self._readiness.asking() as client:
                url = f"{self._address}/v1/.well-known/ready"
                is_ready = client.get(url, timeout=min(_READY_S, self._settings.search_timeout_s)).is_success
        except RetrievalUnavailable:
            is_ready = False
        if not is_ready:
            self._connection.close()
        return is_ready

    def count(self, collection: str) -> int:
        """Return how many passages a collection holds; 0 when it is not there."""
        with self._connection.asking() as client:
            if not client.collections.exists(collection):
                return 0
            return int(client.collections.get(collection).aggregate.over_all(total_count=True).total_count or 0)

    def build(self, version: str, passages: Sequence[Passage], vectors: Matrix, progress: Progress) -> str:
        """Write all passages into a fresh collection and wait until they are searchable."""
        name = self.name(version)
        with self._connection.asking() as client:
            client.collections.delete(name)
            index = weaviate_config.vector_index(self._settings.vector_index)
            collection = client.collections.create(
                name,
                properties=_properties(),
                vector_config=Configure.Vectors.self_provided(vector_index_config=index),
            )
            self._write(name, passages, vectors, progress)
            weaviate_config.compress(client, collection, self._settings.vector_index, len(passages))
        self._wait(name, passages, vectors)
        return name

    def delete(self, collection: str, *documents: str) -> None:
        """Remove the passages of uploaded documents."""
        with self._connection.asking() as client:
            if not documents or not client.collections.exists(collection):
                return
            data, where = client.collections.get(collection).data, Filter.by_property("document")
            while True:
                done = data.delete_many(where=where.contains_any(list(documents)))
                if done.failed:
                    raise RetrievalUnavailable(f"Weaviate kept {done.failed} of {done.matches} passages")
                if done.successful < _DELETED_AT_ONCE:
                    return

    def _write(self, collection: str, passages: Sequence[Passage], vectors: Matrix, progress: Progress) -> None:
        with self._connection.asking() as client:
            data = client.collections.get(collection).data
            for rows in batches(passages, vectors, _BATCH, progress):
                answer = data.insert_many(
                    [DataObject(uuid=each.id, properties=_stored(each), vector=row.tolist()) for each, row in rows]
                )
                if answer.has_errors:
                    first = next(iter(answer.errors.values()))
                    raise RetrievalUnavailable(f"Weaviate refused {len(answer.errors)} passages: {first.message}")

    def _found(self, collection: str, wanted: Sequence[tuple[str, NDArray[Any]]]) -> set[str]:
        with self._connection.asking() as client:
            query = client.collections.get(collection).query
            return {passage for passage, vector in wanted if _is_found(query, passage, vector)}

    def retriever(self, collection: str) -> WeaviateRetriever:
        """Return the hybrid search."""
        return WeaviateRetriever(self._settings, collection)

    def _names(self) -> Iterable[str]:
        with self._connection.asking() as client:
            return list(client.collections.list_all())

    def _drop(self, collection: str) -> None:
        with self._connection.asking() as client:
            client.collections.delete(collection)


def _connected(settings: AppSettings) -> Any:
    try:
        return weaviate.connect_to_custom(**location(settings))
    except ValueError as exc:
        raise RetrievalUnavailable(f"WEAVIATE_URL is no address: {exc}") from exc


def _is_found(query: Any, passage: str, vector: NDArray[Any]) -> bool:
    answer = query.near_vector(vector.tolist(), limit=NEAREST, include_vector=True, return_properties=[])
    # The distance that Weaviate tells is not looked at: after a deletion it can be that of the entry that is gone (1.35
    # with ASYNC_INDEXING).
    return any(
        str(each.uuid) == passage or _is_same(np.asarray(each.vector["default"]), vector) for each in answer.objects
    )


def _is_same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether two vectors have the same direction; Weaviate keeps those of a cosine index at unit length."""
    return bool(1 - one @ other < SAME)


def _properties() -> list[Property]:
    stems = [
        Property(name=name, data_type=DataType.TEXT, tokenization=Tokenization.WHITESPACE, index_filterable=False)
        for name in ("names_stems", "title_stems", "text_stems", "context_stems")
    ]
    shown = [
        Property(name=name, data_type=DataType.TEXT, index_filterable=False, index_searchable=False)
        for name in ("title", "text", "module", "context", "kind")
    ]
    listed = [
        Property(name=name, data_type=DataType.TEXT_ARRAY, tokenization=Tokenization.FIELD, index_searchable=False)
        for name in ("names", "tenants")
    ]
    document = Property(
        name="document", data_type=DataType.TEXT, tokenization=Tokenization.FIELD, index_searchable=False
    )
    date = Property(name="date", data_type=DataType.DATE, index_range_filters=True)
    return [*stems, *shown, *listed, document, date]


def _stored(passage: Passage) -> dict[str, Any]:
    return {
        "title": passage.title,
        "text": passage.text,
        "module": passage.module,
        "context": passage.context,
        "kind": passage.kind,
        "names": passage.names,
        "document": passage.document,
        "tenants": [passage.tenant],
        "date": datetime.datetime.combine(datetime.date.fromisoformat(passage.date), datetime.time(), datetime.UTC),
        "names_stems": " ".join(dict.fromkeys(name_terms(passage.names[:6]))),
        "title_stems": " ".join(terms(passage.title)),
        "text_stems": " ".join(terms(passage.text)),
        "context_stems": " ".join(terms(passage.context)),
    }
