"""Weaviate, the default: one collection for each version of the index, and the passages of uploads in it.

Searches are in `weaviate_search`, the forms of the vector index in `weaviate_config`.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Collection, Iterator, Sequence
from typing import Any

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
from sightline_app.errors import RetrievalUnavailable
from sightline_app.settings import AppSettings
from sightline_app.vector_stores import weaviate_config
from sightline_app.vector_stores.freshness import NEAREST, SAME, wait_until_searchable
from sightline_app.vector_stores.protocol import Progress
from sightline_app.vector_stores.weaviate_search import WeaviateRetriever, brief, location, weaviate_address

_BATCH = 500


class WeaviateStore:
    """Collections of Weaviate.

    A new version is built beside the one that is being served; only when it is complete are older ones dropped.

    Raises:
        InvalidSetting: Weaviate has no index such as the settings ask for.
    """

    backend = "weaviate"

    def __init__(self, settings: AppSettings) -> None:
        self._settings = settings
        weaviate_config.check(settings.vector_index)

    @contextlib.contextmanager
    def _writing(self, what: str) -> Iterator[Any]:
        """Yield a connected client; failures of Weaviate say what they prevented."""
        try:
            with self._connect() as client:
                yield client
        except (WeaviateBaseError, OSError) as exc:
            raise RetrievalUnavailable(f"{what} Weaviate failed: {brief(exc)}") from exc

    def _connect(self) -> Any:
        try:
            return weaviate.connect_to_custom(**location(self._settings))
        except (WeaviateBaseError, OSError, ValueError) as exc:
            raise RetrievalUnavailable(
                f"Weaviate at {weaviate_address(self._settings)} did not answer: {brief(exc)}"
            ) from exc

    def reachable(self) -> bool:
        """Tell whether Weaviate answers now."""
        try:
            with self._connect() as client:
                return bool(client.is_ready())
        except RetrievalUnavailable:
            return False

    def count(self, collection: str) -> int:
        """Return how many passages a collection holds; 0 when it is not there."""
        with self._writing("counting in") as client:
            if not client.collections.exists(collection):
                return 0
            return int(client.collections.get(collection).aggregate.over_all(total_count=True).total_count or 0)

    def name(self, version: str) -> str:
        """Return the physical collection of an index version."""
        return f"{self._settings.collection}_{version}"

    def build(self, version: str, passages: Sequence[Passage], vectors: Matrix, progress: Progress) -> str:
        """Write all passages into a fresh collection and wait until they are searchable."""
        name = self.name(version)
        with self._writing("writing to") as client:
            client.collections.delete(name)
            index = weaviate_config.vector_index(self._settings.vector_index)
            collection = client.collections.create(
                name,
                properties=_properties(),
                vector_config=Configure.Vectors.self_provided(vector_index_config=index),
            )
            _insert(collection, passages, vectors, progress)
            weaviate_config.compress(client, collection, self._settings.vector_index, len(passages))
            self._wait(collection, passages, vectors)
        return name

    def insert(self, collection: str, document: str, passages: Sequence[Passage], vectors: Matrix) -> None:
        """Put the passages of an uploaded document in the place of those that it has, and wait until they are found."""
        with self._writing("writing to") as client:
            found = client.collections.get(collection)
            found.data.delete_many(where=_of_document(document))
            _insert(found, passages, vectors, lambda done, total: None)
            self._wait(found, passages, vectors)

    def delete(self, collection: str, document: str) -> None:
        """Remove the passages of an uploaded document."""
        with self._writing("deleting from") as client:
            if not client.collections.exists(collection):
                return
            done = client.collections.get(collection).data.delete_many(where=_of_document(document))
        if done.failed:
            raise RetrievalUnavailable(f"Weaviate kept {done.failed} of {done.matches} passages")

    def unsearchable(self, collection: str, passages: Sequence[Passage], vectors: Matrix) -> list[str]:
        """Return the ids of those passages that a search by their own vector does not find now."""
        with self._writing("searching in") as client:
            return _unsearchable(client.collections.get(collection), passages, vectors)

    def _wait(self, collection: Any, passages: Sequence[Passage], vectors: Matrix) -> None:
        wait_until_searchable(
            "Weaviate",
            passages,
            vectors,
            lambda sample, sampled: _unsearchable(collection, sample, sampled),
            self._settings.index_wait_s,
        )

    def retriever(self, collection: str) -> WeaviateRetriever:
        """Return the hybrid search."""
        return WeaviateRetriever(self._settings, collection)

    def drop_others(self, keep: Collection[str]) -> None:
        """Drop the collections of other versions of the index."""
        with self._writing("deleting from") as client:
            for name in client.collections.list_all():
                if name.startswith(f"{self._settings.collection}_") and name not in keep:
                    client.collections.delete(name)


def _unsearchable(collection: Any, passages: Sequence[Passage], vectors: Matrix) -> list[str]:
    missing = []
    for passage, vector in zip(passages, vectors, strict=True):
        if not vector.any():
            continue
        answer = collection.query.near_vector(vector.tolist(), limit=NEAREST, include_vector=True, return_properties=[])
        # Of many passages with one vector, any of them will do. The distance that Weaviate tells is not looked at:
        # after a deletion it can be that of the entry that is gone (1.35 with ASYNC_INDEXING).
        near = any(
            str(each.uuid) == passage.id or _is_same(np.asarray(each.vector["default"]), vector)
            for each in answer.objects
        )
        if not near:
            missing.append(passage.id)
    return missing


def _is_same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether two vectors have the same direction; Weaviate keeps those of a cosine index at unit length."""
    return bool(1 - one @ other < SAME)


def _insert(collection: Any, passages: Sequence[Passage], vectors: Matrix, progress: Progress) -> None:
    for start in range(0, len(passages), _BATCH):
        rows = zip(passages[start : start + _BATCH], vectors[start : start + _BATCH], strict=True)
        answer = collection.data.insert_many(
            [DataObject(uuid=passage.id, properties=_stored(passage), vector=row.tolist()) for passage, row in rows]
        )
        if answer.has_errors:
            first = next(iter(answer.errors.values()))
            raise RetrievalUnavailable(f"Weaviate refused {len(answer.errors)} passages: {first.message}")
        progress(min(start + _BATCH, len(passages)), len(passages))


def _of_document(document: str) -> Any:
    return Filter.by_property("document").equal(document)


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
