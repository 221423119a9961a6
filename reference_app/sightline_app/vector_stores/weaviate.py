"""The collections behind `retriever`: one for each version of the index, and the passages of uploads in it."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any

import weaviate
from numpy.typing import NDArray
from weaviate.classes.config import Configure, DataType, Property, Tokenization, VectorDistances
from weaviate.classes.data import DataObject
from weaviate.classes.query import Filter, MetadataQuery
from weaviate.exceptions import WeaviateBaseError

from sightline_app.analysis import name_terms, terms
from sightline_app.corpus import Passage
from sightline_app.errors import RetrievalUnavailable
from sightline_app.retriever import brief, location, weaviate_address
from sightline_app.settings import AppSettings

_BATCH = 500


class WeaviateIndex:
    """The ingest side: builds one physical collection for each version of the index.

    A new version is built beside the one that is being served; only when it is complete are older ones dropped.
    """

    backend = "weaviate"

    def __init__(self, settings: AppSettings) -> None:
        self._settings = settings

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
        with self._connect() as client:
            if not client.collections.exists(collection):
                return 0
            return int(client.collections.get(collection).aggregate.over_all(total_count=True).total_count or 0)

    def name(self, version: str) -> str:
        """Return the physical collection of an index version."""
        return f"{self._settings.collection}_{version}"

    def build(
        self, version: str, passages: Sequence[Passage], vectors: NDArray[Any], progress: Callable[[int, int], None]
    ) -> str:
        """Write all passages into a fresh collection and wait until they are searchable.

        Returns:
            The physical collection's name.

        Raises:
            RetrievalUnavailable: Weaviate did not answer, or refused passages.
        """
        name = self.name(version)
        try:
            with self._connect() as client:
                client.collections.delete(name)
                collection = client.collections.create(
                    name,
                    properties=_properties(),
                    vector_config=Configure.Vectors.self_provided(
                        vector_index_config=Configure.VectorIndex.hnsw(distance_metric=VectorDistances.COSINE)
                    ),
                )
                _insert(collection, passages, vectors, progress)
                self._wait_until_searchable(collection, passages, vectors)
        except (WeaviateBaseError, OSError) as exc:
            raise RetrievalUnavailable(f"writing to Weaviate failed: {brief(exc)}") from exc
        return name

    def insert(self, collection: str, document: str, passages: Sequence[Passage], vectors: NDArray[Any]) -> None:
        """Put the passages of an uploaded document in the place of those that it has, and wait until they are found.

        Raises:
            RetrievalUnavailable: Weaviate did not answer, or refused passages.
        """
        try:
            with self._connect() as client:
                found = client.collections.get(collection)
                found.data.delete_many(where=_of_document(document))
                _insert(found, passages, vectors, lambda done, total: None)
                self._wait_until_searchable(found, passages, vectors, _of_document(document))
        except (WeaviateBaseError, OSError) as exc:
            raise RetrievalUnavailable(f"writing to Weaviate failed: {brief(exc)}") from exc

    def delete(self, collection: str, document: str) -> None:
        """Remove the passages of an uploaded document.

        Raises:
            RetrievalUnavailable: Weaviate did not answer, or kept some.
        """
        try:
            with self._connect() as client:
                if not client.collections.exists(collection):
                    return
                done = client.collections.get(collection).data.delete_many(where=_of_document(document))
        except (WeaviateBaseError, OSError) as exc:
            raise RetrievalUnavailable(f"deleting from Weaviate failed: {brief(exc)}") from exc
        if done.failed:
            raise RetrievalUnavailable(f"Weaviate kept {done.failed} of {done.matches} passages")

    def _wait_until_searchable(
        self, collection: Any, passages: Sequence[Passage], vectors: NDArray[Any], among: Any = None
    ) -> None:
        """Wait until the count is right and sampled passages find themselves (a server may index asynchronously).

        Args:
            collection: that they are in.
            passages: that were inserted.
            vectors: of them.
            among: filter of what is counted; None counts all.
        """
        sample = range(0, len(passages), max(1, len(passages) // 7))
        deadline = time.monotonic() + 120
        while True:
            total = int(collection.aggregate.over_all(filters=among, total_count=True).total_count or 0)
            if total >= len(passages) and all(
                self._finds(collection, passages[row].id, vectors[row]) for row in sample
            ):
                return
            if time.monotonic() > deadline:
                raise RetrievalUnavailable(
                    f"Weaviate holds {total} of {len(passages)} passages and is not yet searchable"
                )
            time.sleep(0.2)

    @staticmethod
    def _finds(collection: Any, wanted: str, vector: NDArray[Any]) -> bool:
        if not vector.any():
            return True
        found = collection.query.near_vector(vector.tolist(), limit=1, return_metadata=MetadataQuery(distance=True))
        return any(str(each.uuid) == wanted or (each.metadata.distance or 0.0) < 1e-4 for each in found.objects)

    def drop_others(self, keep: Collection[str]) -> None:
        """Delete collections of older index versions."""
        with self._connect() as client:
            for name in client.collections.list_all():
                if name.startswith(f"{self._settings.collection}_") and name not in keep:
                    client.collections.delete(name)


def _insert(
    collection: Any, passages: Sequence[Passage], vectors: NDArray[Any], progress: Callable[[int, int], None]
) -> None:
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
